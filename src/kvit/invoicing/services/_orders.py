"""Work over a billing period, ordered by a person and done by a worker: run, dry run, approval.

    order = order_run(date(2026, 10, 1), action="dry", author=…, now=…)    at once
    perform(order, now=…)                                      minutes: here, or by jobs of
                                                               rating and of invoicing (`_shares`)

How far it is is written over a connection of its own. So a page sees it while the work goes on,
nothing waits for a lock of it, and a dry run, which is rolled back whole, leaves its report.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Model

from kvit.core.periods import Period, add_months, local_date
from kvit.core.wording import Words
from kvit.invoicing._summary import RunSummary, summary_of, summary_of_parts, to_document
from kvit.invoicing.models import Invoice, RunOrder
from kvit.invoicing.rows import Progress, RunReport, RunRequest, silent
from kvit.invoicing.services import _shares
from kvit.invoicing.services._approval import above_limit, approve, note_above_limit
from kvit.invoicing.services._preview import rolled_back
from kvit.invoicing.services._runs import NoSeller, run
from kvit.parties import queries as parties
from kvit.parties.limits import same_hand
from kvit.platform import audit, clock, events
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.jobs import is_last_try, job
from kvit.platform.tenancy import current_tenant_id
from kvit.rating.rows import RatingResult

Action = Literal["bill", "dry", "approve"]
CHUNK = 200  # drafts approved in one transaction
HELPERS = 4  # jobs that a stage of a run is left to: so many workers share it
UNDER_WAY = ("queued", "running")
# A lost connection, a deadlock, a full disk: of ours, and of those that notes are made over.
PASSING = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
TOLD = "invoicing.order"  # to open pages: how far an order is
FIRST_YEAR, LAST_YEAR = 1970, 2199  # between which usage is kept
WORDS: Words = {
    "period_not_over": (
        "За {period} выставлять рано: месяц ещё не закончился. Пробный запуск покажет, что"
        " получится по тому, что известно сейчас.",
        "{period} is not over: it is too early to issue. A dry run shows what comes of what is"
        " known by now.",
    ),
    "period_outlandish": (
        "{day} — вне лет, за которые хранится потребление (1970–2199).",
        "{day} is outside the years of which usage is kept (1970 to 2199).",
    ),
    "order_under_way": (
        "По периоду {period} уже идёт запуск. Дождитесь его или остановите.",
        "A run of {period} is under way. Wait for it, or stop it.",
    ),
    "no_drafts": (
        "За {period} нет черновиков, которые ждут вашего утверждения.",
        "No draft of {period} waits for your approval.",
    ),
    "no_seller": (
        "Некому выставлять: заведите юрлицо-продавца.",
        "Nobody could issue the documents: set a seller up.",
    ),
    "order_unknown": ("Такого запуска нет.", "There is no such run."),
    "order_over": (
        "Запуск уже закончился: останавливать нечего.",
        "The run is over: there is nothing to stop.",
    ),
    "issue_on_early": (
        "Дата документов {day} раньше последнего дня периода. Поставьте {last} или позже.",
        "The documents' date {day} is before the period's last day. Use {last} or later.",
    ),
    "broken": (
        "Запуск прервался из-за сбоя у нас. Что посчитано и выставлено, сохранено; повторите"
        " запуск, он продолжит с того же места.",
        "The run was broken off by a fault of ours. What was charged and issued stands; start it"
        " again and it goes on from there.",
    ),
}  # fmt: skip


class OrderRefused(Failure):
    """The work cannot be ordered, or stopped, as things stand; nothing was changed."""

    words = WORDS


class _Stopped(Exception):
    """Somebody asked the work to stop; raised between two chunks."""


def order_run(
    period_start: date,
    *,
    action: Action,
    author: str,
    now: datetime,
    issue_on: date | None = None,
    left_out: Collection[UUID] = (),
) -> UUID:
    """Leave a worker a bill run of a month, a dry one, or the approval of its drafts.

    Args:
        period_start: a day of the billing month.
        issue_on: the date of the documents; a run's is the last day of the period, an approval's
            is today.
        left_out: drafts that an approval leaves alone.

    Raises:
        OrderRefused: see its words.
    """
    window = _window(period_start)
    _check(window, action, author, now, issue_on, left_out)
    key = uuid7()
    try:
        with transaction.atomic():
            RunOrder.objects.create(
                pk=key,
                action=action,
                period_start=window.start,
                period_end=window.end,
                issue_on=issue_on,
                author=author,
                left_out=sorted(map(str, left_out)),
                ordered_at=now,
            )
            audit.record(
                action=f"invoicing.order.{action}",
                object_type="invoicing.order",
                object_id=str(key),
                after={"period": str(window), "left_out": len(left_out)},
                actor=author,
                now=now,
            )
            perform_order.defer(order=str(key))
    except IntegrityError as error:
        if "runorder_one_at_a_time" not in str(error):
            raise
        raise OrderRefused("order_under_way", period=window) from error
    return key


@transaction.atomic
def stop(order_id: UUID, *, actor: str, now: datetime) -> None:
    """Ask the work to stop after the chunk that it is at. What is done stays done.

    Raises:
        OrderRefused: it is over, or never was.
    """
    order = RunOrder.objects.select_for_update().filter(pk=order_id).first()
    if order is None:
        raise OrderRefused("order_unknown")
    if order.status not in UNDER_WAY:
        raise OrderRefused("order_over")
    order.stop_asked_by = actor
    if order.status == "queued":
        order.status, order.finished_at = "stopped", now
    order.save(update_fields=["stop_asked_by", "status", "finished_at"])
    audit.record(
        action="invoicing.order.stopped",
        object_type="invoicing.order",
        object_id=str(order_id),
        actor=actor,
        now=now,
    )


def perform(order_id: UUID, *, now: datetime) -> None:
    """Do what was ordered, a bill run's parts beside whoever else is at them. Done twice, the
    second finds it over, or goes on where it was killed."""

    _tell(order_id, _bill, now)


def join_run(window: Period, *, now: datetime) -> bool:
    """Be one of the workers at the run of this month that was ordered, if there is one, until
    nothing is left of it; return whether there was. What goes wrong here ends it for nobody else.
    """
    under_way = RunOrder.objects.filter(action="bill", status__in=UNDER_WAY)
    order = under_way.filter(period_start=window.start).first()
    if order is None:
        return False
    _tell(order.pk, _bill, now, ends_it=False)
    return True


@job(name="invoicing.order", queue="invoicing")
def perform_order(*, order: str, now: datetime) -> None:
    """Begin a bill run and leave its parts to the workers of rating; do anything else."""

    @transaction.atomic
    def leave(found: RunOrder, note: _Note) -> None:
        if _begin(found):
            rate_order.defer_many([{"order": order}] * HELPERS)

    _tell(UUID(order), leave, now)


@job(name="invoicing.order.rate", queue="rating")
def rate_order(*, order: str, now: datetime) -> None:
    """Rate parts of a run until none is left; the first to find so leaves the invoicing."""

    def rate(found: RunOrder, note: _Note) -> None:
        if not _shares.do_parts(found.pk, "rating", note.progress):
            rate_order.defer(order=order)
            return
        with transaction.atomic():
            if _shares.begin_invoicing(found.pk):
                issue_order.defer_many([{"order": order}] * HELPERS)

    _tell(UUID(order), rate, now)


@job(name="invoicing.order.issue", queue="invoicing")
def issue_order(*, order: str, now: datetime) -> None:
    """Invoice parts of a run until none is left, and sum it up."""

    def issue(found: RunOrder, note: _Note) -> RunSummary | None:
        if not _invoice(found, note):
            issue_order.defer(order=order)
            return None
        return _sum_up(found, note)

    _tell(UUID(order), issue, now)


def _bill(order: RunOrder, note: "_Note") -> RunSummary | None:
    _begin(order)
    _shares.do_parts(order.pk, "rating", note.progress)
    _shares.begin_invoicing(order.pk)
    _invoice(order, note)
    return _sum_up(order, note)


def _invoice(order: RunOrder, note: "_Note") -> bool:
    """Invoice parts, and sum up those of which a death left the sums; see `do_parts`."""
    is_all = _shares.do_parts(order.pk, "invoicing", note.progress)
    return is_all and _shares.do_parts(order.pk, "comparing", silent)


def _tell(
    order_id: UUID,
    bill: Callable[[RunOrder, "_Note"], RunSummary | None],
    now: datetime,
    *,
    ends_it: bool = True,
) -> None:
    """Do a share of what was ordered, and note how it goes. Of what is over nothing is done."""
    order = RunOrder.objects.filter(pk=order_id).first()
    if order is None or order.status not in UNDER_WAY:
        return
    shown = clock.test_moment()  # asked before anything may go wrong with the connection

    def present() -> datetime:
        return shown or datetime.now(UTC)

    with _ledger_of(order) as note:
        note(status="running", started_at=order.started_at or present())
        try:
            if order.action == "bill":
                summary = bill(order, note)
            else:
                summary = _ALONE[order.action](order, note.progress, now)
        except _Stopped:
            note(status="stopped", finished_at=present())
        except NoSeller:
            note(status="failed", fault="no_seller", finished_at=present())
        except Exception as error:
            # What the database could not do just now this job does again in a while, and others
            # go on meanwhile: a part that was not done is anybody's.
            if ends_it and (is_last_try() or not isinstance(error, PASSING)):
                note(status="failed", fault="broken", finished_at=present())
            raise
        else:
            if summary is not None:
                note(status="done", report=to_document(summary), finished_at=present())


def _begin(order: RunOrder) -> bool:
    _, request = _request(order)
    return _shares.begin(request, actor=order.author, now=request.clock)


def _sum_up(order: RunOrder, note: "_Note") -> RunSummary | None:
    """Close the run and sum it up, where nothing of it is left."""
    totals = _shares.finished(order.pk)
    if totals is None:
        return None
    note.alone()
    note.progress("comparing", 0, 0)  # ends here where another has summed it up
    return summary_of_parts(Period(order.period_start, order.period_end), order.pk, totals)


def _dry(order: RunOrder, progress: Progress, now: datetime) -> RunSummary:
    """Bill the period and take it back. Like `kvit bill`, it lives at the end of the period."""

    def made() -> RunSummary:
        window, request = _request(order)
        report = run(request, actor=order.author, now=request.clock, progress=progress)
        return _summed(window, report, progress)

    return rolled_back(made)


def _approve(order: RunOrder, progress: Progress, now: datetime) -> RunSummary:
    left_out = set(map(UUID, order.left_out))
    drafts = Invoice.objects.filter(billed_in=order.period_start, status="draft")
    # Where four eyes are wanted, one's own drafts wait for somebody else.
    drafts = drafts.exclude(four_eyes=True, author__in=same_hand(order.author))
    above = [one for one in above_limit(drafts, order.author) if one.pk not in left_out]
    left_out |= {one.pk for one in above}
    ids = list(drafts.order_by("created_at", "pk").values_list("pk", flat=True))
    chosen = [key for key in ids if key not in left_out]
    report = RunReport(order.pk, RatingResult())
    progress("approving", 0, len(chosen))
    for start in range(0, len(chosen), CHUNK):
        # One that was decided meanwhile is no reason to leave the others.
        part = drafts.filter(pk__in=chosen[start : start + CHUNK]).order_by("created_at", "pk")
        standing = list(part.values_list("pk", flat=True))
        report.issued += approve(standing, approver=order.author, now=now, issue_on=order.issue_on)
        progress("approving", start + len(standing), len(chosen))
    note_above_limit(above, order.author, now=now)
    report.drafts = sorted(left_out)
    return _summed(Period(order.period_start, order.period_end), report, progress)


_ALONE = {"dry": _dry, "approve": _approve}  # by one worker, whole


def _summed(window: Period, report: RunReport, progress: Progress) -> RunSummary:
    progress("comparing", 0, 0)
    return summary_of(window, report)


def _request(order: RunOrder) -> tuple[Period, RunRequest]:
    window = Period(order.period_start, order.period_end)
    issue_on = order.issue_on or date.fromordinal(window.end.toordinal() - 1)
    clock = window.end_instant(parties.tenant().row.zone)
    return window, RunRequest(window, clock, issue_on=issue_on, run_id=order.pk)


def _window(day: date) -> Period:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise OrderRefused("period_outlandish", day=day)
    first = day.replace(day=1)
    return Period(first, add_months(first, 1))


def _check(
    window: Period,
    action: Action,
    author: str,
    now: datetime,
    issue_on: date | None,
    left_out: Collection[UUID],
) -> None:
    if not parties.sellers():
        raise OrderRefused("no_seller")
    today = local_date(now, parties.tenant().row.zone)
    if action == "bill" and today < window.end:
        raise OrderRefused("period_not_over", period=window)
    last = date.fromordinal(window.end.toordinal() - 1)
    if issue_on is not None and issue_on < last:
        raise OrderRefused("issue_on_early", day=issue_on, last=last)
    if action == "approve":
        drafts = Invoice.objects.filter(billed_in=window.start, status="draft")
        drafts = drafts.exclude(four_eyes=True, author__in=same_hand(author))
        if not drafts.exclude(pk__in=list(left_out)).exists():
            raise OrderRefused("no_drafts", period=window)


class _Note:
    """Writes into the row of an order, over a connection that is in nobody's transaction.

    What is over stays so: of several at one run the first to end it has the word.
    """

    def __init__(self, raw: Any, order_id: UUID) -> None:
        self._raw, self._order_id = raw, order_id

    def __call__(self, **values: object) -> bool:
        """Set columns; return whether to stop: somebody asked, or it is over."""
        model: type[Model] = RunOrder
        fields = {field.column: field for field in model._meta.local_concrete_fields}
        names = ", ".join(f"{name} = %s" for name in values)
        given = [fields[name].get_db_prep_save(value, connection) for name, value in values.items()]
        with self._raw.transaction():
            tenant = str(current_tenant_id())
            self._raw.execute("SELECT set_config('app.tenant', %s, true)", [tenant])
            changed = self._raw.execute(
                f"UPDATE {model._meta.db_table} SET {names}"
                " WHERE tenant_id = %s AND id = %s AND status = ANY(%s)",
                [*given, tenant, self._order_id, list(UNDER_WAY)],
            ).rowcount
            row = self._raw.execute(
                f"SELECT stop_asked_by FROM {model._meta.db_table}"
                " WHERE tenant_id = %s AND id = %s",
                [tenant, self._order_id],
            ).fetchone()
            # Open pages look again. It is no fact: nothing of it is kept, and nobody else hears.
            self._raw.execute("SELECT pg_notify(%s, %s)", [events.FACTS, f"{tenant} {TOLD}"])
        return row is not None and (not changed or bool(row[0]))

    def alone(self) -> None:
        """Wait until no other worker is at the end of this order: it has noted it, or died."""
        self._raw.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [str(self._order_id)])

    def progress(self, stage: str, done: int, whole: int) -> None:
        """Tell how far it is; between two chunks, so here it may also end."""
        if self(stage=stage, done=done, whole=whole, heard_at=datetime.now(UTC)):
            raise _Stopped


@contextmanager
def _ledger_of(order: RunOrder) -> Iterator[_Note]:
    other = connection.copy()
    try:
        other.ensure_connection()
        yield _Note(other.connection, order.pk)
    finally:
        other.close()
