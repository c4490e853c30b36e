"""Runs as a page sees them: those that were ordered, and those that a command made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, Sum

from kvit.invoicing._summary import RunSummary, from_document
from kvit.invoicing.models import BillRun, Invoice, RunOrder
from kvit.parties import queries as parties
from kvit.platform.paging import LIMIT, Page, keyset
from kvit.platform.tenancy import current_tenant_id

MOST_PERIODS = 60


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run, ordered or not. `summary` is None until it is over, and of a command's run."""

    id: UUID
    action: str  # bill, dry, approve; a command's run is "bill"
    status: str  # queued, running, done, failed, stopped
    period_start: date
    period_end: date
    author: str
    ordered_at: datetime
    is_ordered: bool  # on a page or by the API
    stage: str = ""
    done: int = 0
    whole: int = 0
    started_at: datetime | None = None
    heard_at: datetime | None = None
    finished_at: datetime | None = None
    stop_asked_by: str = ""
    fault: str = ""
    charges: int = 0
    invoices: int = 0
    summary: RunSummary | None = None
    own: tuple["OwnSums", ...] | None = None  # of a member of a branch, who is told nothing else


@dataclass(frozen=True, slots=True)
class OwnSums:
    """What a billing period has for a branch in one currency, as it stands now."""

    currency: str
    issued: int
    drafts: int
    total_minor: int  # of both


@dataclass(frozen=True, slots=True)
class DraftTotal:
    """Drafts of a period that wait for the same thing, in one currency."""

    waits_for: str
    currency: str
    count: int
    total_minor: int


def runs(*, after: str = "", limit: int = LIMIT) -> Page[RunInfo]:
    """Return the runs that were ordered, the latest first."""
    rows = RunOrder.objects.all()
    page: Page[RunOrder] = keyset(rows, order=("-ordered_at", "-id"), after=after, limit=limit)
    made = _made_by([one.pk for one in page.rows])
    told = _told_to_branch([one.period_start for one in page.rows])
    return page.of(lambda one: told(_info(one, made.get(one.pk))))


def runs_by_command(limit: int) -> list[RunInfo]:
    """Return the last runs that a command made: nobody ordered them."""
    rows = BillRun.objects.exclude(pk__in=RunOrder.objects.values("pk"))
    found = [
        RunInfo(
            id=one.pk,
            action="bill",
            status=one.status,
            period_start=one.period_start,
            period_end=one.period_end,
            author=one.author,
            ordered_at=one.started_at,
            is_ordered=False,
            finished_at=one.finished_at,
            charges=one.charges,
            invoices=one.invoices,
        )
        for one in rows.order_by("-id")[:limit]
    ]
    told = _told_to_branch([one.period_start for one in found])
    return [told(one) for one in found]


def run_info(run_id: UUID) -> RunInfo | None:
    """Return an ordered run."""
    one = RunOrder.objects.filter(pk=run_id).first()
    if one is None:
        return None
    return _told_to_branch([one.period_start])(_info(one, _made_by([run_id]).get(run_id)))


def drafts_of(billed_in: date) -> list[DraftTotal]:
    """Return what of a period waits for a person, by what it waits for and currency."""
    rows = Invoice.objects.filter(billed_in=billed_in, status="draft").order_by()
    found = rows.values("waits_for", "currency").annotate(n=Count("*"), minor=Sum("total_minor"))
    return [
        DraftTotal(waits_for, currency, count, int(minor))
        for waits_for, currency, count, minor in found.order_by(
            "waits_for", "currency"
        ).values_list("waits_for", "currency", "n", "minor")
    ]


def periods() -> list[tuple[date, date]]:
    """Return the billing periods that have documents, the latest first.

    One step of the index a period: DISTINCT would read every document.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE month AS (
                (SELECT billed_in, period_end FROM invoicing_invoice
                 WHERE tenant_id = %(tenant)s ORDER BY billed_in DESC LIMIT 1)
                UNION ALL
                SELECT before.billed_in, before.period_end
                FROM month CROSS JOIN LATERAL (
                    SELECT i.billed_in, i.period_end FROM invoicing_invoice i
                    WHERE i.tenant_id = %(tenant)s AND i.billed_in < month.billed_in
                    ORDER BY i.billed_in DESC LIMIT 1) before)
            SELECT billed_in, period_end FROM month LIMIT %(most)s
            """,
            {"tenant": current_tenant_id(), "most": MOST_PERIODS},
        )
        return list(cursor.fetchall())


def _told_to_branch(periods: Sequence[date]) -> Callable[[RunInfo], RunInfo]:
    """Return what leaves of a run, for a member of a branch, what is about their own customers."""
    if parties.reached() is None:
        return lambda info: info
    rows = Invoice.objects.filter(billed_in__in=set(periods), status__in=("issued", "draft"))
    sums = rows.order_by().values("billed_in", "currency").annotate(
        issued=Count("pk", filter=Q(status="issued")), drafts=Count("pk", filter=Q(status="draft")),
        minor=Sum("total_minor"),
    )  # fmt: skip
    own: dict[date, list[OwnSums]] = {}
    for row in sums.order_by("billed_in", "currency"):
        one = OwnSums(row["currency"], row["issued"], row["drafts"], int(row["minor"]))
        own.setdefault(row["billed_in"], []).append(one)
    return lambda info: replace(
        info, done=0, whole=0, charges=0, invoices=0, summary=None,
        own=tuple(own.get(info.period_start, ())) if info.action != "dry" else (),
    )  # fmt: skip


def _made_by(ids: Sequence[UUID]) -> dict[UUID, BillRun]:
    return {one.pk: one for one in BillRun.objects.filter(pk__in=list(ids))}


def _info(one: RunOrder, made: BillRun | None) -> RunInfo:
    return RunInfo(
        id=one.pk,
        action=one.action,
        status=one.status,
        period_start=one.period_start,
        period_end=one.period_end,
        author=one.author,
        ordered_at=one.ordered_at,
        is_ordered=True,
        stage=one.stage,
        done=one.done,
        whole=one.whole,
        started_at=one.started_at,
        heard_at=one.heard_at,
        finished_at=one.finished_at,
        stop_asked_by=one.stop_asked_by,
        fault=one.fault,
        charges=made.charges if made else 0,
        invoices=made.invoices if made else 0,
        summary=from_document(one.report),
    )
