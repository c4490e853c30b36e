"""Sealed usage says what it said before: in order, as of any version, whatever came since."""

import random
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import transaction

from kvit.metering import _index, _seal, _segments, queries, services
from kvit.metering._columns import of_segment, reading
from kvit.metering._sealed import Asked, chain
from kvit.metering.models import Segment
from kvit.metering.rows import EARLIEST, EventIn
from kvit.platform import files
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import tenant_scope

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
SUBJECTS = [f"s-{n}" for n in range(12)] + ["Я", "s", 'z,"\n']
KEYS = [("subscription", code) for code in SUBJECTS] + [("customer", "s-1")]
VALUES = ["0", "-3", "1.5", "0.000001", "0.000000000001", "99999999999999999999999999", "7"]


def drawn(count: int, seed: int) -> Iterator[EventIn]:
    dice = random.Random(seed)
    for n in range(count):
        text = dice.choice([None, None, "", "a,b", 'он сказал "да"\nи ушёл'])
        value = None if text is not None else Decimal(dice.choice(VALUES))
        kind = "customer" if dice.random() < 0.1 else "subscription"
        subject = "s-1" if kind == "customer" else dice.choice(SUBJECTS)
        at = OCTOBER + timedelta(microseconds=dice.randrange(-(10**12), 40 * 24 * 3600 * 10**6))
        dimensions = {"region": dice.choice(["eu", "us"])} if dice.random() < 0.5 else {}
        yield EventIn(f"{seed}-{n}", kind, subject, dice.choice(["calls", "gib", "Ж"]), at, value,
                      text, dimensions)  # fmt: skip


def take(now: datetime, seed: int, count: int = 300) -> int:
    return services.ingest(drawn(count, seed), source="a", actor="x", now=now).version


def read(as_of: int, **more: Any) -> list[queries.UsageRow]:
    span = {"since": OCTOBER, "until": NOVEMBER} | more
    return [
        row for batch in queries.usage(KEYS, as_of=as_of, **span) for row in queries.rows(batch)
    ]


def columns(as_of: int, **more: Any) -> list[tuple[Any, ...]]:
    """The columns, row by row, as values that do not depend on how they are coded."""
    span = {"since": OCTOBER, "until": NOVEMBER} | more
    ranges = list(
        queries.usage_ranges(
            "subscription", sorted(SUBJECTS), since=OCTOBER, until=NOVEMBER, as_of=as_of
        )
    )
    assert [code for one in ranges for code in one.subjects] == sorted(SUBJECTS)
    return [row for one in ranges for row in rows_of(one.read(**span))]


def rows_of(found: queries.UsageColumns) -> Iterator[tuple[Any, ...]]:
    said = found.dimensions.at(slice(None))
    for run, (start, end) in enumerate(zip(found.runs.starts, found.runs.ends, strict=True)):
        for row in range(start, end):
            known = not found.missing[row] and not found.wide[row]
            value = Decimal(int(found.values[row])) / found.scale if known else None
            if value is not None and value * 10**6 % 1:
                value = None  # so fine a value is one of `wide` where it is sealed
            dimensions = found.dimension_texts[said[row]].as_py().replace(" ", "")
            subject = found.subject_codes[found.subjects[run]].as_py()
            key = subject, found.meter_codes[found.meters[run]]
            yield *key, value, bool(found.missing[row]), dimensions


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups and files of a few rows, so that there are many."""
    monkeypatch.setattr(_segments, "GROUP_ROWS", 40)
    monkeypatch.setattr(_seal, "GROUP_ROWS", 40)
    monkeypatch.setattr(_seal, "PART_ROWS", 120)


def test_sealing_changes_nothing_that_is_read(
    tenant: UUID, now: datetime, file_store: Path, small: None
) -> None:
    versions = [take(now, 1), take(now, 2)]
    before = {version: (read(version), columns(version)) for version in versions}
    assert services.seal(now=now) == 600
    assert services.seal(now=now) == 0
    assert Segment.objects.count() > 2
    assert {version: (read(version), columns(version)) for version in versions} == before
    versions.append(take(now, 3))
    mixed = read(versions[-1])
    assert services.seal(now=now) == 300
    assert read(versions[-1]) == mixed
    assert read(versions[0]) == before[versions[0]][0]
    assert len(mixed) > len(before[versions[1]][0])


def test_rows_of_one_large_subject_are_looked_through_a_few_times(
    tenant: UUID, now: datetime, file_store: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_through = 0

    def cut(table: pa.Table) -> Iterator[pa.Table]:
        nonlocal looked_through
        looked_through += table.num_rows
        return _segments.cut(table)

    def in_small_blocks(columns: Any) -> tuple[Any, Any, Any]:
        read, *more = reading(columns)
        read.block_size = 4096
        return read, *more

    monkeypatch.setattr(_seal, "cut", cut)
    monkeypatch.setattr(_seal, "reading", in_small_blocks)
    events = [
        EventIn(f"{n:05}", "subscription", "s", "calls", OCTOBER + timedelta(seconds=n), Decimal(n))
        for n in range(2000)
    ]
    services.ingest(events, source="a", actor="x", now=now)
    assert services.seal(now=now) == 2000
    assert looked_through <= 3 * 2000
    assert [row.value for row in read(queries.latest_version())] == [one.value for one in events]


def test_many_small_seals_become_one_and_each_version_reads_as_before(
    tenant: UUID, now: datetime, file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_seal, "MERGED", 3)
    versions, before = [], []
    for seed in range(1, 9):
        versions.append(take(now, seed, 40))
        before.append(read(versions[-1]))
        services.seal(now=now)
    # 1 2 3 → a; 4 5 … a 4 5 → b; b 6 7 → c; 8
    assert [[one.from_version for one in seal] for seal in chain(versions[-1])] == [[0], [7]]
    assert [read(version) for version in versions] == before
    assert list(queries.problems()) == []
    monkeypatch.setattr(_seal, "PART_ROWS", 100)
    take(now, 9, 40)
    services.seal(now=now)
    assert len(chain(queries.latest_version())) == 3  # the large one is left alone


def test_a_long_or_an_old_tail_is_due(
    tenant: UUID, now: datetime, file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not services.is_seal_due(now=now)
    take(now, 1, 40)
    assert not services.is_seal_due(now=now + timedelta(hours=23))
    assert services.is_seal_due(now=now + timedelta(hours=24))
    monkeypatch.setattr(_seal, "TAIL_ROWS", 40)
    assert services.is_seal_due(now=now)
    services.seal(now=now)
    assert not services.is_seal_due(now=now + timedelta(days=9))


def test_what_is_undone_counts_no_more_from_its_version_on(
    tenant: UUID, now: datetime, file_store: Path
) -> None:
    version = take(now, 1)
    first = read(version)
    services.seal(now=now)
    after = services.retract([("a", first[0].event_id)], reason="wrong", actor="x", now=now)
    assert read(version) == first
    assert read(after) == first[1:]
    assert len(columns(after)) == len(columns(version)) - (first[0].subject_kind != "customer")


def test_bounds_of_time_and_meters_cut_runs(tenant: UUID, now: datetime, file_store: Path) -> None:
    version = take(now, 1)
    spans: list[dict[str, Any]] = [
        {"since": OCTOBER + timedelta(days=3), "until": OCTOBER + timedelta(days=4, hours=1)},
        {"meters": ["gib"]},
        {"since": OCTOBER, "until": OCTOBER},
    ]
    before = [(read(version, **span), columns(version, **span)) for span in spans]
    services.seal(now=now)
    assert [(read(version, **span), columns(version, **span)) for span in spans] == before
    assert before[0][0]
    assert before[1][0]
    assert before[2] == ([], [])


def test_a_seal_that_is_cut_off_leaves_what_was_there(
    tenant: UUID, now: datetime, file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = take(now, 1)
    before = read(version)
    real = files.put

    def full(content: bytes) -> str:
        real(content)
        raise OSError("disk full")

    monkeypatch.setattr(files, "put", full)
    with pytest.raises(OSError, match="disk full"):
        services.seal(now=now)
    monkeypatch.setattr(files, "put", real)
    assert not Segment.objects.exists()
    assert read(version) == before
    assert services.seal(now=now) == 300
    assert read(version) == before


def test_segments_are_one_tenants(tenant: UUID, now: datetime, file_store: Path) -> None:
    version = take(now, 1)
    services.seal(now=now)
    with tenant_scope(uuid7(), switch=True):
        assert not Segment.objects.exists()
        assert read(version) == []


def test_a_damaged_segment_is_named(tenant: UUID, now: datetime, file_store: Path) -> None:
    take(now, 1)
    services.seal(now=now)
    assert list(queries.problems()) == []
    digest = Segment.objects.get().events_digest
    path = files.path_of(digest)
    path.write_bytes(path.read_bytes() + b"x")
    assert [(one.code, one.detail) for one in queries.problems()] == [
        ("metering_segment_damaged", str(path))
    ]


def test_what_was_sealed_with_nulls_reads_as_what_is_sealed_without(
    tenant: UUID, now: datetime, file_store: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [take(now, 1), take(now, 2)]
    before = {version: (read(version), columns(version)) for version in versions}
    with monkeypatch.context() as patch:  # as it was
        patch.setattr(_segments, "_ALWAYS", {})
        services.seal(now=now)
    paths = [files.path_of(one.events_digest) for one in Segment.objects.all()]
    assert all(pq.read_schema(path).field("text").nullable for path in paths)
    assert {version: (read(version), columns(version)) for version in versions} == before
    versions.append(take(now, 3))
    mixed = read(versions[-1])
    services.seal(now=now)
    assert read(versions[-1]) == mixed
    [*_, last] = Segment.objects.order_by("until_version", "part")
    assert not pq.read_schema(files.path_of(last.events_digest)).field("text").nullable
    assert list(queries.problems()) == []


@pytest.mark.parametrize("is_former", [False, True])
@pytest.mark.parametrize(
    ("texts", "codes"),
    [
        ([None, "", "a", None, "a"], [0, 0, 1, 0, 1]),
        ([None, "b", "a", None, "a"], [0, 1, 2, 0, 2]),
        (["", "b", "a", "", "a"], [0, 1, 2, 0, 2]),
        (["b", "a"], [0, 1]),
        ([None, None], [0, 0]),
    ],
)
def test_no_text_and_an_empty_one_are_the_same_to_rating(
    file_store: Path, monkeypatch: pytest.MonkeyPatch, texts: list[str | None], codes: list[int],
    is_former: bool,
) -> None:  # fmt: skip
    if is_former:
        monkeypatch.setattr(_segments, "_ALWAYS", {})
    rows = len(texts)
    keys = {"kind": ["subscription"] * rows, "subject": ["s"] * rows, "meter": ["calls"] * rows}
    said = {one.name: pa.nulls(rows, one.type) for one in _segments.EVENTS}
    said |= {"time": pa.array(range(rows)), "text": pa.array(texts, pa.string())}
    written = _segments.write([pa.table(keys | said)], 1)
    segment = _segments.Segment(written.events_digest, written.index_digest, 1)
    asked = Asked("subscription", ["s"], EARLIEST, NOVEMBER, None)
    found = of_segment(segment, asked, np.zeros(0, np.int64), {"text", "dimensions", "time"})
    told = found.texts.at(slice(None)).tolist()
    assert [list(dict.fromkeys(told)).index(code) for code in told] == codes
    assert segment.is_empty("text") == (set(texts) == {None})
    assert segment.is_empty("dimensions")
    assert found.dimension_texts.to_pylist() == ["{}"]
    assert found.times.tolist() == list(range(rows))


def segment_of(groups: list[list[int]]) -> _segments.Segment:
    """Write row groups of a subject a value."""
    parts = [
        pa.table({
            "kind": ["subscription"] * len(group), "subject": [f"s-{n}" for n in group],
            "meter": ["calls"] * len(group),
            **{one.name: pa.array([n if one.type == pa.int64() else None for n in group], one.type)
               for one in _segments.EVENTS},
        })
        for group in groups
    ]  # fmt: skip
    written = _segments.write(parts, 1)
    return _segments.Segment(written.events_digest, written.index_digest, written.scale)


def test_a_row_group_is_kept_until_it_is_read_whole(
    file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[Any, Any] = {}
    monkeypatch.setattr(_segments, "_decoded", kept)
    segment = segment_of([[0, 1, 2], [3]])

    def values(*runs: int) -> tuple[list[int], list[int]]:
        rows = segment.rows_of(np.array(runs), ["value"])
        return rows["value"].to_pylist(), sorted(place for _, place, _ in kept)

    assert values(1) == ([1], [0])
    assert values(1, 2, 3) == ([1, 2, 3], [0])
    assert values(0, 1, 2) == ([0, 1, 2], [])
    assert values(0, 1, 2, 3) == ([0, 1, 2, 3], [])


def put_index(path: Path, kinds: list[str], subjects: list[str], meters: list[str]) -> None:
    """Write the index of these runs, an event each."""
    numbers = pa.array(np.ones(len(kinds), np.int64))
    columns = [*map(pa.array, (kinds, subjects, meters)), numbers, numbers, numbers]
    pq.write_table(pa.table(columns, names=_index.INDEX.names).cast(_index.INDEX), path)


def test_an_index_is_read_some_runs_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_index, "PART_RUNS", 2)  # s goes on in the next part, as another kind
    kinds = ["customer"] * 3 + ["subscription"] * 2
    meters = ["calls", "sms", "web", "calls", "web"]
    put_index(tmp_path / "index", kinds, ["s", "s", "s", "s", "t"], meters)
    index = _index.Index.read(tmp_path / "index")
    assert index.starts.tolist() == [0, 1, 2, 3, 4, 5]
    assert [index.meter_names[code] for code in index.meters] == meters
    assert index.subjects.to_pylist() == ["s", "s", "t"]
    assert index.subject_starts.tolist() == [0, 3, 4, 5]
    assert [index.kind_names[code] for code in index.kinds] == ["customer", *kinds[3:]]


def test_reading_an_index_takes_no_more_than_twice_what_is_kept_of_it(tmp_path: Path) -> None:
    """Of a million accounts a worker has several open, and reads two at once."""
    path, before = tmp_path / "index", pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)

    def most_and_kept(runs: int) -> tuple[int, int]:
        subjects = [f"s{n // 4:06}" for n in range(runs)]
        put_index(path, ["subscription"] * runs, subjects, ["a", "b", "c", "d"] * (runs // 4))
        pa.set_memory_pool(pool)
        tracemalloc.start()
        try:
            index = _index.Index.read(path)
            now, most = tracemalloc.get_traced_memory()
            kept = pool.bytes_allocated() + now
            del index  # before the pool that it is of
        finally:
            tracemalloc.stop()
            pa.set_memory_pool(before)
        return pool.max_memory() + most, kept

    less, more = most_and_kept(200_000), most_and_kept(800_000)
    assert more[1] - less[1] > 600_000 * 8  # it was seen
    assert more[0] - less[0] < 2 * (more[1] - less[1])


def test_threads_read_one_segment_at_the_same_time(file_store: Path) -> None:
    numbers = range(8)
    segment = segment_of([[n] for n in numbers])
    seen: list[bool] = []

    def look(step: int) -> None:
        for n in range(200):
            run = n * step % len(numbers)
            rows = segment.rows_of(np.array([run]), ["value", "time"])
            if rows["value"].to_pylist() != [run]:
                return
        seen.append(True)

    threads = [threading.Thread(target=look, args=(step,), daemon=True) for step in (1, 3, 5, 7)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for one in threads:
            one.start()
        for one in threads:
            one.join(120)
    finally:
        sys.setswitchinterval(before)
    assert seen == [True] * len(threads)


def test_whoever_used_anything_is_seen_at_a_glance(tenant: UUID, now: datetime) -> None:
    take(now, 1)
    names = [row.event_id for row in queries.events(queries.EventFilter(), limit=3).rows]
    services.retract([("a", name) for name in names], reason="w", actor="x", now=now)
    for until in (OCTOBER + timedelta(days=2), NOVEMBER) * 2:
        wanted = queries.distinct_keys(until=until)
        firsts: dict[tuple[str, str], datetime] = {}
        odd = set()
        for one in glanced(until, {"gib", "Ж"}):
            firsts[one[:2]] = min(one.first, firsts.get(one[:2], one.first))
            odd |= {one[:2]} if one.is_odd else set()
        # Those of whom all was undone may be among them, nobody is left out.
        assert {key[:2] for key in wanted} <= firsts.keys() <= set(KEYS)
        assert all(firsts[key[:2]] <= key.first < until for key in wanted)
        assert {key[:2] for key in wanted if key.meter == "calls"} <= odd
        assert not any(one.is_odd for one in glanced(until, {"calls", "gib", "Ж"}))
        if until == NOVEMBER and not Segment.objects.exists():  # then the same once it is sealed
            services.seal(now=now)
            take(now, 2, 20)


def glanced(until: datetime, meters: set[str]) -> list[queries.Used]:
    with transaction.atomic():
        return [one for batch in queries.subjects_used(until, meters, size=4) for one in batch]
