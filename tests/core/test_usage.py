"""Aggregations of a meter over sorted events."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.usage import (
    NotMeasured,
    OutOfOrder,
    UnknownAggregation,
    UsageEvent,
    aggregation,
    filtered,
    grouped,
)

F = Fraction
START = datetime(2023, 3, 1, tzinfo=UTC)
END = datetime(2023, 4, 1, tzinfo=UTC)


def event(day: int, value: F | str, id: str = "", **dimensions: str) -> UsageEvent:
    when = START + timedelta(days=day - 1)
    return UsageEvent(when, id or str(day), value, tuple(sorted(dimensions.items())))


EVENTS = (event(1, F(10)), event(2, F(3)), event(20, F(50)), event(31, F(10)))


@pytest.mark.parametrize(
    ("kind", "expected", "empty"),
    [("sum", 73, 0), ("count", 4, 0), ("max", 50, 0), ("unique", 3, 0), ("latest", 10, 4)],
)
def test_kinds(kind: str, expected: int, empty: int) -> None:
    made = aggregation(kind)
    assert made.units(EVENTS, start=START, end=END, carried=F(4)) == expected
    assert made.units((), start=START, end=END, carried=F(4)) == empty


def test_a_level_is_weighted_by_its_time_and_carried_on() -> None:
    made = aggregation("time_weighted")
    events = (event(5, F(2500)),)
    assert made.units(events, start=START, end=END) == F(2500 * 27, 31)
    assert made.units(events, start=START, end=END, carried=F(31)) == F(31 * 4 + 2500 * 27, 31)
    assert made.carry_over(events, F(31)) == 2500
    assert made.carry_over((), F(31)) == 31
    assert aggregation("sum").carry_over(events) == 0


def test_an_expression_is_computed_for_each_event() -> None:
    made = aggregation("expression", expression="max(value - 5, 0) * size", dimensions=["size"])
    events = (event(1, F(10), size="2"), event(2, F(3), size="9"))
    assert made.units(events, start=START, end=END) == 10


def test_texts_are_counted_and_nothing_else() -> None:
    users = (event(1, "ann"), event(2, "bob"), event(3, "ann"))
    assert aggregation("unique").units(users, start=START, end=END) == 2
    with pytest.raises(NotMeasured):
        aggregation("sum").units(users, start=START, end=END)


@pytest.mark.parametrize("kind", ["", "avg", "expression"])
def test_unknown_aggregations_are_refused(kind: str) -> None:
    with pytest.raises(UnknownAggregation):
        aggregation(kind)


def test_disorder_and_events_outside_the_period_are_refused() -> None:
    with pytest.raises(OutOfOrder):
        aggregation("latest").units(EVENTS[::-1], start=START, end=END)
    with pytest.raises(OutOfOrder):
        aggregation("sum").units((event(32, F(1)),), start=START, end=END)


def test_filters_and_groups_by_dimension() -> None:
    events = [
        event(1, F(1), region="eu", kind="a"),
        event(2, F(2), region="us"),
        event(3, F(4), region="eu", kind="b"),
        event(4, F(8)),
    ]
    assert [e.value for e in filtered(events, {"region": ["eu"], "kind": ["b", "c"]})] == [4]
    groups = grouped(events, ["region"])
    assert {key: [e.value for e in items] for key, items in groups.items()} == {
        (("region", "eu"),): [1, 4],
        (("region", "us"),): [2],
        (("region", ""),): [8],
    }


levels = st.lists(st.tuples(st.integers(0, 31 * 86400 - 1), st.integers(0, 1000)), max_size=6).map(
    sorted
)


@given(levels, st.integers(0, 1000))
def test_a_weighted_level_lies_between_its_extremes(
    marks: list[tuple[int, int]], carried: int
) -> None:
    events = [
        UsageEvent(START + timedelta(seconds=s), f"{i:03}", F(v)) for i, (s, v) in enumerate(marks)
    ]
    level = aggregation("time_weighted").units(events, start=START, end=END, carried=F(carried))
    values = [carried, *(v for _, v in marks)]
    assert min(values) <= level <= max(values)


@given(st.lists(st.sampled_from(["eu", "us", ""])))
def test_every_event_is_in_exactly_one_group(regions: list[str]) -> None:
    events = [
        event(1, F(1), id=f"{i:03}", **({"region": r} if r else {})) for i, r in enumerate(regions)
    ]
    groups = grouped(events, ["region"])
    assert sum(len(items) for items in groups.values()) == len(events)
