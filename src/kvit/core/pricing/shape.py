"""What a model is made of, told by its dataclass: forms and JSON Schema are derived from this.

    Graduated → tiers: rows of (unit: number ≥ 0, up_to: number ≥ 0 or none, …), flat_at_zero

A model that is added tomorrow has its form and its schema the same day.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from kvit.core.pricing.bands import Clock, Days
from kvit.core.pricing.destination import Increments
from kvit.core.pricing.fields import Amount, Percent, Positive, Precision, Signed, Texts
from kvit.core.pricing.price import MODELS, Price

Kind = Literal[
    "number", "whole", "text", "flag", "choice", "date", "texts", "dates", "rows", "row", "price",
    "pairs", "named", "formula", "clock", "weekdays", "increments", "document",
]  # fmt: skip
_NUMBERS: Mapping[object, tuple[str, str]] = {
    get_args(Amount)[1]: ("0", ""),
    get_args(Positive)[1]: ("0", ""),
    get_args(Percent)[1]: ("0", "100"),
    get_args(Signed)[1]: ("", ""),
}
_WHOLE = get_args(Precision)[1]
_PAIRS = get_args(Texts)[1]
_KINDS: Mapping[object, Kind] = {
    get_args(Clock)[1]: "clock",
    get_args(Days)[1]: "weekdays",
    get_args(Increments)[1]: "increments",
}
WEEKDAYS = (*range(1, 8), "holiday")
_PLAIN: Mapping[object, Kind] = {str: "text", int: "whole", bool: "flag", date: "date"}
NUMBER_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"


@dataclass(frozen=True, slots=True)
class Shape:
    """One field. `low` and `high` bound a number; `rows` is the dataclass of rows or of a row.

    "pairs" are texts by name; "named" is an object of named values, each of the shape `item`; a
    "formula" is a text of `core.expression`. A "document" is read by a parser of its own and typed
    as JSON; an optional field may be empty. "clock", "weekdays" and "increments" are written
    "08:00", [1, 2, "holiday"] and "60/1".
    """

    name: str
    kind: Kind
    optional: bool
    default: object = None
    low: str = ""
    high: str = ""
    choices: tuple[str, ...] = ()
    rows: type | None = None
    item: "Shape | None" = None


@cache
def shape_of(row: type) -> tuple[Shape, ...]:
    """Return the fields of a dataclass as its documents have them; a price's own bounds last."""
    hints = get_type_hints(row, include_extras=True)
    common = {one.name for one in fields(Price)} if issubclass(row, Price) else set()
    found = [_field(one, hints[one.name]) for one in fields(row) if one.init]
    return tuple(sorted(found, key=lambda one: one.name in common))


def models() -> tuple[str, ...]:
    """Return the names of the pricing models, in the order of the registry."""
    from kvit.core.pricing import registry

    return tuple(registry.MODELS)


def json_schema(row: type) -> dict[str, Any]:
    """Return the JSON Schema of a dataclass's documents; prices are in `$defs` by model."""
    prices: dict[str, Any] = {}
    document = _object(row)
    for name, kind in MODELS.items():
        body = _object(kind)
        body["properties"] = {"model": {"const": name}, **body["properties"]}
        body["required"] = ["model", *body.get("required", [])]
        prices[name] = body
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "$defs": {
            "price": {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in prices]},
            **prices,
        },
    }


def _field(one: Any, hint: Any) -> Shape:
    optional = one.default is not MISSING or one.default_factory is not MISSING
    default = None if one.default is MISSING else one.default
    if one.name == "expression":
        return Shape(one.name, "formula", optional, default)
    return _typed(one.name.rstrip("_"), hint, optional, default)


def _typed(name: str, hint: Any, optional: bool, default: object) -> Shape:
    if get_origin(hint) in (Union, types.UnionType):
        inner = next(kind for kind in get_args(hint) if kind is not type(None))
        return _typed(name, inner, True, default)
    if get_origin(hint) is Annotated:
        plain, reader = get_args(hint)[:2]
        if reader in _NUMBERS:
            low, high = _NUMBERS[reader]
            return Shape(name, "number", optional, default, low, high)
        if reader is _PAIRS:
            return Shape(name, "pairs", optional, default)
        if reader.item is not None:
            item = _typed("", reader.item, False, None)
            return Shape(name, "named", optional, default, item=item)
        if reader in _KINDS:
            return Shape(name, _KINDS[reader], optional, default)
        if reader is _WHOLE:
            return Shape(name, "whole", optional, default, "0", "12")
        told: Mapping[object, Kind] = {str: "text", int: "whole", Fraction: "number"}
        return Shape(name, told.get(plain, "document"), optional, default)
    if get_origin(hint) is Literal:
        return Shape(name, "choice", optional, default, choices=get_args(hint))
    if get_origin(hint) is tuple:
        return _many(name, get_args(hint)[0], optional, default)
    if isinstance(hint, type) and issubclass(hint, Price):
        return Shape(name, "price", optional, default)
    if isinstance(hint, type) and is_dataclass(hint):
        return Shape(name, "row", optional, default, rows=hint)
    return Shape(name, _PLAIN.get(hint, "document"), optional, default)


def _many(name: str, item: Any, optional: bool, default: object) -> Shape:
    if isinstance(item, type) and is_dataclass(item) and not issubclass(item, Price):
        return Shape(name, "rows", optional, default, rows=item)
    if get_origin(item) is Annotated and get_args(item)[0] is str:
        item = str
    kinds: Mapping[object, Kind] = {str: "texts", date: "dates"}
    return Shape(name, kinds.get(item, "document"), optional, default)


def _object(row: type) -> dict[str, Any]:
    known = shape_of(row)
    required = [one.name for one in known if not one.optional]
    return {
        "type": "object",
        "properties": dict(_properties(known)),
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


_NUMBER = {"anyOf": [{"type": "string", "pattern": NUMBER_PATTERN}, {"type": "integer"}]}
_TEXT = {"type": "string"}
_DAY = {"type": "string", "format": "date"}
_SAID: Mapping[Kind, dict[str, Any]] = {
    "number": _NUMBER,
    "whole": {"type": "integer", "minimum": 0},
    "text": _TEXT,
    "formula": _TEXT,
    "pairs": {"type": "object", "additionalProperties": _TEXT},
    "flag": {"type": "boolean"},
    "date": _DAY,
    "texts": {"type": "array", "items": _TEXT},
    "dates": {"type": "array", "items": _DAY},
    "price": {"$ref": "#/$defs/price"},
    "clock": {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}(:[0-9]{2})?$"},
    "weekdays": {"type": "array", "items": {"enum": list(WEEKDAYS)}, "minItems": 1},
    "increments": {"type": "string", "pattern": "^[0-9]{1,6}/[0-9]{1,6}$"},
    "document": {},
}


def _properties(known: tuple[Shape, ...]) -> Iterator[tuple[str, Any]]:
    for one in known:
        yield one.name, _said(one)


def _said(one: Shape) -> dict[str, Any]:
    if one.kind == "choice":
        return {"enum": list(one.choices)}
    if one.item is not None:
        inner = _said(one.item)
        many = {"anyOf": [_TEXT, inner]} if one.item.kind == "texts" else inner  # one, or several
        return {"type": "object", "additionalProperties": many}
    if one.rows is not None:
        inner = _object(one.rows)
        return inner if one.kind == "row" else {"type": "array", "items": inner}
    return _SAID[one.kind]
