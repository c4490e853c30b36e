"""VAT by date, taken out of a price or added to it, per line or per document.

A worked example, two lines of 0.33 at 22 % on top:

    per line:      0.33 × 0.22 = 0.0726 → 0.07 each, 0.14 in all
    per document:  0.66 × 0.22 = 0.1452 → 0.15, spread as 0.08 + 0.07

Either way net + VAT = total on every line and in sum, since VAT is rounded once and the third
figure is a sum or a difference. Rates are per cent; amounts are integers of minor units.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from kvit.core.money import NotANumber, parse_decimal, round_fraction

Basis = Literal["net", "gross"]
Method = Literal["line", "document"]
BASES: tuple[Basis, ...] = ("net", "gross")
METHODS: tuple[Method, ...] = ("document", "line")


class UnknownTaxCode(ValueError):
    """The code is neither of the table nor a percentage of 0 to 100."""


class RateNotInForce(ValueError):
    """The code had no rate on that date."""


@dataclass(frozen=True, slots=True)
class DatedRate:
    """A rate that the law set from a day on, until the next of the same code."""

    code: str
    since: date
    percent: Fraction | None  # None: "без НДС"
    law: str


# The one table of rates. What a code meant before its first row is not billed by Kvit.
VAT_TABLE: tuple[DatedRate, ...] = (
    DatedRate("auto", date(2001, 1, 1), Fraction(20), "НК РФ ст. 164 п. 3 (118-ФЗ от 05.08.2000)"),
    DatedRate("auto", date(2004, 1, 1), Fraction(18), "НК РФ ст. 164 п. 3 (117-ФЗ от 07.07.2003)"),
    DatedRate("auto", date(2019, 1, 1), Fraction(20), "НК РФ ст. 164 п. 3 (303-ФЗ от 03.08.2018)"),
    DatedRate("auto", date(2026, 1, 1), Fraction(22), "НК РФ ст. 164 п. 3 (425-ФЗ от 28.11.2025)"),
    DatedRate("10", date(2001, 1, 1), Fraction(10), "НК РФ ст. 164 п. 2"),
    DatedRate("0", date(2001, 1, 1), Fraction(0), "НК РФ ст. 164 п. 1"),
    DatedRate("none", date(2001, 1, 1), None, "НК РФ ст. 145, 149, 346.11"),
    DatedRate("usn5", date(2025, 1, 1), Fraction(5), "НК РФ ст. 164 п. 8 (176-ФЗ от 12.07.2024)"),
    DatedRate("usn7", date(2025, 1, 1), Fraction(7), "НК РФ ст. 164 п. 8 (176-ФЗ от 12.07.2024)"),
)


@dataclass(frozen=True, slots=True)
class TaxableLine:
    """An amount to be taxed: net or gross of VAT according to `basis`; negative for a credit."""

    amount: int
    rate: Fraction | None  # per cent; None is "без НДС", billed as 0 and reported apart
    basis: Basis = "net"


@dataclass(frozen=True, slots=True)
class TaxedLine:
    """Minor units; `net + vat == total` always."""

    net: int
    vat: int
    total: int

    def __add__(self, other: "TaxedLine") -> "TaxedLine":
        return TaxedLine(self.net + other.net, self.vat + other.vat, self.total + other.total)

    def __neg__(self) -> "TaxedLine":
        return TaxedLine(-self.net, -self.vat, -self.total)


NOTHING = TaxedLine(0, 0, 0)


def dated_rate(code: str, on: date) -> DatedRate:
    """The row of the table that holds for `code` on a day, with the article that set it.

    Raises:
        UnknownTaxCode: the table has no such code.
        RateNotInForce: it has, from a later day on.
    """
    rows = [row for row in VAT_TABLE if row.code == code]
    if not rows:
        raise UnknownTaxCode(code)
    in_force = [row for row in rows if row.since <= on]
    if not in_force:
        raise RateNotInForce(f"{code} on {on}")
    return max(in_force, key=lambda row: row.since)


def vat_rate(code: str, on: date) -> Fraction | None:
    """The percentage of a tax code on a day; None is "без НДС".

    "auto" is the Russian standard rate; "10", "0", "none", "usn5", "usn7" are in the table too.
    Any other number of 0 to 100 ("13", "8.875") is a rate that the seller declares himself.

    Raises:
        UnknownTaxCode: see the class.
        RateNotInForce: the table has the code from a later day on.
    """
    if any(row.code == code for row in VAT_TABLE):
        return dated_rate(code, on).percent
    try:
        percent = parse_decimal(code)
    except NotANumber:
        raise UnknownTaxCode(code) from None
    if not 0 <= percent <= 100:
        raise UnknownTaxCode(code)
    return percent


def split_vat(amount: int, rate: Fraction | None, basis: Basis) -> TaxedLine:
    """Split one amount into net, VAT and total; a credit mirrors its charge.

    Raises:
        ValueError: the rate is negative.

    Source:
        НК РФ ст. 164 п. 4: VAT is taken out of a price that contains it by r / (100 + r).
    """
    return _apply(amount, round_fraction(_exact_vat(amount, rate, basis)), basis)


def tax_lines(lines: Sequence[TaxableLine], method: Method = "document") -> list[TaxedLine]:
    """Tax the lines of a document, in their order.

    "line" rounds VAT on every line, half-up. "document" computes it once on the sum of each rate
    and basis, rounds that half-up and spreads it over those lines by largest remainder, so that
    no line is a whole minor unit off its own VAT.

    Raises:
        ValueError: a rate is negative.
    """
    vats = [0] * len(lines)
    if method == "line":
        for i, line in enumerate(lines):
            vats[i] = round_fraction(_exact_vat(line.amount, line.rate, line.basis))
    else:
        for members in _groups(lines):
            exact = [_exact_vat(x.amount, x.rate, x.basis) for x in (lines[i] for i in members)]
            for i, vat in zip(members, _spread(exact), strict=True):
                vats[i] = vat
    return [_apply(line.amount, vat, line.basis) for line, vat in zip(lines, vats, strict=True)]


def total_of(lines: Iterable[TaxedLine]) -> TaxedLine:
    return sum(lines, NOTHING)


def compound_tax(taxable: Fraction, rates: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Taxes of which each is reckoned on the price with those before it, unrounded, in order.

    A worked example: 100 at 5 % and then 7 % is 5 and 7.35, together 12.35.
    """
    base, taxes = taxable, []
    for rate in rates:
        tax = base * rate / 100
        taxes.append(tax)
        base += tax
    return tuple(taxes)


def _exact_vat(amount: int, rate: Fraction | None, basis: Basis) -> Fraction:
    if rate is None:
        return Fraction(0)
    if rate < 0:
        raise ValueError(f"negative VAT rate {rate}")
    if basis == "net":
        return Fraction(amount * rate.numerator, 100 * rate.denominator)
    return amount * rate / (100 + rate)


def _apply(amount: int, vat: int, basis: Basis) -> TaxedLine:
    if basis == "net":
        return TaxedLine(amount, vat, amount + vat)
    return TaxedLine(amount - vat, vat, amount)


def _groups(lines: Sequence[TaxableLine]) -> Iterable[list[int]]:
    """Places of the lines that are taxed together: one group for each rate and basis."""
    groups: dict[tuple[Fraction | None, Basis], list[int]] = {}
    for i, line in enumerate(lines):
        groups.setdefault((line.rate, line.basis), []).append(i)
    return groups.values()


def _spread(exact: Sequence[Fraction]) -> list[int]:
    """Round the sum of `exact` once, and its parts so that they add up to that.

    Every part is cut towards zero; what is missing goes, one unit each, to the parts that lost
    most, the earlier first. No part is a whole unit off, and the mirror of a document has the
    mirror of its parts.
    """
    if len(exact) == 1:
        return [round_fraction(exact[0])]
    whole = round_fraction(sum(exact, Fraction(0)))
    parts = [int(part) for part in exact]
    missing = whole - sum(parts)
    unit = 1 if missing > 0 else -1
    lost = sorted(range(len(parts)), key=lambda i: (unit * (parts[i] - exact[i]), i))
    for i in lost[: abs(missing)]:
        parts[i] += unit
    return parts
