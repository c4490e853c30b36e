"""Find anything by what people type: a number, an ИНН, a name, a sum, an event's id, a page.

    «118», «счёт 118», «cxtn 118»    the invoice of that number (the last typed in the other layout)
    «4950», «4 950,00»               invoices of that sum
    «ромашке», «7707083893»          the customer
    «nord-2041»                      the subscription of that code
    «evt-17»                         the event of that id
    «профи», «тариф про»             the plans whose name or code has it
    «оборотка»                       a page of the office
    «клиент:ромашка сумма:>5000»     documents, narrowed (`web.operators`)

Plain data, for the palette and the API alike. Nothing is found that the asker may not read.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from kvit.catalog import queries as catalog
from kvit.core.money import exponent
from kvit.core.searching import folded, other_layout
from kvit.core.wording import Words, money_text, say
from kvit.invoicing import queries as invoicing
from kvit.invoicing.queries import InvoiceFilter, InvoiceRow
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.subscriptions import queries as subscriptions
from kvit.web import operators
from kvit.web.forms import ungrouped
from kvit.web.operators import Operators

Kind = Literal["invoice", "customer", "subscription", "event", "plan"]
EACH = 5  # of a kind
MOST_OF_A_NAME = 200  # customers among whose documents one looks
LONGEST = 200
WORDS: Words = {
    "invoice": ("Счёт № {number} на {sum}", "Invoice no. {number}, {sum}"),
    "credit_note": ("Корректировка № {number} на {sum}", "Credit note no. {number}, {sum}"),
    "debit_note": ("Корректировка № {number} на {sum}", "Debit note no. {number}, {sum}"),
    "void": ("Аннулирование № {number} на {sum}", "Reversal no. {number}, {sum}"),
    "customer": ("{name}", "{name}"),
    "customer_note": ("ИНН {inn}, код {code}", "INN {inn}, code {code}"),
    "customer_code": ("код {code}", "code {code}"),
    "subscription": ("Подписка {code}", "Subscription {code}"),
    "event": ("Событие {code}", "Event {code}"),
    "plan": ("Тариф «{name}»", "Plan “{name}”"),
    "plan_note": ("код {code}", "code {code}"),
    "event_note": ("источник {source}", "source {source}"),
}
# Words that say what is looked for: the rest of the text is looked for among that alone.
_KINDS: dict[str, Kind] = {
    "счет": "invoice", "счета": "invoice", "invoice": "invoice", "клиент": "customer",
    "customer": "customer", "подписка": "subscription", "договор": "subscription",
    "subscription": "subscription", "событие": "event", "event": "event", "тариф": "plan",
    "plan": "plan",
}  # fmt: skip
_SIGN = re.compile(r"(?<=^)[₽$€£¥]|(?<=^-)[₽$€£¥]|[₽$€£¥]$")  # as it is copied from a page
_SUM = re.compile(r"-?\d[\d\s\u00a0]*([.,]\d{1,4})?")


@dataclass(frozen=True, slots=True)
class Found:
    """Something that fits: what it is, its key for an address, its name and a line below."""

    kind: Kind
    key: str
    title: str
    note: str = ""
    is_exact: bool = False  # what was typed is its whole number or code


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, the surest first. `meant` is the text in the other layout, if that found."""

    found: tuple[Found, ...] = field(default_factory=tuple)
    meant: str = ""


def find(
    text: str,
    *,
    rights: frozenset[str],
    lang: str,
    currency: str,
    branches: frozenset[str] = frozenset(),
) -> Answer:
    """Return what the text means."""
    asked = " ".join(text.replace("\x00", "").split())[:LONGEST]
    if not asked:
        return Answer()
    found = _found(asked, rights, lang, currency, branches)
    if found:
        return Answer(tuple(found))
    meant = other_layout(asked)
    if meant == asked:
        return Answer()
    found = _found(meant, rights, lang, currency, branches)
    return Answer(tuple(found), meant if found else "")


def _found(
    asked: str, rights: frozenset[str], lang: str, currency: str, branches: frozenset[str]
) -> list[Found]:
    told = operators.read(asked)
    if told.said:
        return _narrowed(told, rights, lang, currency, branches)
    first, _, rest = asked.partition(" ")
    only = _KINDS.get(folded(first).rstrip(":"))
    text = rest.strip().lstrip("№#").strip() if only and rest else asked.lstrip("№#").strip()
    if not rest:
        only = None
    looks: dict[Kind, tuple[str, Callable[[], Iterator[Found]]]] = {
        "invoice": ("invoices.read", lambda: _invoices(text, lang, currency)),
        "customer": ("customers.read", lambda: _customers(text, lang, branches)),
        "subscription": ("subscriptions.read", lambda: _subscriptions(text, lang)),
        "event": ("usage.read", lambda: _events(text, lang)),
        "plan": ("catalogue.read", lambda: _plans(text, lang)),
    }
    found = [
        one
        for kind, (right, look) in looks.items()
        if right in rights and only in (None, kind)
        for one in look()
    ]
    return sorted(found, key=lambda one: not one.is_exact)


def _narrowed(
    told: Operators, rights: frozenset[str], lang: str, currency: str, branches: frozenset[str]
) -> list[Found]:
    """Documents within what the operators say; of one that names a thing alone, that thing."""
    said = told.said
    found: list[Found] = []
    if told.are_of_documents or "number" in said:
        if "invoices.read" in rights:
            found += _documents(told, lang, currency, branches)
        return found
    if "customer" in said and "customers.read" in rights:
        keys = _customer_keys(said["customer"], branches)
        found += _customers_of(keys, said["customer"], lang)
    if "subscription" in said and "subscriptions.read" in rights:
        found += _subscriptions(said["subscription"], lang)
    if "event" in said and "usage.read" in rights:
        found += _events(said["event"], lang)
    return found


def _documents(
    told: Operators, lang: str, currency: str, branches: frozenset[str]
) -> Iterator[Found]:
    said, sums, days, period = told.said, told.sums(currency), told.days(), told.period()
    wanted = InvoiceFilter(
        number=said.get("number", told.rest).lstrip("№#"),
        customers=_customer_keys(said["customer"], branches) if "customer" in said else None,
        issued_from=days[0],
        issued_to=days[1],
        period_from=period,
        period_to=period,
        least_minor=sums.least,
        most_minor=sums.most,
        currency=currency if "sum" in said else "",
    )
    rows = invoicing.listed(wanted, limit=EACH).rows
    yield from _told(rows, lang, {row.id for row in rows} if "number" in said else set())


def _customer_keys(text: str, branches: frozenset[str]) -> list[UUID]:
    """Customers of a name in any case form; if there are none, as in the other layout."""
    for one in (text, other_layout(text)):
        if keys := parties.looked_up(one, limit=MOST_OF_A_NAME, branches=sorted(branches) or None):
            return keys
    return []


def _invoices(text: str, lang: str, currency: str) -> Iterator[Found]:
    """By number, whole or its count alone; then by sum."""
    rows = list(invoicing.listed(InvoiceFilter(number=text), limit=EACH).rows)
    by_number = {row.id for row in rows}
    minor = _minor(text, currency)
    if minor is not None:
        wanted = InvoiceFilter(least_minor=minor, most_minor=minor, currency=currency)
        rows += [
            row for row in invoicing.listed(wanted, limit=EACH).rows if row.id not in by_number
        ]
    yield from _told(rows, lang, by_number)


def _told(rows: Iterable[InvoiceRow], lang: str, exact: Collection[UUID]) -> Iterator[Found]:
    rows = list(rows)
    people = parties.customers_by_id({row.customer_id for row in rows})
    for row in rows:
        if row.customer_id not in people:
            continue  # of a branch that is not the asker's
        total = money_text(row.total_minor, row.currency, lang)
        title = say(WORDS, row.kind, lang, number=row.number or "—", sum=total)
        name = people[row.customer_id].row.name
        yield Found("invoice", str(row.id), title, name, row.id in exact)


def _customers(text: str, lang: str, branches: frozenset[str]) -> Iterator[Found]:
    keys = parties.looked_up(text, limit=EACH, branches=sorted(branches) or None)
    yield from _customers_of(keys, text, lang)


def _customers_of(keys: Sequence[UUID], text: str, lang: str) -> Iterator[Found]:
    keys = keys[:EACH]
    known = parties.customers_by_id(keys)
    for key in keys:
        row = known[key].row
        told = "customer_note" if row.inn else "customer_code"
        note = say(WORDS, told, lang, inn=row.inn, code=row.code)
        is_exact = folded(text) in (folded(row.code), row.inn)
        yield Found("customer", str(key), row.name, note, is_exact)


def _subscriptions(text: str, lang: str) -> Iterator[Found]:
    found = subscriptions.by_codes({text, text.lower(), text.upper()})
    people = parties.customers_by_id({one.customer_id for one in found.values()})
    for code, one in sorted(found.items()):
        if one.customer_id not in people:
            continue
        title = say(WORDS, "subscription", lang, code=code)
        yield Found("subscription", code, title, people[one.customer_id].row.name, True)


def _events(text: str, lang: str) -> Iterator[Found]:
    if " " in text:
        return
    for source in metering.sources_of(text)[:EACH]:
        title = say(WORDS, "event", lang, code=text)
        yield Found("event", text, title, say(WORDS, "event_note", lang, source=source), True)


def _plans(text: str, lang: str) -> Iterator[Found]:
    """By a part of the name or of the code; a number, a sum or an ИНН is no plan."""
    asked = folded(text)
    if not any(sign.isalpha() for sign in asked):
        return
    names = sorted(catalog.plan_names().items(), key=lambda one: one[1])
    fitting = [one for one in names if any(asked in folded(said) for said in one)]
    for code, name in fitting[:EACH]:
        title = say(WORDS, "plan", lang, name=name)
        is_exact = asked in (folded(code), folded(name))
        yield Found("plan", code, title, say(WORDS, "plan_note", lang, code=code), is_exact)


def _minor(text: str, currency: str) -> int | None:
    """Read a sum as people type it, in minor units; None where it is none."""
    text = ungrouped(_SIGN.sub("", text.strip().replace("\N{MINUS SIGN}", "-")))
    if not _SUM.fullmatch(text) or len(text) > 20:
        return None
    major, _, rest = text.replace(",", ".").partition(".")
    digits = exponent(currency)
    if len(rest) > digits:
        return None
    return int(major + rest.ljust(digits, "0"))


def as_uuid(text: str) -> UUID | None:
    """Read an id that somebody pasted."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None
