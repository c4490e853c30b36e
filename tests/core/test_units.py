"""Units after a number, by the plural rules of their own language."""

from fractions import Fraction

import pytest

from kvit.core.units import of_units, per_unit, unit_after, unit_name

CALLS = "вызов, вызова, вызовов"
NUMBERS = ("0", "1", "2", "5", "11", "21", "22", "25", "101", "111", "1.5", "320000", "-1")


@pytest.mark.parametrize("unit", ["вызов", CALLS, "Вызов"])
def test_a_russian_unit_agrees_with_its_number(unit: str) -> None:
    said = [unit_after(Fraction(number), unit) for number in NUMBERS]
    many, one, few = "вызовов", "вызов", "вызова"
    assert said == [many, one, few, many, many, one, few, many, one, many, few, many, one]


@pytest.mark.parametrize("unit", ["ГБ", "шт.", "кВт·ч", "widget", "", "м, по факту, с НДС, нетто"])
def test_what_is_an_abbreviation_or_unknown_stays(unit: str) -> None:
    assert {unit_after(Fraction(number), unit) for number in NUMBERS} == {unit}
    assert (unit_name(unit), per_unit(unit)) == (unit, unit)


def test_an_english_unit_has_two_forms() -> None:
    said = [unit_after(Fraction(number), "call, calls") for number in ("0", "1", "2", "1.5", "21")]
    assert said == ["calls", "call", "calls", "calls", "calls"]


@pytest.mark.parametrize(
    ("unit", "said"),
    [("минута", "минуту"), ("вызов", "вызов"), ("пользователь", "пользователя"), ("ГБ", "ГБ"),
     ("неделя", "неделю"), ("паллета", "паллету"), ("человек", "человека"),
     ("миля, мили, миль", "милю"), ("call, calls", "call")],
)  # fmt: skip
def test_a_price_is_for_one(unit: str, said: str) -> None:
    assert per_unit(unit) == said


def test_a_price_is_for_many() -> None:
    assert [unit_after(n, "паллета") for n in (1, 2, 5)] == ["паллета", "паллеты", "паллет"]
    assert [of_units(n, "минута") for n in (1, 2, 21, 1000)] == [
        "минуту",
        "минуты",
        "минуту",
        "минут",
    ]
    assert unit_name(CALLS) == "вызов"
