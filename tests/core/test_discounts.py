"""Discounts over the lines of a period: exact, in order, never below zero."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.discounts import Line, apply_discounts
from kvit.core.money import to_minor
from kvit.core.terms import Discount


def off(percent: int | str, code: str = "p") -> Discount:
    return Discount(code, percent=Fraction(percent))


def less(fixed: str, code: str = "f", **said: bool) -> Discount:
    return Discount(code, fixed=Fraction(fixed), **said)


def after(currency: str, *lines: tuple[str, tuple[Discount, ...]]) -> list[int]:
    told = [Line(None, Fraction(amount), discounts) for amount, discounts in lines]
    return [to_minor(one.exact, currency) for one in apply_discounts(told, currency)]


def test_worked_example() -> None:
    """5 161.29… and 5 800.00, −15 %, then 100.00 shared by what they cost: 47.09 and 52.91."""
    both = (off(15), less("100.00"))
    assert after("RUB", ("160000/31", both), ("5800", both)) == [434_001, 487_709]


def test_order_matters() -> None:
    """200.00 − 10 % − 50.00 = 130.00, but 200.00 − 50.00 − 10 % = 135.00."""
    assert after("RUB", ("200", (off(10), less("50")))) == [13_000]
    assert after("RUB", ("200", (less("50"), off(10)))) == [13_500]


def test_nothing_goes_below_zero() -> None:
    assert after("RUB", ("10", (less("50"),)), ("0", (less("50"),))) == [0, 0]
    assert after("RUB", ("10", (off(100), less("50")))) == [0]


@pytest.mark.parametrize(("currency", "expected"), [("RUB", [67, 33]), ("JPY", [67, 33])])
def test_a_fixed_sum_is_spread_in_minor_units(currency: str, expected: list[int]) -> None:
    """1.00 (or 100 yen) less than 2 : 1 of it: nothing is lost, ties go to the earlier line."""
    one = less("1.00" if currency == "RUB" else "100")
    amounts = ("4/3", "2/3") if currency == "RUB" else ("400/3", "200/3")
    lines = [Line(None, Fraction(amount), (one,)) for amount in amounts]
    took = [-(got.exact - was.exact) for got, was in zip(
        apply_discounts(lines, currency), lines, strict=True)]  # fmt: skip
    scale = 100 if currency == "RUB" else 1
    assert [part * scale for part in took] == expected


def test_a_balance_is_spent_over_periods() -> None:
    bonus = less("100.00", "bonus", balance=True)
    lines = [Line(None, Fraction(80), (bonus,))]
    first = apply_discounts(lines, "RUB")[0]
    assert (first.exact, first.applied[0].amount_minor) == (0, 8_000)
    second = apply_discounts(lines, "RUB", {"bonus": 8_000})[0]
    assert (second.exact, second.applied[0].amount_minor) == (60, 2_000)
    assert apply_discounts(lines, "RUB", {"bonus": 10_000})[0].exact == 80


def test_what_a_discount_took_is_told_line_by_line() -> None:
    told = apply_discounts([Line(None, Fraction("3.335"), (off(50), less("0.10")))], "RUB")[0]
    assert [one.document() for one in told.applied] == [
        {"code": "p", "percent": "50", "amount_minor": 334 - 167},
        {"code": "f", "fixed": "0.1", "amount_minor": 10},
    ]


sums = st.fractions(0, 10**6, max_denominator=93)
discounts = st.lists(
    st.one_of(
        st.integers(0, 100).map(lambda n: off(n, f"p{n}")),
        st.integers(0, 10**5).map(lambda n: less(str(Fraction(n, 100)), f"f{n}")),
    ),
    max_size=4,
    unique_by=lambda one: one.code,
)


@given(st.lists(sums, min_size=1, max_size=6), discounts)
def test_laws(amounts: list[Fraction], given_: list[Discount]) -> None:
    lines = [Line(place, amount, tuple(given_)) for place, amount in enumerate(amounts)]
    done = apply_discounts(lines, "RUB")
    assert [one.item for one in done] == list(range(len(amounts)))
    for line, was in zip(done, lines, strict=True):
        assert 0 <= line.exact <= was.exact
        took = sum(one.amount_minor for one in line.applied)
        assert took == to_minor(was.exact, "RUB") - to_minor(line.exact, "RUB")


@given(st.lists(sums, min_size=1, max_size=6), st.integers(0, 10**7))
def test_a_fixed_discount_takes_itself_or_everything(amounts: list[Fraction], minor: int) -> None:
    one = less(str(Fraction(minor, 100)))
    done = apply_discounts([Line(None, amount, (one,)) for amount in amounts], "RUB")
    taken = sum(amounts, Fraction(0)) - sum((line.exact for line in done), Fraction(0))
    assert taken * 100 == min(minor, sum(floor(amount * 100) for amount in amounts))


def test_half_a_kopeck_is_not_taken_below_zero() -> None:
    one = less("0.01")
    assert after("RUB", ("0.005", (one,)), ("0.005", (one,))) == [1, 1]
