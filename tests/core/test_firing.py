"""When a schedule is due: once a month, never for what was before it."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.firing import due_months

MOSCOW = "Europe/Moscow"


def due(since: str, now: str, *, day: int = 1, at: str = "00:00", begun: bool = False) -> list[str]:
    found = due_months(
        day=day, at=time.fromisoformat(at), begun=begun, zone=MOSCOW,
        since=datetime.fromisoformat(since), now=datetime.fromisoformat(now),
    )  # fmt: skip
    return [f"{month.start:%Y-%m} {moment:%d.%m %H:%M}" for month, moment in found]


SINCE = "2026-10-10T00:00:00+03:00"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-03T05:59:59+03:00", []),
        ("2026-11-03T06:00:00+03:00", ["2026-10 03.11 03:00"]),
        ("2026-12-31T00:00:00+03:00", ["2026-10 03.11 03:00", "2026-11 03.12 03:00"]),
    ],
)
def test_the_worked_example(now: str, expected: list[str]) -> None:
    assert due(SINCE, now, day=3, at="06:00") == expected


def test_a_month_that_has_begun_is_due_within_itself() -> None:
    """Local midnight of 1 November in Moscow is 21:00 of 31 October in UTC."""
    assert due(SINCE, "2026-11-01T00:00:00+03:00", begun=True) == ["2026-11 31.10 21:00"]
    assert due(SINCE, "2026-10-31T23:59:59+03:00", begun=True) == []


@given(st.integers(1, 28), st.booleans(), st.lists(st.integers(0, 400), min_size=1, max_size=5))
def test_looks_add_up_to_one_firing_a_month(day: int, begun: bool, steps: list[int]) -> None:
    since = datetime(2026, 1, 15, tzinfo=UTC)
    seen: list[date] = []
    moments = [since]
    for hours in steps:
        moments.append(moments[-1] + timedelta(hours=hours))
    for before, now in pairwise(moments):
        found = due_months(
            day=day, at=time(6), begun=begun, since=before, now=now, zone="America/New_York"
        )
        seen += [month.start for month, _ in found]
    whole = due_months(
        day=day, at=time(6), begun=begun, since=since, now=moments[-1], zone="America/New_York"
    )
    assert seen == [month.start for month, _ in whole]
    assert len(set(seen)) == len(seen)
