"""Reading usage: in order, as of a version, in batches; and finding what waits or came late."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvit.metering import _stream, queries, services
from kvit.metering.rows import EventIn, RejectedIn
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import tenant_scope

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


def event(event_id: str, minute: int = 0, subject: str = "s-1", **more: Any) -> EventIn:
    fields = {
        "event_id": event_id,
        "subject_kind": "subscription",
        "subject": subject,
        "meter": "api_calls",
        "time": OCTOBER + timedelta(minutes=minute),
        "value": Decimal(1),
    }
    return EventIn(**fields | more)


def ingest(rows: list[EventIn], now: datetime, source: str = "a") -> services.BatchVerdict:
    return services.ingest(rows, source=source, actor="cli:root", now=now)


def read(
    *subjects: str, kind: str = "subscription", as_of: int | None = None, **more: Any
) -> list[queries.UsageRow]:
    found = queries.usage(
        [(kind, subject) for subject in subjects],
        **{"since": OCTOBER, "until": NOVEMBER, "as_of": as_of} | more,
    )
    return [row for batch in found for row in queries.rows(batch)]


def ids(*subjects: str, **more: Any) -> list[str]:
    return [row.event_id for row in read(*subjects, **more)]


def test_events_come_by_subject_meter_time_and_id(tenant: UUID, now: datetime) -> None:
    ingest(
        [
            event("z", 5, "s-2"), event("b", 7), event("c", 7), event("a", 9), event("B", 7),
            event("m", 8, meter="Я"), event("n", 9, meter="gib"), event("k", 1, "s-10"),
        ],
        now,
    )  # fmt: skip
    # In byte order, whatever the server's language: "s-10" before "s-2", "B" before "b".
    assert ids("s-2", "s-1", "s-10") == ["B", "b", "c", "a", "n", "m", "k", "z"]


def test_a_batch_holds_exact_columns(tenant: UUID, now: datetime) -> None:
    at = datetime(2026, 10, 5, 12, 30, 15, 123_456, tzinfo=UTC)
    ingest([event("a", time=at, value=Decimal("-0.000000000001"), dimensions={"z": "я"})], now)
    ingest([event("b", 60 * 24 * 20, value=None, text="")], now)
    with transaction.atomic():
        [batch] = queries.usage([("subscription", "s-1")], since=OCTOBER, until=NOVEMBER)
    assert batch.schema.equals(_stream.SCHEMA)
    assert batch.column("value").to_pylist() == [Decimal("-0.000000000001"), None]
    assert list(queries.rows(batch)) == [
        queries.UsageRow(
            "subscription", "s-1", "api_calls", at, "a", Decimal("-0.000000000001"), None,
            {"z": "я"},
        ),
        queries.UsageRow(
            "subscription", "s-1", "api_calls", OCTOBER + timedelta(days=20), "b", None, "", {}
        ),
    ]  # fmt: skip


def test_bounds_are_half_open_and_meters_and_kinds_are_told_apart(
    tenant: UUID, now: datetime
) -> None:
    ingest(
        [
            event("before", time=OCTOBER - timedelta(microseconds=1)), event("first"),
            event("last", time=NOVEMBER - timedelta(microseconds=1)), event("next", time=NOVEMBER),
            event("gib", 1, meter="gib"), event("client", 1, subject_kind="customer"),
        ],
        now,
    )  # fmt: skip
    assert ids("s-1") == ["first", "last", "gib"]
    assert ids("s-1", meters=["gib", "none"]) == ["gib"]
    assert ids("s-1", kind="customer") == ["client"]
    assert ids("s-3") == ids() == ids("s-1", meters=[]) == []
    both = queries.usage(
        [("subscription", "s-1"), ("customer", "s-1")], since=OCTOBER, until=NOVEMBER, meters=None
    )
    assert [b.column("subject_kind")[0].as_py() for b in both] == ["customer", "subscription"]


def test_one_may_write_between_two_batches(
    tenant: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_stream, "BATCH_ROWS", 3)
    ingest([event(f"e{n}", n) for n in range(8)], now)
    sizes = []
    for batch in queries.usage([("subscription", "s-1")], since=OCTOBER, until=NOVEMBER):
        sizes.append(batch.num_rows)
        ingest([event(f"late{len(sizes)}", 30)], now)  # of a later version: not read
    assert sizes == [3, 3, 2]
    assert len(ids("s-1")) == 11


@pytest.mark.django_db(transaction=True)
def test_usage_is_streamed_inside_a_transaction_only() -> None:
    with tenant_scope(uuid7()), pytest.raises(transaction.TransactionManagementError):
        read("s-1")


def test_what_was_asked_as_of_a_version_stays_so(tenant: UUID, now: datetime) -> None:
    first = ingest([event("a"), event("b", 1)], now).version
    second = ingest([event("c", 2)], now).version
    third = services.retract([("a", "a")], reason="сбой датчика", actor="user:7", now=now)
    assert [ids("s-1", as_of=v) for v in (0, first, second, third, None)] == [
        [], ["a", "b"], ["a", "b", "c"], ["b", "c"], ["b", "c"],
    ]  # fmt: skip


def test_keys_are_found_without_the_catalogue(tenant: UUID, now: datetime) -> None:
    ingest([event("a"), event("b", 3), event("c", 1, "s-2", meter="nobody knows")], now)
    services.retract([("a", "b")], reason="повтор", actor="user:7", now=now)
    assert queries.distinct_keys() == [
        ("subscription", "s-1", "api_calls", 1, OCTOBER, OCTOBER),
        ("subscription", "s-2", "nobody knows", 1, *[OCTOBER + timedelta(minutes=1)] * 2),
    ]
    assert queries.distinct_keys(OCTOBER, OCTOBER + timedelta(minutes=1), as_of=1) == [
        ("subscription", "s-1", "api_calls", 1, OCTOBER, OCTOBER),
    ]


def test_late_and_undone_events_are_found_by_version(tenant: UUID, now: datetime) -> None:
    billed = ingest([event("a"), event("b", 3), event("x", 1, "s-2")], now).version
    assert queries.changed_since(billed) == []
    late = ingest([event("c", 7)], now).version
    services.retract([("a", "b")], reason="повтор", actor="user:7", now=now)
    assert queries.changed_since(billed) == [
        ("subscription", "s-1", "api_calls", 2,
         OCTOBER + timedelta(minutes=3), OCTOBER + timedelta(minutes=7)),
    ]  # fmt: skip
    assert [key.events for key in queries.changed_since(billed, as_of=late)] == [1]
    assert [key.events for key in queries.changed_since(0, as_of=billed)] == [2, 1]


def test_counts_tell_every_fate(tenant: UUID, now: datetime) -> None:
    ingest([event("a"), event("b"), event("a", 9)], now)
    services.ingest(
        [], source="a", actor="x", now=now, rejected=[RejectedIn(1, "time", "not_a_time")]
    )
    services.retract([("a", "b")], reason="повтор", actor="user:7", now=now)
    assert queries.counts() == queries.Counts(
        accepted=2, retracted=1, conflicts_open=1, rejected_open=1, version=3, unread=0
    )
    assert [b["accepted"] for b in queries.batches()] == [0, 2]


@pytest.mark.django_db(transaction=True)
def test_the_walk_goes_by_the_index(owner: psycopg.Connection[Any], now: datetime) -> None:
    """A few subjects out of many touch their rows and no others."""
    with tenant_scope(uuid7()):
        ingest([event(f"e{n}", n, f"s-{n % 2_000}") for n in range(20_000)], now)
        owner.execute("ANALYZE metering_usageevent")  # as autovacuum does soon after an import
        asked = _stream.parameters_of(since=OCTOBER, until=NOVEMBER, as_of=1)
        asked |= {"kind": "subscription", "subjects": ["s-1", "s-2", "s-3"]}
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN (ANALYZE, FORMAT TEXT) " + _stream.ORDERED, asked)
            plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "usage_in_order" in plan
    assert "Seq Scan on metering_usageevent" not in plan
    assert re.search(r"\(subject\)::text = ANY", plan.split("Index Cond", 1)[1])


events_drawn = st.lists(
    st.tuples(
        st.sampled_from(["s-1", "s-10", "s-2", "я"]), st.sampled_from(["a", "B", "b"]),
        st.integers(0, 3), st.booleans(),
    ),
    max_size=20,
)  # fmt: skip


@given(events_drawn, st.integers(1, 7))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_batches_put_together_are_the_sorted_events(
    tenant: UUID, now: datetime, drawn: list[Any], size: int
) -> None:
    source, subjects = f"{uuid7()}", f"{uuid7()}/"
    rows = [
        event(f"e{n}", minute, subjects + subject, meter=meter)
        for n, (subject, meter, minute, _) in enumerate(drawn)
    ]
    ingest(rows, now, source)
    gone = {f"e{n}" for n, row in enumerate(drawn) if row[3]}
    if gone:
        services.retract([(source, e) for e in gone], reason="сбой", actor="user:7", now=now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_stream, "BATCH_ROWS", size)
        found = list(
            queries.usage(
                [("subscription", subjects + s) for s in ("s-1", "s-10", "s-2", "я")],
                since=OCTOBER,
                until=NOVEMBER,
            )
        )
    expected = sorted(
        (row for row in rows if row.event_id not in gone),
        key=lambda r: (r.subject.encode(), r.meter.encode(), r.time, r.event_id.encode()),
    )
    table = pa.Table.from_batches(found, schema=_stream.SCHEMA)
    assert table.column("event_id").to_pylist() == [row.event_id for row in expected]
    assert all(batch.num_rows <= size for batch in found)
