"""What commands about documents of one company share: which company, which document, how shown."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kvit.core.money import NotANumber, exponent, minor_text, parse_decimal
from kvit.core.wording import Words, money_text, say
from kvit.platform.failures import Failure
from kvit.web.cli.counts import YEARS
from kvit.web.cli.ground import ready
from kvit.web.cli.language import either, language

if TYPE_CHECKING:
    from kvit.invoicing.rows import InvoiceInfo
    from kvit.parties.rows import Tenant

SHORT = 8  # the last characters of an id, enough to name a draft
WORDS: Words = {
    "company_missing": (
        "Компаний ещё нет: начните с kvit bill или kvit new.",
        "There is no company yet: begin with kvit bill or kvit new.",
    ),
    "company_unknown": (
        "Компании «{code}» нет. Есть: {known}.",
        "There is no company “{code}”. There are: {known}.",
    ),
    "company_which": (
        "Компаний несколько: назовите одну, --tenant КОД. Есть: {known}.",
        "There are several companies: name one, --tenant CODE. There are: {known}.",
    ),
    "document_unknown": (
        "Документа «{name}» нет.",
        "There is no document “{name}”.",
    ),
    "document_which": (
        "Под «{name}» подходят несколько документов; назовите один: {known}.",
        "“{name}” may be several documents; name one: {known}.",
    ),
    "sum_unreadable": (
        "«{text}» — не сумма в {currency}: пример 1500.00.",
        "“{text}” is no sum of {currency}: an example is 1500.00.",
    ),
    "bad_date": (
        "«{text}» — не дата с 1970 по 2199 год: пример 2026-10-31.",
        "“{text}” is no date of the years 1970 to 2199: an example is 2026-10-31.",
    ),
    "number": ("Документ", "Document"),
    "customer": ("Клиент", "Customer"),
    "total": ("Итого", "Total"),
    "draft": ("черновик …{end}", "draft …{end}"),
    "invoice": ("счёт", "invoice"),
    "credit_note": ("кредит-нота", "credit note"),
    "debit_note": ("корректировочный счёт", "debit note"),
    "void": ("аннулирование", "void"),
    "approval": ("ждёт утверждения", "waits for approval"),
    "limit": (
        "больше предела автора, ждёт решения",
        "above its author's limit, waits for a decision",
    ),
    "outlier": ("необычная сумма, ждёт решения", "unusual sum, waits for a decision"),
}


class NotFound(Failure):
    """What the command names is not there, or is not one thing."""

    words = WORDS


def add_tenant(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", default="", metavar="CODE",
                        help=either("код компании, если их несколько",
                                    "the company's code, where there are several"))  # fmt: skip
    parser.add_argument("--json", action="store_true", help=either("объект JSON", "a JSON object"))


def check_tenant(code: str) -> None:
    """Refuse the code of a company that is not there; none is any of them.

    Raises:
        NotFound: there is no such company.
    """
    from kvit.parties import queries as parties

    known = [one.row.code for one in parties.tenants()]
    if known and code and code not in known:
        raise NotFound("company_unknown", code=code, known=", ".join(known))


@contextmanager
def in_company(code: str, *, origin: str) -> Iterator[tuple["Tenant", datetime]]:
    """Work for the named company, or for the only one; yields it and its present.

    Raises:
        NotFound: there is no such company, or several and none is named.
    """
    ready()
    from kvit.parties import queries as parties
    from kvit.platform import clock
    from kvit.platform.audit import acting_from
    from kvit.platform.tenancy import tenant_scope

    tenants = parties.tenants()
    known = ", ".join(one.row.code for one in tenants)
    found = [one for one in tenants if code in ("", one.row.code)]
    if not tenants:
        raise NotFound("company_missing")
    if not found:
        raise NotFound("company_unknown", code=code, known=known)
    if len(found) > 1:
        raise NotFound("company_which", known=known)
    now = clock.now_for(found[0].id)
    with tenant_scope(found[0].id), acting_from(origin):
        yield found[0], now


def issued_document(name: str) -> "InvoiceInfo":
    """Return the issued document of a number or an id.

    Raises:
        NotFound: there is none; or two sellers number alike.
    """
    from kvit.invoicing import queries

    found = queries.by_number(name)
    if not found and (key := _id(name)):
        found = queries.by_ids([key])
    if not found:
        raise NotFound("document_unknown", name=name)
    if len(found) > 1:
        raise NotFound("document_which", name=name, known=", ".join(str(o.id) for o in found))
    return found[0]


def waiting_drafts(names: Sequence[str]) -> list["InvoiceInfo"]:
    """Return the drafts whose ids are named by their ends, as the list shows them.

    Raises:
        NotFound: a name fits none, or several.
    """
    from kvit.invoicing import queries

    drafts = queries.drafts()
    chosen = []
    for name in names:
        end = name.lstrip("….").lower()
        found = [one for one in drafts if len(end) >= 4 and str(one.id).endswith(end)]
        if not found:
            raise NotFound("document_unknown", name=name)
        if len(found) > 1:
            raise NotFound("document_which", name=name, known=", ".join(str(o.id) for o in found))
        chosen.append(found[0])
    return chosen


def minor(text: str, currency: str) -> int:
    """Read a sum in major units.

    Raises:
        NotFound: it is no number, or finer than the currency.
    """
    try:
        scaled = parse_decimal(text.replace(",", ".")) * 10 ** exponent(currency)
    except NotANumber:
        scaled = None
    if scaled is None or scaled.denominator != 1:
        raise NotFound("sum_unreadable", text=text, currency=currency)
    return int(scaled)


def day(text: str) -> date:
    """Read a date; for argparse."""
    with suppress(ValueError):
        found = date.fromisoformat(text)
        if found.year in YEARS:
            return found
    raise argparse.ArgumentTypeError(say(WORDS, "bad_date", language(), text=text))


def listed(infos: Sequence["InvoiceInfo"]) -> Iterator[str]:
    """Write documents as a table: what, whose, how much, what it waits for."""
    from kvit.web.cli.bill_report import table

    lang, code_of = language(), _codes(infos)
    head = [say(WORDS, name, lang) for name in ("number", "customer", "total")]
    rows = [
        [
            _name(one, lang),
            code_of(one.customer_id),
            money_text(one.total_minor, one.currency, lang),
            "; ".join(say(WORDS, key, lang) for key in (one.kind, one.waits_for) if key),
        ]
        for one in infos
    ]
    yield from table([[*head, ""], *rows], numbers=(2,))


def _name(one: "InvoiceInfo", lang: str) -> str:
    if one.status == "draft":
        return say(WORDS, "draft", lang, end=str(one.id)[-SHORT:])
    return one.number or "—"  # previewed: a number is not given before its time


def told(infos: Sequence["InvoiceInfo"]) -> list[dict[str, Any]]:
    """Return documents for --json; sums are strings in major units."""
    code_of = _codes(infos)
    return [
        {
            "id": str(one.id),
            "number": one.number,
            "kind": one.kind,
            "status": one.status,
            "waits_for": one.waits_for,
            "customer": code_of(one.customer_id),
            "currency": one.currency,
            "period": f"{one.period_start:%Y-%m}",
            "date": None if one.issued_on is None else one.issued_on.isoformat(),
            "net": minor_text(one.net_minor, one.currency),
            "vat": minor_text(one.vat_minor, one.currency),
            "total": minor_text(one.total_minor, one.currency),
            "corrects": None if one.corrects_id is None else str(one.corrects_id),
            "reason": one.reason,
            "lines": [
                {
                    "position": line.position,
                    "subscription": line.subscription,
                    "price": line.price,
                    "name": line.name,
                    "net": minor_text(line.net_minor, one.currency),
                    "vat": minor_text(line.vat_minor, one.currency),
                    "total": minor_text(line.total_minor, one.currency),
                }
                for line in one.lines
            ],
        }
        for one in infos
    ]


def _codes(infos: Sequence["InvoiceInfo"]) -> Callable[[UUID], str]:
    from kvit.parties import queries as parties

    people = parties.customers_by_id({one.customer_id for one in infos})
    return lambda key: people[key].row.code


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
