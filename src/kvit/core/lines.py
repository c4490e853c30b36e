"""Document lines: discounts over them in declared order, VAT after them, and their corrections.

A worked example, lines of 100.00 and 50.00, first −10 %, then 30.00 off the whole:

    −10 %     10.00   5.00
    −30.00    20.00  10.00      shared 90 : 45, by what each line still costs
    net       70.00  35.00      and VAT on that

Every discount on every line is a row of its own; the rows of a line add up to its discount, the
parts of a fixed discount to the discount. Amounts are integers of minor units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from kvit.core.money import allocate, round_fraction
from kvit.core.tax import (
    NOTHING,
    Basis,
    Method,
    TaxableLine,
    TaxedLine,
    tax_lines,
    total_of,
)


class BadDiscount(ValueError):
    """A discount is neither a fixed sum >= 0 nor a percentage of 0 to 100."""


class CreditExceedsInvoice(ValueError):
    """More has been credited than was invoiced: the books behind this call are wrong."""


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A line before discounts; `amount` is net or gross according to `basis`."""

    amount: int
    rate: Fraction | None = None  # VAT, per cent; None is "без НДС"
    scope: str | None = None  # what a discount may name; several lines may share it
    basis: Basis = "net"


@dataclass(frozen=True, slots=True)
class DocumentDiscount:
    """Either a `fixed` sum (minor units, in the basis of its lines) or `percent`."""

    fixed: int | None = None
    percent: Fraction | None = None
    scope: str | None = None  # None: all lines

    def __post_init__(self) -> None:
        if (self.fixed is None) == (self.percent is None):
            raise BadDiscount("either fixed or percent")
        if (self.fixed or 0) < 0 or not 0 <= (self.percent or 0) <= 100:
            raise BadDiscount(f"{self.fixed} {self.percent}")


@dataclass(frozen=True, slots=True)
class DiscountRow:
    """What one discount took from one line."""

    discount: int  # place among the discounts given
    line: int  # place among the lines given
    amount: int  # > 0


@dataclass(frozen=True, slots=True)
class DiscountedLine:
    """A line of the finished document."""

    amount: int  # as given
    discount: int  # 0 … amount
    taxed: TaxedLine  # of amount − discount


@dataclass(frozen=True, slots=True)
class Document:
    lines: tuple[DiscountedLine, ...]
    discounts: tuple[DiscountRow, ...]  # in the order in which they were taken
    unused: tuple[int, ...]  # of each discount: the part of a fixed sum that found nothing to take
    totals: TaxedLine


def make_document(
    lines: Sequence[DocumentLine],
    discounts: Sequence[DocumentDiscount] = (),
    method: Method = "document",
) -> Document:
    """Take the discounts in their order, then tax what is left.

    Each discount falls on what the ones before it left. A percentage is rounded half-up on every
    line; a fixed sum is spread over its lines by what they still cost, and stops at zero. A
    negative line (a credit) is neither discounted nor counted in the spread.

    Raises:
        ValueError: a VAT rate is negative.
    """
    left = [line.amount for line in lines]
    rows: list[DiscountRow] = []
    unused: list[int] = []
    for place, discount in enumerate(discounts):
        parts = _take(discount, lines, left)
        for i, part in enumerate(parts):
            left[i] -= part
            if part:
                rows.append(DiscountRow(place, i, part))
        unused.append(0 if discount.fixed is None else discount.fixed - sum(parts))
    taxed = tax_lines(
        [TaxableLine(rest, line.rate, line.basis) for rest, line in zip(left, lines, strict=True)],
        method,
    )
    done = tuple(
        DiscountedLine(line.amount, line.amount - rest, tax)
        for line, rest, tax in zip(lines, left, taxed, strict=True)
    )
    return Document(done, tuple(rows), tuple(unused), total_of(taxed))


def cap_credit(asked: int, invoiced: int, credited: int = 0) -> int:
    """The most of `asked` that may still be credited of an invoice: never below 0 or above it."""
    return max(0, min(asked, invoiced - credited))


def credit_lines(
    invoiced: Sequence[TaxedLine],
    credited: Sequence[TaxedLine],
    asked: Sequence[int],
    *,
    basis: Basis = "net",
) -> list[TaxedLine]:
    """Split a credit of an invoice into net, VAT and total, line by line (positive figures).

    Args:
        invoiced: the invoice's lines as issued.
        credited: what earlier credit notes took from each; all nothing for the first.
        asked: how much to credit of each line now, in its net or total by `basis`; it is capped
            at what is left, so compare the answer with it where less is an error.
        basis: "gross" reads `asked` as totals.

    The VAT of a credit is the line's own VAT in proportion to all that is credited so far, less
    what earlier credits took: the last credit takes what is left to the kopeck, whatever rate the
    law has by then (НК РФ ст. 168 п. 3, ст. 169 п. 5.2: a correction keeps the invoice's rate).
    A negative line of the invoice is credited with the mirrored figures.

    Raises:
        CreditExceedsInvoice: `credited` is already more than `invoiced` on a line.
        ValueError: the three sequences differ in length.
    """
    return [
        _credit_line(line, before, part, basis)
        for line, before, part in zip(invoiced, credited, asked, strict=True)
    ]


def _take(
    discount: DocumentDiscount, lines: Sequence[DocumentLine], left: Sequence[int]
) -> list[int]:
    """How much the discount takes from every line, 0 outside its scope."""
    bases = [
        max(0, rest) if discount.scope in (None, line.scope) else 0
        for line, rest in zip(lines, left, strict=True)
    ]
    if discount.percent is not None:
        return [round_fraction(base * discount.percent / 100) for base in bases]
    whole = min(discount.fixed or 0, sum(bases))
    return allocate(whole, bases) if whole else [0] * len(bases)


def _credit_line(line: TaxedLine, before: TaxedLine, asked: int, basis: Basis) -> TaxedLine:
    if line.total < 0:
        return -_credit_line(-line, -before, -asked, basis)
    full, taken = (line.net, before.net) if basis == "net" else (line.total, before.total)
    if not (before.net <= line.net and before.vat <= line.vat and taken >= 0):
        raise CreditExceedsInvoice(f"{before} of {line}")
    amount = cap_credit(asked, full, taken)
    if not amount:
        return NOTHING
    # Not below zero where earlier credits were asked in the other basis and rounded their own way.
    vat = max(0, round_fraction(Fraction(line.vat * (taken + amount), full)) - before.vat)
    if basis == "net":
        return TaxedLine(amount, vat, amount + vat)
    return TaxedLine(amount - vat, vat, amount)
