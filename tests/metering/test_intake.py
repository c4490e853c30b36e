"""Taking usage in: every row offered has exactly one fate, whatever comes twice, late or broken."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvit.metering import _intake, _record, queries, services
from kvit.metering.models import Batch, ConflictEvent, RejectedRow, UsageEvent
from kvit.metering.rows import EventIn, Offer, RejectedIn
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow, EventLog
from kvit.platform.tenancy import tenant_scope

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)


def event(number: int, value: str = "1", **more: Any) -> EventIn:
    fields = {
        "event_id": f"e{number}",
        "subject_kind": "subscription",
        "subject": "s-1",
        "meter": "api_calls",
        "time": OCTOBER + timedelta(minutes=number),
        "value": Decimal(value),
        "row": number + 1,
    }
    return EventIn(**fields | more)


def ingest(
    rows: Any, now: datetime, *, source: str = "usage.csv", **more: Any
) -> services.BatchVerdict:
    return services.ingest(rows, source=source, actor="cli:root", now=now, **more)


def fates(verdict: services.BatchVerdict) -> tuple[int, int, int, int]:
    return verdict.accepted, verdict.repeated, verdict.conflicting, verdict.rejected


def test_each_row_offered_has_one_fate(tenant: UUID, now: datetime) -> None:
    ingest([event(1), event(2)], now)
    broken = RejectedIn(row=9, field="value", code="not_a_number", raw="e9;много")
    verdict = ingest(
        [event(1), event(2, "5"), event(3), event(3), event(4, "0.0000000000001")],
        now,
        rejected=[broken],
        origin="usage/usage.csv",
    )
    assert (fates(verdict), verdict.offered, verdict.version) == ((1, 2, 1, 2), 6, 2)
    assert [row.event_id for row in verdict.repeats] == ["e1", "e3"]
    assert [(row.event_id, row.row) for row in verdict.conflicts] == [("e2", 3)]
    assert [row.code for row in verdict.rejections] == ["usage_value_too_precise", "not_a_number"]

    assert list(UsageEvent.objects.order_by("event_id").values_list("event_id", "value")) == [
        ("e1", Decimal(1)), ("e2", Decimal(1)), ("e3", Decimal(1)),
    ]  # fmt: skip
    batch = Batch.objects.get(pk=verdict.batch_id)
    assert (batch.accepted, batch.repeated, batch.conflicting, batch.rejected) == (1, 2, 1, 2)
    assert (batch.source, batch.origin, batch.received_at) == ("usage.csv", "usage/usage.csv", now)
    assert list(queries.problems()) == []


def test_an_intake_leaves_one_audit_row_and_one_fact(tenant: UUID, now: datetime) -> None:
    verdict = ingest([event(1), event(2)], now)
    [row] = AuditRow.objects.filter(object_id=str(verdict.batch_id))
    assert (row.action, row.after["accepted"]) == ("metering.usage.accepted", 2)
    [fact] = EventLog.objects.filter(topic="metering.usage.accepted")
    assert (fact.payload["version"], fact.payload["accepted"]) == (1, 2)


def test_the_same_file_again_changes_nothing(tenant: UUID, now: datetime) -> None:
    rows = [event(1), event(2), event(2, "7"), event(3, "NaN")]
    first = ingest(rows, now)
    again = ingest(rows, now + timedelta(days=1))
    assert (fates(first), fates(again)) == ((2, 0, 1, 1), (0, 2, 1, 1))
    assert (again.batch_id, again.version) == (None, 1)
    kept = (UsageEvent, Batch, ConflictEvent, RejectedRow, EventLog, AuditRow)
    assert [model.objects.count() for model in kept] == [2, 1, 1, 1, 1, 1]


def test_an_id_is_unique_within_its_source_only(tenant: UUID, now: datetime) -> None:
    assert fates(ingest([event(1)], now)) == (1, 0, 0, 0)
    assert fates(ingest([event(1, "2")], now, source="other.csv")) == (1, 0, 0, 0)


def test_what_came_is_kept_to_the_digit(tenant: UUID, now: datetime) -> None:
    sent = event(
        1,
        "99999999999999999999999999.999999999999",
        text='кавычки " \\ \n\t и табуляция',
        dimensions={"регион": "Север\\N", "b": ""},
        time=datetime(2026, 10, 1, 0, 0, 0, 1, tzinfo=UTC),
    )
    ingest([sent, event(2, text=""), event(3, value="0")._replace(value=None)], now)
    [kept] = queries.event("usage.csv", "e1")
    assert (kept.value, kept.text, kept.dimensions, kept.time) == (
        sent.value, sent.text, sent.dimensions, sent.time,
    )  # fmt: skip
    assert (kept.position, kept.version, kept.received_at) == (1, 1, now)
    assert [queries.event("usage.csv", e)[0].text for e in ("e2", "e3")] == ["", None]
    assert queries.event("usage.csv", "e4") == []


def test_a_rejected_row_is_open_until_its_event_comes_right(tenant: UUID, now: datetime) -> None:
    rejected = RejectedIn(2, "value", "not_a_number", {"text": "мн\0го", "n": 3}, "raw", "e1")
    anonymous = RejectedIn(3, "id", "missing", raw="x" * 900)
    ingest([], now, rejected=[rejected, anonymous])
    assert [(r["row"], r["params"], len(r["raw"])) for r in queries.rejections()] == [
        (3, {}, 500), (2, {"text": "мн\ufffdго", "n": 3}, 3),
    ]  # fmt: skip
    ingest([event(1)], now)
    assert [r["row"] for r in queries.rejections()] == [3]
    assert queries.counts().rejected_open == 1


def test_a_rejected_row_is_known_again_on_another_line(tenant: UUID, now: datetime) -> None:
    row = RejectedIn(2, "value", "not_a_number", raw="e1;много", event_id="e1")
    for line in (2, 5):
        verdict = ingest([], now, rejected=[row._replace(row=line)])
        assert verdict.rejected == 1
    assert [r["row"] for r in queries.rejections()] == [2]
    ingest([], now, rejected=[RejectedIn(7, "id", "missing"), RejectedIn(8, "id", "missing")])
    assert queries.rejections().count() == 3


def test_a_reader_may_report_rejected_rows_while_it_streams(tenant: UUID, now: datetime) -> None:
    rejected: list[RejectedIn] = []

    def reader() -> Iterator[EventIn]:
        yield event(1)
        rejected.append(RejectedIn(3, "value", "not_a_number"))
        yield event(2)

    assert fates(ingest(reader(), now, rejected=rejected)) == (2, 0, 0, 1)


def test_an_intake_cut_off_in_the_middle_leaves_nothing(
    tenant: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_intake, "CHUNK", 10)

    def cut() -> Iterator[EventIn]:
        yield from map(event, range(35))
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        ingest(cut(), now)
    assert [m.objects.count() for m in (UsageEvent, Batch, EventLog, AuditRow)] == [0, 0, 0, 0]
    verdict = ingest(map(event, range(35)), now)
    assert (fates(verdict), verdict.version) == ((35, 0, 0, 0), 1)


@pytest.mark.django_db(transaction=True)
def test_an_intake_whose_process_dies_leaves_nothing(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_intake, "CHUNK", 10)

    def dying() -> Iterator[EventIn]:
        yield from map(event, range(25))
        connection.connection.close()  # what the server sees when the process is killed
        yield from map(event, range(25, 40))

    with tenant_scope(uuid7()):
        assert fates(ingest(map(event, range(5)), now)) == (5, 0, 0, 0)
        with pytest.raises(DatabaseError):
            ingest(dying(), now)
        connection.close()
        assert (UsageEvent.objects.count(), queries.latest_version()) == (5, 1)
        assert fates(ingest(map(event, range(40)), now)) == (35, 5, 0, 0)
        assert list(queries.problems()) == []


def test_a_failure_at_the_last_step_undoes_the_first(
    tenant: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*_: object, **__: object) -> tuple[list[str], dict[str, object]]:
        return ["SELECT 1 / (last - 1) FROM taken"], {}

    monkeypatch.setattr(_record.events, "publishing", told)
    with pytest.raises(DatabaseError):
        ingest([event(1)], now)
    assert (UsageEvent.objects.count(), queries.latest_version()) == (0, 0)


@pytest.mark.parametrize("source", ["", "x" * 201, "a\0b", "\udcff.csv"])
def test_a_source_must_have_a_name(tenant: UUID, now: datetime, source: str) -> None:
    with pytest.raises(services.InvalidSource):
        ingest([event(1)], now, source=source)
    assert UsageEvent.objects.count() == 0


def test_usage_is_never_changed(tenant: UUID, now: datetime) -> None:
    ingest([event(1)], now)
    for act in (
        lambda: UsageEvent.objects.update(value=0),
        lambda: UsageEvent.objects.all().delete(),
        lambda: Batch.objects.update(accepted=0),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()
    assert UsageEvent.objects.get().value == 1


def test_tenants_do_not_share_ids_counts_or_versions(tenant: UUID, now: datetime) -> None:
    ingest([event(1), event(2)], now)
    with tenant_scope(uuid7(), switch=True):
        assert (queries.latest_version(), UsageEvent.objects.count()) == (0, 0)
        assert fates(ingest([event(1, "9")], now)) == (1, 0, 0, 0)
        assert queries.latest_version() == 1
        with connection.cursor() as cursor:
            cursor.execute("SELECT value FROM metering_usageevent")  # no filter but the database's
            assert cursor.fetchall() == [(Decimal(9),)]
    assert [queries.counts().accepted, queries.latest_version()] == [2, 1]


offers = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["1", "1.0", "2", "NaN"])), max_size=14
)


@given(offers, offers, st.integers(1, 5))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_counts_are_exact_whatever_is_offered_and_however_it_is_cut(
    tenant: UUID, now: datetime, first: list[Any], second: list[Any], chunk: int
) -> None:
    source = f"{uuid7()}.csv"
    kept: dict[int, Decimal] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_intake, "CHUNK", chunk)
        for offered in (first, second, first + second):
            expected = [0, 0, 0, 0]
            for number, value in offered:
                said = Decimal(value)
                if said.is_nan():
                    expected[3] += 1
                elif kept.setdefault(number, said) != said:
                    expected[2] += 1
                else:
                    expected[1] += 1
            expected[0] = len(kept) - UsageEvent.objects.filter(source=source).count()
            expected[1] -= expected[0]
            verdict = ingest([event(n, v) for n, v in offered], now, source=source)
            assert fates(verdict) == tuple(expected)
            assert verdict.offered == sum(fates(verdict)) == len(offered)
    found = UsageEvent.objects.filter(source=source)
    assert {int(e.event_id[1:]): e.value for e in found} == kept


@pytest.mark.django_db(transaction=True)
def test_versions_follow_commits_and_one_source_takes_turns(now: datetime) -> None:
    """Four writers, two of them on one source with overlapping ids in opposite order."""
    tenant_id, seen, failures = uuid7(), [], []
    both = threading.Barrier(5)

    def write(source: str, numbers: list[int]) -> None:
        try:
            with tenant_scope(tenant_id):
                both.wait()
                for start in range(0, len(numbers), 10):
                    ingest(map(event, numbers[start : start + 20]), now, source=source)
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)
        finally:
            connection.close()

    jobs = [
        ("a", list(range(100))), ("a", list(range(99, -1, -1))),
        ("b", list(range(100))), ("c", list(range(100))),
    ]  # fmt: skip
    threads = [threading.Thread(target=write, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    with tenant_scope(tenant_id):
        both.wait()
        while any(thread.is_alive() for thread in threads):
            versions = list(Batch.objects.order_by("version").values_list("version", flat=True))
            assert versions == list(range(1, len(versions) + 1))  # never a gap that fills later
            seen.append(len(versions))
        for thread in threads:
            thread.join()
        assert failures == []
        assert UsageEvent.objects.count() == queries.counts().accepted == 300
        assert Batch.objects.count() == queries.latest_version()
        assert list(queries.problems()) == []


def test_a_hundred_thousand_events_stream_in_and_out(tenant: UUID, now: datetime) -> None:
    def offered() -> Iterator[EventIn]:
        for number in range(100_000):
            yield event(number, "0.5", subject=f"s-{number % 500}", row=number)

    assert fates(ingest(offered(), now)) == (100_000, 0, 0, 0)
    assert fates(ingest(offered(), now, listed=3)) == (0, 100_000, 0, 0)
    batches = queries.usage(
        [("subscription", f"s-{n}") for n in range(500)],
        since=OCTOBER,
        until=OCTOBER + timedelta(days=365),
    )
    assert sum(batch.num_rows for batch in batches) == 100_000


@pytest.mark.django_db(transaction=True)
def test_requests_of_one_source_side_by_side_take_each_event_once(now: datetime) -> None:
    """In opposite orders, which would deadlock if rows were inserted as they come."""
    tenant = uuid7()

    def send(numbers: list[int], value: str, start: threading.Barrier) -> tuple[int, int, int]:
        try:
            with tenant_scope(tenant):
                events = [event(number, value, row=number) for number in numbers]
                rejected = [RejectedIn(n, "value", "bad_number", raw=str(n)) for n in numbers[:20]]
                start.wait(60)
                [told] = services.ingest_together(
                    [Offer({"a": events}, rejected, "a")], actor="x", now=now, origin="api"
                )
                return told.accepted, len(told.repeats), len(told.conflicts)
        finally:
            connection.close()

    numbers = list(range(1, 301))
    for value in ("1", "2"):
        start = threading.Barrier(3)
        with ThreadPoolExecutor(3) as pool:
            asked = [
                pool.submit(send, order, value, start)
                for order in (numbers, numbers[::-1], numbers)
            ]
            found = [sum(counts) for counts in zip(*(one.result(60) for one in asked), strict=True)]
        assert found == ([300, 600, 0] if value == "1" else [0, 0, 900])
    with tenant_scope(tenant):
        assert (UsageEvent.objects.count(), queries.conflicts().count()) == (300, 300)
        assert list(queries.problems()) == []
