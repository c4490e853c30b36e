"""Usage says what it said when its rows have left the database, and when they have come back."""

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from kvit.metering import (
    _intake,
    _offered,
    _release,
    _released,
    _seal,
    _segments,
    queries,
    services,
)
from kvit.metering._released import Wanted, everything
from kvit.metering.models import ReleasedEvent, ReleasedSeal, Segment, UsageEvent
from kvit.metering.queries import EventFilter, Settled
from kvit.metering.rows import EventIn, RejectedIn
from kvit.platform import files
from kvit.platform.failures import Failure
from kvit.platform.tenancy import tenant_scope
from tests.metering.test_sealed import KEYS, NOVEMBER, OCTOBER, SUBJECTS, columns, drawn, read, take

LONG_AGO, FAR = OCTOBER - timedelta(days=100), OCTOBER + timedelta(days=100)
WHO: dict[str, Any] = {"actor": "x"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, row groups and files of a few rows, so that there are many."""
    for module, name, rows in (
        (_segments, "GROUP_ROWS", 20), (_seal, "GROUP_ROWS", 20), (_seal, "PART_ROWS", 80),
        (_release, "CHUNK", 35),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, rows)


def story(now: datetime) -> list[int]:
    """Two sources, an event undone, one replaced, one in dispute, a row that could not be read and
    one that came right; return the versions."""
    versions = [take(now, 1, 90), take(now, 2, 90)]
    services.ingest(drawn(30, 3), source="b", now=now + timedelta(hours=1), **WHO)
    names = sorted(UsageEvent.objects.filter(source="a").values_list("event_id", flat=True))
    bad = [RejectedIn(1, "time", "bad_time", raw="x", event_id="later-right"),
           RejectedIn(2, "time", "bad_time", raw="y", event_id="never")]  # fmt: skip
    services.ingest((), source="a", now=now, rejected=bad, **WHO)
    right = EventIn("later-right", "subscription", "s-1", "calls", OCTOBER, Decimal(5))
    versions.append(services.ingest([right], source="a", now=now, **WHO).version)
    versions.append(
        services.retract([("a", names[0]), ("a", names[9])], reason="w", now=now, **WHO)
    )
    other = [
        EventIn(name, "subscription", "s-2", "gib", OCTOBER, Decimal(1)) for name in names[3:5]
    ]
    services.ingest(other, source="a", now=now, **WHO)
    conflict = queries.conflicts().get(event_id=names[3])["id"]
    versions.append(
        services.resolve_conflict(conflict, outcome="replace", reason="w", now=now, **WHO)
    )
    return versions


def pages(wanted: EventFilter, order: Any = "-received") -> list[Any]:
    """All pages of a list, their rows, cursors and counts."""
    found, after = [], ""
    while True:
        page = queries.events(wanted, order=order, after=after, limit=30)
        found.append(page)
        if page.next is None:
            return found
        after = page.next


def answers(versions: list[int]) -> dict[str, Any]:
    """Everything that metering is asked."""
    span: dict[str, Any] = {"since": OCTOBER, "until": NOVEMBER}
    part: dict[str, Any] = {
        "since": OCTOBER + timedelta(days=3),
        "until": OCTOBER + timedelta(days=9),
    }
    names = ["1-0", "1-1", "2-7", "3-1", "later-right", "never", "nobody"]
    undone = [row.event_id for row in pages(EventFilter(retracted=True))[0].rows]
    filters = [
        EventFilter(), EventFilter(subject="s-1"),
        EventFilter(subject_kind="customer", subject="s-1"),
        EventFilter(meter="gib"), EventFilter(source="b"), EventFilter(retracted=True),
        EventFilter(retracted=True, source="a", subject="s-3"),
        EventFilter(after_version=versions[0]), EventFilter(**part),
        EventFilter(subject="Я", **part),
    ]  # fmt: skip
    with transaction.atomic():
        used: dict[tuple[str, str], datetime] = {}
        for one in chain.from_iterable(queries.subjects_used(part["until"], ["gib"], size=3)):
            used[one[:2]] = min(one.first, used.get(one[:2], one.first))
    subjects = [("subscription", code) for code in SUBJECTS[:4]]
    return {
        "usage": [read(version) for version in versions],
        "columns": [columns(version, **part) for version in versions],
        "keys": [queries.distinct_keys(as_of=version, **part) for version in [None, *versions]],
        "some keys": queries.distinct_keys(subjects=["s-1", "Я"]),
        "used": used,
        "changed": [queries.changed_since(one, before=part["until"]) for one in [0, *versions]],
        "in use": [queries.subjects_in_use(kind, [*SUBJECTS, "?"], **part)
                   for kind in ("subscription", "customer")],
        "nothing": queries.subjects_in_use("subscription", SUBJECTS, since=FAR, until=FAR),
        "late": [queries.late_usage(one, before=NOVEMBER) for one in [0, *versions]],
        "days": [queries.days_of(subjects, zone="Europe/Moscow", before=before, days=4)
                 for before in (NOVEMBER, OCTOBER, OCTOBER + timedelta(days=7, hours=3))],
        "by day": [queries.by_day("gib", zone="Asia/Tokyo", subject=who, **span)
                   for who in (None, ("", "s-1"), ("subscription", "Я"))],
        "lists": [pages(one) for one in filters],
        "by time": pages(EventFilter(subject="s-1"), "-time"),
        "cards": [queries.event(source, name) for name in [*names, *undone] for source in "ab"],
        "last": queries.last_views([*names, *undone]),
        "sources": [queries.sources_of(name) for name in names],
        "standing": [queries.standing((*key, "gib"), limit=5, **part) for key in KEYS],
        "traces": [queries.traces(name) for name in names],
        "counts": queries.counts(),
        "rejected": list(queries.rejections()),
        "to mend": (queries.rejections_to_mend(), queries.conflicts_to_decide()),
        "conflicts": [list(queries.conflicts(decided=told)) for told in (True, False)],
    }  # fmt: skip


def release(now: datetime, before: datetime = FAR, **more: Any) -> int:
    return services.release(Settled(before, FAR), now=now, **WHO, **more)


def decide_all(now: datetime) -> None:
    for one in queries.conflicts():
        services.resolve_conflict(one["id"], outcome="keep", reason="w", now=now, **WHO)


def test_all_answers_are_the_same_when_rows_have_left_and_come_back(
    tenant: UUID, now: datetime, file_store: Path, small: None
) -> None:
    versions = story(now)
    decide_all(now)
    services.seal(now=now)
    rows = UsageEvent.objects.count()
    before = answers(versions)
    assert release(now) == rows == 212
    assert (UsageEvent.objects.count(), ReleasedEvent.objects.count()) == (0, rows)
    after = answers(versions)
    for name, told in before.items():
        assert after[name] == told, name
    assert list(queries.problems()) == []
    services.ingest(drawn(40, 8), source="a", now=now, **WHO)  # a tail in the table
    mixed = answers(versions)
    assert services.bring_back(since=LONG_AGO, now=now, **WHO) == rows
    assert (ReleasedEvent.objects.exists(), ReleasedSeal.objects.exists()) == (False, False)
    again = answers(versions)
    for name, told in mixed.items():
        assert again[name] == told, name
    assert list(queries.problems()) == []


class Killed(BaseException):
    """The process is gone."""


def dying(function: Callable[..., Any], after: int) -> Callable[..., Any]:
    """The function, which does not come back from its call after so many."""
    calls = iter(range(after))

    def run(*arguments: Any, **named: Any) -> Any:
        if next(calls, None) is None:
            raise Killed
        return function(*arguments, **named)

    return run


def kill(
    patching: pytest.MonkeyPatch, module: Any, name: str, after: int, act: Callable[[], Any]
) -> None:
    """Act until a function is called once more than so often; what was committed stands."""
    with patching.context() as patch:
        patch.setattr(module, name, dying(getattr(module, name), after))
        with pytest.raises(Killed):
            act()


def test_killed_on_the_way_nothing_is_lost_or_doubled(
    tenant: UUID, now: datetime, file_store: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = story(now)
    decide_all(now)
    before = answers(versions)
    for chunks, left in ((0, 0), (2, 70)):  # marked, and none of the rows has left; some have
        kill(monkeypatch, _release, "_leave_chunk", chunks, lambda: release(now))
        assert ReleasedEvent.objects.count() == left
        assert answers(versions) == before
    assert list(queries.problems()) == []
    assert release(now) == 212 - 70
    back = partial(services.bring_back, since=LONG_AGO, now=now, **WHO)
    kill(monkeypatch, _release, "_return_chunk", 2, back)
    assert answers(versions) == before
    assert list(queries.problems()) == []
    with pytest.raises(services.Returning):
        release(now)
    back()
    assert (UsageEvent.objects.count(), ReleasedSeal.objects.exists()) == (212, False)


def test_a_seal_that_was_not_marked_leaves_every_row(
    tenant: UUID, now: datetime, file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = story(now)
    decide_all(now)
    before = answers(versions)
    kill(monkeypatch, files, "put", 1, lambda: release(now))  # one of two files
    assert not Segment.objects.exists()
    kill(monkeypatch, _release, "check_sealed", 0, lambda: release(now))  # no mark
    assert (ReleasedSeal.objects.exists(), UsageEvent.objects.count()) == (False, 212)
    assert answers(versions) == before
    assert release(now) == 212


def test_what_has_left_is_known_again(tenant: UUID, now: datetime, file_store: Path) -> None:
    take(now, 1)
    release(now)
    again = list(drawn(300, 1))
    verdict = services.ingest(again, source="a", now=now, **WHO)
    assert (verdict.accepted, verdict.repeated, verdict.version) == (0, 300, 1)
    other = [again[0]._replace(subject="else"), again[1], EventIn(*again[2])._replace(event_id="n")]
    verdict = services.ingest(other, source="a", now=now, **WHO)
    assert (verdict.accepted, verdict.repeated, verdict.conflicting) == (1, 1, 1)
    verdict = services.ingest(again, source="b", now=now, **WHO)
    assert verdict.accepted == 300
    [conflict] = queries.conflicts()
    services.resolve_conflict(conflict["id"], outcome="replace", reason="w", now=now, **WHO)
    first, second = queries.event("a", again[0].event_id)
    assert (first.retraction_reason, second.subject, second.revision) == ("w", "else", 1)
    services.retract([("a", again[1].event_id)], reason="undone", now=now, **WHO)
    assert queries.event("a", again[1].event_id)[0].retraction_reason == "undone"
    with pytest.raises(services.EventNotFound):
        services.retract([("a", again[1].event_id)], reason="undone", now=now, **WHO)
    assert list(queries.problems()) == []
    release(now)
    assert [one.revision for one in queries.event("a", again[0].event_id)] == [0, 1]
    assert list(queries.problems()) == []


def test_what_is_young_in_dispute_or_waits_stays(
    tenant: UUID, now: datetime, file_store: Path
) -> None:
    day = timedelta(days=1)
    for n, at in enumerate((OCTOBER, OCTOBER, OCTOBER, OCTOBER + 9 * day, OCTOBER, OCTOBER)):
        event = EventIn(f"e{n}", "subscription", f"s-{n}", "calls", at, Decimal(1))
        services.ingest([event], source="a", now=OCTOBER + n * day, **WHO)

    def left(
        before: datetime, *held: tuple[str, str, str], came: datetime = FAR
    ) -> tuple[int, str]:
        settled = Settled(before, came, held)
        services.release(settled, now=now, **WHO)
        why = queries.held_back(settled)
        assert ReleasedEvent.objects.count() + UsageEvent.objects.count() == 6
        return ReleasedEvent.objects.count(), why.reason if why else ""

    assert left(OCTOBER) == (0, "later")
    assert left(FAR, ("subscription", "s-1", "calls")) == (1, "waits")
    changed = EventIn("e2", "subscription", "s-2", "calls", OCTOBER, Decimal(9))
    services.ingest([changed], source="a", now=now, **WHO)
    assert left(FAR) == (2, "disputed")
    decide_all(now)
    assert left(OCTOBER + 9 * day) == (3, "later")
    services.retract([("a", "e3")], reason="w", now=now, **WHO)
    assert left(OCTOBER + 9 * day, came=OCTOBER + 5 * day) == (5, "young")
    assert left(FAR) == (6, "")
    assert list(queries.problems()) == []


def test_a_file_that_is_missing_or_altered_is_told_of_and_nothing_is_read_without_it(
    tenant: UUID, now: datetime, file_store: Path
) -> None:
    version = take(now, 1)
    release(now)
    whole = read(version)
    path = files.path_of(Segment.objects.get().events_digest)
    bytes_ = path.read_bytes()
    readers: list[Callable[[], Any]] = [
        lambda: read(version), lambda: columns(version), lambda: queries.event("a", "1-1"),
        queries.distinct_keys, lambda: pages(EventFilter()),
    ]  # fmt: skip
    flipped = bytes([*bytes_[:99], bytes_[99] ^ 1, *bytes_[100:]])
    for content, code in ((None, "metering_sealed_missing"), (flipped, "metering_sealed_damaged")):
        path.unlink() if content is None else path.write_bytes(content)
        for one in readers:
            with pytest.raises(Failure) as told, transaction.atomic():
                one()
            assert (told.value.code, told.value.params["path"]) == (code, path)
        assert [(one.code, one.detail) for one in queries.problems()] == [
            ("metering_segment_damaged", str(path))
        ]
    path.write_bytes(bytes_)
    assert read(version) == whole
    assert list(queries.problems()) == []


def test_segments_of_before_are_read_and_sealed_once_more_before_rows_leave(
    tenant: UUID, now: datetime, file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = take(now, 1)
    before = read(version), columns(version)
    create = Segment.objects.create
    with monkeypatch.context() as patch:  # as it was: neither source nor version
        patch.setattr(_segments, "EVENTS", pa.schema(list(_segments.EVENTS)[:7]))
        patch.setattr(_segments, "_SAID_OFTEN", ["text", "dimensions"])
        patch.setattr(Segment.objects, "create", lambda **row: create(**{**row, "is_whole": False}))
        services.seal(now=now)
    assert (read(version), columns(version)) == before
    assert release(now) == 300
    assert sorted(Segment.objects.values_list("part", "is_whole")) == [(0, False), (1, True)]
    assert (read(version), columns(version)) == before
    assert list(queries.problems()) == []


def test_a_row_that_its_segment_does_not_say_is_not_deleted(
    tenant: UUID, now: datetime, file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(now, 1)
    real = _release.hashes_of

    def wrong(rows: Any) -> list[bytes]:
        return [b"?" * 32, *real(rows)[1:]]

    monkeypatch.setattr(_release, "hashes_of", wrong)
    with pytest.raises(services.NotTheSame) as told:
        release(now)
    assert told.value.params == {"rows": 300, "same": 299}
    assert (UsageEvent.objects.count(), ReleasedEvent.objects.count()) == (300, 0)


def test_a_seal_whose_records_are_gone_is_told_of_and_neither_leaves_nor_comes_back(
    tenant: UUID, now: datetime, file_store: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(now, 1)
    kill(monkeypatch, _release, "_leave_chunk", 2, lambda: release(now))
    with monkeypatch.context() as patch:
        patch.setattr(_release, "_manifests", lambda seal: Segment.objects.none())
        with pytest.raises(services.Unsealed) as told:
            release(now)
        assert told.value.params == {"since": 1, "until": 1}
        ReleasedSeal.objects.update(is_returning=True)
        with pytest.raises(services.Unsealed):
            services.bring_back(since=LONG_AGO, now=now, **WHO)
    assert (UsageEvent.objects.count(), ReleasedEvent.objects.count()) == (230, 70)


@pytest.mark.django_db(transaction=True)
def test_the_database_deletes_neither_an_event_nor_its_trace_without_the_other(
    owner: psycopg.Connection[Any], now: datetime, file_store: Path, tenant: UUID
) -> None:
    take(now, 1)
    with pytest.raises(psycopg.errors.RestrictViolation), owner.transaction():
        owner.execute("DELETE FROM metering_usageevent")
    with connection.cursor() as cursor, pytest.raises(DatabaseError):
        cursor.execute("DELETE FROM metering_usageevent")
    first = UsageEvent.objects.order_by("pk")[0].pk
    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="not proven"):
        cursor.execute("SELECT metering_drop_released(%s)", [[first]])
    release(now)
    with pytest.raises(DatabaseError, match="are not back"):
        ReleasedEvent.objects.filter(number=first).delete()
    assert (UsageEvent.objects.count(), ReleasedEvent.objects.count()) == (0, 300)


@pytest.mark.django_db(transaction=True)
def test_verify_names_what_an_owner_changed_of_events_that_left(
    owner: psycopg.Connection[Any], now: datetime, file_store: Path, tenant: UUID
) -> None:
    take(now, 1)
    release(now)
    lost, altered = ReleasedEvent.objects.order_by("number")[:2]
    with owner.transaction():
        for table in ("usageevent", "releasedevent", "batch"):
            owner.execute(f"ALTER TABLE metering_{table} DISABLE TRIGGER USER")
        owner.execute("DELETE FROM metering_releasedevent WHERE id = %s", [lost.pk])
        owner.execute("UPDATE metering_releasedevent SET said = id WHERE id = %s", [altered.pk])
        owner.execute("UPDATE metering_batch SET accepted = 299")
        for table in ("usageevent", "releasedevent", "batch"):
            owner.execute(f"ALTER TABLE metering_{table} ENABLE TRIGGER USER")
        owner.execute("UPDATE metering_releasedseal SET from_version = 0, until_version = 2")
    found = {one.code for one in queries.problems()}
    assert found == {
        "metering_released_gap", "metering_released_miscounted", "metering_segment_miscounted",
    }  # fmt: skip
    with owner.transaction():
        owner.execute("UPDATE metering_releasedseal SET until_version = 1")
    found = {one.code for one in queries.problems()}
    assert found == {
        "metering_released_altered", "metering_released_batch_miscounted",
        "metering_released_miscounted", "metering_segment_miscounted",
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_verify_names_an_event_that_left_and_stands(
    owner: psycopg.Connection[Any], now: datetime, file_store: Path, tenant: UUID
) -> None:
    take(now, 1)
    first = UsageEvent.objects.order_by("pk")[0]
    with owner.transaction():
        owner.execute(
            "CREATE TEMP TABLE stayed AS SELECT * FROM metering_usageevent WHERE id = %s",
            [first.pk],
        )
    release(now)
    with owner.transaction():
        owner.execute("ALTER TABLE metering_usageevent DISABLE TRIGGER USER")
        owner.execute(
            "INSERT INTO metering_usageevent OVERRIDING SYSTEM VALUE SELECT * FROM stayed"
        )
        owner.execute("ALTER TABLE metering_usageevent ENABLE TRIGGER USER")
        owner.execute("DROP TABLE stayed")
    found = {one.code: one.row for one in queries.problems()}
    assert found["metering_released_twice"] == f"{first.source}/{first.event_id}"


@pytest.mark.django_db(transaction=True)
def test_rows_go_when_no_transaction_is_left_that_read_the_mark_before(
    now: datetime, file_store: Path, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(now, 1)
    other = connection.copy()
    monkeypatch.setattr(_release, "PATIENCE_S", 0.2)
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM metering_releasedseal")
        with pytest.raises(services.Busy):
            release(now)
        assert (UsageEvent.objects.count(), ReleasedSeal.objects.get().gone) == (300, 0)
        cursor.execute("COMMIT")
    other.close()
    assert release(now) == 300


@pytest.mark.parametrize("count", [1, 300])
def test_events_that_left_are_known_again_by_their_index(
    tenant: UUID, now: datetime, file_store: Path, count: int
) -> None:
    take(now, 1)
    release(now)
    events = [EventIn(f"e{n}", "subscription", "s-1", "calls", now) for n in range(count)]
    offered = _offered.offered(events, 1)
    names = {"tenant": tenant, "source": "a", "batch": tenant, **offered.parameters}
    statements = (
        _intake._INSERT.format(offered=offered.sql, unknown=_intake._NEW),
        _intake._CLASSIFY.format(offered=offered.sql, known=_intake._KNOWN),
    )
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}", names)
            plan = "\n".join(row for (row,) in cursor.fetchall())
            assert "Scan using metering_releasedevent_pkey on metering_releasedevent" in plan
            assert "Seq Scan on metering_releasedevent" not in plan


@pytest.mark.django_db(transaction=True)
def test_who_reads_while_rows_leave_and_come_back_always_reads_all(
    now: datetime, file_store: Path, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers and a sender of repeats beside who moves the rows, chunk by chunk, there and back."""
    monkeypatch.setattr(_release, "CHUNK", 20)
    version = take(now, 1, 200)
    with transaction.atomic():
        usage = len(read(version, since=LONG_AGO, until=FAR))
    wanted = {
        "usage": usage,
        "keys": 200, "list": 200, "card": 1, "repeated": 200, "problems": 0,
    }  # fmt: skip
    done = threading.Event()
    seen: list[dict[str, int]] = []
    until = time.monotonic() + 60

    def look() -> None:
        with closing(connection), tenant_scope(tenant):
            while not done.is_set():
                told = services.ingest(drawn(200, 1), source="a", now=now, **WHO)
                with transaction.atomic():
                    usage = len(read(version, since=LONG_AGO, until=FAR))
                seen.append({
                    "usage": usage,
                    "keys": sum(key.events for key in queries.distinct_keys()),
                    "list": sum(len(page.rows) for page in pages(EventFilter())),
                    "card": len(queries.event("a", "1-7")),
                    "repeated": told.repeated,
                    "problems": len(list(queries.problems())),
                })  # fmt: skip

    with ThreadPoolExecutor(2) as hands:
        readers = [hands.submit(look) for _ in range(2)]
        try:
            for times in count(1):
                release(now)
                services.bring_back(since=LONG_AGO, now=now, **WHO)
                if (times > 1 and len(seen) >= 4) or time.monotonic() > until:
                    break
        finally:
            done.set()
    for one in readers:
        one.result()
    assert len(seen) >= 4
    assert [one for one in seen if one != wanted] == []


@pytest.mark.django_db(transaction=True)
def test_rows_that_are_left_are_found_by_their_index_beside_those_of_segments(
    now: datetime, file_store: Path, tenant: UUID, owner: psycopg.Connection[Any]
) -> None:
    take(now, 1)
    release(now)
    take(now, 2, 3_000)
    owner.execute("ANALYZE metering_usageevent")  # what is chosen of a few rows is chance
    wanted = Wanted([("subscription", "s-1")], ["gib"])
    which = "tenant_id = %(tenant)s AND subject_kind = %(kind)s AND subject = %(code)s"
    with everything(wanted) as usage, connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            f"EXPLAIN SELECT count(*) FROM {usage} e WHERE {which} AND meter = %(meter)s",
            {"tenant": tenant, "kind": "subscription", "code": "s-1", "meter": "gib"},
        )
        plan = "\n".join(row for (row,) in cursor.fetchall())
    assert re.search(r"usage_in_order.*\n.*Index Cond: .*subject.*meter", plan), plan


def test_a_seal_that_is_marked_while_one_reads_is_read_once(
    tenant: UUID, now: datetime, file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who had looked at the mark reads its rows in the table, where they still are."""
    take(now, 1, 30)
    release(now)
    version = take(now, 2, 30)
    rest: dict[str, Any] = {"since": OCTOBER, "until": NOVEMBER, "as_of": version}
    asked: dict[str, Callable[[], Any]] = {
        "keys": partial(queries.distinct_keys, **rest),
        "changed": partial(queries.changed_since, 0),
        "list": lambda: pages(EventFilter()),
        "late": partial(queries.late_usage, 0, before=NOVEMBER),
        "by day": partial(
            queries.by_day, "gib", zone="Asia/Tokyo", since=OCTOBER, until=NOVEMBER, subject=None
        ),
    }
    before = {name: ask() for name, ask in asked.items()}
    real = _released.released_seals
    for name, ask in asked.items():
        meanwhile = iter([partial(_release.begin, version, least=1, now=now, actor="x")])

        def marked(meanwhile: Any = meanwhile) -> Any:
            for act in meanwhile:
                assert act() == 30
            return real()

        with transaction.atomic():
            monkeypatch.setattr(_released, "released_seals", marked)
            assert ask() == before[name], name
            assert list(meanwhile) == [], name
            transaction.set_rollback(True)


def test_a_disk_that_is_full_is_told_and_not_taken_for_somebody_who_reads(
    tenant: UUID, now: datetime, file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(now, 1, 30)

    def full(_: UUID) -> int:
        raise OperationalError("disk full") from psycopg.errors.DiskFull()

    monkeypatch.setattr(_release, "_leave_chunk", full)
    monkeypatch.setattr(_release, "sleep", lambda _: pytest.fail("waited"))
    with pytest.raises(OperationalError, match="disk full"):
        services.release(Settled(FAR, FAR), now=now, **WHO)
    assert UsageEvent.objects.count() == 30
