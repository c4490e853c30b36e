"""Money: the one rounding, exact texts, and division that loses nothing."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.money import (
    MAX_DIGITS,
    ROUNDINGS,
    CurrencyMismatch,
    FloatRefused,
    Money,
    NotANumber,
    Rounding,
    UnknownCurrency,
    allocate,
    exact_text,
    exponent,
    minor_text,
    parse_decimal,
    round_fraction,
    to_minor,
)

fractions = st.fractions(max_denominator=1000)
roundings: st.SearchStrategy[Rounding] = st.sampled_from(ROUNDINGS)
weights = st.lists(st.fractions(0, 10**6, max_denominator=60), min_size=1, max_size=12).filter(any)
DECIMAL = {
    "half-up": ROUND_HALF_UP,
    "half-even": ROUND_HALF_EVEN,
    "up": ROUND_CEILING,
    "down": ROUND_FLOOR,
}


# Rounding


@pytest.mark.parametrize(
    ("value", "half_up", "half_even", "up", "down"),
    [
        ("0.5", 1, 0, 1, 0),
        ("-0.5", -1, 0, 0, -1),
        ("1.5", 2, 2, 2, 1),
        ("2.5", 3, 2, 3, 2),
        ("-2.5", -3, -2, -2, -3),
        ("2.4999", 2, 2, 3, 2),
        ("-2.0001", -2, -2, -2, -3),
        ("7", 7, 7, 7, 7),
    ],
)
def test_each_rounding_at_its_edges(
    value: str, half_up: int, half_even: int, up: int, down: int
) -> None:
    found = [round_fraction(Fraction(value), rounding) for rounding in ROUNDINGS]
    assert found == [half_up, half_even, up, down]


def test_a_sum_is_rounded_once_to_the_currencys_minor_unit() -> None:
    # 10 000 × 15/31, then the golden 2.9 % of 17.45, which is 0.50605.
    assert to_minor(Fraction(150_000, 31), "RUB") == 483_871
    assert to_minor(Fraction("0.50605"), "USD") == 51
    assert to_minor(Fraction("1.5"), "JPY") == 2
    assert to_minor(Fraction("1.0005"), "KWD") == 1001
    assert to_minor(Fraction("0.005"), "RUB", "down") == 0
    assert to_minor(Fraction("-0.005"), "RUB") == -1


@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=4), roundings)
def test_the_decimal_module_agrees(value: Decimal, rounding: Rounding) -> None:
    context = Context(prec=40, rounding=DECIMAL[rounding])
    assert round_fraction(Fraction(value), rounding) == value.quantize(Decimal(1), context=context)


@given(fractions)
def test_roundings_are_symmetric(value: Fraction) -> None:
    for rounding in ("half-up", "half-even"):
        assert round_fraction(-value, rounding) == -round_fraction(value, rounding)
    assert round_fraction(-value, "up") == -round_fraction(value, "down")


@given(fractions, fractions, roundings)
def test_rounding_keeps_order_and_stays_within_a_unit(
    a: Fraction, b: Fraction, rounding: Rounding
) -> None:
    low, high = min(a, b), max(a, b)
    assert round_fraction(low, rounding) <= round_fraction(high, rounding)
    assert abs(round_fraction(a, rounding) - a) < 1


# Currencies and texts


def test_minor_units_follow_iso_4217() -> None:
    codes = ["RUB", "USD", "JPY", "KRW", "KWD", "BHD", "CLF", "ISK"]
    assert [exponent(code) for code in codes] == [2, 2, 0, 0, 3, 3, 4, 0]


@pytest.mark.parametrize("code", ["", "rub", "RUR", "ZZZ", "RUBB", "XXX"])
def test_an_unknown_currency_is_refused(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        exponent(code)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (2_215_009, "RUB", "22150.09"),
        (0, "RUB", "0.00"),
        (-5, "USD", "-0.05"),
        (-105, "USD", "-1.05"),
        (7, "JPY", "7"),
        (-1_000, "KWD", "-1.000"),
        (10**20, "RUB", "1000000000000000000.00"),
    ],
)
def test_minor_units_are_written_with_exactly_the_currencys_digits(
    minor: int, currency: str, text: str
) -> None:
    assert minor_text(minor, currency) == text
    assert to_minor(parse_decimal(text), currency) == minor


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", Fraction(10)),
        ("-0.50", Fraction(-1, 2)),
        ("+7.", Fraction(7)),
        (".5", Fraction(1, 2)),
        (12, Fraction(12)),
        (Fraction(1, 3), Fraction(1, 3)),
        ("0" * 50 + "1", Fraction(1)),
    ],
)
def test_decimals_are_read_exactly(text: object, value: Fraction) -> None:
    assert parse_decimal(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "1 000", "1,5", "1e5", "0x10", "1_000", "١٢", "NaN", "inf", "--1", "1.2.3", ".", "+",
     "1/3", " 1", "1\n", None, True, b"1", "9" * (MAX_DIGITS + 1), 10**MAX_DIGITS],
)  # fmt: skip
def test_what_is_no_plain_decimal_is_refused(text: object) -> None:
    with pytest.raises(NotANumber):
        parse_decimal(text)


def test_a_float_is_refused_by_its_own_name() -> None:
    with pytest.raises(FloatRefused):
        parse_decimal(0.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction("425.0045"), "425.0045"),
        (Fraction(74, 31), "74/31"),
        (Fraction(-1, 3), "-1/3"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(300), "300"),
        (Fraction(0), "0"),
        (Fraction(1, 2**40), "0.0000000000009094947017729282379150390625"),
    ],
)
def test_exact_texts(value: Fraction, text: str) -> None:
    assert exact_text(value) == text


@given(st.fractions())
def test_an_exact_text_reads_back_as_the_value(value: Fraction) -> None:
    assert Fraction(exact_text(value)) == value


# Division


def test_a_hundred_roubles_in_three() -> None:
    assert allocate(10_000, [1, 1, 1]) == [3334, 3333, 3333]
    assert allocate(-10_000, [1, 1, 1]) == [-3334, -3333, -3333]


@pytest.mark.parametrize(
    ("total", "by", "parts"),
    [
        (1, [1, 1], [1, 0]),
        (1, [1, 2], [0, 1]),
        (100, [0, 1, 0], [0, 100, 0]),
        (5, [3, 3, 3, 0], [2, 2, 1, 0]),
        (0, [1, 2], [0, 0]),
        (10, [Fraction(1, 3), Fraction(2, 3)], [3, 7]),
    ],
)
def test_largest_remainder(total: int, by: list[Fraction | int], parts: list[int]) -> None:
    assert allocate(total, by) == parts


@pytest.mark.parametrize("by", [[], [0], [0, 0], [1, -1], [-1]])
def test_weights_that_divide_nothing_are_refused(by: list[int]) -> None:
    with pytest.raises(ValueError, match="weight"):
        allocate(10, by)


@given(st.integers(-(10**18), 10**18), weights)
def test_parts_add_up_and_stay_within_a_unit_of_their_share(total: int, by: list[Fraction]) -> None:
    parts = allocate(total, by)
    assert sum(parts) == total
    for part, weight in zip(parts, by, strict=True):
        assert abs(part - total * weight / sum(by)) < 1
        assert weight or not part


@given(st.integers(0, 10**9), weights, st.fractions(1, 100, max_denominator=7))
def test_only_the_proportion_of_weights_counts(
    total: int, by: list[Fraction], factor: Fraction
) -> None:
    assert allocate(total, by) == allocate(total, [weight * factor for weight in by])
    assert allocate(-total, by) == [-part for part in allocate(total, by)]


# Sums of money


def test_money_adds_and_subtracts_in_one_currency() -> None:
    assert Money(100, "RUB") + Money(50, "RUB") - Money(30, "RUB") == Money(120, "RUB")
    assert -Money(100, "RUB") == Money(-100, "RUB")
    assert str(Money(-2_215_009, "RUB")) == "-22150.09 RUB"


def test_two_currencies_do_not_meet() -> None:
    with pytest.raises(CurrencyMismatch):
        Money(100, "RUB") + Money(100, "USD")
    with pytest.raises(CurrencyMismatch):
        Money(100, "RUB") - Money(100, "USD")
