"""What a счёт, an акт or a correction says: plain data, checked to add up before it is printed.

A worked example, two lines at 22 %:

    fee     4 838.71 + 1 064.52 = 5 903.23
    calls   4 930.00 + 1 084.60 = 6 014.60
    total   9 768.71 + 2 149.12 = 11 917.83   → every column sums, every row sums

A sheet of paper whose column does not sum is worse than none, so such a document cannot be made.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from kvit.core.money import exponent

DocumentKind = Literal["invoice", "act", "credit_note", "debit_note", "reversal"]
"""счёт на оплату, акт, кредит-нота, корректировочный счёт (more to pay), сторно."""

PartyKind = Literal["company", "sole", "person"]
PriceBasis = Literal["net", "gross"]
Language = Literal["ru", "en"]

CORRECTIONS = frozenset({"credit_note", "debit_note", "reversal"})
DEMANDS = frozenset({"invoice", "debit_note"})
"""Kinds that ask for money: they carry bank details and the payment code."""


class DocumentSumsDisagree(ValueError):
    """A row or a column of the document does not add up."""


class CorrectionIncomplete(ValueError):
    """A correction must name the document that it corrects and the reason."""


@dataclass(frozen=True, slots=True)
class Party:
    """A side of the document. Empty fields are left out of the paper."""

    name: str
    kind: PartyKind = "company"
    inn: str = ""
    kpp: str = ""
    address: str = ""
    phone: str = ""
    email: str = ""
    account: str = ""  # расчётный счёт
    bank: str = ""
    bik: str = ""
    correspondent: str = ""  # корреспондентский счёт
    signer: str = ""  # «Иванова А. П.»
    position: str = ""  # «Генеральный директор»; empty: what fits the kind


@dataclass(frozen=True, slots=True)
class Discount:
    """What one discount takes off a line; `amount_minor` is in the document's price basis.

    The sign is that of the line: positive in an invoice, negative where the line is taken back.
    """

    name: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One row. Sums are after `discounts`; quantity and price are texts, as they shall be read."""

    name: str
    units_text: str
    unit_name: str
    net_minor: int
    vat_minor: int
    total_minor: int
    vat_rate: Fraction | None  # percent; None: без НДС, which is not the zero rate
    price_text: str = ""  # empty where no single unit price exists, as with tiers
    discounts: tuple[Discount, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """How the seller's documents look. Empty fields leave the paper plain."""

    colour: str = ""  # "#0b57b7", readable on white
    logo_svg: str = ""  # shapes alone, or one PNG inside


@dataclass(frozen=True, slots=True)
class Reference:
    """Another document, as paper names it."""

    number: str
    issued_on: date


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """Everything that is printed, and nothing else.

    Corrections carry the difference: a credit note and a reversal are negative or zero in total.
    The period is half-open; the last day printed is the one before `period_end`.

    Raises:
        DocumentSumsDisagree: net + VAT is not the total, of a line or of the document; lines do
            not sum to the document; VAT stands on a line without VAT; or the total has a sign
            that the kind cannot have.
        CorrectionIncomplete: a correction without its original or reason.
        kvit.core.money.UnknownCurrency: the currency is not of ISO 4217.
    """

    kind: DocumentKind
    number: str
    issued_on: date
    seller: Party
    customer: Party
    currency: str
    lines: tuple[DocumentLine, ...]
    net_minor: int
    vat_minor: int
    total_minor: int
    price_basis: PriceBasis = "net"  # which of the sums the column «Сумма» shows
    lang: Language = "ru"
    period_start: date | None = None
    period_end: date | None = None
    due_on: date | None = None
    basis: str = ""  # основание: «Договор № 12 от 01.02.2026»
    corrects: Reference | None = None
    reason: str = ""
    look: Look = Look()
    purpose: str = ""  # назначение платежа without its VAT tail; empty: composed

    def __post_init__(self) -> None:
        exponent(self.currency)
        _check_sums(self)
        if self.kind in CORRECTIONS and not (self.corrects and self.reason):
            raise CorrectionIncomplete(f"{self.kind} {self.number} names no original or no reason")


@dataclass(frozen=True, slots=True)
class VatShare:
    """The part of a document that falls under one rate."""

    rate: Fraction | None
    net_minor: int
    vat_minor: int


def vat_shares(lines: Iterable[DocumentLine]) -> tuple[VatShare, ...]:
    """Sum the lines by rate, the highest rate first and «без НДС» last."""
    sums: dict[Fraction | None, tuple[int, int]] = {}
    for line in lines:
        net, vat = sums.get(line.vat_rate, (0, 0))
        sums[line.vat_rate] = (net + line.net_minor, vat + line.vat_minor)
    rates = sorted(sums, key=lambda rate: Fraction(-1) if rate is None else rate, reverse=True)
    return tuple(VatShare(rate, *sums[rate]) for rate in rates)


def _check_sums(document: InvoiceDocument) -> None:
    label = f"{document.kind} {document.number}"
    for place, line in enumerate(document.lines, start=1):
        if line.net_minor + line.vat_minor != line.total_minor:
            raise DocumentSumsDisagree(f"{label}: line {place}: net + VAT is not the total")
        if line.vat_rate is None and line.vat_minor:
            raise DocumentSumsDisagree(f"{label}: line {place}: VAT on a line without VAT")
    columns = (
        ("net", document.net_minor, sum(line.net_minor for line in document.lines)),
        ("VAT", document.vat_minor, sum(line.vat_minor for line in document.lines)),
        ("total", document.total_minor, sum(line.total_minor for line in document.lines)),
    )
    for column, stated, counted in columns:
        if stated != counted:
            raise DocumentSumsDisagree(f"{label}: {column} {stated}, its lines give {counted}")
    wrong = {
        "invoice": document.total_minor < 0,
        "debit_note": document.total_minor < 0,
        "credit_note": document.total_minor > 0,
        "reversal": document.total_minor > 0,
        "act": False,
    }
    if wrong[document.kind]:
        raise DocumentSumsDisagree(f"{label}: a total of {document.total_minor} fits no such kind")
