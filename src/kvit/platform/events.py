"""Facts, published in the transaction that made them true.

A context declares its facts in `events.py`:

    @dataclass(frozen=True, slots=True)
    class InvoiceIssued:
        invoice: UUID
        total_minor: int

    INVOICE_ISSUED = Topic("invoicing.invoice.issued", InvoiceIssued)

and tells them with `publish_many`. Payloads hold ids and figures, never names. Fields are only
added (with a default); a change of meaning is another topic.

**The rule that keeps order:** a publisher holds the row lock of the key's object until it commits.
The next publisher of that key then gets its delivery numbers after the first has committed, and
the numbers of one key are in the order of commits. Nobody remembers a position in the log, so a
late commit is not lost either.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from kvit.platform import bulk
from kvit.platform.columns import insert_staged, stage_rows
from kvit.platform.ids import uuid7
from kvit.platform.models import Delivery, EventLog
from kvit.platform.paging import key_chunks
from kvit.platform.tenancy import current_tenant_id

SHARDS = 16
CHANNEL = "kvit_deliveries"  # of NOTIFY: something waits for a drain
KEYS = "kvit_keys"  # of NOTIFY: what the keys of "TENANT" open has changed
FACTS = "kvit_facts"  # of NOTIFY: "TENANT TOPIC" was told, for pages that are open


class UnknownTopic(Exception):
    """No context has declared that topic, or the payload is not the declared one."""


class TopicTaken(Exception):
    """Two declarations of one topic, or two consumers of one name."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of fact: `context.object.past_tense`, and the dataclass that tells it."""

    name: str
    payload: type
    version: int = 1

    def __post_init__(self) -> None:
        if self.name in _topics:
            raise TopicTaken(self.name)
        _topics[self.name] = self


@dataclass(frozen=True, slots=True)
class EventRow:
    """A fact to be told. `key` names what it is about: order holds among facts of one key."""

    key: str
    payload: Any  # an instance of the topic's dataclass
    occurred_at: datetime | None = None  # None: the publisher's `now`


@dataclass(frozen=True, slots=True)
class Event:
    """A fact as a consumer hears it."""

    id: UUID
    topic: Topic
    key: str
    payload: Any
    actor: str
    occurred_at: datetime


Handler = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who hears some topics. Its name stands in the database: it is never changed."""

    name: str
    topics: tuple[Topic, ...]
    handle: Handler
    wanted: Callable[[], bool] = lambda: True  # whether the tenant in scope wants it to hear


_topics: dict[str, Topic] = {}
_consumers: dict[str, Consumer] = {}
_hearers: dict[str, list[str]] = defaultdict(list)
_hear_all: list[str] = []


def consumes(
    *topics: Topic, name: str, wanted: Callable[[], bool] = lambda: True
) -> Callable[[Handler], Handler]:
    """Register `handler(events, now=…)`: facts of one tenant, in order within each key.

    `wanted` is asked once for each publication, in the tenant's scope: where nobody waits for a
    fact, no delivery is written.

    It runs in the tenant's scope and in the drain's transaction, together with the removal of the
    deliveries: what it writes happens once for each event. What it raises parks the key.
    """

    def register(handler: Handler) -> Handler:
        if name in _consumers:
            raise TopicTaken(name)
        _consumers[name] = Consumer(name, topics, handler, wanted)
        for topic in topics:
            _hearers[topic.name].append(name)
        return handler

    return register


def consumes_all(*, name: str, wanted: Callable[[], bool]) -> Callable[[Handler], Handler]:
    """Register a handler of all topics, those declared later too.

    `wanted` is asked at each publishing, in the tenant's scope: a company that wants none of it
    pays for no deliveries.
    """

    def register(handler: Handler) -> Handler:
        if name in _consumers:
            raise TopicTaken(name)
        _consumers[name] = Consumer(name, (), handler, wanted)
        _hear_all.append(name)
        return handler

    return register


def topics() -> dict[str, Topic]:
    """Return all declared topics by name."""
    return dict(_topics)


def consumers() -> dict[str, Consumer]:
    """Return all consumers by name."""
    return dict(_consumers)


def schema(topic: Topic) -> dict[str, Any]:
    """Return the JSON Schema of a topic's payload, as docs/reference/events/ has it."""
    body, components = msgspec.json.schema_components([topic.payload])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": topic.name,
        "version": topic.version,
        "payload": body[0],
        "$defs": components,
    }


def shard_of(tenant_id: UUID, key: str) -> int:
    """Return the shard in which the facts of a key are heard, one after the other."""
    return zlib.crc32(tenant_id.bytes + key.encode()) % SHARDS


def publish(
    topic: Topic,
    *,
    key: str,
    payload: Any,
    actor: str,
    now: datetime,
    occurred_at: datetime | None = None,
) -> UUID:
    """Publish one fact; see `publish_many`."""
    return publish_many(topic, [EventRow(key, payload, occurred_at)], actor=actor, now=now)[0]


def publish_many(
    topic: Topic, rows: Iterable[EventRow], *, actor: str, now: datetime
) -> list[UUID]:
    """Write facts and their deliveries in the caller's transaction; returns the ids, in order.

    The caller holds the lock of each key's object (see above).

    Raises:
        UnknownTopic: a payload is not of the topic's dataclass.
    """
    tenant = current_tenant_id()
    log: list[tuple[Any, ...]] = []
    for row in rows:
        if type(row.payload) is not topic.payload:
            raise UnknownTopic(f"{topic.name} is told by {topic.payload.__name__}: {row.payload!r}")
        at = row.occurred_at or now
        body = msgspec.to_builtins(row.payload)
        log.append((uuid7(), topic.name, row.key, body, topic.version, actor, at))
    bulk.copy_in(
        EventLog,
        ("id", "topic", "key", "payload", "schema_version", "actor", "occurred_at"),
        log,
    )
    hearers = _who_hears(topic) if log else []
    bulk.copy_in(
        Delivery,
        ("consumer", "shard", "tenant", "event", "key"),
        (
            (consumer, shard_of(tenant, line[2]), tenant, line[0], line[2])
            for consumer in hearers
            for line in log
        ),
    )
    if log:
        _notify(topic.name, wakes_drains=bool(hearers))
    return [line[0] for line in log]


def publish_staged(
    topic: Topic,
    facts: Mapping[str, str],
    source: str,
    *,
    event: str,
    key: str,
    actor: str,
    now: datetime,
) -> bool:
    """Write facts that stand in staged tables, if nobody waits for any of them; return whether.

    Else the caller tells them by `publish_many`: deliveries go by shards that are known here.

    Args:
        facts: an SQL expression for each field of the topic's payload, by the caller's code.
        source: what follows FROM.
        event: an SQL expression for the id of each, as `key`.

    Raises:
        UnknownTopic: the fields are not those of the topic's dataclass.
    """
    payload = _payload_by_sql(topic, facts)
    if _who_hears(topic):
        return False
    told = {"topic": "text", "version": "smallint", "actor": "text", "at": "timestamptz"}
    stage_rows("told_alike", told, [(topic.name, topic.version, actor, now)])
    picked = {
        "id": event, "topic": "t.topic", "key": key, "payload": payload,
        "schema_version": "t.version", "actor": "t.actor", "occurred_at": "t.at",
    }  # fmt: skip
    if insert_staged(EventLog, picked, f"pg_temp.told_alike t CROSS JOIN {source}"):
        _notify(topic.name, wakes_drains=False)
    return True


def publishing(
    topic: Topic, facts: Mapping[str, str], source: str, *, key: str, actor: str, now: datetime
) -> tuple[list[str], dict[str, object]]:
    """Return the statements that tell one fact, to be parts of a larger one; their parameters.

    The last of them is a query that has to be read; the others write.

    Args:
        facts: an SQL expression for each field of the topic's payload, by the caller's code.
        source: what follows FROM: one row, of which the fact is told. Who gives it has taken the
            lock of the key's object, so that deliveries are numbered under it (see above).

    Raises:
        UnknownTopic: the fields are not those of the topic's dataclass.
    """
    payload = _payload_by_sql(topic, facts)
    tenant, hearers = current_tenant_id(), _who_hears(topic)
    parts = [f"""
        INSERT INTO platform_eventlog (id, tenant_id, topic, key, payload, schema_version, actor,
                                       occurred_at)
        SELECT %(fact_id)s, %(tenant)s, %(fact_topic)s, %(fact_key)s,
               {payload}, %(fact_version)s, %(actor)s, %(now)s FROM {source}
    """]  # fmt: skip
    told = f"pg_notify('{FACTS}', %(fact_told)s)"
    if hearers:
        parts.append(f"""
            INSERT INTO platform_delivery (consumer, shard, tenant, event, key)
            SELECT consumer, %(fact_shard)s, %(tenant)s, %(fact_id)s, %(fact_key)s
            FROM {source} CROSS JOIN unnest(%(fact_hearers)s::text[]) consumer
        """)
        told += f", pg_notify('{CHANNEL}', '')"
    return [*parts, f"SELECT {told}"], {
        "fact_id": uuid7(), "tenant": tenant, "fact_topic": topic.name, "fact_key": key,
        "fact_version": topic.version, "actor": actor, "now": now, "fact_hearers": hearers,
        "fact_shard": shard_of(tenant, key), "fact_told": f"{tenant} {topic.name}",
    }  # fmt: skip


def logged(
    *, since: datetime, until: datetime, names: Sequence[str], size: int
) -> Iterator[list[Event]]:
    """Yield the facts of the tenant in scope that were recorded in [since, until), in chunks.

    By the server's clock; of the topics named, or of all that are declared still.
    """
    rows = EventLog.objects.filter(
        recorded_at__gte=since, recorded_at__lt=until, topic__in=list(names or _topics)
    )
    for keys in key_chunks(rows, "id", size=size):
        found = EventLog.objects.filter(id__in=keys).order_by("id")
        yield [event_of(row) for row in found]


def event_of(row: EventLog) -> Event:
    """Return a kept fact as a consumer hears it."""
    topic = _topics[row.topic]
    payload: Any = msgspec.convert(row.payload, topic.payload)
    return Event(row.id, topic, row.key, payload, row.actor, row.occurred_at)


def _payload_by_sql(topic: Topic, facts: Mapping[str, str]) -> str:
    """Return the expression that makes a topic's payload of one for each of its fields."""
    if set(facts) != {field.name for field in fields(topic.payload)}:
        raise UnknownTopic(f"{topic.name} is not told by {sorted(facts)}")
    told = ", ".join(f"'{name}', {one}" for name, one in facts.items())
    return f"jsonb_build_object({told})"


def _who_hears(topic: Topic) -> list[str]:
    return [name for name in (*_hearers[topic.name], *_hear_all) if _consumers[name].wanted()]


def tell_keys_changed(tenant: UUID) -> None:
    """Tell at commit that what a tenant's keys open is to be looked up anew, by every process."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [KEYS, str(tenant)])


def _notify(topic: str, *, wakes_drains: bool) -> None:
    """Tell open pages and listening workers at commit; repeats within a transaction are one."""
    told = [(FACTS, f"{current_tenant_id()} {topic}")] + [(CHANNEL, "")] * wakes_drains
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify(channel, text) FROM unnest(%s::text[], %s::text[]) t(channel, text)",
            [[channel for channel, _ in told], [text for _, text in told]],
        )
