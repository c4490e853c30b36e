"""Usage taken in bulk is billed once, whatever is killed in between, and each event is told of."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from django.db import DataError

from kvit.metering import _bulk, queries, services
from kvit.metering.models import UsageEvent
from kvit.metering.rows import BulkIn, EventIn, Offer, RejectedIn
from kvit.platform import durable_log
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import tenant_scope

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _closed(file_store: Path) -> Iterator[None]:
    yield
    durable_log.writer().close()


def read(body: bytes, source: str, part: int = 0) -> Offer:
    """A reader of `id=value` words; one without a value cannot be read."""
    events: list[EventIn] = []
    rejected: list[RejectedIn] = []
    for row, word in enumerate(body.decode().split(), 1):
        event_id, _, value = word.partition("=")
        if value:
            events.append(EventIn(event_id, "subscription", "s", "calls", NOON, Decimal(value),
                                  row=row, part=part))  # fmt: skip
        else:
            rejected.append(RejectedIn(row, "value", "bad_number", event_id=event_id))
    return Offer({source: events}, rejected, source)


def keep(text: str, now: datetime, *, actor: str = "key:1", source: str = "api") -> UUID:
    request = BulkIn(text.encode(), len(text.split()), source)
    [number] = services.keep_bulk([request], actor=actor, now=now)
    return number


def take_up(now: datetime) -> int:
    durable_log.writer().close()
    return services.take_up_bulk(read=read, now=now)


def told(number: UUID) -> tuple[str, tuple[int, ...], list[tuple[int, str]]]:
    found = queries.bulk_request(number)
    assert found is not None
    counts = found.offered, found.accepted, found.repeated, found.conflicting, found.rejected
    return found.state, counts, [(one["index"], one["verdict"]) for one in found.verdicts]


def test_each_event_has_its_verdict_once_it_was_looked_at(tenant: UUID, now: datetime) -> None:
    services.ingest(read(b"old=1", "api").events["api"], source="api", actor="x", now=now)
    first = keep("a=1 b=2 old=1 bad", now)
    second = keep("a=1 b=3 c=4", now)
    assert told(first) == ("waiting", (4, 0, 0, 0, 0), [])
    assert queries.unread() == queries.Unread(2, 7, now)
    assert (queries.counts().accepted, queries.counts().unread) == (1, 7)
    assert take_up(now) == 7
    assert (queries.counts().accepted, queries.counts().unread) == (4, 0)
    assert told(first) == ("done", (4, 2, 1, 0, 1), [(2, "repeated"), (3, "rejected")])
    assert told(second) == ("done", (3, 1, 1, 1, 0), [(0, "repeated"), (1, "conflict")])
    assert queries.unread() == queries.Unread(0, 0, None)
    assert sorted(UsageEvent.objects.values_list("event_id", flat=True)) == ["a", "b", "c", "old"]
    assert queries.counts().conflicts_open == 1
    assert durable_log.names() == []
    assert take_up(now) == 0


def test_what_no_column_holds_is_a_verdict_like_others(tenant: UUID, now: datetime) -> None:
    """PostgreSQL keeps no NUL and no half of a pair, and a log that it refuses is never empty."""

    def read_hostile(body: bytes, source: str, part: int) -> Offer:
        row = RejectedIn(1, "me\0ter", "unknown_key", {"name": "\ud800"}, "raw\0", "a\0b" * 100)
        return Offer({source: []}, [row], source)

    number = keep("bad", now)
    durable_log.writer().close()
    assert services.take_up_bulk(read=read_hostile, now=now) == 1
    found = queries.bulk_request(number)
    assert found is not None
    [verdict] = found.verdicts
    assert verdict["id"] == ("a\ufffdb" * 100)[:200]
    assert (verdict["field"], verdict["params"]) == ("me\ufffdter", {"name": "?"})
    assert durable_log.names() == []


def test_a_file_that_the_database_refuses_holds_no_other_up(tenant: UUID, now: datetime) -> None:
    def read_some(body: bytes, source: str, part: int) -> Offer:
        if body == b"refused=1":
            raise DataError("what it says cannot be kept")
        return read(body, source, part)

    for text in ("refused=1", "a=1", "b=2"):
        keep(text, now)
        durable_log.writer().close()
    with pytest.raises(DataError):
        services.take_up_bulk(read=read_some, now=now)
    assert sorted(UsageEvent.objects.values_list("event_id", flat=True)) == ["a", "b"]
    assert queries.unread() == queries.Unread(1, 1, now)
    assert take_up(now) == 1  # once it is mended
    assert queries.unread() == queries.Unread(0, 0, None)


def test_what_waits_is_counted_without_reading_it_again(
    tenant: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed file is looked at once, and never read whole; a request is sought about its time."""
    numbers = []
    for text in ("a=1 b=2", "c=1"):
        numbers.append(keep(text, now))
        durable_log.writer().close()

    def unread(*_: object, **__: object) -> tuple[bytes, ...]:
        raise AssertionError("nobody asked for records")

    with monkeypatch.context() as patch:
        patch.setattr(durable_log, "records", unread)
        assert queries.unread() == queries.Unread(2, 3, now)
        assert queries.counts().unread == 3
        assert queries.bulk_request(UUID(int=1)) is None  # of another time
        patch.setattr(durable_log, "first", unread)
        assert queries.unread() == queries.Unread(2, 3, now)
    assert [told(number)[0] for number in numbers] == ["waiting"] * 2
    [first, _] = durable_log.whole(str(tenant))
    first.rename(first.with_suffix(".left"))  # as the dead leave it
    assert queries.unread() == queries.Unread(2, 3, now)
    assert (take_up(now), queries.unread()) == (3, queries.Unread(0, 0, None))


def test_killed_after_the_commit_nothing_is_taken_twice(
    tenant: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = keep("a=1 b=2", now)

    def die(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(durable_log, "discard", die)
        with pytest.raises(KeyboardInterrupt):
            take_up(now)
    before = queries.latest_version(), told(number)
    assert queries.unread().events == 0
    assert take_up(now) == 0
    assert (queries.latest_version(), told(number)) == before
    assert durable_log.names() == []


def test_killed_before_the_commit_everything_waits(
    tenant: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = keep("a=1 b=2", now)

    def die(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_bulk, "_verdicts", die)
        with pytest.raises(KeyboardInterrupt):
            take_up(now)
    assert (told(number)[0], UsageEvent.objects.count()) == ("waiting", 0)
    assert take_up(now) == 2
    assert told(number)[0] == "done"


def test_a_damaged_file_is_read_as_far_as_it_is_sound_and_set_aside(
    tenant: UUID, now: datetime
) -> None:
    keep("a=1", now)
    lost = keep("damage=2", now)
    keep("c=3", now)
    durable_log.writer().close()
    [path] = durable_log.whole(str(tenant))
    path.write_bytes(path.read_bytes().replace(b"damage", b"xamage"))
    assert take_up(now) == 2
    assert sorted(UsageEvent.objects.values_list("event_id", flat=True)) == ["a", "c"]
    assert queries.bulk_request(lost) is None
    [kept] = durable_log.damaged(str(tenant))
    assert [(one.code, one.row) for one in queries.problems()] == [
        ("metering_log_damaged", f"file:{kept.name}")
    ]


def test_a_log_is_one_tenants(tenant: UUID, now: datetime) -> None:
    number = keep("a=1", now)
    durable_log.writer().close()
    other = uuid7()
    with tenant_scope(other, switch=True):
        assert queries.bulk_request(number) is None
        assert services.take_up_bulk(read=read, now=now) == 0
        # Nor does a file that was put into another's folder by hand.
        [path] = durable_log.whole(str(tenant))
        strange = durable_log.folder() / str(other)
        strange.mkdir()
        os.link(path, strange / path.name)
        assert services.take_up_bulk(read=read, now=now) == 0
        assert not UsageEvent.objects.exists()
        assert len(durable_log.damaged(str(other))) == 1
    assert take_up(now) == 1


def test_requests_of_two_keys_and_sources_keep_their_author(tenant: UUID, now: datetime) -> None:
    keep("a=1", now, actor="key:1")
    keep("a=1", now, actor="key:2", source="b")
    keep("b=1", now, actor="key:1")
    take_up(now)
    assert [(one["actor"], one["source"], one["accepted"]) for one in queries.batches()] == [
        ("key:1", "api", 1), ("key:2", "b", 1), ("key:1", "api", 1),
    ]  # fmt: skip


def test_at_any_moment_an_event_is_counted_once(
    tenant: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken up, and its file removed, between the look into the log and that into the tables."""
    keep("a=1 b=2", now)
    real = queries.in_log

    def slow() -> dict[UUID, int]:
        found = real()
        assert take_up(now) == 2
        return found

    monkeypatch.setattr(queries, "in_log", slow)
    counts = queries.counts()
    assert (counts.accepted, counts.unread) == (2, 0)
