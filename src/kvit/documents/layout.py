"""A document → the texts of its sheet, in Russian or English: all that the Typst form prints.

The form formats and never counts: every sum is a text before it gets there. Nothing that a user
typed is markup there; here it only loses what a sheet cannot show (control characters, marks that
would turn the reading order round) and gains places to break an endless word at.
"""

import re
import unicodedata
from fractions import Fraction
from typing import Any

from kvit.core.periods import Period
from kvit.core.wording import (
    MINUS,
    NBSP,
    Words,
    date_text,
    money_text,
    number_text,
    period_text,
    say,
    sum_in_words,
)
from kvit.documents.document import DEMANDS, DocumentLine, InvoiceDocument, Party, vat_shares

WORDS: Words = {
    "title_invoice": ("Счёт на оплату № {number} от {day}", "Invoice No. {number} of {day}"),
    "title_act": ("Акт оказанных услуг № {number} от {day}",
                  "Certificate of services No. {number} of {day}"),
    "title_corrected_act": ("Корректировочный акт № {number} от {day}",
                            "Corrected certificate of services No. {number} of {day}"),
    "title_credit_note": ("Кредит-нота № {number} от {day}", "Credit note No. {number} of {day}"),
    "title_debit_note": ("Корректировочный счёт № {number} от {day}",
                         "Debit note No. {number} of {day}"),
    "title_reversal": ("Сторно № {number} от {day}", "Reversal No. {number} of {day}"),
    "to_invoice": ("к счёту на оплату № {number} от {day}", "to invoice No. {number} of {day}"),
    "to_act": ("к акту № {number} от {day}", "to certificate No. {number} of {day}"),
    "logo": ("Логотип: {name}", "Logo of {name}"),
    "page": ("стр. ", "page "),
    "page_of": (" из ", " of "),
    "bank": ("Банк получателя", "Beneficiary’s bank"),
    "payee": ("Получатель", "Beneficiary"),
    "bik": ("БИК", "BIC"),
    "account": ("Сч. №", "Account"),
    "correspondent": ("Сч. №", "Corr. acc."),
    "inn": ("ИНН", "Tax ID"),
    "kpp": ("КПП", "KPP"),
    "qr": ("Оплата по QR-коду в приложении банка", "Scan in a bank’s app to pay"),
    "seller": ("Поставщик", "From"),
    "customer": ("Покупатель", "Bill to"),
    "act_seller": ("Исполнитель", "Contractor"),
    "act_customer": ("Заказчик", "Customer"),
    "basis": ("Основание", "Reference"),
    "period": ("Период", "Period"),
    "due": ("Оплатить до", "Pay by"),
    "reason": ("Причина", "Reason"),
    "phone": ("тел. {phone}", "tel. {phone}"),
    "no": ("№", "No."),
    "name": ("Наименование", "Description"),
    "units": ("Кол-во", "Quantity"),
    "unit": ("Ед.", "Unit"),
    "price": ("Цена, {symbol}", "Price, {symbol}"),
    "vat": ("НДС", "VAT"),
    "sum": ("Сумма, {symbol}", "Amount, {symbol}"),
    "discount": ("Скидка: {name}", "Discount: {name}"),
    "no_vat": ("без НДС", "no VAT"),
    "subtotal": ("Итого", "Subtotal"),
    "subtotal_net": ("Итого без НДС", "Subtotal without VAT"),
    "vat_added": ("НДС {rate} %", "VAT {rate}%"),
    "vat_inside": ("В том числе НДС {rate} %", "Including VAT {rate}%"),
    "vat_none": ("Без НДС", "VAT"),
    "total_invoice": ("Всего к оплате", "Total due"),
    "total_act": ("Всего", "Total"),
    "total_credit_note": ("Всего к уменьшению", "Total credit"),
    "total_debit_note": ("Всего к доплате", "Total additionally due"),
    "total_reversal": ("Всего сторнировано", "Total reversed"),
    "count_invoice": ("Всего наименований {n}, на сумму {total}", "Items: {n}, total {total}"),
    "count_act": ("Всего оказано услуг {n}, на сумму {total}", "Services: {n}, total {total}"),
    "count_credit_note": ("Всего наименований {n}, сумма к оплате уменьшается на {total}",
                          "Items: {n}, the sum due is reduced by {total}"),
    "count_debit_note": ("Всего наименований {n}, сумма к оплате увеличивается на {total}",
                         "Items: {n}, the sum due is increased by {total}"),
    "count_reversal": ("Всего наименований {n}, сторнировано на сумму {total}",
                       "Items: {n}, reversed {total}"),
    "count_vat": (", в том числе НДС {vat}", ", including VAT {vat}"),
    "count_no_vat": (", без НДС", ""),
    "accepted": (
        "Вышеперечисленные услуги оказаны полностью и в срок. Заказчик претензий по объёму, "
        "качеству и срокам оказания услуг не имеет.",
        "The services listed above were rendered in full and on time. The Customer has no claims "
        "as to their volume, quality or timing.",
    ),
    "position_company": ("Руководитель", "Director"),
    "position_sole": ("Предприниматель", "Sole proprietor"),
    "position_person": ("", ""),
    "stamp": ("М. П.", ""),
}  # fmt: skip

# A row with a longer name or with more discounts may break over pages; others stay whole.
LONG_NAME, MANY_DISCOUNTS = 1500, 20
_LONGEST_WORD = 24  # characters; a break is allowed inside what is longer
_ENDLESS = re.compile(rf"\S{{{_LONGEST_WORD}}}(?=\S)")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HOUSE = re.compile(r"\b((?:д|стр|корп|кв|оф)\.|офис|№) (?=\w)")
_SIGN = re.compile(rf"\s*[^\s\d.,{MINUS}]+\s*")
_ABSENT_SIGNS = {"₸": "KZT", "₴": "UAH"}  # not in the typeface


def sheet(document: InvoiceDocument, qr_svg: str | None) -> dict[str, Any]:
    """Return what the form prints, as JSON-able data; `qr_svg` is the payment code, if any."""
    lang, issued_on = document.lang, document.issued_on
    columns = _columns(document)
    return {
        "lang": lang,
        "date": [issued_on.year, issued_on.month, issued_on.day],
        "author": _text(document.seller.name),
        "title": _title(document),
        "subtitles": _subtitles(document),
        "footer": _title(document),
        "page_of": [say(WORDS, "page", lang), say(WORDS, "page_of", lang)],
        "colour": document.look.colour or None,
        "logo": _logo(document),
        "bank": _bank(document),
        "qr": qr_svg and {"svg": qr_svg, "caption": say(WORDS, "qr", lang)},
        "facts": _facts(document),
        "columns": columns,
        "head": {name: say(WORDS, name, lang, symbol=_symbol(document)) for name in columns},
        "lines": [
            _row(document, place, line) for place, line in enumerate(document.lines, start=1)
        ],
        "totals": _totals(document),
        "count": _count(document),
        "words": sum_in_words(_shown_total(document), document.currency, lang),
        "notes": [say(WORDS, "accepted", lang)] if document.kind == "act" else [],
        "signatures": _signatures(document),
    }


def _title(document: InvoiceDocument) -> str:
    corrected_act = document.kind == "act" and document.corrects
    key = "title_corrected_act" if corrected_act else f"title_{document.kind}"
    return _named(key, document.number, document.issued_on, document.lang)


def _subtitles(document: InvoiceDocument) -> list[str]:
    if document.corrects is None:
        return []
    key = "to_act" if document.kind == "act" else "to_invoice"
    original = document.corrects
    return [_named(key, original.number, original.issued_on, document.lang)]


def _named(key: str, number: str, day: Any, lang: str) -> str:
    text = say(WORDS, key, lang, number=_text(number), day=_day(day, lang))
    return text.replace("№ ", f"№{NBSP}").replace("No. ", f"No.{NBSP}")


def _logo(document: InvoiceDocument) -> dict[str, str] | None:
    if not document.look.logo_svg:
        return None
    alt = say(WORDS, "logo", document.lang, name=_text(document.seller.name))
    return {"svg": document.look.logo_svg, "alt": alt}


def _bank(document: InvoiceDocument) -> dict[str, str] | None:
    seller, lang = document.seller, document.lang
    if document.kind not in DEMANDS or not seller.account:
        return None
    labels = ("bank", "bik", "account", "correspondent", "inn", "kpp")
    values = {name: _text(getattr(seller, name)) for name in labels}
    named = {f"{name}_label": say(WORDS, name, lang) for name in labels}
    payee = {"name": _text(seller.name), "name_label": say(WORDS, "payee", lang)}
    return values | named | payee


def _facts(document: InvoiceDocument) -> list[dict[str, Any]]:
    lang, act = document.lang, "act_" if document.kind == "act" else ""
    rows = [
        (act + "seller", document.seller.name, _requisites(document.seller, lang)),
        (act + "customer", document.customer.name, _requisites(document.customer, lang)),
        ("basis", document.basis, ""),
        ("period", _period(document), ""),
        ("due", _day(document.due_on, lang) if document.due_on else "", ""),
        ("reason", document.reason, ""),
    ]
    return [
        {
            "label": say(WORDS, key, lang),
            "value": _text(value),
            "rest": rest,
            "strong": key.endswith(("seller", "customer")),
        }
        for key, value, rest in rows
        if value
    ]


def _requisites(party: Party, lang: str) -> str:
    parts = [
        f"{say(WORDS, 'inn', lang)}{NBSP}{party.inn}" if party.inn else "",
        f"{say(WORDS, 'kpp', lang)}{NBSP}{party.kpp}" if party.kpp else "",
        _HOUSE.sub(rf"\1{NBSP}", party.address),
        say(WORDS, "phone", lang, phone=party.phone).replace(" ", NBSP) if party.phone else "",
        party.email,
    ]
    return ", ".join(_text(part) for part in parts if part)


def _period(document: InvoiceDocument) -> str:
    if document.period_start is None or document.period_end is None:
        return ""
    return period_text(Period(document.period_start, document.period_end), document.lang)


def _columns(document: InvoiceDocument) -> list[str]:
    priced = any(line.price_text for line in document.lines)
    mixed = len({line.vat_rate for line in document.lines}) > 1
    shown = {"price": priced, "vat": mixed}
    names = ("no", "name", "units", "unit", "price", "vat", "sum")
    return [name for name in names if shown.get(name, True)]


def _row(document: InvoiceDocument, place: int, line: DocumentLine) -> dict[str, Any]:
    """One line as it reads: the sum before its discounts, then each of them."""
    after = line.net_minor if document.price_basis == "net" else line.total_minor
    before = after + sum(discount.amount_minor for discount in line.discounts)
    return {
        "long": len(line.name) > LONG_NAME or len(line.discounts) > MANY_DISCOUNTS,
        "no": str(place),
        "name": _text(line.name),
        "units": _text(line.units_text),
        "unit": _text(line.unit_name),
        "price": _text(line.price_text) or "—",
        "vat": _rate(line.vat_rate, document.lang),
        "sum": _figure(before, document),
        "discounts": [
            {
                "name": say(WORDS, "discount", document.lang, name=_text(discount.name)),
                "sum": _figure(-discount.amount_minor, document),
            }
            for discount in line.discounts
        ],
    }


def _rate(rate: Fraction | None, lang: str) -> str:
    if rate is None:
        return say(WORDS, "no_vat", lang).replace(" ", NBSP)
    return number_text(rate, lang) + (f"{NBSP}%" if lang == "ru" else "%")


def _totals(document: InvoiceDocument) -> list[dict[str, Any]]:
    lang, net = document.lang, document.price_basis == "net"
    shares = [share for share in vat_shares(document.lines) if share.rate is not None]
    subtotal = document.net_minor if net else document.total_minor
    rows = [
        (
            say(WORDS, "subtotal_net" if net and shares else "subtotal", lang),
            _figure(subtotal, document),
        )
    ]
    if not shares:
        rows.append((say(WORDS, "vat_none", lang), "—"))
    for share in shares:
        rate = number_text(share.rate or 0, lang)
        label = say(WORDS, "vat_added" if net else "vat_inside", lang, rate=rate)
        rows.append((label.replace(" %", f"{NBSP}%"), _figure(share.vat_minor, document)))
    label = say(WORDS, f"total_{document.kind}", lang)
    rows.append((label, _money(document.total_minor, document)))
    return [
        {"label": label + ":", "value": value, "strong": place == len(rows)}
        for place, (label, value) in enumerate(rows, start=1)
    ]


def _count(document: InvoiceDocument) -> str:
    lang = document.lang
    total = _money(_shown_total(document), document)
    text = say(WORDS, f"count_{document.kind}", lang, n=len(document.lines), total=total)
    if all(line.vat_rate is None for line in document.lines):
        return text + say(WORDS, "count_no_vat", lang)
    sign = -1 if _taken_back(document) else 1
    return text + say(WORDS, "count_vat", lang, vat=_money(sign * document.vat_minor, document))


def _shown_total(document: InvoiceDocument) -> int:
    """The total as a sentence says it: «уменьшается на 100», not «на −100»."""
    return -document.total_minor if _taken_back(document) else document.total_minor


def _taken_back(document: InvoiceDocument) -> bool:
    return document.kind in ("credit_note", "reversal")


def _signatures(document: InvoiceDocument) -> list[dict[str, str]]:
    lang, act = document.lang, document.kind == "act"
    sides = [("act_seller", document.seller), ("act_customer", document.customer)]
    return [
        {
            "title": say(WORDS, key, lang) if act else "",
            "party": _text(party.name) if act else "",
            "position": _text(party.position) or say(WORDS, f"position_{party.kind}", lang),
            "name": _text(party.signer),
            "stamp": say(WORDS, "stamp", lang) if act and party.kind != "person" else "",
        }
        for key, party in (sides if act else sides[:1])
    ]


def _day(day: Any, lang: str) -> str:
    return date_text(day, lang).replace(" ", NBSP)


def _money(minor: int, document: InvoiceDocument) -> str:
    return _signed(money_text(minor, document.currency, document.lang))


def _figure(minor: int, document: InvoiceDocument) -> str:
    """A sum without the sign of its currency, which stands in the column's head."""
    return _SIGN.sub("", money_text(minor, document.currency, document.lang))


def _symbol(document: InvoiceDocument) -> str:
    found = _SIGN.search(money_text(0, document.currency, document.lang))
    return _signed(found.group().strip()) if found else document.currency


def _signed(text: str) -> str:
    for sign, code in _ABSENT_SIGNS.items():
        text = text.replace(sign, code)
    return text


def _text(text: str) -> str:
    """What a person typed, as a sheet can show it."""
    plain = "".join(
        char if unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") else " "
        for char in _BIDI.sub("", text)
    )
    return _ENDLESS.sub(lambda run: run.group() + "\u200b", re.sub(" {2,}", " ", plain).strip())
