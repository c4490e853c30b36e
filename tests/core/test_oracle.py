"""The engine against the slow oracle, model by model.

The oracle reads the definition and walks; the engine compiles it to integer tables and computes.
Where they part, one of them, or the contract, is wrong.
"""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvit.core.money import to_minor
from kvit.core.oracle import Answer, NoBand, NoPrice, price_document
from kvit.core.oracle.answers import Document
from kvit.core.quote import answer
from tests.core.oracle_strategies import HOLIDAY, MODELS, bounded

LAW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CURRENCIES = {"RUB": 2, "JPY": 0, "KWD": 3}
ROUNDINGS = ["half-up", "half-even", "up", "down"]


def engine(
    price: Document, quantity: Document, *, currency: str = "RUB", rounding: str = "half-up"
) -> Answer | str:
    """Ask the engine; an error is its code."""
    document: dict[str, Any] = {"price": price, "currency": currency, "rounding": rounding}
    if price["model"] in ("timed", "banded"):
        document["calendar"] = [HOLIDAY.isoformat()]
    given = answer({**document, **quantity})
    error = given.get("error")
    if error is not None:
        assert isinstance(error, dict)
        return f"{error['code']}: {error['field']}"
    exact = Fraction(str(given["exact"]))
    return Answer(exact, to_minor(Fraction(str(given["amount"])), currency))


def oracle(
    price: Document, quantity: Document, *, currency: str = "RUB", rounding: str = "half-up"
) -> Answer | str:
    holidays: list[date] = [HOLIDAY]
    digits = CURRENCIES[currency]
    try:
        return price_document(
            price, quantity, minor_digits=digits, rounding=rounding, holidays=holidays
        )
    except NoBand:
        return "no_band"
    except NoPrice:
        return "no_price"


@pytest.mark.parametrize("model", MODELS)
@LAW
@given(
    data=st.data(),
    currency=st.sampled_from(sorted(CURRENCIES)),
    rounding=st.sampled_from(ROUNDINGS),
)
def test_the_engine_agrees_with_the_definition(
    model: str, data: st.DataObject, currency: str, rounding: str
) -> None:
    price, quantity = data.draw(bounded(MODELS[model]))
    already = quantity.get("already", {})
    if "amount" in already and CURRENCIES[currency] == 0:
        already["amount"] = already["amount"].split(".")[0]
    found = engine(price, quantity, currency=currency, rounding=rounding)
    if isinstance(found, str):
        found = found.split(":")[0]
    assert found == oracle(price, quantity, currency=currency, rounding=rounding)


@pytest.mark.parametrize("model", MODELS)
@settings(LAW, max_examples=80)
@given(data=st.data())
def test_the_steps_of_a_sum_add_up_to_it(model: str, data: st.DataObject) -> None:
    price, quantity = data.draw(bounded(MODELS[model]))
    given = answer({"price": price, "currency": "RUB", "calendar": [str(HOLIDAY)], **quantity})
    if "error" in given:
        return
    steps = [*_list(given["charges"]), *_list(given["discounts"])]
    assert sum((Fraction(step["exact"]) for step in steps), Fraction(0)) == Fraction(
        str(given["exact"])
    )


def _list(value: object) -> list[dict[str, str]]:
    assert isinstance(value, list)
    return value


def test_events_of_nothing_pay_the_fixed_fee() -> None:
    """Found by the law above: a month of zero amounts alone was billed nothing."""
    price = {"model": "percentage", "rate": "2.9", "fixed": "0.30"}
    assert engine(price, {"events": ["0", "0"]}) == Answer(Fraction("0.6"), 60)
    assert engine(price, {"events": []}) == Answer(Fraction(0), 0)


WEEK: Document = {"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00", "per": "60"}
NIGHT = {"start": "2026-11-04T05:00:00+00:00", "seconds": "61"}
SLABS = {"model": "graduated", "tiers": [{"up_to": "10", "unit": "2"}, {"unit": "1"}]}

# What the contract leaves open, and how engine and oracle read it.
OPEN_POINTS: dict[str, tuple[Document, Document, str]] = {
    "nothing used has reached no step": (
        {"model": "stairstep", "tiers": [{"up_to": "10", "amount": "5"}, {"amount": "7"}]},
        {"units": "0"},
        "0",
    ),
    "blocks beyond the last limit stay in the last tier": (
        {"model": "blocks", "mode": "all", "tiers": [{"size": "10", "max_blocks": 2, "unit": "1"}]},
        {"units": "21"},
        "3",
    ),
    "an event of nothing is free when the free amount is just used up": (
        {"model": "percentage", "rate": "10", "fixed": "1", "free_amount": "100"},
        {"events": ["100", "0"]},
        "0",
    ),
    "the minimum of an event wins over its maximum, as a price's does": (
        {"model": "percentage", "rate": "10", "event_min": "3", "event_max": "2"},
        {"events": ["1", "25", "1000"]},
        "9",
    ),
    "the first listed of two cells wins": (
        {
            "model": "matrix",
            "prices": [
                {"match": {"region": "eu"}, "price": SLABS},
                {"match": {"region": "eu", "kind": "a"}, "price": SLABS | {"minimum": "99"}},
            ],
        },
        {"usage": [{"dimensions": {"region": "eu", "kind": "a"}, "units": "20"}]},
        "30",
    ),
    "rows of one cell share its tiers": (
        {"model": "matrix", "prices": [{"match": {"region": "eu"}, "price": SLABS}]},
        {
            "usage": [
                {"dimensions": {"region": "eu", "kind": "a"}, "units": "10"},
                {"dimensions": {"region": "eu", "kind": "b"}, "units": "10"},
            ]
        },
        "30",
    ),
    "a step that passes the next one's start is charged whole": (
        {
            "model": "timed",
            "bands": [
                WEEK | {"rate": "1", "steps": [{"after": 0, "step": 60}, {"after": 30, "step": 1}]}
            ],
        },
        NIGHT,
        "61/60",
    ),
    "a session is rounded half-up to its precision": (
        {"model": "timed", "bands": [WEEK | {"rate": "0.5"}], "precision": 1},
        NIGHT | {"seconds": "6"},
        "0.1",
    ),
    "nothing used needs no band, and may still owe a minimum": (
        {"model": "timed", "bands": [WEEK | {"from": "08:00", "rate": "1"}], "minimum": "5"},
        NIGHT | {"seconds": "0"},
        "5",
    ),
}


@pytest.mark.parametrize("point", OPEN_POINTS)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_open_points_of_the_contract_are_read_one_way(point: str, rounding: str) -> None:
    price, quantity, exact = OPEN_POINTS[point]
    found = engine(price, quantity, rounding=rounding)
    assert isinstance(found, Answer)
    assert found.exact == Fraction(exact)
    assert found == oracle(price, quantity, rounding=rounding)


def test_on_a_holiday_the_hours_outside_its_own_bands_have_no_price() -> None:
    bands = [WEEK | {"rate": "1"}, WEEK | {"days": ["holiday"], "from": "08:00", "rate": "2"}]
    price = {"model": "timed", "bands": bands}
    assert engine(price, NIGHT) == "no_band: start"
    assert oracle(price, NIGHT) == "no_band"
