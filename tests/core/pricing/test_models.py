"""Every model of the quote contract: worked examples and the edges of tiers."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction

import pytest

from kvit.core.calendars import Calendar
from kvit.core.pricing import (
    PricedEvent,
    PriceError,
    Quantity,
    Reading,
    Session,
    UsageItem,
    evaluate,
    parse_price,
)
from kvit.core.pricing.allowance import Allowance, carry_over

F = Fraction

SLABS = [{"up_to": "100", "unit": "2"}, {"up_to": None, "unit": "1.5"}]
WEEK = [1, 2, 3, 4, 5, 6, 7]
Document = Mapping[str, object]


def exact(document: Document, units: str | int, already: str | None = None) -> F:
    before = None if already is None else Quantity(units=F(already))
    return evaluate(parse_price(document), Quantity(units=F(units)), already=before).exact


def test_the_contract_s_example_explains_itself() -> None:
    priced = evaluate(parse_price({"model": "graduated", "tiers": SLABS}), Quantity(F("250.003")))
    assert priced.exact == F("425.0045")
    assert [(s.units, s.unit, s.flat, s.exact) for s in priced.steps] == [
        (100, 2, 0, 200),
        (F("150.003"), F("1.5"), 0, F("225.0045")),
    ]
    assert priced.why("ru") == ("ступень 1: 0–100", "ступень 2: свыше 100")
    assert priced.why("en") == ("tier 1: 0–100", "tier 2: above 100")


@pytest.mark.parametrize(
    ("model", "units", "expected"),
    [
        ("graduated", "0", "0"),
        ("graduated", "100", "200"),
        ("graduated", "100.001", "200.0015"),
        ("volume", "0", "0"),
        ("volume", "100", "200"),
        ("volume", "100.001", "150.0015"),
    ],
)
def test_tier_edges(model: str, units: str, expected: str) -> None:
    assert exact({"model": model, "tiers": SLABS}, units) == F(expected)


@pytest.mark.parametrize(
    ("model", "units", "expected"),
    [
        ("graduated", 0, 10),
        ("graduated", 1, 12),
        ("graduated", 12, 10 + 20 + 5 + 2),
        ("volume", 0, 10),
        ("volume", 10, 30),
        ("volume", 12, 5 + 12),
    ],
)
def test_flats_of_tiers_entered_and_of_zero(model: str, units: int, expected: int) -> None:
    tiers = [{"up_to": "10", "unit": "2", "flat": "10"}, {"unit": "1", "flat": "5"}]
    assert exact({"model": model, "tiers": tiers, "flat_at_zero": True}, units) == expected
    without = exact({"model": model, "tiers": tiers}, units)
    assert without == (expected if units else 0)


@pytest.mark.parametrize(
    ("model", "units", "expected"),
    [
        ("graduated", 16, "49"),
        ("graduated", 17, "51"),
        ("graduated", 100, "51"),
        ("graduated", 101, "52"),
        ("volume", 16, "49"),
        ("volume", 17, "51"),
        ("volume", 101, "101"),
    ],
)
def test_a_tier_costs_at_most_its_cap_before_its_flat(
    model: str, units: int, expected: str
) -> None:
    tiers = [{"up_to": "100", "unit": "3", "cap": "50", "flat": "1"}, {"unit": "1"}]
    assert exact({"model": model, "tiers": tiers}, units) == F(expected)


def test_a_capped_tier_is_one_step_and_loses_no_unit() -> None:
    price = parse_price(
        {"model": "graduated", "tiers": [{"up_to": "100", "unit": "3", "cap": "50"}, {"unit": "1"}]}
    )
    priced = evaluate(price, Quantity(F(120)))
    assert [(s.units, s.exact) for s in priced.steps] == [(100, 50), (20, 20)]


def test_stairstep_is_one_sum_by_the_step_reached() -> None:
    price = {"model": "stairstep", "tiers": [{"up_to": "10", "amount": "5"}, {"amount": "9"}]}
    assert [exact(price, u) for u in ("0", "1", "10", "10.5")] == [0, 5, 5, 9]


def test_begun_packages_count_and_free_units_do_not() -> None:
    price = {"model": "package", "size": "20", "amount": "5", "free_units": "5"}
    assert [exact(price, u) for u in (0, 5, 6, 25, 26, 45)] == [0, 0, 5, 5, 10, 10]
    priced = evaluate(parse_price(price), Quantity(F(26)))
    assert [(s.units, s.packages) for s in priced.steps] == [(5, 0), (21, 2)]


@pytest.mark.parametrize(
    ("mode", "units", "expected"),
    [("all", 5325, 15), ("top", 5325, 6), ("all", 1000, 10), ("top", 1000, 10), ("top", 0, 0)],
)
def test_blocks_round_up_inside_their_tier(mode: str, units: int, expected: int) -> None:
    tiers = [
        {"size": "100", "max_blocks": "10", "unit": "1"},
        {"size": "1000", "max_blocks": None, "unit": "1"},
    ]
    assert exact({"model": "blocks", "tiers": tiers, "mode": mode}, units) == expected


def test_the_last_tier_of_blocks_goes_on_above_its_limit() -> None:
    tiers = [{"size": "10", "max_blocks": "1", "unit": "7"}]
    assert exact({"model": "blocks", "tiers": tiers, "mode": "all"}, 25) == 21


def percentage(events: list[str], **price: str) -> F:
    document = {"model": "percentage", "rate": "1.3", "fixed": "2", **price}
    return evaluate(parse_price(document), Quantity(events=tuple(map(F, events)))).exact


def test_percentage_uses_up_its_allowance_in_order() -> None:
    events = ["50", "100", "250", "400"]
    assert percentage(events) == F("18.4")
    assert percentage(events, free_events="3") == F("7.2")
    assert percentage(events, free_amount="250") == F("11.15")
    assert percentage(events, free_events="3", free_amount="250") == F("11.15")
    # The event that crosses the free sum is no longer within the free events: it pays whole.
    assert percentage(events, free_events="2", free_amount="250") == F("12.45")


def test_bounds_hold_for_each_event_that_is_not_free() -> None:
    price = {"model": "percentage", "rate": "2.99", "event_min": "1.75", "event_max": "12"}
    priced = evaluate(parse_price(price), Quantity(events=(F(10), F(80), F(10000))))
    assert priced.exact == F("16.142")


def test_capacity_takes_the_first_tier_whose_limits_all_hold() -> None:
    tiers = [
        {"amount": "10", "limits": {"cpu": "100", "ram": "10"}},
        {"amount": "20", "limits": {"cpu": "50", "ram": "100"}},
        {"amount": "30", "limits": {"cpu": "200", "ram": "200"}},
    ]
    price = parse_price({"model": "capacity", "tiers": tiers})

    def sized(cpu: int, ram: int) -> F:
        return evaluate(price, Quantity(peaks={"cpu": F(cpu), "ram": F(ram)})).exact

    assert [sized(100, 10), sized(50, 11), sized(80, 50)] == [10, 20, 30]
    with pytest.raises(PriceError) as refused:
        sized(201, 0)
    assert refused.value.code == "no_price"


def test_matrix_adds_units_of_an_entry_before_pricing_them() -> None:
    price = parse_price(
        {
            "model": "matrix",
            "prices": [
                {"match": {"region": "eu"}, "price": {"model": "graduated", "tiers": SLABS}},
                {"match": {"region": "us"}, "price": {"model": "per_unit", "unit": "3"}},
            ],
            "default": {"model": "flat", "amount": "5"},
        }
    )
    usage = [("eu", 80), ("us", 1), ("eu", 40), ("asia", 2), ("africa", 3)]
    items = tuple(UsageItem.of({"region": r}, F(u)) for r, u in usage)
    priced = evaluate(price, Quantity(usage=items))
    assert priced.exact == 200 + 30 + 3 + 5
    assert priced.units == 126
    assert priced.why("ru")[0] == "region=eu: ступень 1: 0–100"
    assert evaluate(price, Quantity()).exact == 0


def test_matrix_without_an_entry_or_default_has_no_price() -> None:
    price = parse_price(
        {
            "model": "matrix",
            "prices": [{"match": {"a": "b"}, "price": {"model": "per_unit", "unit": "1"}}],
        }
    )
    with pytest.raises(PriceError, match="no_price"):
        evaluate(price, Quantity(usage=(UsageItem.of({"a": "c"}, F(1)),)))


def test_dynamic_takes_the_amounts_of_the_events() -> None:
    events = (PricedEvent(F(1), F(10)), PricedEvent(F(2), F("5.5")))
    priced = evaluate(parse_price({"model": "dynamic"}), Quantity(dynamic=events))
    assert (priced.exact, priced.units) == (F("15.5"), 3)


# --- time -----------------------------------------------------------------------------------


def session(price: Document, start: str, seconds: int, destination: str = "") -> F:
    quantity = Quantity(sessions=(Session(datetime.fromisoformat(start), seconds, destination),))
    return evaluate(parse_price(price), quantity).exact


BANDS: list[Document] = [
    {"days": WEEK, "from": "00:00", "to": "18:00", "connect_fee": "1", "rate": "1", "per": "1"},
    {"days": WEEK, "from": "18:00", "to": "24:00", "rate": "0.5", "per": "1"},
]
DAY_AND_EVENING = {"model": "timed", "bands": BANDS}


def test_a_session_pays_each_band_its_time_and_connects_once() -> None:
    assert session(DAY_AND_EVENING, "2012-02-02T17:30:00+00:00", 1850) == 1 + 1800 + 25
    assert session(DAY_AND_EVENING, "2012-02-08T22:50:00+00:00", 3621) == F("1810.5")
    assert session(DAY_AND_EVENING, "2012-02-08T23:59:50+00:00", 20) == 5 + 10
    assert session(DAY_AND_EVENING, "2012-02-02T17:30:00+00:00", 0) == 0


def test_a_step_begun_before_a_border_is_whole_and_the_next_band_begins_where_it_ends() -> None:
    steps = [{"after": "0", "step": "60"}]
    bands = [{**band, "steps": steps} for band in BANDS]
    price = {"model": "timed", "bands": bands}
    # 17:59:30: one minute at 1.00 until 18:00:30, the rest of 40 s is one minute at 0.50.
    assert session(price, "2026-03-02T17:59:30+03:00", 100) == 1 + 60 + 30


def test_steps_change_after_some_time_of_the_session() -> None:
    steps = [{"after": "0", "step": "60"}, {"after": "60", "step": "1", "rate": "3", "per": "60"}]
    band = {"days": WEEK, "from": "00:00", "to": "24:00", "rate": "6", "per": "60", "steps": steps}
    price = {"model": "timed", "bands": [band]}
    assert [session(price, "2026-03-02T10:00:00+00:00", s) for s in (1, 60, 61, 90)] == [
        6,
        6,
        F("6.05"),
        F("7.5"),
    ]


def test_each_session_is_rounded_where_the_price_says_so() -> None:
    band = {"days": WEEK, "from": "00:00", "to": "24:00", "rate": "1", "per": "60"}
    price = parse_price({"model": "timed", "bands": [band], "precision": 2})
    start = datetime.fromisoformat("2026-03-02T10:00:00+00:00")
    priced = evaluate(price, Quantity(sessions=(Session(start, 10), Session(start, 10))))
    assert priced.exact == F("0.34")
    assert sum(step.exact for step in priced.steps) == priced.exact


def test_holiday_bands_win_on_holidays_where_there_are_any() -> None:
    every = {"days": WEEK, "from": "00:00", "to": "24:00", "rate": "2", "per": "1"}
    holiday = {"days": ["holiday"], "from": "00:00", "to": "12:00", "rate": "1", "per": "1"}
    calendar = Calendar(frozenset({datetime(2026, 1, 1).date()}))  # noqa: DTZ001

    def new_year(bands: list[Document], clock: str) -> F:
        start = datetime.fromisoformat(f"2026-01-01T{clock}:00+03:00")
        price = parse_price({"model": "timed", "bands": bands})
        return evaluate(price, Quantity(sessions=(Session(start, 1),)), calendar=calendar).exact

    assert new_year([every, holiday], "10:00") == 1
    assert new_year([every], "10:00") == 2
    with pytest.raises(PriceError, match="no_band"):
        new_year([every, holiday], "12:00")


def test_local_time_follows_the_zone_through_a_change_of_clocks() -> None:
    from zoneinfo import ZoneInfo

    price = parse_price(
        {
            "model": "timed",
            "bands": [
                {"days": WEEK, "from": "00:00", "to": "03:00", "rate": "1", "per": "1"},
                {"days": WEEK, "from": "03:00", "to": "24:00", "rate": "10", "per": "1"},
            ],
        }
    )
    # 29 March 2026, Berlin: 01:59:50 … 02:00:00 is followed by 03:00:00.
    start = datetime(2026, 3, 29, 1, 59, 50, tzinfo=ZoneInfo("Europe/Berlin"))
    assert evaluate(price, Quantity(sessions=(Session(start, 20),))).exact == 10 + 100


def test_readings_are_priced_by_the_band_of_their_start() -> None:
    price = parse_price(
        {
            "model": "banded",
            "bands": [
                {"days": WEEK, "from": "07:00", "to": "23:00", "unit": "8"},
                {"days": WEEK, "from": "23:00", "to": "24:00", "unit": "3"},
            ],
        }
    )

    def reading(clock: str, units: str) -> Reading:
        return Reading(datetime.fromisoformat(f"2026-03-02T{clock}:00+03:00"), F(units))

    readings = (reading("22:00", "1.5"), reading("22:59", "1"), reading("23:00", "2"))
    assert evaluate(price, Quantity(readings=readings)).exact == 20 + 6
    with pytest.raises(PriceError, match="no_band"):
        evaluate(price, Quantity(readings=(reading("06:59", "1"),)))


def test_destination_takes_the_longest_prefix() -> None:
    price = {
        "model": "destination",
        "rates": [
            {"prefixes": ["7", "8"], "rate": "3", "increments": "60/60"},
            {"prefixes": ["7495"], "rate": "1.20", "increments": "60/1", "connect_fee": "0.5"},
            {"prefixes": ["74951"], "rate": "6", "increments": "1/1", "free_seconds": "3"},
        ],
    }
    at = "2026-03-02T10:00:00+03:00"
    assert session(price, at, 61, "7812") == 6
    assert session(price, at, 90, "74952") == F("2.3")
    assert [session(price, at, s, "74951") for s in (3, 4)] == [0, F("0.4")]
    with pytest.raises(PriceError, match="no_price"):
        session(price, at, 1, "33")


def test_one_session_costs_at_most_its_maximum() -> None:
    rate = {"prefixes": [""], "rate": "1", "per": "1", "max_cost": "12"}
    price = {"model": "destination", "rates": [rate]}
    assert session(price, "2026-03-02T10:00:00+03:00", 100) == 12


# --- composition ----------------------------------------------------------------------------


def test_allowance_is_free_and_the_rest_is_priced() -> None:
    price = {
        "model": "allowance",
        "included": "300",
        "price": {"model": "graduated", "tiers": SLABS},
    }
    assert [exact(price, u) for u in (0, 300, "300.5", 450)] == [0, 0, 1, 275]
    carried = Quantity(F(340), carried=(F(50),))
    assert evaluate(parse_price(price), carried).exact == 0


def test_unused_allowance_is_carried_oldest_first_up_to_its_cap() -> None:
    def price(**carry: str) -> Allowance:
        made = parse_price(
            {
                "model": "allowance",
                "included": "300",
                "price": {"model": "per_unit", "unit": "1"},
                **carry,
            }
        )
        assert isinstance(made, Allowance)
        return made

    assert carry_over(price(), used=F(0)) == ()
    assert carry_over(price(carry_periods="1"), used=F(340), carried=(F(50),)) == (10,)
    two = price(carry_periods="2")
    assert carry_over(two, used=F(20), carried=(F(50), F(100))) == (100, 300)
    capped = price(carry_periods="2", carry_cap="310")
    assert carry_over(capped, used=F(20), carried=(F(50), F(100))) == (10, 300)


PALLETS = {"model": "graduated", "tiers": [{"up_to": "10", "unit": "1850"}, {"unit": "1650"}]}


def test_fuel_is_eight_percent_of_graduated_pallets() -> None:
    fuel = {"model": "composed", "parts": {"base": PALLETS}, "expression": "base * 0.08"}
    assert exact(PALLETS, 12) == 21800
    assert exact(fuel, 12) == 1744
    assert exact(fuel, 2, already="10") == 264
    step = evaluate(parse_price(fuel), Quantity(F(12))).steps[0]
    assert [(name, sum(s.exact for s in steps)) for name, steps in step.inside] == [("base", 21800)]


def test_heating_by_norm_and_area() -> None:
    heating = {"model": "composed", "expression": "units * 0.0215 * 2890.55"}
    assert exact(heating, "54.3") == F("54.3") * F("0.0215") * F("2890.55")


def test_composed_reads_tables_attributes_and_counters() -> None:
    price = parse_price(
        {
            "model": "composed",
            "parts": {"base": {"model": "per_unit", "unit": "10"}},
            "tables": {
                "zones": {"keys": {"near": "1", "far": "1.5"}},
                "weights": {"ranges": [{"up_to": "20", "value": "0"}, {"value": "35"}]},
            },
            "attributes": ["zone", "weight"],
            "expression": 'base * key(zone, zones) + range(weight, weights) + counter("trips")',
        }
    )
    quantity = Quantity(
        F(2), attributes={"zone": "far", "weight": "20.5"}, counters={"trips": F(4)}
    )
    assert evaluate(price, quantity).exact == 30 + 35 + 4
    assert parse_price(price.document()) == price


# --- bounds, discount, already --------------------------------------------------------------


def test_discount_then_maximum_then_minimum() -> None:
    price = {
        "model": "per_unit",
        "unit": "1",
        "discount_percent": "10",
        "maximum": "90",
        "minimum": "50",
    }
    assert [exact(price, u) for u in (0, 10, 100, 101)] == [50, 50, 90, 90]
    crossed = {**price, "minimum": "95"}
    assert exact(crossed, 200) == 95


def test_a_minimum_is_shown_as_a_true_up() -> None:
    price = parse_price({"model": "per_unit", "unit": "1", "minimum": "50"})
    priced = evaluate(price, Quantity(F(10)))
    assert priced.why("ru") == ("10 × 1", "доначисление до минимума 50")
    assert [step.exact for step in priced.steps] == [10, 40]


def test_an_increment_costs_what_it_adds() -> None:
    graduated = {"model": "graduated", "tiers": SLABS}
    assert exact(graduated, 40, already="80") == 40 + 30
    volume = {"model": "volume", "tiers": SLABS}
    assert exact(volume, 40, already="80") == 180 - 160
    flat = {"model": "flat", "amount": "7"}
    assert exact(flat, 0, already="0") == 7
    assert exact(flat, 1, already="1") == 0
    floor = {"model": "per_unit", "unit": "1", "minimum": "50"}
    assert [exact(floor, 10, already=b) for b in ("0", "10", "45")] == [50, 0, 5]


def test_what_was_charged_before_is_shown_as_taken_back() -> None:
    price = parse_price({"model": "volume", "tiers": SLABS})
    priced = evaluate(price, Quantity(F(40)), already=Quantity(F(80)))
    assert priced.why("ru") == (
        "весь объём по ступени 2: свыше 100",
        "уже начислено: весь объём по ступени 1: 0–100",
    )
    assert (priced.units, priced.exact) == (40, 20)
