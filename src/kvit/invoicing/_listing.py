"""The list of documents: filtered, sorted, paged by key, summed up by currency.

Every document is on exactly one tab beside "all":

    drafts       waits for a person
    issued       an invoice that stands as it was issued
    corrected    an invoice with an issued credit or debit note
    void         an invoice that was taken back whole
    corrections  a document that corrects one of these

What was paid is not here: nobody keeps payments yet.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    Case,
    CharField,
    Count,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    UUIDField,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from kvit.invoicing._family_rows import family_rows, is_one_of
from kvit.invoicing.models import UNDATED, Corrected, Invoice, NumberSeries, Tally, day_of
from kvit.parties import queries as parties
from kvit.platform.paging import COUNTED, LIMIT, Page, is_counted, keyset
from kvit.platform.reading import asked_once

Tab = Literal["drafts", "issued", "corrected", "void", "corrections", "all"]
TABS: tuple[Tab, ...] = ("drafts", "issued", "corrected", "void", "corrections", "all")
ORDERS: Mapping[str, tuple[str, ...]] = {
    "-day": ("-day", "-id"),
    "day": ("day", "id"),
    "-total": ("-total_minor", "-id"),
    "total": ("total_minor", "id"),
    "-period": ("-billed_in", "-customer_id", "-id"),
    "period": ("billed_in", "customer_id", "id"),
}
KEPT = ("corrected", "void")  # tabs whose documents are put in order by what is kept of them
MOST_AUTHORS = 200
_DIGITS = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """What the list is narrowed to; everything is optional. Days are both included."""

    tab: Tab = "all"
    issued_from: date | None = None
    issued_to: date | None = None
    period_from: date | None = None  # first days of billing periods
    period_to: date | None = None
    customers: Collection[UUID] | None = None
    seller: UUID | None = None
    currency: str = ""
    kind: str = ""
    waits_for: str = ""
    least_minor: int | None = None
    most_minor: int | None = None
    number: str = ""  # the whole number, or its count alone
    reason: str = ""  # a part of it
    author: str = ""  # "user:<id>"


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A document in the list. `left_minor` is the total with all that was issued to correct it."""

    id: UUID
    kind: str
    state: str  # draft, issued, corrected, void
    waits_for: str
    number: str
    seller_id: UUID
    customer_id: UUID
    currency: str
    billed_in: date
    period_start: date
    period_end: date
    issued_on: date | None
    net_minor: int
    vat_minor: int
    total_minor: int
    left_minor: int
    corrects_id: UUID | None
    corrects_number: str
    reason: str
    author: str
    approver: str


@dataclass(frozen=True, slots=True)
class TabTotal:
    """How many documents a tab has under the filter, and Σ in each currency (minor units)."""

    count: int
    sums: Mapping[str, int]


_COLUMNS = (
    "id", "kind", "status", "waits_for", "number_text", "seller_id", "customer_id", "currency",
    "billed_in", "period_start", "period_end", "issued_on", "net_minor", "vat_minor",
    "total_minor", "corrects_id", "reason", "author", "approver",
)  # fmt: skip


def listed(
    wanted: InvoiceFilter, *, order: str = "-day", after: str = "", limit: int = LIMIT
) -> Page[InvoiceRow]:
    """Return a page of documents.

    Args:
        order: a key of `ORDERS`.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    rows = _on_tab(_filtered(wanted), wanted.tab)
    is_kept = is_tallied(wanted)
    by = ORDERS[order]
    if wanted.tab in KEPT:
        by = tuple(map(_by_kept, by))
    names = [name.lstrip("-") for name in by]
    rows = _seen(rows, *(name for name in names if name not in _COLUMNS))
    page: Page[dict[str, Any]] = keyset(
        rows, order=by, after=after, limit=limit, counted=not is_kept
    )
    if is_kept and is_counted():
        page = replace(page, count=min(totals(wanted)[wanted.tab].count, COUNTED + 1))
    return page.of(_row)


def totals(wanted: InvoiceFilter) -> dict[Tab, TabTotal]:
    """Return, for every tab, how many documents the filter leaves on it and what they sum to.

    One statement, whatever the number of tabs; the sum of the tabs is "all".
    """
    rows = _tallied(replace(wanted, tab="all")) if is_tallied(wanted) else _counted(wanted)
    sums: dict[str, dict[str, int]] = {tab: {} for tab in TABS}
    counts: dict[str, int] = defaultdict(int)
    for tab, currency, count, minor in rows:
        for each in (tab, "all"):
            counts[each] += count
            sums[each][currency] = sums[each].get(currency, 0) + int(minor)
    return {tab: TabTotal(counts[tab], dict(sorted(sums[tab].items()))) for tab in TABS}


def is_tallied(wanted: InvoiceFilter) -> bool:
    """Whether the kept tallies answer it: they know days, periods and kinds, and no branches."""
    known = InvoiceFilter(
        wanted.tab, wanted.issued_from, wanted.issued_to, wanted.period_from, wanted.period_to,
        seller=wanted.seller, currency=wanted.currency, kind=wanted.kind,
        waits_for=wanted.waits_for,
    )  # fmt: skip
    return wanted == known and not parties.reach()


def _counted(wanted: InvoiceFilter) -> Iterable[tuple[str, str, int, int]]:
    found = _filtered(wanted).annotate(tab=_tab()).order_by().values("tab", "currency")
    sums = found.annotate(n=Count("*"), minor=Sum("total_minor"))
    return sums.values_list("tab", "currency", "n", "minor")


@asked_once
def _tallied(wanted: InvoiceFilter) -> list[tuple[str, str, int, int]]:
    rows = Tally.objects.filter(**_bounds(wanted, day="day"))
    if wanted.issued_from is not None or wanted.issued_to is not None:
        rows = rows.exclude(day=UNDATED)
    sums = rows.order_by().values("tab", "currency")
    found = sums.annotate(n=Sum("documents"), minor=Sum("total_minor")).exclude(n=0)
    return list(found.values_list("tab", "currency", "n", "minor"))


def rows_of(ids: Sequence[UUID]) -> dict[UUID, InvoiceRow]:
    """Return documents as the list shows them, by id; unknown ids are left out."""
    return {row["id"]: _row(row) for row in _seen(Invoice.objects.filter(pk__in=list(ids)))}


def family_of(invoice_id: UUID) -> list[InvoiceRow]:
    """Return the original and everything that corrects it, in order of making, from any of them."""
    family = family_rows(invoice_id)
    numbers = {one.pk: one.number_text for one in family}
    return [_of_family(one, numbers.get(one.corrects_id, "")) for one in family]


def _of_family(one: Invoice, corrects_number: str) -> InvoiceRow:
    kept: Corrected | None = getattr(one, "corrected", None)
    seen: dict[str, Any] = {name: getattr(one, name) for name in _COLUMNS}
    return _row(seen | {
        "corrected_tab": kept and kept.tab,
        "taken": kept.taken_minor if kept else 0,
        "corrects_number": corrects_number,
    })  # fmt: skip


def correctors() -> list[str]:
    """Return who has made corrections; two hundred at most."""
    rows = Invoice.objects.filter(corrects_id__isnull=False).order_by("author")
    return list(rows.values_list("author", flat=True).distinct()[:MOST_AUTHORS])


def _filtered(wanted: InvoiceFilter) -> "QuerySet[Any]":
    rows = Invoice.objects.annotate(day=day_of("issued_on"))
    rows = rows.filter(**_bounds(wanted, day="issued_on"))
    own = {
        "total_minor__gte": wanted.least_minor,
        "total_minor__lte": wanted.most_minor,
        "reason__icontains": wanted.reason or None,
        "author": wanted.author or None,
    }
    rows = rows.filter(**{name: bound for name, bound in own.items() if bound is not None})
    if wanted.customers is not None:
        # An array, and not a parameter each: a name may mean a thousand.
        customers = Value(list(wanted.customers), output_field=ArrayField(UUIDField()))
        rows = rows.filter(is_one_of("customer_id", customers))
    return rows.filter(_numbered(wanted.number.strip())) if wanted.number.strip() else rows


def _bounds(wanted: InvoiceFilter, *, day: str) -> dict[str, object]:
    """Return the conditions that documents and tallies share; `day` is what they call theirs."""
    bounds: dict[str, object] = {
        f"{day}__gte": wanted.issued_from,
        f"{day}__lte": wanted.issued_to,
        "billed_in__gte": wanted.period_from,
        "billed_in__lte": wanted.period_to,
        "seller_id": wanted.seller,
        "currency": wanted.currency or None,
        "kind": wanted.kind or None,
        "waits_for": wanted.waits_for or None,
    }
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _numbered(text: str) -> Q:
    """Find a number whole, or by its count alone («118»), through the index of the series."""
    counts = {int(group) for group in _DIGITS.findall(text)}
    series = Q(pk__in=())
    for seller, key in _series():
        series |= Q(seller_id=seller, series=key, number__in=counts)
    return series if text.isdecimal() else series & Q(number_text=text)


@asked_once
def _series() -> list[tuple[UUID, str]]:
    return list(NumberSeries.objects.values_list("seller_id", "key"))


def _tab() -> Case:
    return Case(
        When(status="draft", then=Value("drafts")),
        When(corrects_id__isnull=False, then=Value("corrections")),
        default=Coalesce("corrected__tab", Value("issued")),
        output_field=CharField(),
    )


def _on_tab(rows: "QuerySet[Any]", tab: Tab) -> "QuerySet[Any]":
    match tab:
        case "drafts":
            return rows.filter(status="draft")
        case "issued":
            return rows.filter(status="issued", corrects_id=None, corrected=None)
        case "corrected" | "void":
            return rows.filter(corrected__tab=tab)
        case "corrections":
            return rows.filter(status="issued", corrects_id__isnull=False)
        case _:
            return rows


def _by_kept(name: str) -> str:
    """Return the same of an order as it is kept beside the few, where an index has them in it."""
    own = name.lstrip("-")
    return name if own == "id" else f"{name[: -len(own)]}corrected__{own}"


def _seen(rows: "QuerySet[Any]", *more: str) -> "QuerySet[Any]":
    """Return what a list shows of documents, with what is kept of how each was corrected: looked up
    for the rows of a page alone, as the last thing that is done."""
    kept = Corrected.objects.filter(pk=OuterRef("pk"))
    original = Invoice.objects.filter(pk=OuterRef("corrects_id")).values("number_text")
    return rows.annotate(
        corrected_tab=Subquery(kept.values("tab")),
        taken=Coalesce(Subquery(kept.values("taken_minor")), 0),
        corrects_number=Coalesce(Subquery(original), Value("")),
    ).values(*_COLUMNS, "corrected_tab", "taken", "corrects_number", *more)


def _row(row: Mapping[str, Any]) -> InvoiceRow:
    return InvoiceRow(
        state=row["corrected_tab"] or row["status"],
        number=row["number_text"],
        left_minor=row["total_minor"] + row["taken"],
        **{name: row[name] for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    "id", "corrects_number", "kind", "waits_for", "seller_id", "customer_id", "currency",
    "billed_in", "period_start", "period_end", "issued_on", "net_minor", "vat_minor",
    "total_minor", "corrects_id", "reason", "author", "approver",
)  # fmt: skip
