"""The drain: each event once, in order within a key; a failing key waits by itself."""

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from random import Random
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from kvit.parties.models import Customer
from kvit.parties.rows import Tenant
from kvit.platform import events
from kvit.platform.clock import move_test_clock
from kvit.platform.consumers import drain, drain_all, unpark
from kvit.platform.events import Event
from kvit.platform.models import AuditRow, Delivery, ParkedKey
from kvit.platform.tenancy import tenant_scope
from tests.platform.conftest import House
from tests.platform.hearing import NAME, heard, listen, tell


@pytest.fixture
def retry_now() -> Any:
    """Let every parked key be due for its next try."""
    return lambda: ParkedKey.objects.update(retry_at="2020-01-01T00:00:00Z")


def test_all_is_heard_once_and_in_order(
    ours: House, theirs: House, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(monkeypatch)
    for n in range(3):
        for house in (ours, theirs):
            with tenant_scope(house.tenant):
                tell([(f"k{key}", n) for key in range(40)], now)
    assert drain_all() == 240
    assert drain_all() == 0
    assert Delivery.objects.count() == 0
    for house in (ours, theirs):
        by_key = defaultdict(list)
        for key, n in heard(house.tenant):
            by_key[key].append(n)
        assert by_key == {f"k{key}": [0, 1, 2] for key in range(40)}


def test_a_bad_event_parks_its_key_and_no_other(
    tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch, retry_now: Any
) -> None:
    broken = [("k1", 1)]
    listen(monkeypatch, lambda event: (event.key, event.payload.n) in broken)
    tell([(key, n) for n in range(4) for key in ("k1", "k2", "k3")], now)
    assert drain_all() == 9
    assert sorted(heard(tenant.id)) == [
        ("k1", 0),
        *(("k2", n) for n in range(4)),
        *(("k3", n) for n in range(4)),
    ]
    parked = ParkedKey.objects.get()
    assert (parked.consumer, parked.tenant, parked.key) == (NAME, tenant.id, "k1")
    assert (parked.reason, parked.tries) == ("Broken: k1 1", 1)

    tell([("k1", 4)], now)
    assert drain_all() == 0  # its time has not come
    retry_now()
    assert drain_all() == 0  # still broken
    assert ParkedKey.objects.get().tries == 2

    broken.clear()
    retry_now()
    assert drain_all() == 4
    assert [n for key, n in heard(tenant.id) if key == "k1"] == [0, 1, 2, 3, 4]
    assert (ParkedKey.objects.count(), Delivery.objects.count()) == (0, 0)


def test_unparking_replays_in_order_and_is_audited(
    tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [True]
    listen(monkeypatch, lambda event: bool(broken))
    tell([("k", n) for n in range(3)], now)
    assert drain_all() == 0
    broken.clear()
    assert drain_all() == 0
    assert unpark(NAME, key="k", actor="user:1", now=now, reason="mapping repaired") is True
    assert unpark(NAME, key="k", actor="user:1", now=now, reason="again") is False
    assert drain_all() == 3
    assert heard(tenant.id) == [("k", 0), ("k", 1), ("k", 2)]
    row = AuditRow.objects.get(action="key.unparked")
    assert (row.actor, row.reason) == ("user:1", "mapping repaired")


def test_retries_come_later_and_later(
    tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch, retry_now: Any
) -> None:
    listen(monkeypatch, lambda event: True)
    tell([("k", 0)], now)
    waits = []
    for _ in range(6):
        drain_all()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT round(extract(epoch FROM retry_at - clock_timestamp()))"
                " FROM platform_parkedkey"
            )
            waits.append(int(cursor.fetchone()[0]))
        retry_now()
    assert waits == [60, 300, 3600, 21600, 21600, 21600]


def test_a_deferred_key_is_blamed_on_its_event(
    ours: House, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the commit of all 500 would fail for ever, and nobody could say at which."""

    def handle(heard_events: list[Event], *, now: datetime) -> None:
        for event in heard_events:
            if event.key == "bad":
                Customer.objects.update(payer_id=event.id)

    consumer = events.Consumer(NAME, (), handle)
    listen(monkeypatch)
    monkeypatch.setitem(events._consumers, NAME, consumer)
    with tenant_scope(ours.tenant):
        tell([("good", 1), ("bad", 1), ("fine", 1)], now)
    assert drain_all() == 2
    assert ParkedKey.objects.get().key == "bad"
    assert ParkedKey.objects.get().reason.startswith("IntegrityError")


def test_trouble_of_the_server_parks_nothing(
    tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(heard_events: list[Event], *, now: datetime) -> None:
        raise OperationalError("deadlock detected")

    listen(monkeypatch)
    monkeypatch.setitem(events._consumers, NAME, events.Consumer(NAME, (), handle))
    tell([("k", 1)], now)
    with pytest.raises(OperationalError):
        drain(NAME, events.shard_of(tenant.id, "k"))
    assert (ParkedKey.objects.count(), Delivery.objects.count()) == (0, 1)


def test_handlers_are_told_the_tenants_time(
    tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(monkeypatch)
    later = now.replace(year=2031)
    move_test_clock(tenant.id, to=later, actor="t", reason="")
    tell([("k", 1)], now)
    drain_all()
    assert AuditRow.objects.get(object_type="tests.heard").at == later


@pytest.mark.django_db(transaction=True)
def test_a_drain_that_dies_has_done_nothing(
    tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = [True]

    def refuse(event: Event) -> bool:
        if dies:
            raise KeyboardInterrupt
        return False

    listen(monkeypatch, refuse)
    with transaction.atomic():
        tell([("k", n) for n in range(3)], now)
    with pytest.raises(KeyboardInterrupt):
        drain_all()
    assert heard(tenant.id) == []
    dies.clear()
    assert drain_all() == 3
    assert heard(tenant.id) == [("k", 0), ("k", 1), ("k", 2)]


@pytest.mark.django_db(transaction=True)
def test_a_shard_is_drained_by_one_at_a_time(
    tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch, owner: psycopg.Connection[Any]
) -> None:
    listen(monkeypatch)
    with transaction.atomic():
        tell([("k", 1)], now)
    shard = events.shard_of(tenant.id, "k")
    with owner.transaction():
        owner.execute("SELECT pg_advisory_xact_lock(hashtext(%s), %s)", [NAME, shard])
        assert drain(NAME, shard) == 0
    assert drain(NAME, shard) == 1


@pytest.mark.django_db(transaction=True)
def test_late_commits_rollbacks_and_many_drains(
    ours: House, theirs: House, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishers hold their key's row, as the rule says; one in eight rolls back; drains run beside
    them all the time. Nothing is lost, doubled or out of order.
    """
    listen(monkeypatch)
    told: dict[tuple[Any, str], list[int]] = defaultdict(list)
    stop = threading.Event()

    def publisher(seed: int) -> None:
        random = Random(seed)
        try:
            for step in range(25):
                house, key = random.choice([ours, theirs]), f"k{random.randrange(4)}"
                try:
                    with tenant_scope(house.tenant), transaction.atomic():
                        with connection.cursor() as cursor:  # stands for the key's row
                            cursor.execute(
                                "SELECT pg_advisory_xact_lock(hashtext(%s))",
                                [f"{house.tenant}{key}"],
                            )
                        n = seed * 1000 + step
                        tell([(key, n)], now)
                        threading.Event().wait(random.random() / 200)
                        if random.randrange(8) == 0:
                            raise ZeroDivisionError
                        told[house.tenant, key].append(n)  # still under the lock: commit order
                except ZeroDivisionError:
                    pass
        finally:
            connection.close()

    def drainer(_: int) -> int:
        went = 0
        try:
            while not stop.is_set():
                went += drain_all()
        finally:
            connection.close()
        return went

    with ThreadPoolExecutor(6) as pool:
        drains = [pool.submit(drainer, n) for n in range(2)]
        for done in [pool.submit(publisher, n) for n in range(4)]:
            done.result()
        stop.set()
        went = sum(one.result() for one in drains)
    went += drain_all()
    assert went == sum(map(len, told.values()))
    for house in (ours, theirs):
        by_key: dict[str, list[int]] = defaultdict(list)
        for key, n in heard(house.tenant):
            by_key[key].append(n)
        assert by_key == {key: ns for (owner_, key), ns in told.items() if owner_ == house.tenant}
