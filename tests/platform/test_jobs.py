"""Jobs on the real queue, with a real worker in this process."""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection, connections, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager
from psycopg import sql

from kvit.parties.models import Customer
from kvit.platform import jobs
from kvit.platform.clock import move_test_clock
from kvit.platform.jobs import job, repeating, work_once
from kvit.platform.leases import SPACE, LeasedWorkers, take_up
from kvit.platform.tenancy import current_tenant_id, tenant_scope
from kvit.web.cli import run as run_command
from tests.platform.conftest import House
from tests.platform.hearing import heard, listen, tell

pytestmark = pytest.mark.django_db(transaction=True)

ran: list[tuple[Any, ...]] = []
STEPS = 3
# A worker in a process of its own: registered, locked, silent for an hour, and at it for ever.
HELD = f"""
import os, psycopg
held = psycopg.connect(os.environ["HELD"], autocommit=True)
row = held.execute("INSERT INTO procrastinate_workers (last_heartbeat)"
                   " VALUES (now() - interval '1 hour') RETURNING id").fetchone()
held.execute("SELECT pg_advisory_lock(%s, %s)", [{SPACE}, row[0]])
print(row[0], flush=True)
input()
"""


@job(name="tests.note")
def note(*, word: str, now: datetime) -> None:
    ran.append((word, current_tenant_id(), [one.id for one in Customer.objects.all()], now))


@job(name="tests.note_global")
def note_global(*, word: str, now: datetime) -> None:
    ran.append((word, now))


@job(name="tests.note_apart", queue="tests")
def note_apart(*, word: str, now: datetime) -> None:
    ran.append((word, now))


@job(name="tests.fail_once")
def fail_once(*, word: str, now: datetime) -> None:
    ran.append((word,))
    if len(ran) == 1:
        raise RuntimeError("once")


@job(name="tests.defer_another")
def defer_another(*, word: str, now: datetime) -> None:
    ran.append((word,))
    note_global.defer(key="one by one", word=f"after {word}")


@job(name="tests.defer_and_fail")
def defer_and_fail(*, now: datetime) -> None:
    with transaction.atomic():
        note_global.defer(word="never")
        raise RuntimeError("rolled back")


def words_ran() -> list[str]:
    return [one[0] for one in ran]


@job(name="tests.long")
def long(*, word: str, now: datetime) -> None:
    """Steps of which the rest is put back once others are to go first."""
    while words_ran().count(word) < STEPS:
        ran.append((word,))
        if jobs.is_to_give_way():
            long.defer(word=word)
            return


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    ran.clear()
    yield
    ran.clear()


def statuses() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(  # without our own periodic job, which runs when a minute begins
            "SELECT task_name, status FROM procrastinate_jobs WHERE task_name LIKE 'tests.%%'", []
        )
        return dict(cursor.fetchall())


def unfinished() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")
        return int(cursor.fetchone()[0])


def workers() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_workers")
        return int(cursor.fetchone()[0])


def test_a_job_runs_as_its_tenant_at_its_tenants_time(ours: House, theirs: House) -> None:
    then = datetime(2031, 1, 1, tzinfo=UTC)
    move_test_clock(ours.tenant, to=then, actor="t", reason="")
    for house in (ours, theirs):
        with tenant_scope(house.tenant):
            note.defer(word="hi")
    work_once()
    seen = {line[1]: line for line in ran}
    assert seen[ours.tenant] == ("hi", ours.tenant, [ours.customer], then)
    assert seen[theirs.tenant][:3] == ("hi", theirs.tenant, [theirs.customer])
    assert abs((datetime.now(UTC) - seen[theirs.tenant][3]).total_seconds()) < 30


def test_a_job_without_tenant_runs_in_real_time() -> None:
    note_global.defer(word="hi")
    work_once()
    assert [line[0] for line in ran] == ["hi"]


def test_a_rollback_leaves_no_job(ours: House) -> None:
    with tenant_scope(ours.tenant), transaction.atomic():
        note.defer(word="a")
        note.defer_many([{"word": "b"}, {"word": "c"}])
        transaction.set_rollback(True)
    work_once()
    assert ran == []
    assert statuses() == {}


def test_a_job_deferred_by_a_job_belongs_to_its_transaction(ours: House) -> None:
    defer_and_fail.defer()
    work_once()
    assert ran == []
    assert statuses() == {"tests.defer_and_fail": "todo"}  # to be tried again, later


def test_many_jobs_and_their_order_by_key(ours: House) -> None:
    with tenant_scope(ours.tenant):
        note.defer_many({"word": str(n)} for n in range(20))
        note.defer_many([])
        for n in range(5):
            note.defer(key="one by one", word=f"k{n}")
    work_once()
    assert sorted(line[0] for line in ran) == sorted(
        [*map(str, range(20)), *(f"k{n}" for n in range(5))]
    )
    assert [line[0] for line in ran if line[0].startswith("k")] == [f"k{n}" for n in range(5)]


def test_a_long_job_lets_others_go_first_once_it_had_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "TURN_S", 0)
    long.defer(word="run")
    note_global.defer(word="webhook")
    work_once()
    assert words_ran() == ["run", "webhook", "run", "run"]  # nobody else waited then


def test_within_its_turn_and_beside_its_like_a_long_job_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long.defer(word="run")
    note_global.defer(word="webhook")
    work_once()
    assert words_ran() == ["run", "run", "run", "webhook"]
    ran.clear()
    monkeypatch.setattr(jobs, "TURN_S", 0)
    long.defer(word="run")
    note_apart.defer(word="another worker's")
    with connection.cursor() as cursor:  # not due yet
        note_global.defer(word="later")
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour'"
            " WHERE task_name = 'tests.note_global' AND status = 'todo'"
        )
    work_once(queues=["default"])
    assert words_ran() == ["run", "run", "run"]


def test_a_failed_job_is_tried_again_later() -> None:
    fail_once.defer(word="x")
    work_once()
    assert (len(ran), statuses()) == (1, {"tests.fail_once": "todo"})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")
    work_once()
    assert (len(ran), statuses()) == (2, {"tests.fail_once": "succeeded"})


def test_the_job_of_a_killed_worker_is_taken_up_at_once_and_a_living_one_keeps_its_own() -> None:
    note_global.defer(word="again")
    child = subprocess.Popen(
        [sys.executable, "-c", HELD],
        stdin=subprocess.PIPE,
        env={**os.environ, "HELD": psycopg.conninfo.make_conninfo(**connector_params())},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with connection.cursor() as cursor:  # a worker that was not heard of for an hour, and lives
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s RETURNING id",
            [child.stdout.readline()],
        )
    assert take_up() == 0
    work_once()
    assert ran == []
    child.kill()
    child.wait()
    wait_for(lambda: take_up() == 1)  # once the server has seen it
    work_once()
    assert [line[0] for line in ran] == ["again"]
    assert workers() == 0


def test_work_that_was_left_again_meanwhile_is_not_done_twice() -> None:
    assert note_global.defer_once(key="k", word="dead")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing'")
    assert note_global.defer_once(key="k", word="waits")
    assert take_up() == 1
    work_once()
    assert [line[0] for line in ran] == ["waits"]


@pytest.mark.parametrize("key", ["", "k"])
def test_a_job_of_a_newer_version_waits_for_a_newer_worker(key: str) -> None:
    newer = app.configure_task("tests.newer", allow_unknown=True, queueing_lock=key or None)
    newer.defer()
    note_global.defer(word="known")
    work_once()
    assert [line[0] for line in ran] == ["known"]
    assert statuses() == {"tests.newer": "todo", "tests.note_global": "succeeded"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE scheduled_at > now()")
        assert cursor.fetchone() == (1,)


def test_a_worker_of_a_queue_leaves_the_others() -> None:
    note_global.defer(word="of the other")
    note_apart.defer(word="of its own")
    work_once(queues=["tests"])
    assert [line[0] for line in ran] == ["of its own"]
    work_once()
    assert [line[0] for line in ran] == ["of its own", "of the other"]


def test_jobs_are_done_though_a_connection_of_the_process_died() -> None:
    note_global.defer(word="before")
    work_once()  # from here on its threads have their connections
    assert end_other_connections()
    for n in range(5):
        note_global.defer(key="one by one", word=f"k{n}")
    work_once()
    assert [line[0] for line in ran] == ["before", *(f"k{n}" for n in range(5))]


def test_a_round_of_jobs_that_leaves_as_many_as_it_found_is_not_the_last() -> None:
    for n in range(2):
        defer_another.defer(key="one by one", word=f"k{n}")
    work_once()
    assert [line[0] for line in ran] == ["k0", "k1", "after k0", "after k1"]


def test_a_worker_survives_a_restart_of_its_database(
    owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To its clients a restart is: connections end, new ones are refused, then are taken."""
    note_global.defer(word="before")
    with worker_beside(monkeypatch):
        wait_for(lambda: unfinished() == 0)  # our own periodic job among them
        database = sql.Identifier(connection.settings_dict["NAME"])
        owner.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(database))
        assert end_other_connections()
        time.sleep(0.5)
        owner.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(database))
        note_apart.defer(word="after")
        wait_for(lambda: statuses().get("tests.note_apart") == "succeeded")
    assert statuses() == {"tests.note_global": "succeeded", "tests.note_apart": "succeeded"}


def test_a_job_whose_end_could_not_be_noted_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = iter([True])

    async def finish_job(self: LeasedWorkers, **ended: Any) -> None:
        if next(lost, False):
            raise ConnectorException
        await JobManager.finish_job(self, **ended)

    monkeypatch.setattr(LeasedWorkers, "finish_job", finish_job)
    note_global.defer(word="twice")
    with worker_beside(monkeypatch):
        wait_for(lambda: statuses() == {"tests.note_global": "succeeded"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT attempts FROM procrastinate_jobs WHERE task_name LIKE 'tests.%%'")
        assert cursor.fetchall() == [(2,)]


def test_publishing_wakes_a_drain(
    ours: House, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(monkeypatch)
    monkeypatch.setattr(jobs, "POLL_S", 3_600)
    stop = threading.Event()
    drains = threading.Thread(target=jobs._drain_until, args=(stop,))
    drains.start()
    try:
        time.sleep(0.3)  # it has found nothing and listens
        with tenant_scope(ours.tenant), transaction.atomic():
            tell([("k", 1)], now)
        assert wait_for_heard(ours.tenant) == [("k", 1)]
    finally:
        stop.set()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [jobs.CHANNEL])
        drains.join()


def test_a_drain_survives_its_connection(
    ours: House, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(monkeypatch)
    monkeypatch.setattr(jobs, "RETRY_S", 0.05)
    stop = threading.Event()
    drains = threading.Thread(target=jobs._drain_until, args=(stop,))
    drains.start()
    try:
        wait_for(lambda: end_other_connections() > 0)
        with tenant_scope(ours.tenant), transaction.atomic():
            tell([("k", 1)], now)
        assert wait_for_heard(ours.tenant) == [("k", 1)]
    finally:
        stop.set()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [jobs.CHANNEL])
        drains.join()


def test_the_command_does_what_waits(
    ours: House, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(monkeypatch)
    monkeypatch.setattr(run_command, "ready", lambda: None)
    parser = argparse.ArgumentParser()
    run_command.add_arguments(parser)
    with tenant_scope(ours.tenant), transaction.atomic():
        note.defer(word="job")
        tell([("k", 1)], now)
    assert run_command.run(parser.parse_args(["worker", "--once"])) == 0
    assert [line[0] for line in ran] == ["job"]
    assert heard(ours.tenant) == [("k", 1)]


@contextmanager
def worker_beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a worker in a process of its own, which ends by a signal and in good order."""
    monkeypatch.setattr(jobs, "POLL_S", 0.1)
    connections.close_all()
    child = os.fork()
    if not child:
        try:
            jobs.work(concurrency=1)
            os._exit(0)
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGTERM)
        _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == 0


def end_other_connections() -> int:
    """End them and return how many there were; one that is just being closed may be none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
        return cursor.fetchall().count((True,))


def wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if holds():
            return
        time.sleep(0.02)
    assert holds()


def wait_for_heard(tenant: UUID) -> list[tuple[str, int]]:
    for _ in range(3_000):
        if found := heard(tenant):
            return found
        time.sleep(0.02)
    return []


def test_what_is_repeated_goes_on_though_nobody_could_say_what_it_is() -> None:
    asked, done = [], threading.Event()

    def acts() -> list[Callable[[], None]]:
        asked.append(True)
        if len(asked) == 1:
            raise FileNotFoundError("a folder that was there a moment ago")
        return [done.set]

    with repeating(acts, every_s=0.01):
        assert done.wait(60)
