"""Allowances pooled among the customers of one payer, and grouped ones that carry over."""

import pytest

from kvit.core.catalogue import Meter, PlanTerms, PriceTerms
from kvit.core.pricing import parse_price
from kvit.parties.rows import Tenant
from kvit.rating import queries as rating
from kvit.rating.explain import explain
from kvit.rating.models import Charge
from kvit.rating.slowly import gross_slowly
from tests.scenarios.story import Story

OVER = {"model": "per_unit", "unit": "2.00"}
POOLED = {"model": "allowance", "included": "10", "pool": "payer", "price": OVER}


@pytest.fixture
def story(tenant: Tenant) -> Story:
    """A firm that pays for two branches, and a stranger: plans of 10 and of 30 GB, pooled."""
    large = parse_price({**POOLED, "included": "30"})
    return (
        Story()
        .sell(
            Meter("gb", "", "ГБ", "sum"),
            PlanTerms("sim", ""),
            PlanTerms("max", ""),
            PriceTerms("sim", "gb", "", parse_price(POOLED), meter="gb", prorate="none"),
            PriceTerms("max", "gb", "", large, meter="gb", prorate="none"),
        )
        .customers("firm", "stranger")
        .customers("north", "south", payer="firm")
        .at("2026-10-01")
        .subscribe("a", "firm", "sim")
        .subscribe("b", "north", "sim")
        .subscribe("c", "south", "sim")
        .subscribe("x", "stranger", "sim")
    )


def everything_explains_itself() -> None:
    """By the engine, and by the oracle where it is asked: about a pool it is."""
    for key in Charge.objects.values_list("pk", flat=True):
        found = explain(key)
        assert found.agrees
        assert found.computed is None or gross_slowly(found) in (None, found.computed.gross)


def test_what_one_leaves_others_of_the_payer_use(story: Story) -> None:
    """The worked example: 6 GB spare, 12 over. The stranger's 10 GB are no part of it."""
    story.use("a", "gb", 4).use("b", "gb", 13).use("c", "gb", 19).use("x", "gb", 1)
    assert story.at("2026-11-01").bill("2026-10") == [
        "firm gb 01.10…01.11 0.00",
        "firm gb 01.10…01.11 3.00",
        "firm gb 01.10…01.11 9.00",
        "stranger gb 01.10…01.11 0.00",
    ]
    everything_explains_itself()


@pytest.mark.parametrize("size", [1, 2, 500])
def test_a_pool_is_the_same_however_a_run_is_cut(story: Story, size: int) -> None:
    story.use("a", "gb", 4).use("b", "gb", 13).use("c", "gb", 19)
    story.at("2026-11-01").bill("2026-10", chunk=size)
    assert [story.charged(code) for code in "abcx"] == [0, 300, 900, 0]


def test_plans_of_several_sizes_share_a_pool_of_one_meter(story: Story) -> None:
    """30 + 10 + 10 + 10 GB, 5 + 13 + 19 used of them by others: 23 to spare, 12 over."""
    story.subscribe("d", "north", "max").use("d", "gb", 5)
    story.use("a", "gb", 12).use("b", "gb", 13).use("c", "gb", 19)
    story.at("2026-11-01").bill("2026-10")
    assert [story.charged(code) for code in "abcd"] == [0, 0, 0, 0]


def test_late_usage_of_one_member_is_a_difference_of_the_others(story: Story) -> None:
    """a uses 4 GB more of October: 2 GB are left to spare instead of 6, and b and c pay for the 4
    in proportion: b 1.00 GB, c 3.00 GB more."""
    story.use("a", "gb", 4).use("b", "gb", 13).use("c", "gb", 19)
    story.at("2026-11-01").bill("2026-10")
    story.use("a", "gb", 4, on="2026-10-20")
    assert story.at("2026-12-01").bill("2026-11") == [
        "firm gb 01.10…01.11 2.00",
        "firm gb 01.10…01.11 6.00",
    ]
    assert [story.charged(code) for code in "abc"] == [0, 500, 1_500]
    everything_explains_itself()


def test_a_member_that_comes_backdated_helps_those_that_paid(story: Story) -> None:
    """d takes 10 GB from 1 October on, told in November: b and c were 6 GB over what was spare."""
    story.use("a", "gb", 4).use("b", "gb", 13).use("c", "gb", 19)
    story.at("2026-11-05").bill("2026-10")
    story.subscribe("d", "north", "sim", start="2026-10-01")
    story.at("2026-12-01").bill("2026-10")
    story.bill("2026-11")
    assert [story.charged(code) for code in "abcd"] == [0, 0, 0, 0]
    everything_explains_itself()


def test_a_member_that_leaves_takes_its_share_away(story: Story) -> None:
    story.use("a", "gb", 4).use("b", "gb", 13)
    story.at("2026-11-01").bill("2026-10")
    assert story.charged("b") == 0
    story.changes(("a", "cancel", None, "2026-10-01"), ("c", "cancel", None, "2026-10-01"))
    story.at("2026-12-01").bill("2026-11")
    assert story.charged("b") == 600
    everything_explains_itself()


def test_each_group_carries_over_what_it_left(tenant: Tenant) -> None:
    """10 GB a month and region, what is left goes over once. October: north 4, south 13 (3 over:
    6.00). November: north 15 of 10 + 6, south 11 of 10: 2.00."""
    price = {"model": "allowance", "included": "10", "carry_periods": 1, "price": OVER}
    story = Story().sell(
        Meter("gb", "", "ГБ", "sum", dimensions=("region",)),
        PlanTerms("net", ""),
        PriceTerms("net", "gb", "", parse_price(price), meter="gb", prorate="none",
                   group_by=("region",)),
    ).customers("alfa")  # fmt: skip
    story.at("2026-10-01").subscribe("s", "alfa", "net")
    story.use("s", "gb", 4, region="north").use("s", "gb", 13, region="south")
    story.at("2026-11-01").bill("2026-10")
    assert story.charged("s") == 600
    story.use("s", "gb", 15, region="north").use("s", "gb", 11, region="south")
    story.at("2026-12-01").bill("2026-11")
    assert story.charged("s") == 800
    everything_explains_itself()
    assert rating.billed_events() == 4
