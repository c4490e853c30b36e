"""What a service period costs: worked by hand, to the kopeck."""

import itertools
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kvit.core.periods import Period
from kvit.core.pricing import Quantity, evaluate
from kvit.core.proration import share
from kvit.core.schedule import service_periods
from kvit.core.stretches import enters, phase_of, stretches
from tests.core.billing import (
    MOSCOW,
    charges,
    codes,
    contract,
    flat,
    graduated,
    later,
    lines,
    meter,
    moment,
    per_unit,
    plan,
    price,
    rated,
    shop,
    total,
    used,
)

FEE = price("fee", flat("10000.00"))
CALLS = price(
    "calls",
    graduated(("100000", "0"), ("500000", "0.02"), (None, "0.015")),
    meter="calls",
)
DEMO = shop(plan(), FEE, CALLS, meter("calls"))


def test_the_demo() -> None:
    """Fee 10 000 a month, 300 000 calls before and 320 000 after −15 % on 16 October.

    fee    10 000 × 15/31 = 4 838.71     10 000 × 16/31 × 0.85 = 4 387.0967… = 4 387.10
    calls  200 000 × 0.02 = 4 000.00     P(620 000) − P(300 000) = 9 800 − 4 000 = 5 800 × 0.85
    """
    one = contract(("2026-10-16", "discount", {"percent": "15"}))
    events = used(("calls", "2026-10-03", 300_000), ("calls", "2026-10-16", 320_000))
    assert lines(one, DEMO, events) == [
        ("fee", "01.10…16.10", 483_871),
        ("fee", "16.10…01.11", 438_710),
        ("calls", "01.10…16.10", 400_000),
        ("calls", "16.10…01.11", 493_000),
    ]


def test_an_event_on_the_border_belongs_to_the_later_side() -> None:
    """The first moment of 1 November, in Moscow 2026-10-31T21:00Z, is November's."""
    events = used(("calls", "2026-10-31T23:59:59", 100_001), ("calls", "2026-11-01", 500_000))
    assert lines(contract(), DEMO, events)[1] == ("calls", "01.10…01.11", 2)
    assert lines(contract(), DEMO, events, month="2026-11")[1] == ("calls", "01.11…01.12", 800_000)


# --- tiers in mid-period ----------------------------------------------------------------------


def other_plan(**said: Any) -> Any:
    tiers = graduated(("100000", "0"), ("500000", "0.02"), (None, "0.015"))
    return price("calls", said.pop("document", tiers), plan="max", meter="calls", **said)


EVENTS = used(("calls", "2026-10-03", 300_000), ("calls", "2026-10-20", 320_000))


def calls_of(*things: Any) -> list[int]:
    catalogue = shop(plan(), CALLS, plan("max"), meter("calls"), *things)
    one = contract(("2026-10-16", "plan", "max"))
    return [amount for key, _, amount in lines(one, catalogue, EVENTS) if key == "calls"]


def test_the_same_price_in_another_plan_continues_its_tiers() -> None:
    assert calls_of(other_plan()) == [400_000, 580_000]


def test_a_new_price_starts_at_zero() -> None:
    """0.03 a call above 100 000: 220 000 × 0.03 = 6 600.00."""
    steep = graduated(("100000", "0"), (None, "0.03"))
    assert calls_of(other_plan(document=steep)) == [400_000, 660_000]


def test_a_new_price_that_continues_goes_on_counting() -> None:
    """All of the 320 000 lie above 100 000: 9 600.00."""
    steep = graduated(("100000", "0"), (None, "0.03"))
    assert calls_of(other_plan(document=steep, continues=True)) == [400_000, 960_000]


def test_a_pause_does_not_stop_usage_nor_begin_its_tiers_anew() -> None:
    one = contract(("2026-10-11", "pause", None), ("2026-10-16", "resume", None))
    assert lines(one, DEMO, EVENTS) == [
        ("fee", "01.10…11.10", 322_581),  # 10 000 × 10/31
        ("fee", "16.10…01.11", 516_129),
        ("calls", "01.10…01.11", 980_000),
    ]


def test_two_changes_within_one_day_lose_no_hour() -> None:
    """Usage between 10:00 and 15:00 lies in a stretch that no day is counted for."""
    one = contract(
        ("2026-10-16T10:00", "discount", {"percent": "50"}),
        ("2026-10-16T15:00", "discount", {"remove": "all"}),
    )
    events = used(("calls", "2026-10-16T12:00", 100_100))
    found = [amount for key, _, amount in lines(one, DEMO, events) if key == "calls"]
    assert found == [0, 100, 0]  # 100 × 0.02 − 50 %
    assert total(one, shop(plan(), FEE)) == 1_000_000


@pytest.mark.parametrize("days", [("02", "20"), ("20", "21"), ("02", "03")])
def test_a_minimum_is_charged_once_though_nothing_was_used_at_first(days: tuple[str, str]) -> None:
    """100 calls at 0.10, at least 50.00: a change in mid-month does not charge the 50.00 twice."""
    document = {"model": "per_unit", "unit": "0.10", "minimum": "50.00"}
    catalogue = shop(plan(), price("calls", document, meter="calls"), meter("calls"))
    events = used(*[("calls", f"2026-10-{day}", 50) for day in days])
    split = contract(
        ("2026-10-10", "transfer", "c2"), ("2026-10-16", "transfer", "c3"),
        ("2026-10-28", "transfer", "c4"),
    )  # fmt: skip
    found = charges(split, catalogue, events)
    assert len(found) == 4
    assert sum(one.amount_minor for one in found) == total(contract(), catalogue, events) == 5_000
    for one in found:
        assert sum((step.exact for step in one.priced.steps), Fraction(0)) == one.gross


# --- proration --------------------------------------------------------------------------------

POLICIES = [
    ("days", 483_871, 516_129),  # 15/31, 16/31
    ("days_inclusive", 483_871, 516_129),
    ("fixed_30", 500_000, 500_000),  # 15/30, 15/30: the month is 30 days
    ("seconds", 483_871, 516_129),
]


@pytest.mark.parametrize(("policy", "early", "late"), POLICIES)
def test_a_change_on_the_16th(policy: str, early: int, late: int) -> None:
    catalogue = shop(plan(), price("fee", flat("10000.00"), prorate=policy))
    one = contract(("2026-10-16", "discount", {"code": "nil", "percent": "0"}))
    assert [amount for *_, amount in lines(one, catalogue)] == [early, late]


def test_seconds_count_the_hours_of_the_day() -> None:
    """From 16 October 12:00: 15.5 days of 31 remain."""
    catalogue = shop(plan(), price("fee", flat("31.00"), prorate="seconds"))
    one = contract(("2026-10-16T12:00", "discount", {"percent": "50"}))
    assert [amount for *_, amount in lines(one, catalogue)] == [1_550, 775]


def test_a_day_that_changes_at_noon_counts_for_the_new_terms() -> None:
    catalogue = shop(plan(), price("fee", flat("31.00")))
    one = contract(("2026-10-16T12:00", "discount", {"percent": "50"}))
    assert [amount for *_, amount in lines(one, catalogue)] == [1_500, 800]


def test_a_day_of_25_hours() -> None:
    """Berlin, 25 October 2026: 10 000 × 25 h / 745 h on that day = 335.57."""
    catalogue = shop(plan(), price("fee", flat("10000.00"), prorate="seconds"))
    one = contract(
        ("2026-10-25", "discount", {"percent": "0"}),
        ("2026-10-26", "discount", {"remove": "all"}),
        zone="Europe/Berlin",
    )
    assert [amount for *_, amount in lines(one, catalogue)][1] == 33_557


def none_of(*said: Any) -> list[tuple[str, str, int]]:
    catalogue = shop(
        plan(),
        price("fee", flat("10000.00"), prorate="none"),
        plan("max"),
        price("fee", flat("15000.00"), prorate="none", plan="max"),
    )
    return lines(contract(*said), catalogue)


def test_a_fee_without_proration_is_charged_once_a_period() -> None:
    assert none_of() == [("fee", "01.10…01.11", 1_000_000)]
    assert none_of(("2026-10-20", "cancel", None)) == [("fee", "01.10…20.10", 1_000_000)]
    assert none_of(("2026-10-20", "plan", "max")) == [("fee", "20.10…01.11", 1_500_000)]
    assert none_of(("2026-10-20", "discount", {"percent": "10"})) == [
        ("fee", "20.10…01.11", 900_000)
    ]
    paused = none_of(("2026-10-03", "pause", None), ("2026-10-04", "resume", None))
    assert paused == [("fee", "04.10…01.11", 1_000_000)]


def test_metered_prices_may_be_prorated_as_a_whole() -> None:
    """Storage 100.00 for the peak tier, held 15 of 31 days, then the other plan's 200.00.

    Without a change the month is 100.00; a change that changes nothing leaves it at 100.00.
    """
    disk = price("disk", flat("100.00"), meter="disk", prorate="days")
    big = price("disk", flat("200.00"), meter="disk", prorate="days", plan="max")
    catalogue = shop(plan(), disk, plan("max"), big, meter("disk", "max"))
    assert total(contract(), catalogue) == 10_000
    split = contract(("2026-10-16", "discount", {"percent": "0"}))
    assert [a for *_, a in lines(split, catalogue)] == [4_839, 5_161]
    moved = contract(("2026-10-16", "plan", "max"))
    assert [a for *_, a in lines(moved, catalogue)] == [4_839, 10_323]


def test_a_seat_more_from_the_20th() -> None:
    """Seats at 310.00: 3 × 19/31 = 570.00, 5 × 12/31 = 600.00; usage is not cut."""
    catalogue = shop(plan(), price("seats", per_unit("310.00")), CALLS, meter("calls"))
    one = contract(("2026-10-20", "quantity", "5"), quantity=3)
    assert lines(one, catalogue, EVENTS) == [
        ("seats", "01.10…20.10", 57_000),
        ("seats", "20.10…01.11", 60_000),
        ("calls", "01.10…01.11", 980_000),
    ]


def test_a_price_that_does_not_count_seats() -> None:
    catalogue = shop(plan(), price("seats", per_unit("310.00"), counts_quantity=False))
    assert lines(contract(quantity=7), catalogue) == [("seats", "01.10…01.11", 31_000)]


def test_no_seats_cost_nothing_and_stand_on_record() -> None:
    catalogue = shop(plan(), price("seats", per_unit("310.00")))
    assert lines(contract(quantity=0), catalogue) == [("seats", "01.10…01.11", 0)]


# --- discounts --------------------------------------------------------------------------------


def test_a_discount_of_one_price_leaves_the_others() -> None:
    one = contract(terms={"discount": {"percent": "50", "price": "calls"}})
    assert lines(one, DEMO, EVENTS) == [
        ("fee", "01.10…01.11", 1_000_000),
        ("calls", "01.10…01.11", 490_000),
    ]


def test_a_discount_ends_on_its_day() -> None:
    """50 % until 11 October: 31.00 × 10/31 × 0.5 = 5.00, then 21.00."""
    catalogue = shop(plan(), price("fee", flat("31.00")))
    value = {"percent": "50", "until": moment("2026-10-11").isoformat()}
    one = contract(("2026-09-20", "discount", value))
    assert [amount for *_, amount in lines(one, catalogue)] == [500, 2_100]


@pytest.mark.parametrize("first", [True, False])
def test_a_coupon_of_three_periods(first: bool) -> None:
    """Given with the first terms or on the first day, it holds September to November."""
    value = {"percent": "100", "periods": 3}
    catalogue = shop(plan(), FEE)
    one = (
        contract(terms={"discount": value})
        if first
        else contract(("2026-09-01", "discount", value))
    )
    months = ["2026-09", "2026-10", "2026-11", "2026-12"]
    assert [total(one, catalogue, month=month) for month in months] == [0, 0, 0, 1_000_000]


def test_a_fixed_discount_is_taken_once_a_period() -> None:
    """100.00 off fee and calls of 10 000.00 and 9 800.00, though a change cuts the fee in two."""
    one = contract(
        ("2026-10-16", "terms", {"fee": flat("10000.00")}),
        terms={"discount": {"fixed": "100.00"}},
    )
    assert total(one, DEMO, EVENTS) == 1_000_000 + 980_000 - 10_000


def test_a_fixed_discount_never_pays_out() -> None:
    one = contract(terms={"discount": {"fixed": "99999.00"}})
    assert [amount for *_, amount in lines(one, DEMO, EVENTS)] == [0, 0]


# --- once, milestones, trial, phases, add-ons ---------------------------------------------------

ONCE = shop(
    plan(),
    price("setup", flat("500.00"), when="once"),
    plan("max"),
    price("setup", flat("900.00"), when="once", plan="max"),
    plan("trial", trial_days=45),
    price("setup", flat("100.00"), when="once", plan="trial"),
    plan("bundle", includes=("pro",)),
)


def once_by_month(*said: Any, months: tuple[str, ...] = ("09", "10", "11"), **more: Any) -> Any:
    one = contract(*said, **more)
    return [lines(one, ONCE, month=f"2026-{month}") for month in months]


def test_a_price_charged_once() -> None:
    """On the first day, whole although the month is not, and never again for a mere amendment."""
    found = once_by_month(
        ("2026-09-20", "discount", {"percent": "10"}),
        ("2026-10-05", "pause", None),
        ("2026-10-09", "resume", None),
        start="2026-09-10",
    )
    assert found == [[("setup", "10.09…20.09", 50_000)], [], []]


@pytest.mark.parametrize("day", ["2026-10-01", "2026-10-16"])
def test_a_new_plan_brings_its_own_setup(day: str) -> None:
    """In the middle of a period or on its first day."""
    found = once_by_month((day, "plan", "max"))
    assert [[amount for *_, amount in month] for month in found] == [[50_000], [90_000], []]


def test_a_setup_is_due_when_the_trial_ends() -> None:
    """45 days from 1 September: 16 October."""
    assert once_by_month(plan="trial") == [[], [("setup", "16.10…01.11", 10_000)], []]


def test_an_undone_end_brings_no_second_setup() -> None:
    found = once_by_month(("2026-10-05", "cancel", None), ("2026-11-02", "resume", None))
    assert [len(month) for month in found] == [1, 0, 0]


def test_a_bundled_setup_is_charged_once() -> None:
    found = once_by_month(("2026-10-05", "quantity", "3"), plan="bundle")
    assert [[key for key, *_ in month] for month in found] == [["pro/setup"], [], []]


def test_a_milestone_is_charged_when_it_is_reached() -> None:
    """Even in a pause: what was delivered is owed."""
    catalogue = shop(plan(), price("beta", flat("700.00"), when="milestone"))
    one = contract(
        ("2026-10-02", "pause", None),
        ("2026-10-09", "milestone", "beta"),
        ("2026-11-09", "milestone", "beta"),
        ("2026-11-10", "milestone", "else"),
    )
    assert [amount for *_, amount in lines(one, catalogue)] == [70_000]
    assert [amount for *_, amount in lines(one, catalogue, month="2026-11")] == [70_000]
    assert lines(one, catalogue, month="2026-12") == []


def test_a_trial_is_free_of_fees_and_not_of_usage() -> None:
    """Until 11 October: 10 000 × 21/31 = 6 774.19."""
    one = contract(("2026-09-01", "trial", moment("2026-10-11").isoformat()))
    assert sorted(lines(one, DEMO, EVENTS)) == [
        ("calls", "01.10…01.11", 980_000),
        ("fee", "11.10…01.11", 677_419),
    ]


def test_phases_count_from_the_period_in_which_the_plan_was_taken() -> None:
    """Two cheap months on taking "max", whenever that is."""
    ramp = plan("max", phases=(("intro", 1), ("grow", 1)))
    fees = [
        price("fee", flat("1.00"), plan="max", phase="intro"),
        price("half", flat("2.00"), plan="max", phase="grow"),
        price("full", flat("3.00"), plan="max", phase="rest"),
    ]
    catalogue = shop(plan(), FEE, replace_phases(ramp), *fees)
    one = contract(("2026-11-01", "plan", "max"))
    months = ["2026-10", "2026-11", "2026-12", "2027-01"]
    told = [codes(charges(one, catalogue, month=month)) for month in months]
    assert told == [["fee"], ["fee"], ["half"], ["full"]]


def replace_phases(ramp: Any) -> Any:
    return plan(ramp.code, phases=(*ramp.phases, ("rest", 1000)))


def test_phase_of_counts_cycles() -> None:
    ramp = plan(phases=(("a", 2), ("b", 1)))
    assert [phase_of(ramp, index) for index in range(5)] == ["a", "a", "b", "", ""]


def test_an_add_on_and_a_bundle_of_the_same_plan_are_two_charges() -> None:
    catalogue = shop(
        plan(includes=("backup",)), FEE, plan("backup"), price("fee", flat("31.00"), plan="backup")
    )
    one = contract(("2026-10-11", "addon", {"plan": "backup"}))
    assert lines(one, catalogue) == [
        ("fee", "01.10…01.11", 1_000_000),
        ("backup/fee", "01.10…01.11", 3_100),
        ("+backup/fee", "11.10…01.11", 2_100),
    ]


def test_an_add_on_has_its_own_quantity() -> None:
    catalogue = shop(plan(), plan("ip"), price("ip", per_unit("31.00"), plan="ip"))
    one = contract(
        ("2026-10-01", "addon", {"plan": "ip", "quantity": "2"}),
        ("2026-10-11", "addon", {"plan": "ip", "quantity": "3"}),
        ("2026-10-21", "addon", {"plan": "ip", "quantity": "0"}),
    )
    assert [amount for *_, amount in lines(one, catalogue)] == [2_000, 3_000]


# --- versions, pins, overrides ------------------------------------------------------------------


def test_a_new_version_of_a_price_cuts_the_period() -> None:
    """31.00 until the 10th, 62.00 from 11 October: 10.00 + 42.00."""
    old = price("fee", flat("31.00"))
    new = later(price("fee", flat("62.00")), effective_from=date(2026, 10, 11))
    assert [a for *_, a in lines(contract(), shop(plan(), old, new))] == [1_000, 4_200]


def test_a_pinned_subscription_keeps_the_prices_of_its_day() -> None:
    old = price("fee", flat("31.00"))
    new = later(price("fee", flat("62.00")), effective_from=date(2026, 10, 11))
    one = contract(terms={"pin": "2026-09-01"})
    assert [a for *_, a in lines(one, shop(plan(), old, new))] == [3_100]


def test_a_plan_bundled_from_a_day_on() -> None:
    """The plan's second version includes "extra" from 21 October: 31.00 × 11/31."""
    catalogue = shop(
        plan(),
        plan(includes=("extra",), effective_from=date(2026, 10, 21)),
        plan("extra"),
        price("fee", flat("31.00"), plan="extra"),
    )
    assert lines(contract(), catalogue) == [("extra/fee", "21.10…01.11", 1_100)]


def test_terms_replace_a_price_from_their_day() -> None:
    one = contract(("2026-10-11", "terms", {"fee": flat("3100.00")}))
    assert [a for *_, a in lines(one, shop(plan(), FEE))] == [322_581, 210_000]


def test_a_price_that_cannot_be_read_waits_and_takes_nothing_with_it() -> None:
    """Stored before it was checked, say: named, and not a traceback in the middle of a run."""
    one = contract(terms={"fee": {"model": "flat"}})
    found = rated(one, DEMO, EVENTS)[0]
    assert found.charges == ()
    assert [error.code for _, error in found.unpriced] == ["missing_field"]
    assert found.waits("fee")
    assert found.waits("calls")
    assert found.uncovered == {"calls": 2}


def test_a_value_that_is_no_number_holds_its_price_alone() -> None:
    found = rated(contract(), DEMO, used(("calls", "2026-10-03", "many")))[0]
    assert codes(found.charges) == ["fee"]
    [(key, error)] = found.unpriced
    assert (key, error.code) == ("calls", "not_a_number")
    assert error.message("en") == (
        "Event e00000: 'many': the price needs a number. Undo it, and send the right one under"
        " another id."
    )
    assert found.waits("calls[region=eu]")
    assert not found.waits("fee")


def test_a_held_price_waits() -> None:
    found = rated(contract(), DEMO, EVENTS, held=frozenset({("pro", "calls")}))[0]
    assert codes(found.charges) == ["fee"]
    assert found.waiting == {"calls"}
    assert found.uncovered == {"calls": 2}


def test_a_commitment_is_not_topped_up_while_a_price_waits() -> None:
    catalogue = shop(plan(commitment=Fraction(20_000)), FEE, CALLS, meter("calls"))
    found = rated(contract(), catalogue, EVENTS, held=frozenset({("pro", "calls")}))[0]
    assert codes(found.charges) == ["fee"]
    assert found.waits("commitment")
    whole = rated(contract(), catalogue, EVENTS)[0]
    assert [one.amount_minor for one in whole.charges] == [1_000_000, 980_000, 20_000]


def test_a_price_whose_meter_is_unknown_waits() -> None:
    found = rated(contract(), shop(plan(), FEE, CALLS), EVENTS)[0]
    assert [(key, error.code) for key, error in found.unpriced] == [("calls", "unknown_field")]


# --- groups and filters -------------------------------------------------------------------------


def test_groups_have_their_own_tiers_and_filters_choose() -> None:
    """Ten free in each region: (25 − 10) × 1.00 in eu, (30 − 10) × 1.00 in us; asia is not sold."""
    sold = price(
        "gb",
        graduated(("10", "0"), (None, "1.00")),
        meter="gb",
        group_by=("region",),
        filters=(("region", ("eu", "us")),),
    )
    catalogue = shop(plan(), sold, meter("gb", dimensions=("region",)))
    events = used(
        ("gb", "2026-10-02", 5, {"region": "eu"}),
        ("gb", "2026-10-03", 30, {"region": "us"}),
        ("gb", "2026-10-04", 20, {"region": "eu"}),
        ("gb", "2026-10-05", 99, {"region": "asia"}),
    )
    found = rated(contract(), catalogue, events)[0]
    assert [(c.group, c.amount_minor, c.events) for c in found.charges] == [
        ("region=eu", 1_500, 2),
        ("region=us", 2_000, 1),
    ]
    assert (found.covered, found.uncovered) == ({"gb": 3}, {"gb": 1})


def test_groups_continue_through_a_change() -> None:
    sold = price("gb", graduated(("10", "0"), (None, "1.00")), meter="gb", group_by=("region",))
    catalogue = shop(plan(), sold, meter("gb", dimensions=("region",)))
    events = used(
        ("gb", "2026-10-02", 8, {"region": "eu"}),
        ("gb", "2026-10-20", 8, {"region": "eu"}),
        ("gb", "2026-10-20", 8, {"region": "us"}),
    )
    one = contract(("2026-10-16", "discount", {"percent": "50"}))
    assert lines(one, catalogue, events) == [
        ("gb[region=eu]", "01.10…16.10", 0),
        ("gb[region=eu]", "16.10…01.11", 300),  # 6 × 1.00 − 50 %
        ("gb[region=us]", "16.10…01.11", 0),
    ]


# --- customers ----------------------------------------------------------------------------------


def test_a_transfer_parts_the_month_between_payers() -> None:
    one = contract(("2026-10-16", "transfer", "c2"))
    found = charges(one, DEMO, EVENTS)
    assert [(c.stretch.key, c.stretch.customer, c.amount_minor) for c in found] == [
        ("fee", "c1", 483_871),
        ("fee", "c2", 516_129),
        ("calls", "c1", 400_000),
        ("calls", "c2", 580_000),
    ]


# --- laws ---------------------------------------------------------------------------------------

CHANGES: list[tuple[str, Any]] = [
    ("plan", "max"), ("plan", "pro"), ("quantity", "2"), ("quantity", "5"),
    ("discount", {"percent": "15"}), ("discount", {"remove": "all"}),
    ("discount", {"fixed": "7.77"}), ("pause", None), ("resume", None), ("transfer", "c2"),
    ("terms", {"fee": per_unit("3.33")}), ("terms", {"fee": None}), ("addon", "ip"),
]  # fmt: skip
days_of_life = st.integers(0, 70)
said = st.lists(st.tuples(days_of_life, st.integers(0, 23), st.sampled_from(CHANGES)), max_size=5)
zones = st.sampled_from([MOSCOW, "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"])
starts = st.dates(date(2026, 1, 1), date(2026, 12, 31))
cycles = st.sampled_from(["month", "2 weeks", "10 days", "quarter", "year"])
anchors = st.sampled_from(["calendar", "anniversary"])


def told(start: date, changes: list[Any]) -> list[tuple[str, str, object]]:
    return [
        (f"{start + timedelta(days=day)}T{hour:02}:00", change, value)
        for day, hour, (change, value) in changes
    ]


def law_shop(cycle: str, anchor: str) -> Any:
    grid = {"cycle": cycle, "anchor": anchor}
    return shop(
        plan(**grid), price("fee", per_unit("99.99")),
        plan("max", **grid), price("fee", per_unit("123.45"), plan="max"),
        plan("ip"), price("ip", flat("10.01"), plan="ip"),
        CALLS, later(CALLS, plan="max"), meter("calls"),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(starts, said, zones, cycles, anchors)
def test_stretches_tile_the_served_time(
    start: date, changes: list[Any], zone: str, cycle: str, anchor: str
) -> None:
    """Usage is never paused: its stretches cover every service period without gap or overlap, and
    the service periods cover the life."""
    catalogue = law_shop(cycle, anchor)
    one = contract(*told(start, changes), start=start.isoformat(), zone=zone)
    window = Period(start, start + timedelta(days=75))
    services = service_periods(one, catalogue, window)
    assert services[0].start == one.spells[0].start
    for early, late in itertools.pairwise(services):
        assert early.end == late.start
        assert early.key < late.key
    for service in services:
        chains = stretches(one, service, catalogue)
        chain = chains["calls"]
        assert (chain[0].start, chain[-1].end) == (service.start, service.end)
        for early_part, late_part in itertools.pairwise(chain):
            assert early_part.end == late_part.start > early_part.start
            assert early_part.days.end == late_part.days.start


@settings(max_examples=60, deadline=None)
@given(starts, said, zones, cycles, anchors, st.sampled_from(["days", "seconds", "fixed_30"]))
def test_shares_of_a_fee_add_up_to_the_time_it_was_served(
    start: date, changes: list[Any], zone: str, cycle: str, anchor: str, policy: str
) -> None:
    changes = [one for one in changes if one[2][0] not in ("pause", "resume")]
    fee = price("fee", flat("1"), prorate=policy)
    catalogue = shop(
        plan(cycle=cycle, anchor=anchor), fee,
        plan("max", cycle=cycle, anchor=anchor), later(fee, plan="max"),
        plan("ip"), price("ip", flat("1"), plan="ip"),
    )  # fmt: skip
    one = contract(*told(start, changes), start=start.isoformat(), zone=zone)
    window = Period(start, start + timedelta(days=75))
    for service in service_periods(one, catalogue, window):
        from kvit.core.charges import rate
        from kvit.core.measured import Measured

        found = rate(one, service, catalogue, Measured(), whens=frozenset({"arrears"}))
        shares = [c.share for c in found.charges if c.stretch.key == "fee"]
        expected = share(policy, service.period, service.served, zone=zone)
        assert sum(shares, Fraction(0)) == expected


@settings(max_examples=80, deadline=None)
@given(
    said,
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 200_000)), max_size=6),
    st.integers(0, 30),
    st.integers(0, 23),
    st.sampled_from(["none", "days", "seconds"]),
    st.sampled_from(["sum", "max", "latest", "time_weighted", "unique"]),
)
def test_a_change_that_changes_nothing_changes_no_sum(
    changes: list[Any], usage: list[Any], day: int, hour: int, policy: str, kind: str
) -> None:
    """Cut anywhere: the exact parts of a metered price still add up to the same sum."""
    start = date(2026, 9, 1)
    calls = price(
        "calls",
        graduated(("1000", "0"), ("50000", "0.02"), (None, "0.015")),
        meter="calls",
        prorate=policy,
    )
    catalogue = shop(
        plan(), calls, plan("max"), later(calls, plan="max"), plan("ip"), meter("calls", kind)
    )
    events = used(*[("calls", f"{date(2026, 10, 1) + timedelta(days=d)}", v) for d, v in usage])
    before = told(start, [one for one in changes if one[2][0] != "discount"])
    # A discount of nothing at the very end of the order makes a border and no difference.
    border = (f"{date(2026, 10, 1) + timedelta(days=day)}T{hour:02}:00", "transfer", "c9")
    back = (f"{date(2026, 10, 1) + timedelta(days=day)}T{hour:02}:30", "transfer", "c1")
    plain = [one for one in before if one[1] != "transfer"]

    def exact(*amendments: Any) -> Fraction:
        found = charges(contract(*amendments), catalogue, events)
        return sum((c.exact for c in found if c.stretch.key == "calls"), Fraction(0))

    assert exact(*plain, border, back) == exact(*plain)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 300_000)), max_size=6), said)
def test_what_is_billed_is_what_the_whole_would_cost(usage: list[Any], changes: list[Any]) -> None:
    """One price throughout: Σ of its parts = the price of all units, whatever else was amended."""
    changes = [one for one in changes if one[2][0] not in ("discount", "terms")]
    catalogue = law_shop("month", "calendar")
    events = used(*[("calls", f"{date(2026, 10, 1) + timedelta(days=d)}", v) for d, v in usage])
    one = contract(*told(date(2026, 9, 1), changes))
    found = [c for c in charges(one, catalogue, events) if c.stretch.key == "calls"]
    units = sum((Fraction(v) for _, v in usage), Fraction(0))
    assert (
        sum((c.gross for c in found), Fraction(0))
        == evaluate(CALLS.price, Quantity(units=units)).exact
    )
    assert sum(c.events for c in found) == len(usage)


@settings(max_examples=60, deadline=None)
@given(said)
def test_once_is_once_for_a_plan_that_is_kept(changes: list[Any]) -> None:
    changes = [one for one in changes if one[2][0] not in ("plan", "terms")]
    catalogue = shop(
        plan(), price("setup", flat("5.00"), when="once"), plan("ip"),
        price("ip", flat("1.00"), plan="ip", when="once"),
    )  # fmt: skip
    one = contract(*told(date(2026, 9, 1), changes))
    window = Period(date(2026, 9, 1), date(2026, 12, 1))
    entered = [
        stretch
        for service in service_periods(one, catalogue, window)
        for chain in stretches(one, service, catalogue).values()
        for stretch in chain
        if enters(one, catalogue, stretch)
    ]
    keys = [stretch.key for stretch in entered]
    assume("setup" in keys)  # paused from the first moment on and for ever
    assert sorted(keys) == sorted(set(keys))
