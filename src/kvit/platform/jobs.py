"""Work to be done later and outside the request: PDFs, calls to the outside, schedules.

    @job(name="documents.render")
    def render(*, invoice: str, now: datetime) -> None: ...

    render.defer(invoice=str(invoice.id))

A job is deferred in the caller's transaction, so a fact that is rolled back leaves no job. It
remembers the tenant in scope, runs in that scope, and is told `now` by the tenant's clock.
Arguments are JSON: ids and figures. A job may run twice (its worker was killed after the work and
before the note of it): what it does is idempotent.

The names of jobs and of their arguments stand in the database: they are never changed.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued
from psycopg.types.json import Json

from kvit.platform import clock, epoch
from kvit.platform.consumers import drain_all
from kvit.platform.db.base import current_tenant
from kvit.platform.events import CHANNEL
from kvit.platform.leases import take_up
from kvit.platform.tenancy import tenant_scope
from kvit.platform.workers import RETRY_S, is_stopping, work_off, work_until_signal

TRIES = 6  # then the job is `failed` and waits for a person
POLL_S = 5  # between looks at the deliveries when nobody wakes the drain
NIGHT = "17 0 * * *"  # by UTC: 03:17 in Moscow

_log = logging.getLogger("kvit.jobs")
TURN_S = 5.0  # a long job lets others go first after so long
_at_work: ContextVar["_AtWork | None"] = ContextVar("at_work", default=None)
_OTHERS_WAIT = f"""
    SELECT {epoch.IS_HELD} OR EXISTS (
        SELECT FROM procrastinate_jobs
        WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp())
          AND (%(queues)s::text[] IS NULL OR queue_name = ANY (%(queues)s::text[]))
          AND (task_name, args) IS DISTINCT FROM (%(task)s, %(args)s::jsonb)
    )
"""


@dataclass(frozen=True, slots=True)
class _AtWork:
    """Procrastinate's job that is at work, since when, and of which queues its worker takes jobs;
    none is of all."""

    job: Any
    since: float
    queues: list[str] | None


@dataclass(frozen=True, slots=True)
class Job:
    """A function that workers run."""

    name: str
    run: Callable[..., None]
    task: Any

    def defer(
        self, *, key: str | None = None, at: datetime | None = None, **arguments: Any
    ) -> None:
        """Leave one job. Jobs of one `key` never run at the same time and keep their order.

        `at`: not before that moment, by the server's clock; followers of its key wait as well.
        """
        self.task.configure(lock=key, schedule_at=at).defer(**_tenant(), **arguments)

    def defer_once(self, *, key: str, **arguments: Any) -> bool:
        """Leave one job unless one of this key waits already; return whether it was left."""
        try:
            with transaction.atomic():
                task = self.task.configure(lock=key, queueing_lock=key)
                task.defer(**_tenant(), **arguments)
        except AlreadyEnqueued:
            return False
        return True

    def defer_many(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Leave a job for each row of arguments, in one statement."""
        together = _tenant()
        given = [{**together, **row} for row in rows]
        if given:
            self.task.batch_defer(*given)


def job(*, name: str, queue: str = "default") -> Callable[[Callable[..., None]], Job]:
    """Make a function a job; what it raises has it tried again, later and later."""

    def register(function: Callable[..., None]) -> Job:
        def run(context: Any, *, tenant: str | None = None, **arguments: Any) -> None:
            scope: AbstractContextManager[Any] = nullcontext()
            now = datetime.now(UTC)
            if tenant is not None:
                scope = tenant_scope(UUID(tenant), switch=True)
            queues = list(context.worker_queues or ()) or None
            begun = _at_work.set(_AtWork(context.job, time.monotonic(), queues))
            try:
                with scope:
                    if tenant is not None:
                        now = clock.now_for(UUID(tenant))
                    function(now=now, **arguments)
            finally:
                _at_work.reset(begun)

        retry = RetryStrategy(max_attempts=TRIES, exponential_wait=4)
        task: Any = app.task  # its overloads know no keyword-only function
        named = {"name": name, "queue": queue, "retry": retry}
        return Job(name, function, task(run, pass_context=True, **named))

    return register


def is_last_try() -> bool:
    """Whether nobody does it again if it fails now: the job was tried often, or this is none."""
    here = _at_work.get()
    return here is None or here.job.attempts >= TRIES


def is_to_give_way() -> bool:
    """Whether the job at work is to put back at its next step what others can go on with: its
    worker was told to stop, or is held, or other jobs wait and it has had its turn. One company's
    month is no reason for another's webhook to wait for minutes."""
    here = _at_work.get()
    if is_stopping():
        return True
    if here is None or time.monotonic() - here.since < TURN_S:
        return False
    with connection.cursor() as cursor:
        args = Json(here.job.task_kwargs)
        asked = {"queues": here.queues, "task": here.job.task_name, "args": args}
        cursor.execute(_OTHERS_WAIT, asked)
        return bool(cursor.fetchone()[0])


def is_held() -> bool:
    """Whether workers are to begin nothing: the database was restored, or is about to be."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {epoch.IS_HELD}")
        return bool(cursor.fetchone()[0])


def every_minute(*, name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Make a function of no tenant run once a minute while any worker does; never twice at once.

    It looks and defers: what takes long, or belongs to a tenant, is a job.
    """
    return _periodic(name, "* * * * *")


def every_night(*, name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Make a function of no tenant run once a night; see `every_minute`."""
    return _periodic(name, NIGHT)


def _periodic(name: str, cron: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(function: Callable[[], None]) -> Callable[[], None]:
        def run(timestamp: int) -> None:
            function()

        task: Any = app.task
        app.periodic(cron=cron)(task(run, name=name, queueing_lock=name, lock=name))
        return function

    return register


def _tenant() -> dict[str, Any]:
    tenant = current_tenant.get()
    return {} if tenant is None else {"tenant": str(tenant)}


def work(*, concurrency: int = 4, queues: Sequence[str] = ()) -> None:
    """Run jobs, of these queues or of all, until a signal comes.

    A worker of all queues delivers events too; each takes up what the dead were at.
    """
    stop = threading.Event()
    watch = _take_up_until if queues else _drain_until
    # A copy of the context: what the drain changes is done from where the worker is.
    beside = threading.Thread(target=copy_context().run, args=(watch, stop))
    beside.start()
    try:
        work_until_signal(concurrency=concurrency, queues=list(queues) or None)
    finally:
        stop.set()
        beside.join()


@contextmanager
def repeating(
    acts: Callable[[], Iterable[Callable[[], object]]], *, every_s: float
) -> Iterator[None]:
    """Do what `acts` names, again and again in a thread of its own, while the block lasts.

    What one of them raises is told, and keeps no other from being done.
    """
    stop = threading.Event()
    beside = threading.Thread(target=copy_context().run, args=(_repeat, acts, every_s, stop))
    beside.start()
    try:
        yield
    finally:
        stop.set()
        beside.join()


def _repeat(
    acts: Callable[[], Iterable[Callable[[], object]]], every_s: float, stop: threading.Event
) -> None:
    def act() -> None:
        do_each(acts())

    while not stop.wait(every_s):
        do_each([act])
    connection.close()


def do_each(acts: Iterable[Callable[[], object]]) -> list[Exception]:
    """Do one after the other; what one of them raises is told, and keeps no other from being done.

    Returns what was raised.
    """
    raised = []
    for act in acts:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - one company's trouble is not the others'
            _log.error("one of several stumbled, the others go on", exc_info=error)
            connection.close()
            raised.append(error)
    return raised


def work_once(*, queues: Sequence[str] = ()) -> None:
    """Run what waits, jobs and deliveries, until nothing more can be done now."""
    take_up()
    while True:
        went = 0 if queues else drain_all()
        waiting = _waiting(queues)
        if waiting:
            work_off(queues=list(queues) or None)
        # A round ends when nothing can be fetched for a moment, though followers of a lock remain.
        if not went and not waiting - _waiting(queues):
            return


def _waiting(queues: Sequence[str]) -> set[int]:
    """Return the jobs that could be run now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM procrastinate_jobs WHERE status = 'todo'"
            " AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp())"
            " AND (%(queues)s::text[] = '{}' OR queue_name = ANY(%(queues)s))",
            {"queues": list(queues)},
        )
        return {key for (key,) in cursor.fetchall()}


def _drain_until(stop: threading.Event) -> None:
    """Deliver events, then sleep until a publisher's NOTIFY or the next look."""
    while not stop.is_set():
        try:
            connection.ensure_connection()
            raw = connection.connection
            raw.execute(f"LISTEN {CHANNEL}")
            while not stop.is_set():
                take_up()
                drain_all()
                for _ in raw.notifies(timeout=POLL_S, stop_after=1):
                    pass
        except Exception as error:  # noqa: BLE001 - lost connections among them: it must go on
            _log.error("the drain stumbled and tries again", exc_info=error)
            connection.close()
            stop.wait(RETRY_S)
    connection.close()


def _take_up_until(stop: threading.Event) -> None:
    """Look for jobs of the dead, as the drain does, where nobody delivers."""
    while not stop.wait(POLL_S):
        try:
            take_up()
        except Exception as error:  # noqa: BLE001 - lost connections among them: it must go on
            _log.error("the look for jobs of the dead stumbled and is repeated", exc_info=error)
            connection.close()
    connection.close()
