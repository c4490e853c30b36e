"""A worker that lives through a restore is held, as one that starts after it is."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.utils import connector_params
from procrastinate.psycopg_connector import PsycopgConnector
from psycopg import sql

from kvit.platform import consumers, epoch, workers
from kvit.platform.epoch import Epoch, Held
from kvit.platform.jobs import is_held
from kvit.platform.leases import LeasedWorkers, at_work
from kvit.platform.tenancy import tenant_scope
from tests.platform.conftest import House
from tests.platform.hearing import heard, listen, tell
from tests.platform.test_jobs import note_apart, statuses, wait_for, worker_beside

pytestmark = pytest.mark.django_db(transaction=True)

Set = Callable[[Epoch], None]


@pytest.fixture
def set_epoch(owner: psycopg.Connection[Any]) -> Iterator[Set]:
    database = sql.Identifier(connection.settings_dict["NAME"])

    def change(to: Epoch) -> None:
        command = sql.SQL("ALTER DATABASE {} SET kvit.epoch = {}")
        owner.execute(command.format(database, sql.Literal(str(to))))

    yield change
    owner.execute(sql.SQL("ALTER DATABASE {} RESET kvit.epoch").format(database))


@asynccontextmanager
async def leased() -> AsyncIterator[LeasedWorkers]:
    connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=1)
    await connector.open_async()
    try:
        yield LeasedWorkers(connector)
    finally:
        await connector.close_async()


def registered() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_workers")
        return int(cursor.fetchone()[0])


def test_a_living_worker_does_nothing_until_a_person_lets_it(
    set_epoch: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LOOK_S", 0.05)
    with worker_beside(monkeypatch):
        wait_for(lambda: registered() == 1)
        set_epoch(Epoch(2, is_held=True))
        note_apart.defer(word="was sent before the restore, who knows")
        wait_for(lambda: registered() == 0)  # it has looked for jobs, and stands
        assert statuses() == {"tests.note_apart": "todo"}
        set_epoch(Epoch(2))
        wait_for(lambda: statuses() == {"tests.note_apart": "succeeded"})


def test_a_fetch_that_waits_for_a_restore_sees_its_epoch(
    owner: psycopg.Connection[Any], set_epoch: Set
) -> None:
    """A worker looks for jobs every few seconds, and a restore takes minutes."""
    note_apart.defer(word="no")
    refused: list[Exception] = []

    async def fetch() -> None:
        async with leased() as manager:
            number = await manager.register_worker()
            ready.set()
            assert is_locked.wait(20)
            with pytest.raises(Held) as refusal:
                await manager.fetch_job(None, number)
            refused.append(refusal.value)
            await manager.unregister_worker(number)

    ready, is_locked = threading.Event(), threading.Event()
    fetching = threading.Thread(target=lambda: asyncio.run(fetch()))
    fetching.start()
    assert ready.wait(20)
    with owner.transaction():
        owner.execute("LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE")
        set_epoch(Epoch(2, is_held=True))
        is_locked.set()
        wait_for(lambda: waiting_for_a_lock() == 1)
    fetching.join()
    assert [one.code for one in refused if isinstance(one, Held)] == ["restored_and_held"]
    assert statuses() == {"tests.note_apart": "todo"}


def waiting_for_a_lock() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


def test_nothing_is_delivered_while_workers_are_held(
    set_epoch: Set, ours: House, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(monkeypatch)
    with tenant_scope(ours.tenant), transaction.atomic():
        tell([("k", 1)], now)
    set_epoch(Epoch(2, is_held=True))
    assert (is_held(), consumers.drain_all(), heard(ours.tenant)) == (True, 0, [])
    set_epoch(Epoch(2))
    assert (is_held(), consumers.drain_all(), heard(ours.tenant)) == (False, 1, [("k", 1)])


def test_a_restore_knows_what_workers_are_at(owner: psycopg.Connection[Any]) -> None:
    note_apart.defer(word="long")

    async def fetched() -> int:
        async with leased() as manager:
            number = await manager.register_worker()
            job = await manager.fetch_job(None, number)
            assert job is not None
            found = at_work(owner, lock_timeout="5s")
            await manager.unregister_worker(number)
            return found

    assert asyncio.run(fetched()) == 1
    assert at_work(owner, lock_timeout="5s") == 0  # its worker is gone
    assert epoch.Epoch.read(None) == Epoch(1)
