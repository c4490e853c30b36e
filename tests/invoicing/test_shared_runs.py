"""A bill run that workers share: real processes, one of them killed in the middle."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.db import connection, connections, transaction

from kvit.invoicing import services
from kvit.invoicing._summary import RunSummary, summary_of
from kvit.invoicing.models import BillRun, Invoice, RunOrder, RunPart
from kvit.invoicing.queries import run_info
from kvit.invoicing.rows import RunReport
from kvit.invoicing.services import _orders, _shares
from kvit.platform import bulk, jobs, workers
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import tenant_scope
from kvit.rating.models import Charge
from kvit.rating.rows import RatingResult
from kvit.web.prove import company
from kvit.web.prove.company import ACTOR, LATER, OCTOBER
from tests.invoicing.conftest import broken

pytestmark = pytest.mark.django_db(transaction=True)
PAYERS = 200
ROLES = ("rating", "invoicing")
Document = tuple[str, str, int]


@pytest.fixture
def firm(transactional_db: None) -> Iterator[list[Document]]:
    """A company of two hundred payers; yields what one calm worker would issue."""
    company.make(PAYERS, events=1)
    with tenant_scope(company.tenant().id):
        with transaction.atomic():
            company.bill(chunk=_shares.LEAST)
            wanted = documents()
            transaction.set_rollback(True)
        yield wanted
        assert broken() == []
        assert company.gaps() == []


def documents() -> list[Document]:
    rows = Invoice.objects.filter(status="issued").order_by("number")
    return [(one.number_text, str(one.customer_id), one.total_minor) for one in rows]


def order() -> str:
    return str(services.order_run(OCTOBER.start, action="bill", author=ACTOR, now=LATER))


def worker(act: Callable[[], object]) -> int:
    """Start a worker of its own process, and return its pid."""
    connections.close_all()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        act()
        status = 0
    finally:
        os._exit(status)


def works_off() -> None:
    jobs.work_once(queues=ROLES)


def stuck() -> int:
    """Start a worker that never ends the first part that it takes; return its pid once it has."""
    told, telling = os.pipe()

    def work() -> None:
        right: Any = _shares._do_next

        def hang(part: RunPart) -> None:
            os.write(telling, b"!")
            time.sleep(3_600)

        vars(_shares)["_do_next"] = lambda record, stage, act: right(record, stage, hang)
        works_off()

    pid = worker(work)
    os.close(telling)
    assert os.read(told, 1) == b"!"
    os.close(told)
    return pid


def replaced(stage: str) -> int:
    """Start a worker that is told to end when it has done a part; return its pid."""

    def work() -> None:
        right: Any = _shares._do_next

        def do_next(record: Any, at: str, act: Any, **more: bool) -> Any:
            answer = right(record, at, act, **more)
            if at == stage and not workers.is_stopping():
                os.kill(os.getpid(), signal.SIGTERM)  # a second one would end it at once
                until(workers.is_stopping)
            return answer

        vars(_shares)["_do_next"] = do_next
        jobs.work(queues=[stage], concurrency=1)

    return worker(work)


def until(holds: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to hold")


def waiting_for_us() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return int(cursor.fetchone()[0])


def waits_for_another() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
        )
        return bool(cursor.fetchone()[0])


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_share_a_run_and_one_is_killed_in_the_middle(
    firm: list[Document], workers: int
) -> None:
    key = order()
    jobs.work_once(queues=["invoicing"])  # it begins the run, and leaves the parts
    parts = RunPart.objects.filter(is_done=True)
    doomed = stuck()
    others = [worker(works_off) for _ in range(workers - 1)]
    until(lambda: parts.count() >= 2)
    os.kill(doomed, signal.SIGKILL)
    assert ended(doomed) == -signal.SIGKILL
    assert {ended(other) for other in others} == {0}
    assert documents() == firm
    jobs.work_once()  # what the dead one was at is found to be over
    found = run_info(RunOrder.objects.get().pk)
    assert found is not None
    assert (str(found.id), found.status, found.invoices) == (key, "done", PAYERS)
    assert BillRun.objects.get().status == "done"
    assert Charge.objects.values("price_key", "subscription_id").distinct().count() == (
        Charge.objects.count()
    )


@pytest.mark.parametrize("stage", ROLES)
def test_a_worker_that_is_upgraded_in_the_middle_puts_back_the_rest(
    firm: list[Document], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shares, "LEAST", 10)
    monkeypatch.setattr(_shares, "SPREAD", PAYERS)
    monkeypatch.setattr(jobs, "POLL_S", 0.1)
    order()
    jobs.work_once(queues=["invoicing"])
    if stage == "invoicing":
        jobs.work_once(queues=["rating"])
    parts = RunPart.objects.filter(stage=stage)
    assert ended(replaced(stage)) == 0
    assert parts.filter(is_done=True).exists()
    assert parts.filter(is_done=False).exists()  # it went after the part that it was at
    assert RunOrder.objects.get().status == "running"
    assert ended(worker(works_off)) == 0
    assert documents() == firm
    assert RunOrder.objects.get().status == "done"


seen: list[int] = []


@jobs.job(name="tests.look_at_parts", queue="rating")
def look_at_parts(*, now: datetime) -> None:
    seen.append(RunPart.objects.filter(is_done=True).count())


def test_a_run_keeps_no_other_job_waiting_for_more_than_a_turn(
    firm: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shares, "LEAST", 10)  # twenty-five to a part: eight parts
    monkeypatch.setattr(jobs, "TURN_S", 0)
    order()
    jobs.work_once(queues=["invoicing"])
    look_at_parts.defer()
    jobs.work_once(queues=["rating"])
    assert (seen.pop(), seen) == (_orders.HELPERS, [])  # a part of each that was there before it
    jobs.work_once(queues=ROLES)
    assert documents() == firm


def test_no_customer_is_the_business_of_two_workers(
    firm: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shares, "LEAST", 10)
    monkeypatch.setattr(_shares, "SPREAD", PAYERS)
    monkeypatch.setattr(bulk, "FEW", 4)
    order()
    jobs.work_once(queues=["invoicing"])
    parts = list(RunPart.objects.order_by("place").values_list("place", "ids", "size"))
    assert [place for place, _, _ in parts] == list(range(len(parts)))
    assert len(parts) > bulk.FEW  # they are written while they are read
    assert [len(ids) for _, ids, _ in parts] == [size for _, _, size in parts]
    due = [key for _, ids, _ in parts for key in ids]
    assert (len(due), len(set(due))) == (PAYERS, PAYERS)


def test_a_run_in_parts_is_summed_up_like_a_run_of_one_worker(firm: list[Document]) -> None:
    order()
    jobs.work_once()
    run = BillRun.objects.get()
    report = RunReport(run.pk, RatingResult())
    for part in RunPart.objects.order_by("stage", "place"):
        report.issued += part.issued
        if part.stage == "rating":
            report.rated.add(msgspec.convert(part.brought, RatingResult))
    made = summary_of(OCTOBER, report)
    assert made.issued == PAYERS
    found = run_info(run.pk)
    assert found is not None
    assert found.summary is not None  # its documents to read are those of each part
    assert replace(found.summary, sample=[]) == replace(made, sample=[])


def test_of_two_workers_at_the_end_of_a_run_one_sums_it_up(
    firm: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, tenant = order(), company.tenant().id
    jobs.work_once(queues=["invoicing"])
    jobs.work_once(queues=["rating"])
    right, begun, summed = _orders.summary_of_parts, threading.Event(), list[str]()

    def sum_up(*given: Any) -> RunSummary:
        summed.append(threading.current_thread().name)
        begun.set()
        until(waits_for_another)
        return right(*given)

    def work() -> None:
        with tenant_scope(tenant):
            services.perform(UUID(key), now=LATER)
        connections.close_all()

    monkeypatch.setattr(_orders, "summary_of_parts", sum_up)
    workers = [threading.Thread(target=work) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert len(summed) == 1
    assert RunOrder.objects.get().status == "done"
    jobs.work_once()
    assert len(summed) == 1


def test_a_role_that_is_stopped_holds_nothing_but_its_own_work(firm: list[Document]) -> None:
    order()
    jobs.work_once(queues=["invoicing"])
    assert (Charge.objects.count(), RunOrder.objects.get().status) == (0, "running")
    jobs.work_once(queues=["rating"])
    assert RunPart.objects.filter(stage="invoicing", is_done=False).count() == PAYERS / 50
    jobs.work_once(queues=["rating"])  # nothing is left for it, however many there are
    assert documents() == []
    jobs.work_once(queues=["invoicing"])
    assert documents() == firm
    assert RunOrder.objects.get().status == "done"


def test_numbers_are_taken_in_the_order_of_the_parts(firm: list[Document]) -> None:
    order()
    jobs.work_once(queues=["invoicing"])
    jobs.work_once(queues=["rating"])
    run = BillRun.objects.get()
    act = _shares._invoicing(run)
    with pytest.raises(_shares._NotItsTurn), transaction.atomic():
        act(RunPart.objects.get(stage="invoicing", place=1))  # the one before it is left
    assert documents() == []
    jobs.work_once()
    assert documents() == firm


def test_who_waits_for_a_turn_keeps_nobody_from_theirs(firm: list[Document]) -> None:
    """The last begins to wait before the one whose turn comes before."""
    order()
    jobs.work_once(queues=["invoicing"])
    jobs.work_once(queues=["rating"])
    run, ended = BillRun.objects.get(), list[int]()

    def work(place: int) -> None:
        with tenant_scope(run.tenant_id), transaction.atomic():
            part = RunPart.objects.select_for_update().get(stage="invoicing", place=place)
            assert not _shares._is_left(run, "invoicing", before=place)
            part.is_done = True
            part.save()
            ended.append(place)
        connections.close_all()

    waiting = {place: threading.Thread(target=work, args=(place,)) for place in (2, 1)}
    with transaction.atomic():
        first = RunPart.objects.select_for_update().get(stage="invoicing", place=0)
        for count, one in enumerate(waiting.values(), 1):
            one.start()
            until(lambda count=count: waiting_for_us() == count)
        first.is_done = True
        first.save()
    for one in waiting.values():
        one.join()
    assert ended == [1, 2]
    jobs.work_once()


def test_a_run_that_was_begun_twice_is_one(firm: list[Document]) -> None:
    request = services._orders._request(RunOrder.objects.create(
        pk=uuid7(), action="bill", period_start=OCTOBER.start, period_end=OCTOBER.end,
        author=ACTOR, ordered_at=LATER,
    ))[1]  # fmt: skip
    begun = [_shares.begin(request, actor=ACTOR, now=LATER) for _ in range(2)]
    assert begun == [True, False]
    assert RunPart.objects.count() == PAYERS / 50
    services.perform(RunOrder.objects.get().pk, now=LATER)
    assert documents() == firm


def test_a_command_joins_the_run_that_was_ordered(firm: list[Document]) -> None:
    assert not services.join_run(OCTOBER, now=LATER)
    assert documents() == []
    order()
    jobs.work_once(queues=["invoicing"])  # it is begun, and waits for workers
    assert services.join_run(OCTOBER, now=LATER)
    assert documents() == firm
    assert RunOrder.objects.get().status == "done"
    report = company.bill()
    assert (report.issued, report.drafts) == ([], [])
    jobs.work_once()


@pytest.mark.parametrize("stage", ROLES)
def test_a_part_at_which_the_connection_was_lost_is_done_by_another_try(
    firm: list[Document], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services._orders, "HELPERS", 1)  # nobody is beside the one who stumbles
    left = _lose_connections(monkeypatch, stage, times=1)
    order()
    jobs.work_once(queues=ROLES)
    assert left == []
    assert (RunOrder.objects.get().status, documents()) == ("running", [])
    assert RunPart.objects.filter(stage=stage, is_done=True).count() == 0
    _hasten()
    jobs.work_once(queues=ROLES)
    assert documents() == firm
    assert RunOrder.objects.get().status == "done"


def test_others_go_on_while_one_lost_its_connection(
    firm: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = _lose_connections(monkeypatch, "rating", times=1)
    order()
    jobs.work_once(queues=ROLES)
    assert left == []
    assert documents() == firm
    assert RunOrder.objects.get().status == "done"


def test_a_run_that_stumbles_at_its_last_try_has_failed(
    firm: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services._orders, "HELPERS", 1)
    monkeypatch.setattr(jobs, "TRIES", 0)
    _lose_connections(monkeypatch, "rating", times=1)
    order()
    jobs.work_once(queues=ROLES)
    found = RunOrder.objects.get()
    assert (found.status, found.fault, documents()) == ("failed", "broken", [])
    # As it was before: whoever orders it again has it done.
    order()
    jobs.work_once(queues=ROLES)
    assert documents() == firm


def _lose_connections(monkeypatch: pytest.MonkeyPatch, stage: str, times: int) -> list[str]:
    """Have the database end the connection of whoever is at a part, at its end; return how often
    that is still to happen."""
    left, kept = ["once"] * times, getattr(_shares, f"_{stage}")

    def acting(record: BillRun) -> _shares.Act:
        act = kept(record)

        def acted(part: RunPart) -> None:
            act(part)
            if left:
                left.pop()
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        return acted

    monkeypatch.setattr(_shares, f"_{stage}", acting)
    return left


def _hasten() -> None:
    """Let jobs that wait for another try be tried now."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")
