"""An issued document as it is printed: sums from invoicing, names from the parties."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from uuid import UUID

from kvit.core.periods import Period
from kvit.core.units import unit_after
from kvit.core.wording import Words, amount_text, number_text, say
from kvit.documents.document import (
    Discount,
    DocumentKind,
    DocumentLine,
    InvoiceDocument,
    Look,
    Party,
    Reference,
)
from kvit.invoicing import queries as invoicing
from kvit.invoicing.rows import InvoiceInfo, LineInfo
from kvit.parties import brands
from kvit.parties import queries as parties
from kvit.parties.brands import BrandRow
from kvit.parties.rows import Customer, Seller

WORDS: Words = {
    "purpose": (
        "Оплата по счёту № {number} от {date}",
        "Payment of invoice {number} of {date}",
    ),
    "partly": ("{name} ({period})", "{name} ({period})"),
    "unit": ("шт.", "pcs"),
    "sample_number": ("ОБРАЗЕЦ", "SAMPLE"),
    "sample_line": ("Услуги связи за месяц", "Services of a month"),
    "sample_customer": ("ООО «Покупатель»", "The Customer Ltd"),
}
_KINDS: dict[str, DocumentKind] = {
    "invoice": "invoice",
    "credit_note": "credit_note",
    "debit_note": "debit_note",
    "void": "reversal",
}


def compose(
    ids: Iterable[UUID], *, with_act: bool = True
) -> list[tuple[UUID, DocumentKind, InvoiceDocument]]:
    """Return what is to be printed of issued documents: the document, and its act.

    An invoice below zero has no form of its own and is printed as a credit note would be; one
    that waits for a person is not printed.
    """
    infos = [one for one in invoicing.by_ids(ids) if one.status == "issued"]
    originals = {
        one.id: one for one in invoicing.by_ids({i.corrects_id for i in infos if i.corrects_id})
    }
    sellers = {seller.id: seller for seller in parties.sellers().values()}
    with parties.in_clear():
        customers = parties.customers_by_id({one.customer_id for one in infos})
    lang = parties.tenant().row.language
    looks = looks_of({one.seller_id for one in infos})
    found = []
    for info in infos:
        kinds = [_KINDS[info.kind]]
        if with_act and info.kind == "invoice" and info.total_minor >= 0:
            kinds.append("act")
        for kind in kinds:
            document = _document(info, sellers, customers, originals, lang, kind)
            look = looks.get(info.seller_id, Look())
            found.append((info.id, kind, replace(document, look=look)))
    return found


def looks_of(seller_ids: Iterable[UUID]) -> dict[UUID, Look]:
    """Return how the documents of these sellers look; those of plain ones are left out."""
    found = brands.brands(seller_ids)
    logos = brands.logos(one.logo for one in found.values())
    return {
        seller: Look(one.colour, logos[one.logo].as_svg if one.logo else "")
        for seller, one in found.items()
    }


def sample(seller: Seller, row: BrandRow, *, on: date) -> InvoiceDocument:
    """Return a made-up invoice of the seller that looks as the row says."""
    lang = parties.tenant().row.language
    rate = Fraction(22)
    name = say(WORDS, "sample_line", lang)
    line = DocumentLine(
        name, "1", say(WORDS, "unit", lang), 100_000, 22_000, 122_000, rate,
        amount_text(100_000, "RUB", lang),
    )  # fmt: skip
    logo = brands.logos([row.logo]).get(row.logo)
    return InvoiceDocument(
        kind="invoice",
        number=say(WORDS, "sample_number", lang),
        issued_on=on,
        seller=_seller(seller),
        customer=Party(name=say(WORDS, "sample_customer", lang)),
        currency="RUB",
        lines=(line,),
        net_minor=line.net_minor,
        vat_minor=line.vat_minor,
        total_minor=line.total_minor,
        lang="en" if lang == "en" else "ru",
        look=Look(row.colour, logo.as_svg if logo else ""),
    )


def _document(
    info: InvoiceInfo,
    sellers: dict[UUID, Seller],
    customers: dict[UUID, Customer],
    originals: dict[UUID, InvoiceInfo],
    lang: str,
    kind: DocumentKind,
) -> InvoiceDocument:
    assert info.issued_on is not None  # only issued documents are printed
    original = originals.get(info.corrects_id) if info.corrects_id else None
    gross = all(line.basis == "gross" for line in info.lines)
    return InvoiceDocument(
        kind=kind,
        number=info.number,
        issued_on=info.issued_on,
        seller=_seller(sellers[info.seller_id]),
        customer=_customer(customers[info.customer_id]),
        currency=info.currency,
        lines=tuple(_line(line, info, lang, gross) for line in info.lines),
        net_minor=info.net_minor,
        vat_minor=info.vat_minor,
        total_minor=info.total_minor,
        price_basis="gross" if gross else "net",
        lang="en" if lang == "en" else "ru",
        period_start=info.period_start,
        period_end=info.period_end,
        corrects=None
        if original is None or original.issued_on is None
        else Reference(original.number, original.issued_on),
        reason=info.reason or ("" if original is None else _default_reason(lang)),
        purpose=say(WORDS, "purpose", lang, number=info.number, date=info.issued_on),
    )


def _default_reason(lang: str) -> str:
    return "Recalculation" if lang == "en" else "Перерасчёт"


def _seller(seller: Seller) -> Party:
    row = seller.row
    return Party(
        name=row.name, inn=row.inn, kpp=row.kpp, address=row.address, account=row.account,
        bank=row.bank, bik=row.bik, correspondent=row.correspondent, signer=row.signer,
    )  # fmt: skip


def _customer(customer: Customer) -> Party:
    row = customer.row
    return Party(
        name=row.name, kind=row.kind, inn=row.inn, kpp=row.kpp, address=row.address,  # type: ignore[arg-type]
        phone=row.phone, email=row.email,
    )  # fmt: skip


def _line(line: LineInfo, info: InvoiceInfo, lang: str, gross: bool) -> DocumentLine:
    units = Fraction(line.units)
    name, period = line.name, Period(line.starts_on, line.ends_on)
    if period != Period(info.period_start, info.period_end):
        name = say(WORDS, "partly", lang, name=name, period=period)
    shown = line.total_minor if gross else line.net_minor
    return DocumentLine(
        name=name,
        # A difference of price alone, or a sum of a line: «0 шт.» would be none of it.
        units_text=number_text(units, lang) if units or not shown else "—",
        unit_name=_unit(line, units, lang) if units or not shown else "",
        net_minor=line.net_minor,
        vat_minor=line.vat_minor,
        total_minor=line.total_minor,
        vat_rate=None if line.vat_rate is None else Fraction(line.vat_rate),
        price_text=_price(line, units, info.currency, shown, lang),
        discounts=tuple(_discounts(line, gross, lang)),
    )


def _unit(line: LineInfo, units: Fraction, lang: str) -> str:
    """The unit after its number: the two columns are read as one, «320 000 вызовов»."""
    return unit_after(units, line.unit) or say(WORDS, "unit", lang)


def _price(line: LineInfo, units: Fraction, currency: str, shown: int, lang: str) -> str:
    """A price is printed only where quantity × price is the sum to the kopeck."""
    before = shown + sum(int(str(one["amount_minor"])) for one in line.discounts)
    if not units or (before / units).denominator != 1:
        return ""
    return amount_text(int(before / units), currency, lang)


def _discounts(line: LineInfo, gross: bool, lang: str) -> Iterable[Discount]:
    # What a discount took is known in the line's own basis only.
    if (line.basis == "gross") != gross:
        return
    for row in line.discounts:
        minor = int(str(row["amount_minor"]))
        if not minor:
            continue
        value = row.get("percent")
        name = str(row["code"]) if value is None else f"{number_text(Fraction(str(value)), lang)} %"
        yield Discount(name, minor)
