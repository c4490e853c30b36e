"""VAT of many documents at once, to the kopeck what `core.tax.tax_lines` says of each.

A worked example, two documents of lines 10 and 10, and 33, at 22 % per document: exact VAT is
2.2 + 2.2 → 4 spread as 2 and 2; and 7.26 → 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from kvit.core.columnar.exact import LIMIT, Exact, NotColumnar, largest
from kvit.core.columnar.runs import Rows, borders
from kvit.core.tax import Basis, Method

Rated = tuple[Fraction | None, Basis]
"""The percentage (None: without VAT) and whether amounts are net or gross of it."""


@dataclass(frozen=True, slots=True)
class TaxedColumns:
    """Minor units of each line; `net + vat == total`."""

    net: Rows
    vat: Rows
    total: Rows


def tax_columns(
    amounts: Rows, documents: Rows, classes: Rows, rates: Sequence[Rated], method: Method
) -> TaxedColumns:
    """Tax the lines of many documents.

    Args:
        documents: of each line, any whole number; lines of a document stand in their order.
        classes: of each line, a place in `rates`.

    Raises:
        NotColumnar: an amount leaves 64 bits on the way.
    """
    shares = [_share(*one) for one in rates]
    den = lcm(*(one.denominator for one in shares), 1)
    factors = np.array([one.numerator * (den // one.denominator) for one in shares], np.int64)
    if largest(amounts) * max(largest(factors), 1) * max(len(amounts), 1) * 2 >= LIMIT:
        raise NotColumnar("tax")
    exact = amounts * factors[classes]
    if method == "line":
        vat: Rows = Exact(exact, den).rounded(1)
    else:
        vat = _spread(exact, den, documents, classes)
    gross = np.array([basis == "gross" for _, basis in rates], np.bool_)[classes]
    net = np.where(gross, amounts - vat, amounts)
    return TaxedColumns(net, vat, net + vat)


def _share(rate: Fraction | None, basis: Basis) -> Fraction:
    """Return VAT as a share of the amount."""
    if rate is None:
        return Fraction(0)
    if rate < 0:
        raise ValueError(f"negative VAT rate {rate}")
    return rate / (100 if basis == "net" else 100 + rate)


def _spread(exact: Rows, den: int, documents: Rows, classes: Rows) -> Rows:
    """Round the sum of each document and class once, and its parts so that they add up to it:
    cut towards zero, what is missing goes to those that lost most, the earlier first."""
    if not len(exact):
        return exact
    places = np.arange(len(exact))
    order = np.lexsort((places, classes, documents))
    groups = borders(documents[order], classes[order])
    owner = np.repeat(np.arange(len(groups.starts)), groups.counts)
    sorted_exact = exact[order]
    parts: Rows = np.sign(sorted_exact) * (np.abs(sorted_exact) // den)
    whole: Rows = Exact(np.add.reduceat(sorted_exact, groups.starts), den).rounded(1)
    missing = whole - np.add.reduceat(parts, groups.starts)
    unit = np.where(missing > 0, 1, -1)
    lost = unit[owner] * (parts * den - sorted_exact)
    ranked = np.lexsort((np.arange(len(owner)), lost, owner))
    rank = np.arange(len(owner)) - groups.starts[owner]  # of `ranked`, group by group
    chosen = ranked[rank < np.abs(missing)[owner]]
    parts[chosen] += unit[owner[chosen]]
    vat: Rows = np.empty_like(parts)
    vat[order] = parts
    return vat
