"""What prices read from events: increments of every aggregation, levels, readings, capacities."""

from fractions import Fraction
from typing import Any

import pytest

from kvit.core.measured import Measured, event, meters_read
from tests.core.billing import (
    charges,
    contract,
    flat,
    graduated,
    lines,
    meter,
    moment,
    per_unit,
    plan,
    price,
    rated,
    shop,
    used,
)

BORDER = ("2026-10-16", "transfer", "c2")


def units(kind: str, *events: Any, split: bool = False, **said: Any) -> list[Fraction]:
    """The units of October, whole or cut on the 16th. The price is 1.00 a unit."""
    catalogue = shop(plan(), price("x", per_unit("1.00"), meter="x"), meter("x", kind, **said))
    one = contract(*([BORDER] if split else []))
    return [charge.priced.units for charge in charges(one, catalogue, used(*events))]


EVENTS = [("x", "2026-10-02", 5), ("x", "2026-10-10", 9), ("x", "2026-10-20", 7)]


@pytest.mark.parametrize(
    ("kind", "whole", "parts"),
    [
        ("sum", 21, [14, 7]),
        ("count", 3, [2, 1]),
        ("max", 9, [9, 0]),
        ("unique", 3, [2, 1]),
        ("latest", 7, [9, -2]),
    ],
)
def test_a_stretch_brings_what_it_adds(kind: str, whole: int, parts: list[int]) -> None:
    assert units(kind, *EVENTS) == [whole]
    assert units(kind, *EVENTS, split=True) == parts


def test_a_time_weighted_level() -> None:
    """5 from the 2nd, 9 from the 10th, 7 from the 20th: (5 × 8 + 9 × 10 + 7 × 12) / 31."""
    assert units("time_weighted", *EVENTS) == [Fraction(40 + 90 + 84, 31)]
    assert units("time_weighted", *EVENTS, split=True) == [
        Fraction(40 + 54, 31),
        Fraction(36 + 84, 31),
    ]


def test_an_expression_of_value_and_dimensions() -> None:
    rows = [("x", "2026-10-02", 3, {"w": "2"}), ("x", "2026-10-03", 4, {"w": "5"})]
    told = units("expression", *rows, expression="value * 2", dimensions=("w",))
    assert told == [14]


def test_levels_and_readings_go_on_from_before_the_period() -> None:
    before = ("x", "2026-09-20", 4)
    assert units("latest", before) == [4]
    assert units("time_weighted", before) == [4]
    assert units("time_weighted", before, ("x", "2026-10-16", 0)) == [Fraction(4 * 15, 31)]
    assert units("difference", before, ("x", "2026-10-31", 10)) == [6]
    assert units("max", before) == [0]


def test_a_replaced_meter_starts_where_it_starts() -> None:
    """Old: 100 → 130. New from 7: → 9. In all 32."""
    rows = [
        ("x", "2026-09-30", 100, {"serial": "old"}),
        ("x", "2026-10-14", 130, {"serial": "old"}),
        ("x", "2026-10-14", 7, {"serial": "new"}),
        ("x", "2026-10-31", 9, {"serial": "new"}),
    ]
    assert units("difference", *rows) == [32]
    assert units("difference", *rows, split=True) == [30, 2]


def test_a_reading_below_the_last_one_waits_for_a_person() -> None:
    catalogue = shop(plan(), price("x", per_unit("1.00"), meter="x"), meter("x", "difference"))
    events = used(("x", "2026-09-30", 100), ("x", "2026-10-31", 90))
    found = rated(contract(), catalogue, events)[0]
    assert [(key, error.code) for key, error in found.unpriced] == [("x", "out_of_range")]
    assert found.waits("x")


def test_groups_read_their_own_meter() -> None:
    """Two cables behind one subscription: the reading of one is not the start of the other."""
    sold = price("x", per_unit("1.00"), meter="x", group_by=("cable",))
    catalogue = shop(plan(), sold, meter("x", "difference", dimensions=("cable",)))
    events = used(
        ("x", "2026-09-30", 100, {"cable": "a"}),
        ("x", "2026-09-30", 5, {"cable": "b"}),
        ("x", "2026-10-31", 110, {"cable": "a"}),
        ("x", "2026-10-31", 8, {"cable": "b"}),
    )
    told = [(c.group, c.priced.units) for c in charges(contract(), catalogue, events)]
    assert told == [("cable=a", 10), ("cable=b", 3)]


@pytest.mark.parametrize("kind", ["latest", "time_weighted"])
def test_a_level_that_nobody_touched_is_billed_in_its_group(kind: str) -> None:
    sold = price("x", per_unit("1.00"), meter="x", group_by=("site",))
    catalogue = shop(plan(), sold, meter("x", kind, dimensions=("site",)))
    events = used(
        ("x", "2026-09-02", 4, {"site": "msk"}),
        ("x", "2026-09-02", 6, {"site": "oms"}),
        ("x", "2026-09-09", 0, {"site": "oms"}),
    )
    assert lines(contract(), catalogue, events) == [("x[site=msk]", "01.10…01.11", 400)]


def test_a_filter_chooses_the_level_that_is_carried() -> None:
    sold = price("x", per_unit("1.00"), meter="x", filters=(("site", ("msk",)),))
    catalogue = shop(plan(), sold, meter("x", "latest", dimensions=("site",)))
    events = used(("x", "2026-09-02", 4, {"site": "msk"}), ("x", "2026-09-03", 6, {"site": "oms"}))
    assert lines(contract(), catalogue, events) == [("x", "01.10…01.11", 400)]


# --- capacity ---------------------------------------------------------------------------------

CAPACITY = {
    "model": "capacity",
    "tiers": [
        {"amount": "10.00", "limits": {"users": "5", "disk": "100"}},
        {"amount": "50.00", "limits": {"users": "50", "disk": "1000"}},
    ],
}
SIZED = shop(
    plan(), price("size", CAPACITY, meter="users"), meter("users", "max"), meter("disk", "latest")
)


@pytest.mark.parametrize(
    ("users", "disk", "amount"), [(5, 100, 1_000), (6, 1, 5_000), (1, 101, 5_000), (0, 0, 1_000)]
)
def test_a_capacity_is_that_of_the_meter_that_reaches_highest(
    users: int, disk: int, amount: int
) -> None:
    events = used(("users", "2026-10-05", users), ("disk", "2026-10-06", disk))
    assert lines(contract(), SIZED, events) == [("size", "01.10…01.11", amount)]


def test_a_capacity_sees_a_level_from_before_and_counts_its_meters_as_billed() -> None:
    events = used(("disk", "2026-09-06", 500), ("users", "2026-10-05", 1))
    found = rated(contract(), SIZED, events)[0]
    assert [one.amount_minor for one in found.charges] == [5_000]
    assert found.covered == {"users": 1, "disk": 0}
    assert meters_read(contract(), SIZED) == ("users", "disk")


def test_no_capacity_is_large_enough() -> None:
    found = rated(contract(), SIZED, used(("users", "2026-10-05", 51)))[0]
    assert [error.code for _, error in found.unpriced] == ["no_price"]


def test_a_capacity_that_rises_after_a_border_costs_the_rise() -> None:
    events = used(("users", "2026-10-05", 3), ("users", "2026-10-20", 30))
    assert [a for *_, a in lines(contract(BORDER), SIZED, events)] == [1_000, 4_000]


# --- events, sessions, readings -----------------------------------------------------------------


def test_percentages_take_events_in_order_through_a_border() -> None:
    """One free event in the period, though a border lies between: 2.9 % of 100 and 200."""
    document = {"model": "percentage", "rate": "2.9", "fixed": "0.30", "free_events": 1}
    catalogue = shop(plan(), price("pay", document, meter="pay"), meter("pay"))
    events = used(("pay", "2026-10-02", 50), ("pay", "2026-10-20", 100), ("pay", "2026-10-21", 200))
    found = [a for *_, a in lines(contract(BORDER), catalogue, events)]
    assert found == [0, 320 + 610]


def test_bands_stand_on_the_customers_wall() -> None:
    """01:30 UTC on a Saturday is Friday evening in New York: the weekday price holds."""
    document = {
        "model": "banded",
        "bands": [
            {"days": [1, 2, 3, 4, 5], "from": "00:00", "to": "24:00", "unit": "1.00"},
            {"days": [6, 7], "from": "00:00", "to": "24:00", "unit": "0.10"},
        ],
    }
    catalogue = shop(plan(), price("kwh", document, meter="kwh"), meter("kwh"))
    at = moment("2026-10-10T01:30:00", "UTC")
    told = event(at, "e1", None, "x", {})
    assert told.value == "x"
    for zone, amount in [("UTC", 1_000 // 10), ("America/New_York", 1_000)]:
        events = used(("kwh", "2026-10-10T01:30:00", 10), zone="UTC")
        assert [a for *_, a in lines(contract(zone=zone), catalogue, events)] == [amount]


def test_events_that_bring_their_own_amount() -> None:
    catalogue = shop(plan(), price("x", {"model": "dynamic"}, meter="x"), meter("x"))
    good = used(("x", "2026-10-02", 5, {"amount": "1.25"}), ("x", "2026-10-03", 7))
    assert lines(contract(), catalogue, good) == [("x", "01.10…01.11", 825)]
    bad = used(("x", "2026-10-02", 5, {"amount": "1,25"}))
    found = rated(contract(), catalogue, bad)[0]
    assert [error.code for _, error in found.unpriced] == ["not_a_number"]


def test_a_matrix_counts_by_dimension() -> None:
    document = {
        "model": "matrix",
        "prices": [{"match": {"zone": "a"}, "price": per_unit("1")}],
        "default": graduated((None, "2")),
    }
    catalogue = shop(plan(), price("x", document, meter="x"), meter("x", dimensions=("zone",)))
    events = used(("x", "2026-10-02", 5, {"zone": "a"}), ("x", "2026-10-20", 7, {"zone": "b"}))
    assert [a for *_, a in lines(contract(BORDER), catalogue, events)] == [500, 1_400]


def test_an_event_asked_for_by_two_prices_is_billed_once_in_the_count() -> None:
    catalogue = shop(
        plan(), price("a", per_unit("1"), meter="x"), price("b", flat("1"), meter="x"), meter("x")
    )
    assert rated(contract(), catalogue, used(("x", "2026-10-02", 1)))[0].covered == {"x": 1}


def test_usage_of_a_paused_or_ended_time() -> None:
    """A pause goes on measuring; what comes after the end belongs to nobody and is not here."""
    catalogue = shop(plan(), price("x", per_unit("1"), meter="x"), meter("x"))
    one = contract(("2026-10-05", "pause", None), ("2026-10-20", "cancel", None))
    events = used(("x", "2026-10-10", 3), ("x", "2026-10-20", 5))
    assert lines(one, catalogue, events) == [("x", "01.10…20.10", 300)]


def test_nothing_known_is_nothing_used() -> None:
    assert Measured().earlier("x", moment("2026-10-01")) == []
    assert list(Measured().between("x", moment("2026-10-01"), moment("2026-10-02"))) == []
