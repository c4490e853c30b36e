"""Figures of the overview: what waits, what was issued by month, by plan, up to a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Min, Q, QuerySet, Sum, Value
from django.db.models.functions import TruncMonth

from kvit.invoicing.models import Invoice, RunOrder, Tally
from kvit.parties import queries as parties


@dataclass(frozen=True, slots=True)
class DraftsWaiting:
    """Drafts that wait for one thing: how many, Σ by currency, since when the oldest."""

    waits_for: str
    count: int
    sums: Mapping[str, int]
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """Documents of some days in one currency, corrections taken off."""

    currency: str
    count: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class MonthIssued:
    """Documents by the month of their date, in one currency."""

    month: date
    currency: str
    count: int
    net_minor: int
    total_minor: int


def drafts_waiting() -> list[DraftsWaiting]:
    """Return the drafts by what they wait for."""
    drafts = Invoice.objects.filter(status="draft")
    rows = drafts.order_by().values("waits_for", "currency")
    found = rows.annotate(n=Count("*"), minor=Sum("total_minor"), oldest=Min("created_at"))
    by_reason: dict[str, DraftsWaiting] = {}
    for waits_for, currency, count, minor, oldest in found.order_by("currency").values_list(
        "waits_for", "currency", "n", "minor", "oldest"
    ):
        known = by_reason.get(waits_for)
        sums = {**(known.sums if known else {}), currency: int(minor)}
        by_reason[waits_for] = DraftsWaiting(
            waits_for,
            count + (known.count if known else 0),
            sums,
            min(oldest, known.oldest) if known else oldest,
        )
    return [by_reason[key] for key in sorted(by_reason)]


def failed_runs() -> tuple[int, UUID | None, datetime | None]:
    """Return how many periods' last ordered run failed, with the oldest of these."""
    last = RunOrder.objects.filter(action="bill").order_by("period_start", "-ordered_at", "-id")
    rows = last.distinct("period_start").values_list("pk", "status", "ordered_at")
    failed = sorted((at, key) for key, status, at in rows if status == "failed")
    return len(failed), failed[0][1] if failed else None, failed[0][0] if failed else None


def issued_within(spans: Sequence[tuple[date, date]]) -> list[list[Issued]]:
    """Return, for each span of days [since, until), what was issued, by currency: one statement."""
    within = Q(pk__in=())
    sums: dict[str, Sum] = {}
    for i, (since, until) in enumerate(spans):
        days = Q(day__gte=since, day__lt=until)
        within |= days
        sums |= {
            f"n{i}": Sum("documents", filter=days), f"m{i}": Sum("total_minor", filter=days)
        }  # fmt: skip
    rows = list(_by_day().filter(within).order_by().values("currency").annotate(**sums))
    rows.sort(key=lambda row: row["currency"])
    return [
        [
            Issued(row["currency"], int(row[f"n{i}"]), int(row[f"m{i}"] or 0))
            for row in rows
            if row[f"n{i}"]
        ]
        for i in range(len(spans))
    ]


def issued_by_month(since: date, until: date) -> list[MonthIssued]:
    """Return what was issued in [since, until) by month and currency."""
    rows = _by_day().filter(day__gte=since, day__lt=until).order_by()
    sums = rows.annotate(month=TruncMonth("day")).values("month", "currency")
    found = sums.annotate(n=Sum("documents"), net=Sum("net_minor"), minor=Sum("total_minor"))
    told = found.order_by("month", "currency").values_list("month", "currency", "n", "net", "minor")
    return [MonthIssued(month, currency, int(n), int(net), int(minor))
            for month, currency, n, net, minor in told if n]  # fmt: skip


def issued_in_all() -> dict[str, int]:
    """Return Σ of every issued document by currency: what the books must show as claims."""
    rows = _by_day().order_by().values("currency")
    sums = rows.annotate(n=Sum("documents"), minor=Sum("total_minor")).exclude(n=0)
    return {row["currency"]: int(row["minor"]) for row in sorted(sums, key=itemgetter("currency"))}


def _by_day() -> "QuerySet[Any]":
    """Return what is kept of issued documents; to who sees a branch alone, its documents."""
    if not parties.reach():
        return Tally.objects.exclude(tab="drafts")
    return Invoice.objects.filter(status="issued").annotate(day=F("issued_on"), documents=Value(1))
