"""What a bill hands to a composed price: attributes of terms, customer and group, counters."""

from typing import Any

import pytest

from kvit.core.charges import Past
from tests.core.billing import (
    contract,
    flat,
    lines,
    meter,
    per_unit,
    plan,
    price,
    rated,
    shop,
    total,
    used,
)

REGIONS = {"regions": {"keys": {"north": "3", "south": "2"}}}


def composed(expression: str, *attributes: str, **more: object) -> dict[str, object]:
    return {"model": "composed", "expression": expression, "attributes": list(attributes), **more}


def selling(document: dict[str, object], **said: Any) -> Any:
    said.setdefault("meter", "gb")
    return shop(plan(), price("gb", document, **said), meter("gb"), meter("calls", "count"))


def test_an_attribute_that_changes_prices_what_comes_after_it() -> None:
    """10 GB at 3.00 in the north; moved south on the 16th, 20 GB more at 2.00."""
    shelf = selling(composed("units * key(region, regions)", "region", tables=REGIONS))
    one = contract(
        ("2026-10-16", "terms", {"attributes": {"region": "south"}}),
        terms={"attributes": {"region": "north", "unused": 7}},
    )
    events = used(("gb", "2026-10-03", 10), ("gb", "2026-10-20", 20))
    assert lines(one, shelf, events) == [
        ("gb", "01.10…16.10", 3_000),
        ("gb", "16.10…01.11", 4_000),
    ]


def test_an_attribute_that_nothing_reads_cuts_nothing() -> None:
    one = contract(("2026-10-16", "terms", {"attributes": {"region": "south"}}))
    assert lines(one, selling(per_unit("1")), used(("gb", "2026-10-20", 20))) == [
        ("gb", "01.10…01.11", 2_000)
    ]


def test_an_attribute_that_nobody_gives_is_named_and_nothing_is_charged() -> None:
    one = contract(terms={"attributes": {"region": "north"}})
    shelf = selling(composed("units * key(region, regions)", "region", tables=REGIONS))
    taken = contract(
        ("2026-10-01", "terms", {"attributes": {"region": None}}),
        terms={"attributes": {"region": "north"}},
    )
    assert total(one, shelf, used(("gb", "2026-10-03", 1))) == 300
    (found,) = rated(taken, shelf, used(("gb", "2026-10-03", 1)))
    assert found.charges == ()
    assert [(key, error.code) for key, error in found.unpriced] == [("gb", "bad_expression")]
    assert "region" in found.unpriced[0][1].message("ru")


@pytest.mark.parametrize(("segment", "expected"), [("vip", 500), ("", 1_000)])
def test_the_customer_is_known_to_the_price(segment: str, expected: int) -> None:
    shelf = selling(composed('if(segment == "vip", units / 2, units)', "segment", "kind"))
    past = Past(about={"c1": {"segment": segment, "kind": "company"}})
    assert total(contract(), shelf, used(("gb", "2026-10-03", 10)), past=past) == expected


def test_a_group_is_an_attribute() -> None:
    shelf = selling(
        composed("units * key(region, regions)", "region", tables=REGIONS), group_by=("region",)
    )
    events = used(
        ("gb", "2026-10-03", 10, {"region": "north"}), ("gb", "2026-10-03", 10, {"region": "south"})
    )
    assert lines(contract(), shelf, events) == [
        ("gb[region=north]", "01.10…01.11", 3_000),
        ("gb[region=south]", "01.10…01.11", 2_000),
    ]


RULE = composed('if(counter("calls") >= 3, units, units * 2)')


def test_a_counter_is_what_another_meter_measured_in_the_period() -> None:
    """10 GB at 2.00; from three calls a month on, all at 1.00. September's call is not counted."""
    three = [("calls", f"2026-{day}", 1) for day in ("09-30", "10-02", "10-30", "10-31")]
    assert total(contract(), selling(RULE), used(("gb", "2026-10-03", 10), *three)) == 1_000
    assert total(contract(), selling(RULE), used(("gb", "2026-10-03", 10), *three[:3])) == 2_000


def test_counters_add_up_over_the_parts_of_a_period() -> None:
    """A discount from the 16th cuts the month. By then one call was made: 10 GB at 2.00 = 20.00;
    the whole month, with three calls, costs 20 GB at 1.00: nothing more is due."""
    one = contract(("2026-10-16", "discount", {"percent": "50"}))
    events = used(
        ("gb", "2026-10-03", 10), ("calls", "2026-10-04", 1),
        ("gb", "2026-10-20", 10), ("calls", "2026-10-21", 1), ("calls", "2026-10-22", 1),
    )  # fmt: skip
    assert [kopecks for _, _, kopecks in lines(one, selling(RULE), events)] == [2_000, 0]


def test_events_that_only_a_counter_reads_are_billed_by_it() -> None:
    (found,) = rated(
        contract(), selling(RULE), used(("gb", "2026-10-03", 10), ("calls", "2026-10-04", 1))
    )
    assert found.covered == {"gb": 1, "calls": 1}
    assert found.uncovered == {"gb": 0, "calls": 0}


def test_a_fee_reads_the_counters_of_its_period_and_the_periods_before_it() -> None:
    """1 000.00 a month, less 10.00 a month of loyalty and 1.00 a call; begun in September."""
    document = composed(
        'fee - counter("periods") * 10 - counter("calls")', parts={"fee": flat("1000")}
    )
    shelf = selling(document, meter="")
    events = used(("calls", "2026-10-04", 1), ("calls", "2026-10-05", 1))
    assert total(contract(), shelf, events, month="2026-09") == 100_000
    assert total(contract(), shelf, events) == 98_800
    in_advance = selling(document, meter="", when="advance")
    assert total(contract(), in_advance, events) == 99_000


def test_a_counter_that_is_no_meter_is_named() -> None:
    (found,) = rated(contract(), selling(composed('units + counter("cals")')))
    assert "cals" in found.unpriced[0][1].message("en")
