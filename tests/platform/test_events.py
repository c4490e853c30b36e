"""Publishing."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from django.db import connection, transaction

from kvit.parties.rows import Tenant
from kvit.platform import events
from kvit.platform.events import EventRow, Topic, TopicTaken, UnknownTopic, publish, publish_many
from kvit.platform.models import Delivery, EventLog
from kvit.platform.tenancy import WrongTenant
from tests.platform.hearing import COUNTED, Counted, listen, tell

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "events"


def test_a_fact_is_kept_with_all_that_was_said(tenant: Tenant, now: datetime) -> None:
    then = datetime(2026, 10, 31, 21, tzinfo=UTC)
    made = publish(COUNTED, key="k", payload=Counted(7), actor="user:1", now=now, occurred_at=then)
    row = EventLog.objects.get(pk=made)
    assert (row.topic, row.key, row.payload, row.schema_version, row.actor, row.occurred_at) == (
        "tests.thing.counted",
        "k",
        {"n": 7},
        1,
        "user:1",
        then,
    )


@pytest.mark.parametrize("count", [0, 1, 500])
def test_many_are_kept_in_their_order(
    tenant: Tenant, now: datetime, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(monkeypatch)
    ids = tell([(f"k{n % 7}", n) for n in range(count)], now)
    found = EventLog.objects.filter(topic=COUNTED.name).order_by("id")
    assert [(row.id, row.payload["n"], row.occurred_at) for row in found] == [
        (ids[n], n, now) for n in range(count)
    ]
    queue = Delivery.objects.order_by("id").values_list("event", "key", "tenant", "shard")
    assert list(queue) == [
        (ids[n], f"k{n % 7}", tenant.id, events.shard_of(tenant.id, f"k{n % 7}"))
        for n in range(count)
    ]


@pytest.mark.parametrize("is_heard", [False, True])
def test_a_part_of_a_statement_tells_as_publishing_does(
    tenant: Tenant, now: datetime, is_heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_heard:
        listen(monkeypatch)
    [made] = tell([("k", 7)], now)
    (*parts, told), names = events.publishing(
        COUNTED, {"n": "s.n"}, "(SELECT 7 AS n) s", key="k", actor="t", now=now
    )
    written = ", ".join(f"part_{n} AS ({part})" for n, part in enumerate(parts))
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {written} {told}", names)
    same = ("topic", "key", "payload", "schema_version", "occurred_at")
    first, second = EventLog.objects.filter(topic=COUNTED.name).order_by("id").values(*same)
    assert first == second
    queue = Delivery.objects.order_by("id").values_list("consumer", "event", "key", "shard")
    heard = [(one[0], one[2], one[3]) for one in queue]
    assert heard == [("tests.listener", "k", events.shard_of(tenant.id, "k"))] * 2 * is_heard
    assert [one[1] for one in queue] == [made, names["fact_id"]] * is_heard


def test_a_part_of_a_statement_tells_every_field(tenant: Tenant, now: datetime) -> None:
    with pytest.raises(UnknownTopic):
        events.publishing(COUNTED, {"m": "1"}, "taken", key="k", actor="t", now=now)


def test_nobody_hears_nothing_is_delivered(tenant: Tenant, now: datetime) -> None:
    tell([("k", 1)], now)
    assert Delivery.objects.count() == 0


def test_a_rollback_takes_the_fact_back(
    tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(monkeypatch)
    with transaction.atomic():
        tell([("k", 1)], now)
        transaction.set_rollback(True)
    assert (EventLog.objects.filter(topic=COUNTED.name).count(), Delivery.objects.count()) == (0, 0)


def test_another_payload_is_refused(tenant: Tenant, now: datetime) -> None:
    @dataclass(frozen=True, slots=True)
    class Other:
        n: int

    with pytest.raises(UnknownTopic):
        publish_many(COUNTED, [EventRow("k", Other(1))], actor="t", now=now)


@pytest.mark.django_db
def test_a_scope_is_needed(now: datetime) -> None:
    with pytest.raises(WrongTenant):
        tell([("k", 1)], now)


def test_names_are_taken_once() -> None:
    with pytest.raises(TopicTaken):
        Topic(COUNTED.name, Counted)


def test_payloads_come_back_as_they_were() -> None:
    @dataclass(frozen=True, slots=True)
    class Rich:
        id: UUID
        day: date
        at: datetime
        minor: int
        names: tuple[str, ...]
        maybe: int | None = None

    rich = Rich(uuid4(), date(2026, 2, 28), datetime(2026, 1, 1, tzinfo=UTC), 2**62, ("a", "b"))
    plain = json.loads(json.dumps(msgspec.to_builtins(rich)))
    assert msgspec.convert(plain, Rich) == rich
    del plain["maybe"]  # written before the field was added
    assert msgspec.convert(plain, Rich) == rich


def test_schemas_in_the_reference_are_those_of_the_code() -> None:
    """`KVIT_WRITE_DOCS=1` writes them anew; the difference is then read and committed."""
    ours = {
        f"{name}.json": json.dumps(events.schema(topic), indent=2, ensure_ascii=False) + "\n"
        for name, topic in events.topics().items()
        if topic.payload.__module__.startswith("kvit.")
    }
    if os.environ.get("KVIT_WRITE_DOCS"):
        DOCS.mkdir(parents=True, exist_ok=True)
        for name in {path.name for path in DOCS.glob("*.json")} - ours.keys():
            (DOCS / name).unlink()
        for name, text in ours.items():
            (DOCS / name).write_text(text)
    assert {path.name: path.read_text() for path in DOCS.glob("*.json")} == ours
    assert len(ours) >= 8


def test_topics_are_named_after_their_context() -> None:
    for name, topic in events.topics().items():
        if topic.payload.__module__.startswith("kvit."):
            context = topic.payload.__module__.split(".")[1]
            assert name.startswith(f"{context}."), name
            assert name.count(".") == 2, name
