"""Discounts for every customer: from their day, version by version."""

from datetime import date
from fractions import Fraction

import pytest

from kvit.core.catalogue import ALWAYS, StandingDiscount
from kvit.core.columnar.plain import pattern
from kvit.core.periods import parse_billing_period
from kvit.core.schedule import service_periods
from tests.core.billing import (
    charges,
    contract,
    flat,
    lines,
    meter,
    per_unit,
    plan,
    price,
    shop,
    total,
    used,
)

FEE = price("fee", flat("3100.00"))
SMS = price("sms", per_unit("1.00"), meter="sms")
SOLD = (plan(), FEE, SMS, meter("sms"))
EVENTS = used(("sms", "2026-10-03", 300), ("sms", "2026-10-20", 100))
MID = date(2026, 10, 16)


def off(percent: int, day: date = ALWAYS, **said: object) -> StandingDiscount:
    return StandingDiscount("vip", "VIP", percent=Fraction(percent), effective_from=day, **said)  # type: ignore[arg-type]


def fixed(amount: int, day: date = ALWAYS) -> StandingDiscount:
    return StandingDiscount("gift", "Подарок", fixed=Fraction(amount), effective_from=day)


def test_a_discount_holds_from_its_day() -> None:
    """3 100 × 15/31 whole; 3 100 × 16/31 and what was sent from the 16th on less 10 %."""
    assert lines(contract(), shop(*SOLD, off(10, MID)), EVENTS) == [
        ("fee", "01.10…16.10", 150_000),
        ("fee", "16.10…01.11", 144_000),
        ("sms", "01.10…16.10", 30_000),
        ("sms", "16.10…01.11", 9_000),
    ]


def test_a_discount_of_a_later_month_leaves_this_one_as_it_is() -> None:
    later = shop(*SOLD, off(10, date(2026, 11, 1)))
    assert lines(contract(), later, EVENTS) == lines(contract(), shop(*SOLD), EVENTS)
    assert total(contract(), later, EVENTS, month="2026-11") == 279_000


def test_a_version_ends_the_one_before_it() -> None:
    sold = shop(*SOLD, off(10), off(20, MID))
    assert [amount for *_, amount in lines(contract(), sold, EVENTS)] == [
        135_000, 128_000, 27_000, 8_000,
    ]  # fmt: skip
    assert total(contract(), sold, month="2026-09") == 279_000
    assert total(contract(), sold, month="2026-11") == 248_000


def test_a_discount_of_one_price_cuts_no_other() -> None:
    sold = shop(*SOLD, off(10, MID, scope="pro/fee"))
    assert [line[:2] for line in lines(contract(), sold, EVENTS)] == [
        ("fee", "01.10…16.10"), ("fee", "16.10…01.11"), ("sms", "01.10…01.11"),
    ]  # fmt: skip


def test_a_volume_discount_counts_the_whole_period_and_is_taken_from_its_day() -> None:
    """400 units in October reach the bound; the 300 from before its day cost what they did."""
    sold = shop(*SOLD, off(10, MID, scope="pro/sms", from_units=Fraction(400)))
    assert lines(contract(), sold, EVENTS)[1:] == [
        ("sms", "01.10…16.10", 30_000), ("sms", "16.10…01.11", 9_000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("versions", "taken"),
    [
        ([fixed(310)], 31_000),
        ([fixed(310, MID)], 16_000),
        ([fixed(310), fixed(620, MID)], 15_000 + 32_000),
        # Two versions of one sum are the sum once, though each is its own days' share of it.
        ([fixed(310), fixed(310, MID)], 31_000),
        ([fixed(310, date(2026, 11, 1))], 0),
    ],
)
def test_a_fixed_sum_is_given_for_the_days_it_holds(
    versions: list[StandingDiscount], taken: int
) -> None:
    sold = shop(*SOLD, *versions)
    assert total(contract(), sold, EVENTS) == 350_000 - taken
    made = charges(contract(), sold, EVENTS)
    assert sum(one.amount_minor for row in made for one in row.discounts) == taken


def test_two_equal_halves_of_a_fixed_sum_are_both_given() -> None:
    """November has 30 days: 150.00 for its first half and 150.00 for its second."""
    sold = shop(*SOLD, fixed(300), fixed(300, date(2026, 11, 16)))
    assert total(contract(), sold, month="2026-11") == 280_000


def test_a_discount_that_has_not_begun_hinders_no_rating_together() -> None:
    one = contract()
    [service] = service_periods(one, shop(*SOLD), parse_billing_period("2026-10"))[-1:]
    asked = (service, shop(*SOLD, off(10, date(2026, 11, 1))))
    assert pattern(one, *asked, frozenset({"arrears"}), frozenset()) is not None
    asked = (service, shop(*SOLD, off(10, date(2026, 10, 31))))
    assert pattern(one, *asked, frozenset({"arrears"}), frozenset()) is None
