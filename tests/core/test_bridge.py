"""The bridge between two bills: each line's difference goes to a cause, and nothing is left."""

from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvit.core.bridge import BillPart, bridge, by_cause


def part(key: str, units: int, minor: int, days: int = 30, **more: object) -> BillPart:
    return BillPart((key,), key, Fraction(units), days, minor, **more)  # type: ignore[arg-type]


def steps(before: list[BillPart], now: list[BillPart]) -> list[tuple[str, str, int]]:
    return [(step.cause, step.name, step.minor) for step in bridge(before, now)]


def test_the_worked_example() -> None:
    before = [part("calls", 10_000, 100_000, 31, version="1"), part("fee", 1, 62_968, 16)]
    now = [part("calls", 12_000, 144_000, version="2"), part("fee", 1, 122_000)]
    assert steps(before, now) == [
        ("volume", "calls", 20_000),
        ("price", "calls", 24_000),
        ("days", "fee", 59_032),
    ]
    assert by_cause(bridge(before, now)) == {"volume": 20_000, "price": 24_000, "days": 59_032}


def test_a_step_of_a_tariff_is_the_volume_s_doing_while_the_price_stands() -> None:
    free_up_to_100 = part("gb", 100, 0, version="1"), part("gb", 150, 5_000, version="1")
    assert steps([free_up_to_100[0]], [free_up_to_100[1]]) == [("volume", "gb", 5_000)]


def test_a_longer_month_at_the_same_fee_makes_no_step() -> None:
    assert steps([part("fee", 1, 1_000, 28)], [part("fee", 1, 1_000, 31)]) == []


def test_a_discount_or_a_tax_rate_is_told_as_price() -> None:
    assert steps([part("fee", 1, 1_200, 30)], [part("fee", 1, 1_220, 31)]) == [("price", "fee", 20)]


def test_what_came_and_what_went() -> None:
    assert steps([part("old", 1, 700)], [part("new", 2, 900)]) == [
        ("gone", "old", -700),
        ("new", "new", 900),
    ]


def test_a_recalculation_is_compared_with_nothing() -> None:
    late = part("calls", 500, 6_100, recalculated=True)
    assert steps([part("calls", 10, 122)], [late, part("calls", 10, 122)]) == [
        ("recalculated", "calls", 6_100)
    ]
    assert steps([late], []) == [("recalculated", "calls", -6_100)]


def test_two_lines_of_one_price_are_one_thing() -> None:
    split = [part("fee", 1, 400, 10), part("fee", 1, 800, 20)]
    assert steps(split, [part("fee", 2, 1_500, 30)]) == [("price", "fee", 300)]


def fee(units: int, minor: int, days: int, whole: int = 30, version: str = "1") -> BillPart:
    return part("fee", units, minor, days, whole=whole, version=version)


def test_a_fee_for_a_part_of_the_month_is_told_by_its_days_to_the_kopeck() -> None:
    assert steps([fee(1, 62_968, 16, 31)], [fee(1, 122_000, 30)]) == [("days", "fee", 59_032)]
    assert steps([fee(1, 122_000, 30)], [fee(1, 62_968, 16, 31)]) == [("days", "fee", -59_032)]


def test_a_fee_whose_price_changed_within_the_month_is_told_as_price_twice() -> None:
    october, december = [fee(1, 100_000, 31, 31)], [fee(1, 120_000, 31, 31, "2")]
    november = [fee(1, 50_000, 15), fee(1, 60_000, 15, version="2")]
    assert steps(october, november) == [("price", "fee", 10_000)]
    assert steps(november, december) == [("price", "fee", 10_000)]


def test_a_fee_whose_units_changed_within_the_month_is_told_as_volume() -> None:
    whole, split = [fee(1, 100_000, 30)], [fee(1, 50_000, 15), fee(3, 150_000, 15)]
    assert steps(whole, split) == [("volume", "fee", 100_000)]
    assert steps(split, [fee(3, 300_000, 31, 31)]) == [("volume", "fee", 100_000)]


def test_the_worked_example_of_a_split_fee() -> None:
    november = [fee(1, 50_000, 15), fee(2, 120_000, 15, version="2")]
    found = bridge([fee(1, 100_000, 31, 31)], november)
    assert [(step.cause, step.minor) for step in found] == [("volume", 50_000), ("price", 20_000)]
    assert (found[0].units_before, found[0].units_now) == (1, Fraction(3, 2))


def test_time_units_and_price_of_a_fee_may_all_have_changed() -> None:
    before, now = [fee(2, 100_000, 15)], [fee(3, 360_000, 30, version="2")]
    assert steps(before, now) == [
        ("days", "fee", 100_000), ("volume", "fee", 100_000), ("price", "fee", 60_000),
    ]  # fmt: skip


def test_a_discount_on_a_whole_month_is_told_as_price_though_it_is_small() -> None:
    assert steps([fee(1, 100_000, 31, 31)], [fee(1, 99_999, 30)]) == [("price", "fee", -1)]


# A machine that others share may stall while an example is drawn.
calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
parts = st.builds(
    BillPart,
    key=st.sampled_from([("a",), ("b",), ("c",)]),
    name=st.just("x"),
    units=st.fractions(-5, 1_000, max_denominator=12),
    days=st.integers(1, 31),
    minor=st.integers(-(10**9), 10**9),
    version=st.sampled_from(["", "1", "2"]),
    recalculated=st.booleans(),
    whole=st.sampled_from([0, 28, 30, 31]),
)


@calmly
@given(st.lists(parts, max_size=6), st.lists(parts, max_size=6))
def test_steps_always_add_up(before: list[BillPart], now: list[BillPart]) -> None:
    found = bridge(before, now)
    assert sum(step.minor for step in found) == sum(p.minor for p in now) - sum(
        p.minor for p in before
    )
    assert sum(by_cause(found).values()) == sum(step.minor for step in found)


@calmly
@given(st.lists(parts, max_size=6), st.lists(parts, max_size=6))
def test_backwards_it_sums_to_the_opposite(before: list[BillPart], now: list[BillPart]) -> None:
    there, back = bridge(before, now), bridge(now, before)
    assert sum(step.minor for step in there) == -sum(step.minor for step in back)
