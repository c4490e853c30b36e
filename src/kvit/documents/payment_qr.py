"""The payment code of a счёт: what a bank's application reads to fill in the order.

A worked example (GOST R 56042-2014, UTF-8, fields separated by "|"):

    ST00012|Name=ООО «Ромашка»|PersonalAcc=40702810510000710417|BankName=АО «ТБанк»|BIC=044525974|
    CorrespAcc=30101810145250000974|Sum=2215009|Purpose=Оплата по счёту № 7 от 31.10.2026,
    в т.ч. НДС 22% - 3994.28 руб.|PayeeINN=7701234567|KPP=770101001

(one line in the code itself). A wrong code sends money astray, so whatever is missing or
malformed leaves the document without one.
"""

import re
import unicodedata
from fractions import Fraction

from kvit.core.money import exact_text, minor_text
from kvit.documents.document import DEMANDS, InvoiceDocument, Party, vat_shares

HEADER = "ST00012"  # format, version 0001, encoding 2 = UTF-8
SEPARATOR = "|"
# Longest values, in characters. Source: GOST R 56042-2014, tables 2 and 3.
NAME_LIMIT, BANK_LIMIT, PURPOSE_LIMIT, SUM_LIMIT = 160, 45, 210, 18

_ACCOUNT = re.compile(r"\d{20}", re.ASCII)
_BIK = re.compile(r"\d{9}", re.ASCII)
_INN = re.compile(r"\d{10}|\d{12}", re.ASCII)
_KPP = re.compile(r"\d{4}[\dA-Z]{2}\d{3}", re.ASCII)
_WITHOUT_CORRESPONDENT = ("00", "01", "02")  # БИК of the Bank of Russia and the Treasury


def payment_payload(document: InvoiceDocument) -> bytes | None:
    """Return the bytes of the payment code, or None where none can be trusted.

    None: the document asks for no money, the currency is not the rouble, or the seller's name,
    account, bank, БИК or correspondent account is absent or not of the right form. A malformed
    ИНН or КПП is as good a sign of a mistake as a malformed account.
    """
    payee = document.seller
    amount = str(document.total_minor)
    if document.kind not in DEMANDS or document.currency != "RUB" or document.total_minor <= 0:
        return None
    if len(amount) > SUM_LIMIT or not _payable(payee):
        return None
    fields = [
        ("Name", _value(payee.name, NAME_LIMIT)),
        ("PersonalAcc", payee.account),
        ("BankName", _value(payee.bank, BANK_LIMIT)),
        ("BIC", payee.bik),
        ("CorrespAcc", payee.correspondent or "0"),
        ("Sum", amount),
        ("Purpose", payment_purpose(document)),
    ]
    if payee.inn:
        fields.append(("PayeeINN", payee.inn))
    if payee.kpp:
        fields.append(("KPP", payee.kpp))
    return SEPARATOR.join([HEADER, *(f"{name}={value}" for name, value in fields)]).encode()


def payment_purpose(document: InvoiceDocument) -> str:
    """Say what is paid for, with the VAT that a bank order must name; at most 210 characters.

    The text before the tail is shortened if need be: the tail is what accounting reads.
    """
    head = (
        document.purpose or f"Оплата по счёту № {document.number} от {document.issued_on:%d.%m.%Y}"
    )
    tail = ", " + _vat_tail(document)
    return _value(head, PURPOSE_LIMIT - len(tail)) + tail


def _vat_tail(document: InvoiceDocument) -> str:
    shares = vat_shares(document.lines)
    if all(share.rate is None for share in shares):
        return "без НДС"
    amount = minor_text(document.vat_minor, document.currency)
    rates = {share.rate for share in shares}
    if len(rates) > 1:
        return f"в т.ч. НДС - {amount} руб."
    return f"в т.ч. НДС {exact_text(shares[0].rate or Fraction(0))}% - {amount} руб."


def _payable(payee: Party) -> bool:
    return bool(
        _value(payee.name, NAME_LIMIT)
        and _value(payee.bank, BANK_LIMIT)
        and _ACCOUNT.fullmatch(payee.account)
        and _BIK.fullmatch(payee.bik)
        and _correspondent_fits(payee)
        and (not payee.inn or _INN.fullmatch(payee.inn))
        and (not payee.kpp or _KPP.fullmatch(payee.kpp))
    )


def _correspondent_fits(payee: Party) -> bool:
    if payee.correspondent:
        return _ACCOUNT.fullmatch(payee.correspondent) is not None
    return payee.bik.startswith(_WITHOUT_CORRESPONDENT)


def _value(text: str, limit: int) -> str:
    """Make a text fit for a field: no separator, no control or format characters, no double space.

    The standard lets a writer choose another separator instead; banks' readers expect this one.
    """
    plain = "".join(
        " " if unicodedata.category(char)[0] in "CZ" else char
        for char in text.replace(SEPARATOR, "/")
    )
    return " ".join(plain.split())[:limit].strip()
