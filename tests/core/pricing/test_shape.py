"""Forms, schemas, words and curves: all derived from the models, none of them a second formula."""

from fractions import Fraction
from typing import Any

import pytest

from kvit.core import statements
from kvit.core.money import to_minor
from kvit.core.pricing import MODELS, Quantity, evaluate, parse_price
from kvit.core.pricing.curve import bounds_of, curve, has_curve, reach_of, ticks
from kvit.core.pricing.in_words import in_words
from kvit.core.pricing.labels import CHOICES, FIELDS, PLACES
from kvit.core.pricing.labels import MODELS as LABELS
from kvit.core.pricing.shape import json_schema, shape_of

NBSP = "\N{NO-BREAK SPACE}"
TIERS = {"model": "graduated", "tiers": [{"unit": "2", "up_to": "100"}, {"unit": "1.5"}]}


def every_field(row: type, seen: set[type] | None = None) -> list[tuple[type, Any]]:
    seen = set() if seen is None else seen
    if row in seen:
        return []
    seen.add(row)
    found = [(row, one) for one in shape_of(row)]
    for _, one in list(found):
        within = one.rows or (one.item and one.item.rows)
        found += every_field(within, seen) if within else []
    return found


@pytest.mark.parametrize("row", [*MODELS.values(), *statements.ROWS.values()])
def test_every_field_and_word_of_ours_is_called_something(row: type) -> None:
    for owner, one in every_field(row):
        assert one.name in FIELDS or f"{owner.__name__}.{one.name}" in PLACES
        assert set(one.choices) <= set(CHOICES)


def test_every_model_of_ours_is_called_something() -> None:
    assert set(LABELS) == set(MODELS)


def test_a_form_of_tiers_is_told_by_the_dataclass() -> None:
    tiers, at_zero, *bounds = shape_of(MODELS["graduated"])
    assert (tiers.name, tiers.kind, tiers.optional) == ("tiers", "rows", False)
    assert tiers.rows is not None
    assert [(one.name, one.kind, one.optional) for one in shape_of(tiers.rows)] == [
        ("unit", "number", False), ("up_to", "number", True), ("flat", "number", True),
        ("cap", "number", True),
    ]  # fmt: skip
    assert (at_zero.kind, at_zero.default) == ("flag", False)
    assert [one.name for one in bounds] == ["minimum", "maximum", "discount_percent"]


def test_the_schema_names_every_model_and_what_it_requires() -> None:
    schema = json_schema(statements.StatedPrice)
    assert schema["required"] == ["plan", "code", "name", "price"]
    assert {ref["$ref"].rpartition("/")[2] for ref in schema["$defs"]["price"]["oneOf"]} == set(
        MODELS
    )
    assert schema["$defs"]["graduated"]["required"] == ["model", "tiers"]
    row = schema["$defs"]["graduated"]["properties"]["tiers"]["items"]
    assert row["required"] == ["unit"]
    assert row["properties"]["unit"]["anyOf"][0]["pattern"] == r"^-?[0-9]+(\.[0-9]+)?$"


def test_a_curve_is_the_bill_at_each_quantity() -> None:
    price = parse_price(TIERS)
    points = curve(price, reach=Fraction(200), currency="RUB")
    by_units = {one.units: one for one in points}
    assert by_units[Fraction(100)].amount_minor == 20_000
    assert by_units[Fraction(200)].amount_minor == 35_000
    assert by_units[Fraction(200)].per_unit == Fraction("1.75")
    assert by_units[Fraction(0)].per_unit is None
    for one in points:
        exact = evaluate(price, Quantity(units=one.units)).exact
        assert one.amount_minor == to_minor(exact, "RUB")


@pytest.mark.parametrize(
    ("document", "bounds"),
    [
        (TIERS, ["100"]),
        ({"model": "flat", "amount": "990"}, []),
        ({"model": "allowance", "included": "50", "price": TIERS}, ["50", "150"]),
        ({"model": "package", "size": "10", "amount": "5", "free_units": "3"}, ["3"]),
        ({"model": "composed", "parts": {"base": TIERS}, "expression": "base * 2"}, ["100"]),
    ],
)
def test_a_curve_knows_where_something_changes(document: Any, bounds: list[str]) -> None:
    price = parse_price(document)
    assert has_curve(price)
    assert bounds_of(price) == tuple(Fraction(one) for one in bounds)


def test_a_step_is_drawn_as_a_step() -> None:
    price = parse_price({"model": "stairstep", "tiers": [{"amount": "10", "up_to": "5"},
                                                         {"amount": "40"}]})  # fmt: skip
    points = curve(price, reach=Fraction(10), currency="RUB")
    [on, behind] = [one for one in points if Fraction(5) <= one.units < Fraction("5.1")]
    assert (on.amount_minor, behind.amount_minor) == (1_000, 4_000)


def test_how_far_a_curve_goes() -> None:
    assert reach_of(parse_price(TIERS)) == 150
    assert reach_of(parse_price(TIERS), Fraction(400)) == 600
    assert reach_of(parse_price({"model": "flat", "amount": "1"})) == 100
    assert not has_curve(parse_price({"model": "dynamic"}))


@pytest.mark.parametrize(
    ("reach", "step", "many"),
    [("150", "20", 8), ("1", "0.2", 6), ("0.3", "0.05", 7), ("15000", "2000", 8), ("8", "1", 9)],
)
def test_a_table_has_round_quantities(reach: str, step: str, many: int) -> None:
    found = ticks(Fraction(reach))
    assert (found[1], len(found)) == (Fraction(step), many)


@pytest.mark.parametrize(
    ("document", "russian", "english"),
    [
        ({"model": "flat", "amount": "990"}, "990 ₽", "₽990"),
        ({"model": "per_unit", "unit": "0.0037"}, "0,0037 ₽ за ГБ", "₽0.0037 per ГБ"),
        (TIERS, "до 100 — 2 ₽, далее 1,50 ₽", "₽2 up to 100, then ₽1.50"),
        (TIERS | {"model": "volume", "minimum": "10"},
         "всё по одной: до 100 — 2 ₽, далее 1,50 ₽, не меньше 10 ₽",
         "all at one: ₽2 up to 100, then ₽1.50, at least ₽10"),
        ({"model": "allowance", "included": "100", "price": {"model": "per_unit", "unit": "0.5"}},
         "100 ГБ включено, сверх: 0,50 ₽ за ГБ", "100 ГБ included, then ₽0.50 per ГБ"),
        ({"model": "percentage", "rate": "2.9", "fixed": "3"}, "2,9 % + 3 ₽", "2.9% + ₽3"),
        ({"model": "dynamic", "discount_percent": "10"}, "Суммы самих событий, −10 %",
         "The events' own amounts, −10%"),
        ({"model": "composed", "expression": "units * 0.0215 - 1"}, "количество × 0,0215 − 1",
         "quantity × 0.0215 − 1"),
        ({"model": "composed", "expression": "base * 1.08", "parts": {"base": TIERS}},
         "base × 1,08, где base: до 100 — 2 ₽, далее 1,50 ₽",
         "base × 1.08, where base: ₽2 up to 100, then ₽1.50"),
        ({"model": "composed", "expression": "units" + " + 1" * 20},
         "Формула из других цен", "Formula over other prices"),
    ],
)  # fmt: skip
def test_a_price_is_said_in_a_few_words(document: Any, russian: str, english: str) -> None:
    price = parse_price(document)
    for lang, expected in (("ru", russian), ("en", english)):
        said = in_words(price, unit="ГБ", currency="RUB", lang=lang)
        assert said.replace(NBSP, " ") == expected
