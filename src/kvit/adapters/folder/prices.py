"""Prices of a catalogue: documents of the quote contract, proved by their own examples."""

from collections.abc import Iterable, Mapping
from typing import Any

from kvit.adapters.folder.company import fields_of
from kvit.adapters.folder.fields import CODE, Fields
from kvit.adapters.folder.suggest import shown
from kvit.adapters.folder.toml import Toml
from kvit.core.examples import check_examples
from kvit.core.pricing import Price, PriceError, parse_price
from kvit.core.proration import UnknownPolicy, check_policy
from kvit.core.quote.quantities import QUANTITY_FIELDS
from kvit.integrations.port import Fault, Place, PriceRow

PRICE_KEYS = (
    "code", "name", "meter", "when", "prorate", "price", "examples", "effective", "continue",
    "filter", "group_by", "calendar", "price_basis", "phase", "quantity",
    "ends",
)  # fmt: skip
WHENS = ("arrears", "advance", "once", "milestone")
NOTHING = {"model": "flat", "amount": "0"}  # in place of the price that is no more
POLICIES = ("days", "days_inclusive", "seconds", "fixed_30", "none")


def read_price(
    toml: Toml,
    path: tuple[str | int, ...],
    shown_path: str,
    values: Mapping[str, Any],
    *,
    plan: str,
    currency: str,
    faults: list[Fault],
) -> tuple[str, PriceRow | None]:
    """Return a price's code and its row, None where anything about it is faulty."""
    fields = fields_of(toml, path, shown_path, values, PRICE_KEYS, faults)
    ends = fields.flag("ends")
    fields.require("code", "effective" if ends else "price")
    code, meter = fields.code("code"), fields.code("meter")
    when = fields.word("when", WHENS, "arrears")
    if meter and when == "advance":  # what has not been measured yet cannot be charged
        fields.fault("bad_word", "when", value=when, known="arrears", hint_ru="", hint_en="")
    document = {**NOTHING} if ends else fields.table("price")
    price = _checked_price(fields, document)
    row = PriceRow(
        place=fields.place(),
        plan=plan,
        code=code,
        name=fields.text("name", code),
        document=document,
        when=when,
        prorate=_policy(fields, "none" if meter else "days"),
        meter=meter,
        continues=fields.flag("continue"),
        ends=ends,
        filters=_filters(fields),
        group_by=fields.codes("group_by"),
        calendar=fields.code("calendar"),
        price_basis=fields.word("price_basis", ("net", "gross")),
        phase=fields.code("phase"),
        quantity=fields.flag("quantity", True),
        examples=tuple(fields.tables("examples")),
        effective=fields.day("effective"),
    )
    if price is not None:
        _prove(fields, price, row.examples, currency)
    return code, row if fields.sound else None


def price_faults(document: object, place: Place) -> list[Fault]:
    """What is wrong with a price document that stands at `place`."""
    try:
        parse_price(document, path=place.field)
    except PriceError as error:
        return [price_fault(error, place)]
    return []


def price_fault(error: PriceError, place: Place) -> Fault:
    """A fault with the pricing core's own code, field and words."""
    words = {"said_ru": error.message("ru"), "said_en": error.message("en")}
    return Fault(error.code, Place(place.file, place.row, error.field or place.field), words)


def _checked_price(fields: Fields, document: Mapping[str, object]) -> Price | None:
    if not document:
        return None
    place = fields.place("price")
    try:
        return parse_price(document, path=place.field)
    except PriceError as error:
        fields.add(price_fault(error, place))
        return None


def _policy(fields: Fields, default: str) -> str:
    policy = fields.text("prorate", default)
    try:
        check_policy(policy)
    except UnknownPolicy:
        fields.word("prorate", POLICIES)
    return policy


def _filters(fields: Fields) -> dict[str, tuple[str, ...]]:
    """filter = { region = ["north", "south"] }: only events with one of these values count."""
    filters = {}
    for name, values in fields.table("filter").items():
        many = [values] if isinstance(values, str) else values
        if not isinstance(many, list) or not all(isinstance(one, str) for one in many) or not many:
            fields.fault("wrong_type", f"filter.{name}", expected_ru="список значений",
                         expected_en="a list of values")  # fmt: skip
        elif not CODE.fullmatch(name):
            fields.fault("bad_code", f"filter.{name}", value=shown(name))
        else:
            filters[name] = tuple(many)
    return filters


def _prove(
    fields: Fields, price: Price, examples: Iterable[Mapping[str, Any]], currency: str
) -> None:
    """Every example gives its amount, or the price is not published."""
    known = (*QUANTITY_FIELDS, "calendar", "amount")
    for number, example in enumerate(examples, start=1):
        path = f"examples[{number}]"
        inner = fields.inside(example, known, path)
        inner.require("amount")
        if inner.number("amount", low=None) is None or not inner.sound:
            continue
        try:
            failures = check_examples(price, [example], currency)
        except PriceError as error:
            place = fields.place(path + error.field.removeprefix("examples[1]"))
            said = price_fault(error, place)
            fields.add(Fault(said.code, place, said.params))
            continue
        for failure in failures:
            fields.fault("example_fails", path, expected=failure.expected, actual=failure.actual)
