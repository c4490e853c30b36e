"""Statements about a catalogue: read by declared types, written back the same, supposed."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from kvit.core import catalogue as core
from kvit.core import statements
from kvit.core.pricing import PriceError, parse_price

CALLS = {
    "plan": "pro", "code": "calls", "name": "Вызовы", "meter": "calls", "prorate": "none",
    "price": {"model": "graduated", "tiers": [{"unit": "0.1", "up_to": "100"}, {"unit": "0.05"}]},
    "filters": {"region": ["eu", "us"]}, "group_by": ["region"],
    "examples": [{"units": "200", "amount": "15.00"}],
}  # fmt: skip
DOCUMENTS: list[tuple[statements.Kind, dict[str, Any]]] = [
    ("price", CALLS),
    ("plan", {"code": "pro", "name": "Профи", "cycle": "2 weeks", "anchor": "anniversary",
              "commitment": "500", "phases": [{"code": "intro", "cycles": 3}]}),
    ("meter", {"code": "cost", "name": "Цена", "aggregation": "expression",
               "expression": "value * 2", "dimensions": ["region"]}),
    ("discount", {"code": "big", "name": "За объём", "percent": "7.5", "from_units": "1000"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "document"), DOCUMENTS)
def test_what_is_read_is_written_back(kind: statements.Kind, document: dict[str, Any]) -> None:
    stated = statements.read(kind, document)
    assert statements.write(stated) == document
    terms = statements.terms_of([stated])
    made = (*terms.meters, *terms.plans, *terms.prices, *terms.discounts)
    [one] = made
    examples = terms.examples.get(statements.key_of(stated), ())
    assert statements.statement_of(one, examples) == stated


@pytest.mark.parametrize(
    ("kind", "said", "code", "field"),
    [
        ("price", {"when": "advance"}, "out_of_range", "price.when"),
        ("price", {"prorate": "sometimes"}, "unknown_policy", "price.prorate"),
        ("price", {"code": "a b"}, "out_of_range", "price.code"),
        ("price", {"price": {"model": "flat"}}, "missing_field", "price.price.amount"),
        ("price", {"examples": [{"units": "1"}]}, "missing_field", "price.examples[0].amount"),
        ("price", {"examples": [{"amount": 1.5}]}, "float_refused", "price.examples[0].amount"),
        ("price", {"filters": {"region": []}}, "missing_field", "price.filters.region"),
        ("price", {"wen": "once"}, "unknown_field", "price.wen"),
        ("plan", {"cycle": "fortnight"}, "unknown_policy", "plan.cycle"),
        ("plan", {"phases": [{"code": "a", "cycles": 0}]}, "out_of_range",
         "plan.phases[0].cycles"),
        ("meter", {"expression": ""}, "missing_field", "meter.expression"),
        ("meter", {"expression": "value *"}, "bad_expression", "meter.expression"),
        ("discount", {"fixed": "5"}, "missing_field", "discount.percent"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_names_its_field(
    kind: statements.Kind, said: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(PriceError) as refused:
        statements.read(kind, dict(DOCUMENTS)[kind] | said)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_what_is_supposed_holds_in_place_of_every_version() -> None:
    def fee(amount: str, since: date = core.ALWAYS) -> core.PriceTerms:
        price = parse_price({"model": "flat", "amount": amount})
        return core.PriceTerms("pro", "fee", "fee", price, effective_from=since)

    known = core.build(
        meters=[], calendars={}, revision=4,
        plans=[core.PlanTerms("pro", "Профи")],
        prices=[fee("1000"), fee("1200", date(2026, 10, 16))],
        discounts=[core.StandingDiscount("vip", "VIP", percent=Fraction(5))],
    )  # fmt: skip
    stated = statements.StatedPrice(
        plan="pro", code="fee", name="fee", price=parse_price({"model": "flat", "amount": "900"})
    )
    supposed = statements.supposing(known, statements.terms_of([stated]))
    amounts = [one.price.document()["amount"] for one in supposed.prices["pro"]]
    assert (amounts, supposed.first_days("pro")) == (["900"], ())
    assert (supposed.plans, supposed.discounts) == (known.plans, known.discounts)
    assert [one.price.document()["amount"] for one in known.prices["pro"]] == ["1000", "1200"]
