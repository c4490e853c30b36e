"""Sessions in columns, and one at a time online, cost what the evaluator's walk says of each."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvit.core.columnar import NotColumnar
from kvit.core.columnar.destinations import Prefixes
from kvit.core.columnar.digits import NOBODY, key_of, keys_of, with_room
from kvit.core.columnar.hours import SPAN, Line
from kvit.core.columnar.online import Online
from kvit.core.columnar.sessions import LONGEST, Calls, Tariff, charge_calls, tariff_of
from kvit.core.pricing import PriceError, Quantity, Session, evaluate, parse_price
from kvit.core.pricing.compiled import SessionStep
from kvit.core.pricing.price import compile_price

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SECOND = 1_000_000
NUMBERS = st.text("0179", max_size=6) | st.sampled_from(["sip:7", "7495x", "", "9" * 19])
# Moments at which clocks are moved, a day ends, a month ends; and the hours around them.
MOMENTS = st.builds(
    lambda base, off: base + off,
    st.sampled_from(
        [
            datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC),
            datetime(2026, 11, 1, 6, tzinfo=UTC), datetime(2026, 10, 31, 21, tzinfo=UTC),
            datetime(2026, 4, 4, 15, tzinfo=UTC),
        ]
    ),
    st.one_of(
        st.timedeltas(timedelta(hours=-30), timedelta(hours=30)),
        st.integers(-2, 2).map(lambda ticks: ticks * TICK),
    ),
)  # fmt: skip
LASTING = st.one_of(
    st.integers(0, 200).map(lambda seconds: seconds * SECOND),
    st.integers(0, 3 * 86400 * SECOND),
    st.sampled_from([0, 1, 60 * SECOND, 60 * SECOND + 1, LONGEST + 1]),
)
ZONES = st.sampled_from(
    ["Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
RATES = st.sampled_from(["0", "1.20", "0.07", "3", "0.3333"])
STEPS = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from(["1", "6", "60", "0.5"]), RATES | st.none()),
    max_size=3,
    unique_by=lambda one: one[0],
).map(
    lambda many: [
        {"after": str(after), "step": step, **({} if rate is None else {"rate": rate})}
        for after, step, rate in sorted(many, key=lambda one: one[0])
    ]
)


@st.composite
def bands(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Hours of all days in two or three parts, at times with an hour that nobody sells."""
    cuts = draw(st.lists(st.sampled_from(["02:30", "08:00", "20:00:30"]), max_size=2, unique=True))
    borders = ["00:00", *sorted(cuts), "24:00"]
    found = []
    for days in draw(
        st.sampled_from([[[1, 2, 3, 4, 5, 6, 7]], [[1, 2, 3, 4, 5], [6, 7, "holiday"]]])
    ):
        for begin, end in pairwise(borders):
            found.append(
                {
                    "days": days, "from": begin, "to": end, "rate": draw(RATES), "per": "60",
                    "connect_fee": draw(RATES), "steps": draw(STEPS),
                }
            )  # fmt: skip
    if len(found) > 2 and draw(st.booleans()):
        found.pop()
    return found


@st.composite
def routes(draw: st.DrawFn, prefixes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"prefixes": prefixes}
    if draw(st.booleans()):
        found["bands"] = draw(bands())
    else:
        found |= {"rate": draw(RATES), "connect_fee": draw(RATES)}
        found |= draw(st.sampled_from([{}, {"increments": "60/1"}, {"increments": "1/6"}]))
    if draw(st.booleans()):
        found["free_seconds"] = draw(st.sampled_from(["5", "60"]))
    if draw(st.booleans()):
        found["max_cost"] = draw(st.sampled_from(["0.12", "2"]))
    if draw(st.booleans()):
        found["precision"] = draw(st.sampled_from(["0", "2", "4"]))
        found["precision_rounding"] = draw(st.sampled_from(["half-up", "half-even", "up", "down"]))
    return found


@st.composite
def prices(draw: st.DrawFn) -> dict[str, Any]:
    groups = draw(
        st.lists(NUMBERS.filter(lambda one: len(one) <= 18), min_size=1, max_size=6, unique=True)
    )
    half = max(len(groups) // 2, 1)
    parts = [part for part in (groups[:half], groups[half:]) if part]
    return {
        "model": "destination",
        "rates": [draw(routes(part)) for part in parts],
        "calendar": draw(st.sampled_from([[], ["2026-10-25"]])),
    }


class Holidays:
    """The first of November, as a company's own calendar has it."""

    def is_holiday(self, day: date) -> bool:
        return day == date(2026, 11, 1)


def event_of(document: dict[str, Any]) -> SessionStep:
    event = compile_price(parse_price(document)).event
    assert isinstance(event, SessionStep)
    return event


def routes_of(tariff: Tariff, numbers: list[str]) -> Any:
    return np.array([tariff.prefixes.of_text(one) for one in numbers], np.int64)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(
    prices(),
    ZONES,
    st.booleans(),
    st.lists(st.tuples(MOMENTS, LASTING, NUMBERS), min_size=1, max_size=8),
)
def test_sessions_cost_what_each_costs_alone(
    document: dict[str, Any],
    zone: str,
    observes: bool,
    sessions: list[tuple[datetime, int, str]],
) -> None:
    price, tariff = parse_price(document), tariff_of(event_of(document))
    calendar = Holidays() if observes else None
    starts = np.array([(moment - EPOCH) // TICK for moment, _, _ in sessions])
    lasting = np.array([one for _, one, _ in sessions])
    routes = routes_of(tariff, [number for _, _, number in sessions])
    line = tariff.line(zone, int(starts.min()), int(starts.max()) + 1, calendar)
    found = charge_calls(tariff, Calls(starts, lasting, routes), line)
    online = Online(tariff, line)
    for place, (moment, us, number) in enumerate(sessions):
        session = Session(moment.astimezone(ZoneInfo(zone)), Fraction(us, SECOND), number)
        try:
            told = evaluate(price, Quantity(sessions=(session,)), calendar=calendar)
        except PriceError:
            told = None
        if told is None or us > LONGEST:
            assert found.odd[place]
            assert (found.num[place], found.taken[place]) == (0, 0)
            with pytest.raises(NotColumnar):
                online.charge(int(starts[place]), us, number)
            continue
        assert not found.odd[place]
        assert Fraction(int(found.num[place]), found.den) == told.exact
        assert Fraction(int(found.taken[place]), SECOND) == told.units
        assert online.charge(int(starts[place]), us, number) == (
            found.num[place],
            found.taken[place],
        )


def bytes_of(said: Sequence[bytes]) -> Any:
    whole = b"".join(said)
    return with_room(np.frombuffer(whole, np.uint8), 0, len(whole))


ALIKE = st.integers(0, 26).flatmap(  # none shorter: words of many are read whole
    lambda least: st.lists(
        st.text("0189/:é\x00\x7f", min_size=least, max_size=34)
        | st.text("09", min_size=least, max_size=34),
        min_size=1,
    )
)


@given(ALIKE)
def test_a_key_is_the_same_of_one_and_of_many(numbers: list[str]) -> None:
    said = [one.encode() for one in numbers]
    ends = np.cumsum([len(one) for one in said])
    data = bytes_of(said)
    keys = keys_of(data, ends - [len(one) for one in said], ends)
    assert keys.tolist() == [key_of(one) for one in numbers]


def test_keys_sort_as_numbers_do() -> None:
    numbers = [
        "",
        "0",
        "00",
        "09",
        "1",
        "12345678",
        "123456780",
        "1234567801234567",
        "9" * 18,
        "9" * 19,
    ]
    keys = [key_of(one) for one in numbers]
    assert keys == sorted(keys)
    assert keys[-1] == keys[-2] < 2**63


@given(st.lists(NUMBERS, min_size=1, max_size=12), st.lists(NUMBERS, max_size=12, unique=True))
def test_the_longest_prefix_is_found_among_ranges(numbers: list[str], known: list[str]) -> None:
    prefixes = Prefixes.of([(one, place) for place, one in enumerate(known) if len(one) <= 18])
    data = bytes_of([one.encode() for one in numbers])
    ends = np.cumsum([len(one) for one in numbers])
    keys = keys_of(data, ends - [len(one) for one in numbers], ends)
    assert keys.tolist() == [key_of(one) for one in numbers]
    told = prefixes.of_keys(np.maximum(keys, 0))
    for place, number in enumerate(numbers):
        if keys[place] != NOBODY:
            assert told[place] == prefixes.of_text(number)


@settings(max_examples=40)
@given(
    st.lists(st.sets(st.integers(0, 1), max_size=2) | st.sets(st.integers(0, 2**41)), min_size=1),
    st.sampled_from([(2**41 + 1, 1), (2**46, 20)]),  # so many that they have longer ticks
    st.data(),
)
def test_a_stretch_is_found_as_a_search_finds_it(
    schedules: list[set[int]], size: tuple[int, int], data: st.DataObject
) -> None:
    length, times = size
    borders = [sorted({0, *one}) for one in schedules * times]
    keys = np.array([n * SPAN + at for n, one in enumerate(borders) for at in one])
    line = Line(7, 7 + length, keys, np.zeros_like(keys), np.zeros_like(keys))
    asked = data.draw(
        st.lists(
            st.tuples(
                st.integers(0, len(borders) - 1),
                st.sampled_from([at for one in borders for at in one]) | st.integers(0, length - 1),
            ),
            min_size=1,
        )
    )
    which, since = np.array(asked).T
    found = line.stretch(which, since + 7)
    expected = np.searchsorted(keys, which * SPAN + since, side="right") - 1
    assert found.tolist() == expected.tolist()


def test_the_worked_example() -> None:
    document = {
        "model": "destination",
        "rates": [
            {"prefixes": ["7"], "rate": "3.00"},
            {"prefixes": ["7495"], "rate": "1.20", "increments": "60/1", "connect_fee": "0.50"},
        ],
    }
    tariff = tariff_of(event_of(document))
    start = (datetime(2026, 10, 5, 12, tzinfo=UTC) - EPOCH) // TICK
    line = tariff.line("Europe/Moscow", start, start + 1)
    calls = Calls(
        np.array([start, start]), np.array([90 * SECOND, 20 * SECOND]),
        routes_of(tariff, ["74951234567", "74951234567"]),
    )  # fmt: skip
    found = charge_calls(tariff, calls, line)
    assert [Fraction(int(one), found.den) for one in found.num] == [
        Fraction("2.3"),
        Fraction("1.7"),
    ]
    assert (found.taken // SECOND).tolist() == [90, 60]


def test_numbers_without_room_in_64_bits_are_left_to_the_evaluator() -> None:
    fine = {"prefixes": ["7"], "rate": "0.123456789012345678", "per": "0.7"}
    with pytest.raises(NotColumnar):
        tariff_of(event_of({"model": "destination", "rates": [fine]}))
    dear = {"prefixes": ["7"], "rate": "1000000000"}
    tariff = tariff_of(event_of({"model": "destination", "rates": [dear]}))
    line = tariff.line("UTC", 0, 1)
    calls = Calls(np.zeros(1, np.int64), np.array([LONGEST]), np.zeros(1, np.int64))
    with pytest.raises(NotColumnar):
        charge_calls(tariff, calls, line)


def test_a_line_of_time_too_long_is_not_drawn() -> None:
    tariff = tariff_of(
        event_of({"model": "destination", "rates": [{"prefixes": [""], "rate": "1"}]})
    )
    with pytest.raises(NotColumnar):
        tariff.line("UTC", 0, 900 * 86400 * SECOND)
