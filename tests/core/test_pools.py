"""Pools of allowances: the worked example, and that nothing is made of nothing."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.pools import Share, grants
from kvit.core.pricing import PriceError, Quantity, evaluate, parse_price

F = Fraction
UNITS = st.integers(0, 50).map(F)


def test_who_is_over_shares_what_is_spare_by_how_far_it_is_over() -> None:
    shares = {"a": Share(F(10), F(4)), "b": Share(F(10), F(13)), "c": Share(F(10), F(19))}
    assert grants(shares) == {"b": F(3, 2), "c": F(9, 2)}


def test_who_is_over_gets_what_it_needs_and_no_more() -> None:
    assert grants({"a": Share(F(10), F(0)), "b": Share(F(10), F(13))}) == {"b": F(3)}
    assert grants({"a": Share(F(10), F(10)), "b": Share(F(10), F(13))}) == {}
    assert grants({"a": Share(F(10), F(1)), "b": Share(F(10), F(2))}) == {}


@given(st.dictionaries(st.integers(0, 9), st.builds(Share, UNITS, UNITS)))
def test_a_pool_pays_for_what_it_uses_beyond_all_it_has(members: dict[int, Share]) -> None:
    given_ = grants(members)
    paid = sum(max(one.used - one.own - given_.get(key, 0), 0) for key, one in members.items())
    own, used = (sum(getattr(m, n) for m in members.values()) for n in ("own", "used"))
    assert paid == max(used - own, 0)
    assert all(units > 0 for units in given_.values())


def test_a_grant_is_free_beside_the_included_units() -> None:
    price = {"model": "allowance", "included": "10", "pool": "payer",
             "price": {"model": "per_unit", "unit": "2"}}  # fmt: skip
    assert evaluate(parse_price(price), Quantity(F(13))).exact == 6
    assert evaluate(parse_price(price), Quantity(F(13), carried=(F(3, 2),))).exact == 3


@pytest.mark.parametrize(
    ("said", "field"),
    [({"pool": "family"}, "price.pool"), ({"carry_periods": 1}, "price.carry_periods")],
)
def test_a_pool_is_of_a_payer_and_has_no_memory(said: dict[str, object], field: str) -> None:
    price = {"model": "allowance", "included": "10", "pool": "payer", **said,
             "price": {"model": "per_unit", "unit": "2"}}  # fmt: skip
    with pytest.raises(PriceError) as refused:
        parse_price(price)
    assert (refused.value.code, refused.value.field) == ("out_of_range", field)
