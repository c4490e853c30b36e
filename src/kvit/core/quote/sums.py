"""Answers `allocate`, `round`, `tax` and `invoice`."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated

from kvit.core.lines import DocumentDiscount, DocumentLine, make_document
from kvit.core.money import allocate
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import (
    Amount,
    Percent,
    Reader,
    Signed,
    read_number,
    read_row,
)
from kvit.core.quote.context import Context, check_currency, only
from kvit.core.tax import (
    Basis,
    Method,
    RateNotInForce,
    TaxableLine,
    TaxedLine,
    tax_lines,
    total_of,
    vat_rate,
)

Document = Mapping[str, object]
Answer = dict[str, object]
_CODES = frozenset({"auto", "none", "usn5", "usn7"})
_HUNDRED = Fraction(100)


def _read_rate(value: object, path: str) -> str | Fraction:
    if isinstance(value, str) and value in _CODES:
        return value
    return read_number(value, path, high=_HUNDRED)


Rate = Annotated[str | Fraction, Reader(_read_rate, str)]


@dataclass(frozen=True, slots=True)
class _Allocate:
    amount: Signed
    weights: tuple[Amount, ...]


@dataclass(frozen=True, slots=True)
class _Round:
    amount: Signed
    currency: str = ""


@dataclass(frozen=True, slots=True)
class _TaxLine:
    amount: Signed
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class _Tax:
    lines: tuple[_TaxLine, ...]
    basis: Basis = "net"
    method: Method = "document"
    date: datetime.date | None = None


@dataclass(frozen=True, slots=True)
class _InvoiceLine:
    amount: Signed
    tax_rate: Rate | None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class _Discount:
    fixed: Amount | None = None
    percent: Percent | None = None
    scope: str | None = None

    def check(self, path: str) -> None:
        """Exactly one of the two."""
        if self.fixed is None and self.percent is None:
            raise PriceError("missing_field", f"{path}.percent", name="fixed / percent")
        if self.fixed is not None and self.percent is not None:
            raise PriceError("unknown_field", f"{path}.percent", name="percent", known="fixed")


@dataclass(frozen=True, slots=True)
class _Invoice:
    lines: tuple[_InvoiceLine, ...]
    discounts: tuple[_Discount, ...] = ()
    basis: Basis = "net"
    method: Method = "document"
    date: datetime.date | None = None


def answer_allocate(document: Document, context: Context) -> Answer:
    """Divide a sum by weights so that the parts add up to it."""
    only(document, ("allocate",))
    asked: _Allocate = read_row(_Allocate, document["allocate"], "allocate")
    total = context.minor(asked.amount, "allocate.amount")
    if not any(asked.weights):
        raise PriceError("out_of_range", "allocate.weights", value="0", bounds="Σ > 0")
    parts = allocate(total, asked.weights)
    return {"currency": context.currency, "parts": [context.text(part) for part in parts]}


def answer_round(document: Document, context: Context) -> Answer:
    """Round a sum to the minor unit of its currency."""
    only(document, ("round",))
    asked: _Round = read_row(_Round, document["round"], "round")
    given = asked.currency or context.currency
    if not given:
        raise PriceError("missing_field", "round.currency", name="currency")
    own = replace(context, currency=check_currency(given, "round.currency"))
    return {"currency": own.currency, "amount": own.text(own.round(asked.amount))}


def answer_tax(document: Document, context: Context) -> Answer:
    """Split lines into net, VAT and total."""
    only(document, ("tax",))
    asked: _Tax = read_row(_Tax, document["tax"], "tax")
    lines = []
    for i, line in enumerate(asked.lines):
        path = f"tax.lines[{i}]"
        rate = _rate(line.rate, asked.date, f"{path}.rate", "tax.date")
        lines.append(TaxableLine(context.minor(line.amount, f"{path}.amount"), rate, asked.basis))
    taxed = tax_lines(lines, asked.method)
    return {
        "currency": context.currency,
        "lines": [_taxed(line, context) for line in taxed],
        **_taxed(total_of(taxed), context),
    }


def answer_invoice(document: Document, context: Context) -> Answer:
    """Take discounts over lines, then tax what is left."""
    only(document, ("invoice",))
    asked: _Invoice = read_row(_Invoice, document["invoice"], "invoice")
    lines = []
    for i, line in enumerate(asked.lines):
        path = f"invoice.lines[{i}]"
        rate = _rate(line.tax_rate, asked.date, f"{path}.tax_rate", "invoice.date")
        amount = context.minor(line.amount, f"{path}.amount")
        lines.append(DocumentLine(amount, rate, line.scope, asked.basis))
    discounts = [
        DocumentDiscount(
            fixed=None
            if discount.fixed is None
            else context.minor(discount.fixed, f"invoice.discounts[{i}].fixed"),
            percent=discount.percent,
            scope=discount.scope,
        )
        for i, discount in enumerate(asked.discounts)
    ]
    made = make_document(lines, discounts, asked.method)
    return {
        "currency": context.currency,
        "lines": [
            {
                "amount": context.text(line.amount),
                "discount": context.text(line.discount),
                **_taxed(line.taxed, context),
            }
            for line in made.lines
        ],
        "discounts": [
            {"discount": row.discount, "line": row.line, "amount": context.text(row.amount)}
            for row in made.discounts
        ],
        **_taxed(made.totals, context),
    }


def _taxed(line: TaxedLine, context: Context) -> Answer:
    return {
        "net": context.text(line.net),
        "vat": context.text(line.vat),
        "total": context.text(line.total),
    }


def _rate(
    rate: str | Fraction | None, day: datetime.date | None, field: str, date_field: str
) -> Fraction | None:
    """Return the percentage; a code of the dated table needs the date."""
    if rate is None or isinstance(rate, Fraction):
        return rate
    if day is None:
        raise PriceError("missing_field", date_field, name="date")
    try:
        return vat_rate(rate, day)
    except RateNotInForce:
        raise PriceError("out_of_range", field, value=rate, bounds=f"{day}") from None
