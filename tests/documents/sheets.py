"""Documents to test with: the demo's first invoice, and lines that are quick to write."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

from kvit.core.money import round_fraction
from kvit.documents.document import (
    Discount,
    DocumentLine,
    InvoiceDocument,
    Party,
    Reference,
)

VAT_22 = Fraction(22)
SELLER = Party(
    name="ООО «Северный Контур»",
    inn="7701234567",
    kpp="770101001",
    address="115035, г. Москва, ул. Садовническая, д. 82, стр. 2, офис 14",
    phone="+7 495 123-45-67",
    account="40702810510000710417",
    bank="АО «ТБанк», г. Москва",
    bik="044525974",
    correspondent="30101810145250000974",
    signer="Контурова Е. А.",
    position="Генеральный директор",
)
CUSTOMER = Party(name="ООО «Ромашка»", inn="7701234574", kpp="770101001", signer="Лепесткова М. И.")
CANADIAN = Party(name="Maple Hydro Inc.", inn="123456789", address="200 Bay Street, Toronto, ON")
ORIGINAL = Reference("2026-00001", date(2026, 10, 31))

SAAS_LINES = (
    DocumentLine(
        "Абонентская плата, 1–15 октября", "15/31", "мес.", 483871, 106452, 590323, VAT_22,
        "10 000,00",
    ),
    DocumentLine(
        "Абонентская плата, 16–31 октября", "16/31", "мес.", 438710, 96516, 535226, VAT_22,
        "10 000,00", (Discount("VIP, 15 %", 77419),),
    ),
    DocumentLine("Вызовы API, 1–15 октября", "300 000", "вызовов", 400000, 88000, 488000, VAT_22),
    DocumentLine(
        "Вызовы API, 16–31 октября", "320 000", "вызовов", 493000, 108460, 601460, VAT_22, "",
        (Discount("VIP, 15 %", 87000),),
    ),
)  # fmt: skip


def line(name: str, net_minor: int, rate: Fraction | None = VAT_22, **fields: Any) -> DocumentLine:
    """One unit of `name`, with VAT on top."""
    vat = round_fraction(net_minor * (rate or 0) / Fraction(100))
    defaults = {"units_text": "1", "unit_name": "шт."}
    return DocumentLine(
        name=name,
        net_minor=net_minor,
        vat_minor=vat,
        total_minor=net_minor + vat,
        vat_rate=rate,
        **(defaults | fields),
    )


def document(*lines: DocumentLine, **fields: Any) -> InvoiceDocument:
    """An invoice of `lines` that adds up; without lines, the demo's A: 22 150.09."""
    lines = lines or SAAS_LINES
    defaults: dict[str, Any] = {
        "kind": "invoice",
        "number": "2026-00001",
        "issued_on": date(2026, 10, 31),
        "seller": SELLER,
        "customer": CUSTOMER,
        "currency": "RUB",
        "lines": lines,
        "net_minor": sum(item.net_minor for item in lines),
        "vat_minor": sum(item.vat_minor for item in lines),
        "total_minor": sum(item.total_minor for item in lines),
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 11, 1),
    }
    return InvoiceDocument(**(defaults | fields))


def seller(**fields: Any) -> Party:
    """The seller with some requisites changed."""
    return replace(SELLER, **fields)
