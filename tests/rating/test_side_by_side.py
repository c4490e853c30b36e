"""What is priced does not depend on how usage is parted, nor on how many threads price it."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
import pytest

from kvit.core.catalogue import Catalogue, Meter, PlanTerms, PriceTerms, build
from kvit.core.columnar.plain import pattern
from kvit.core.periods import Period
from kvit.core.pricing import parse_price
from kvit.core.schedule import Contract, service_periods
from kvit.core.terms import Spell, Terms
from kvit.metering import _segments
from kvit.metering._ranges import ranges_of
from kvit.metering._segments import Segment
from kvit.rating._plain import Group, Member, Shape
from kvit.rating._side_by_side import priced

TIERS = [{"up_to": "100", "unit": "0.5"}, {"unit": "0.015"}]
MATRIX = {
    "model": "matrix",
    "prices": [{"match": {"region": "eu"}, "price": {"model": "graduated", "tiers": TIERS}}],
    "default": {"model": "per_unit", "unit": "0.07"},
}
DIALLED = {
    "model": "destination",
    "rates": [
        {"prefixes": ["7"], "rate": "3.00", "increments": "60/60"},
        {"prefixes": ["7495"], "rate": "1.20", "increments": "1/1"},
    ],
}
METERS = {
    "calls": ("sum", {"model": "graduated", "tiers": TIERS}),
    "dials": ("sum", DIALLED),
    "held": ("time_weighted", {"model": "per_unit", "unit": "0.3"}),
    "traffic": ("sum", MATRIX),
    "users": ("unique", {"model": "package", "size": "3", "amount": "1.05"}),
}
DIMENSIONS = {"dials": ("destination",), "traffic": ("region",)}
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
MONTH_US = 31 * 24 * 3600 * 10**6
MEMBERS = 60


@cache
def company() -> tuple[Shape, Catalogue]:
    catalogue = build(
        meters=[
            Meter(name, name, "", kind, dimensions=DIMENSIONS.get(name, ()))
            for name, (kind, _) in METERS.items()
        ],
        plans=[PlanTerms("pro", "Pro")],
        prices=[
            PriceTerms("pro", name, name, parse_price(price), meter=name)
            for name, (_, price) in METERS.items()
        ],
        calendars={},
        revision=1,
    )
    spell = Spell(datetime(2026, 1, 1, tzinfo=UTC), None, Terms("pro", "c"))
    contract = Contract("c", "c", "UTC", "RUB", (spell,))
    window = Period(date(2026, 10, 1), date(2026, 11, 1))
    [service] = [one for one in service_periods(contract, catalogue, window) if one.start == BEGIN]
    charges = pattern(contract, service, catalogue, frozenset({"arrears"}), frozenset())
    assert charges is not None
    return Shape(contract, service, frozenset({"arrears"}), charges), catalogue


def group() -> Group:
    own = orjson.dumps({"model": "per_unit", "unit": "0.11"})
    return Group(
        company()[0],
        [
            Member(UUID(int=n), f"a{n:03}", UUID(int=n), "c", {"calls": own} if n % 3 == 0 else {})
            for n in range(MEMBERS)
        ],
    )


def events(seed: int) -> pa.Table:
    """Usage of every other member, one of them with a value that nobody can add up."""
    dice = random.Random(seed)
    rows: list[dict[str, Any]] = []
    begin = int(BEGIN.timestamp()) * 10**6
    for n in range(4_000):
        meter = dice.choice(list(METERS))
        owner = 2 * dice.randrange(MEMBERS // 2)
        given: dict[str, str] = {}
        if meter == "traffic":
            given = {"region": dice.choice(["eu", "us"])}
        if meter == "dials":
            given = {"destination": f"7{dice.choice(['495', '812'])}{dice.randrange(10**7):07}"}
        is_text = meter == "users" or n == 7
        rows.append(
            {
                "kind": "subscription",
                "subject": f"a{owner:03}",
                "meter": meter,
                "time": begin + dice.randrange(MONTH_US),
                "value": None if is_text else dice.randrange(400_000),
                "wide": None,
                "text": f"user-{dice.randrange(5)}" if is_text else None,
                "dimensions": orjson.dumps(given).decode() if given else None,
                "event_id": f"e{n:05}",
                "event": n,
            }
        )
    rows.sort(key=lambda one: (one["subject"], one["meter"], one["time"]))
    keys = [pa.field(name, pa.string()) for name in ("kind", "subject", "meter")]
    return pa.Table.from_pylist(rows, pa.schema([*keys, *_segments.EVENTS]))


def sealed(table: pa.Table, parts: int) -> list[Segment]:
    """Seal into so many files, each ending where a subject ends."""
    subjects = table["subject"].to_numpy()
    ends = np.searchsorted(subjects, [f"a{MEMBERS * n // parts:03}" for n in range(1, parts)])
    found = []
    for first, last in zip([0, *ends], [*ends, len(subjects)], strict=True):
        one = _segments.write(_segments.cut(table.slice(first, last - first)), 1000)
        found.append(Segment(one.events_digest, one.index_digest, one.scale))
    return found


def told(segments: Sequence[Segment], threads: int) -> tuple[int, list[Any]]:
    """Return of how many ranges, and each member's figures, to the last digit."""
    _, catalogue = company()
    codes = [one.code for one in group().members]
    ranges = list(ranges_of(segments, "subscription", codes, np.zeros(0, np.int64)))
    found = []
    for sheet, members in priced(group(), ranges, catalogue, threads=threads):
        figures = [
            (one.units.tolist(), [one.unit_scale] * len(members), one.events.tolist(),
             one.num.tolist(), one.den.tolist(), one.minor.tolist())
            for one in sheet.columns
        ]  # fmt: skip
        for place, member in enumerate(members):
            mine = [tuple(column[place] for column in one) for one in figures]
            found.append((member.code, bool(sheet.left[place]), int(sheet.events[place]), mine))
    return len(ranges), found


def test_lines_are_the_same_whatever_the_parts_and_the_threads(
    file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = events(1)
    ranges, alone = told(sealed(table, 1), 1)
    assert (ranges, len(alone), sum(left for _, left, _, _ in alone)) == (1, MEMBERS, 1)
    assert sum(figures[-1] for _, _, _, lines in alone for figures in lines) > 0
    monkeypatch.setattr(_segments, "GROUP_ROWS", 300)
    for parts in (1, 3):
        for threads in (1, 2, 5):
            ranges, found = told(sealed(table, parts), threads)
            assert ranges > 3
            assert found == alone


def test_numbers_that_differ_are_read_as_they_lie_and_come_to_the_same(
    file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [coded] = sealed(events(2), 1)
    assert coded._coded == ["text", "dimensions"]
    _, before = told([coded], 1)
    monkeypatch.setattr(_segments, "CODED_BYTES", 1)
    [plain] = sealed(events(2), 1)
    assert plain._coded == ["text"]
    assert told([plain], 1)[1] == before
