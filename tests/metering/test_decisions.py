"""People undo events and decide conflicts: with a reason, once, and nothing counts twice."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import psycopg
import pytest

from kvit.metering import queries, services
from kvit.metering.models import ConflictResolution, Retraction, UsageEvent
from kvit.metering.rows import EventIn
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow, EventLog
from kvit.platform.tenancy import tenant_scope

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


def event(event_id: str, value: str = "1") -> EventIn:
    return EventIn(event_id, "subscription", "s-1", "api_calls", OCTOBER, Decimal(value))


def ingest(now: datetime, *rows: EventIn) -> services.BatchVerdict:
    return services.ingest(rows, source="a", actor="cli:root", now=now)


def values(as_of: int | None = None) -> list[tuple[str, Decimal | None]]:
    found = queries.usage([("subscription", "s-1")], since=OCTOBER, until=NOVEMBER, as_of=as_of)
    return [(row.event_id, row.value) for batch in found for row in queries.rows(batch)]


def decide(outcome: Literal["keep", "replace"], now: datetime) -> int:
    [conflict] = queries.conflicts()
    return services.resolve_conflict(
        conflict["id"], outcome=outcome, reason="сверено с узлом", actor="user:7", now=now
    )


@pytest.fixture
def dispute(tenant: UUID, now: datetime) -> None:
    """Event e1 says 1; another row under its id says 5."""
    ingest(now, event("e1"), event("e2"))
    assert ingest(now, event("e1", "5")).conflicting == 1


def test_an_undone_event_stays_and_counts_for_nothing(tenant: UUID, now: datetime) -> None:
    ingest(now, event("e1"), event("e2"))
    version = services.retract([("a", "e1")], reason="сбой датчика", actor="user:7", now=now)
    assert (version, values(), values(as_of=1)) == (2, [("e2", 1)], [("e1", 1), ("e2", 1)])
    [shown] = queries.event("a", "e1")
    assert (shown.retracted_from, shown.retraction_reason) == (2, "сбой датчика")
    [row] = AuditRow.objects.filter(action="metering.event.retracted")
    assert (row.reason, row.actor, row.after) == ("сбой датчика", "user:7", {"events": 1})
    assert EventLog.objects.filter(topic="metering.usage.retracted").count() == 1
    again = ingest(now, event("e1"))
    assert (again.repeated, again.accepted, values()) == (1, 0, [("e2", 1)])
    assert list(queries.problems()) == []


@pytest.mark.parametrize(
    ("named", "reason", "refusal"),
    [
        ([("a", "e1"), ("a", "e9")], "сбой", services.EventNotFound),
        ([("b", "e1")], "сбой", services.EventNotFound),
        ([("a", "e1")], " ", services.ReasonMissing),
    ],
)
def test_all_named_events_are_undone_or_none(
    tenant: UUID, now: datetime, named: Any, reason: str, refusal: type[Exception]
) -> None:
    ingest(now, event("e1"))
    with pytest.raises(refusal):
        services.retract(named, reason=reason, actor="user:7", now=now)
    assert (Retraction.objects.count(), queries.latest_version(), values()) == (0, 1, [("e1", 1)])


def test_an_event_is_undone_once(tenant: UUID, now: datetime) -> None:
    ingest(now, event("e1"))
    services.retract([("a", "e1"), ("a", "e1")], reason="сбой", actor="user:7", now=now)
    with pytest.raises(services.EventNotFound):
        services.retract([("a", "e1")], reason="сбой", actor="user:7", now=now)
    assert Retraction.objects.count() == 1


def test_a_conflict_is_shown_and_changes_nothing(dispute: None) -> None:
    assert values() == [("e1", 1), ("e2", 1)]
    [shown] = queries.conflicts()
    assert (shown["event_id"], shown["value"], shown["source"]) == ("e1", 5, "a")


@pytest.mark.parametrize(("outcome", "value"), [("keep", 1), ("replace", 5)])
def test_a_decided_conflict_is_settled_for_both_payloads(
    dispute: None, now: datetime, outcome: Literal["keep", "replace"], value: int
) -> None:
    decide(outcome, now)
    assert values() == [("e1", value), ("e2", 1)]
    assert (list(queries.conflicts()), queries.conflicts(decided=True).count()) == ([], 1)
    for row in (event("e1"), event("e1", "5.0")):
        assert ingest(now, row).repeated == 1
    assert ingest(now, event("e1", "7")).conflicting == 1
    assert AuditRow.objects.filter(action="metering.conflict.resolved").count() == 1
    assert list(queries.problems()) == []


def test_a_replaced_event_counts_from_its_version_on(dispute: None, now: datetime) -> None:
    version = decide("replace", now)
    assert (version, values(as_of=version - 1)) == (3, [("e1", 1), ("e2", 1)])
    assert [
        (e.revision, e.value, e.version, e.retracted_from) for e in queries.event("a", "e1")
    ] == [(0, 1, 1, 3), (1, 5, 3, None)]
    [key] = queries.changed_since(2)
    assert key.events == 2
    services.retract([("a", "e1")], reason="и это неверно", actor="user:7", now=now)
    assert values() == [("e2", 1)]
    assert queries.counts().accepted == 3


def test_an_undone_event_can_be_replaced_by_its_disputed_row(tenant: UUID, now: datetime) -> None:
    ingest(now, event("e1"))
    services.retract([("a", "e1")], reason="неверно", actor="user:7", now=now)
    assert ingest(now, event("e1", "5")).conflicting == 1
    decide("replace", now)
    assert (values(), list(queries.problems())) == ([("e1", 5)], [])


def test_a_conflict_is_decided_once_and_with_a_reason(dispute: None, now: datetime) -> None:
    [conflict] = queries.conflicts()
    with pytest.raises(services.ReasonMissing):
        services.resolve_conflict(
            conflict["id"], outcome="keep", reason="", actor="user:7", now=now
        )
    decide("keep", now)
    for refusal, conflict_id in (
        (services.ConflictDecided, conflict["id"]),
        (services.ConflictNotFound, uuid7()),
    ):
        with pytest.raises(refusal):
            services.resolve_conflict(
                conflict_id, outcome="replace", reason="нет, то", actor="user:7", now=now
            )
    assert (ConflictResolution.objects.count(), UsageEvent.objects.count()) == (1, 2)


def test_another_tenant_cannot_undo_or_decide(dispute: None, now: datetime) -> None:
    [conflict] = queries.conflicts()
    with tenant_scope(uuid7(), switch=True):
        with pytest.raises(services.EventNotFound):
            services.retract([("a", "e1")], reason="чужое", actor="user:8", now=now)
        with pytest.raises(services.ConflictNotFound):
            services.resolve_conflict(
                conflict["id"], outcome="replace", reason="чужое", actor="user:8", now=now
            )
    assert values() == [("e1", 1), ("e2", 1)]


@pytest.mark.django_db(transaction=True)
def test_verify_names_the_row_that_an_owner_changed(
    owner: psycopg.Connection[Any], now: datetime
) -> None:
    with tenant_scope(uuid7()) as tenant:
        ingest(now, event("e1"), event("e2"), event("e3"))
        batch = ingest(now, event("e4")).batch_id
        assert list(queries.problems()) == []
        with owner.transaction():
            owner.execute("ALTER TABLE metering_usageevent DISABLE TRIGGER USER")
            owner.execute("UPDATE metering_usageevent SET value = 9 WHERE event_id = 'e1'")
            owner.execute("DELETE FROM metering_usageevent WHERE event_id = 'e4'")
            owner.execute("ALTER TABLE metering_usageevent ENABLE TRIGGER USER")
            owner.execute("UPDATE metering_usagecounter SET last = 1")
            owner.execute(
                "INSERT INTO metering_retraction (id, tenant_id, event, version, reason, actor,"
                " retracted_at) VALUES (%s, %s, 0, 1, 'x', 'x', now())",
                [uuid7(), tenant],
            )
        found = [(p.code, p.row) for p in queries.problems()]
        assert ("metering_batch_miscounted", f"batch:{batch}") in found
        assert ("metering_version_ahead", f"batch:{batch}") in found
        assert ("metering_event_altered", "a/e1") in found
        assert [code for code, _ in found].count("metering_retraction_of_nothing") == 1
        assert len(found) == 4
