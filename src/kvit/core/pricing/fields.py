"""Documents become dataclasses by the declared types of their fields; no model has its own parser.

    unit: Amount                       a decimal string or an integer, >= 0, exact
    tiers: tuple[Tier, ...]            a list of rows, each read by Tier's own fields
    match: Texts                       an object of texts, kept as sorted pairs (hashable)
    default: Price | None = None       absent or null: the default

A field named `from_` stands in documents as `from`. What a type cannot say (tiers must rise) is
said by the row's or model's `check(path)`.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from kvit.core.money import FloatRefused, NotANumber, exact_text, parse_decimal
from kvit.core.pricing.errors import PriceError, unknown_field

MAX_ROWS = 100_000
MAX_TEXT = 4000
_SHORT = 80


class Reader:
    """How one kind of value is read from a document and written back.

    `item` is the type of the values, where the value is an object of named ones.
    """

    def __init__(
        self,
        read: Callable[[object, str], object],
        write: Callable[[Any], object],
        *,
        item: object = None,
    ) -> None:
        self.read = read
        self.write = write
        self.item = item


def read_number(
    value: object, path: str, *, low: Fraction | None = Fraction(0), high: Fraction | None = None
) -> Fraction:
    """Read an exact number within bounds.

    Raises:
        PriceError: float_refused, not_a_number, out_of_range.
    """
    try:
        number = parse_decimal(value)
    except FloatRefused:
        raise PriceError("float_refused", path, value=str(value)) from None
    except NotANumber:
        if isinstance(value, int) and not isinstance(value, bool):
            raise _out_of_range(path, "…", low, high) from None
        raise PriceError("not_a_number", path, value=_shown(value)) from None
    if (low is not None and number < low) or (high is not None and number > high):
        raise _out_of_range(path, exact_text(number), low, high)
    return number


def _out_of_range(path: str, shown: str, low: Fraction | None, high: Fraction | None) -> PriceError:
    least = "" if low is None else f"≥ {exact_text(low)}"
    most = "< 10^60" if high is None else f"≤ {exact_text(high)}"
    return PriceError(
        "out_of_range", path, value=shown, bounds=", ".join(b for b in (least, most) if b)
    )


def _shown(value: object) -> str:
    return str(value)[:_SHORT] if isinstance(value, str | int | bool) else type(value).__name__


def read_positive(value: object, path: str) -> Fraction:
    """Read an exact number above zero."""
    number = read_number(value, path)
    if not number:
        raise PriceError("out_of_range", path, value="0", bounds="> 0")
    return number


def read_whole(value: object, path: str, low: int = 0, high: int = 10**9) -> int:
    """Read an integer, plain or as a string."""
    number = read_number(value, path, low=Fraction(low), high=Fraction(high))
    if number.denominator != 1:
        raise PriceError("not_a_number", path, reason="whole", value=exact_text(number))
    return number.numerator


def read_text(value: object, path: str) -> str:
    """Read a text of at most 4000 characters."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise PriceError("out_of_range", path, reason="kind", expected="“text”")
    return value


def read_dimension(value: object, path: str) -> str:
    """Read the value of a dimension: a text, or an integer taken as its text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return read_text(value, path)


def read_object(value: object, path: str) -> Mapping[str, object]:
    """Expect a JSON object."""
    if not isinstance(value, Mapping):
        raise PriceError("out_of_range", path, reason="kind", expected="{…}")
    return value


def read_list(value: object, path: str) -> list[object] | tuple[object, ...]:
    """Expect a JSON array of bounded length."""
    if not isinstance(value, list | tuple):
        raise PriceError("out_of_range", path, reason="kind", expected="[…]")
    if len(value) > MAX_ROWS:
        raise PriceError("out_of_range", path, reason="size", limit=MAX_ROWS)
    return value


def read_choice(value: object, path: str, known: tuple[str, ...]) -> str:
    """Expect one of the given words."""
    if not isinstance(value, str) or value not in known:
        raise PriceError(
            "out_of_range", path, reason="choice", value=_shown(value), known=", ".join(known)
        )
    return value


def read_days_of(value: object, path: str) -> date:
    """Read an ISO date."""
    try:
        return date.fromisoformat(read_text(value, path))
    except ValueError:
        raise PriceError("bad_period", path, reason="date", value=_shown(value)) from None


def _pairs_of(read: Callable[[object, str], Any]) -> Callable[[object, str], object]:
    def read_pairs(value: object, path: str) -> object:
        items = read_object(value, path)
        if len(items) > MAX_ROWS:
            raise PriceError("out_of_range", path, reason="size", limit=MAX_ROWS)
        return tuple(sorted((str(k), read(v, f"{path}.{k}")) for k, v in items.items()))

    return read_pairs


Amount = Annotated[Fraction, Reader(read_number, exact_text)]
Positive = Annotated[Fraction, Reader(read_positive, exact_text)]
Percent = Annotated[
    Fraction, Reader(lambda v, p: read_number(v, p, high=Fraction(100)), exact_text)
]
Signed = Annotated[Fraction, Reader(lambda v, p: read_number(v, p, low=None), exact_text)]
SignedAmounts = Annotated[
    tuple[tuple[str, Fraction], ...],
    Reader(
        _pairs_of(lambda v, p: read_number(v, p, low=None)),
        lambda pairs: {k: exact_text(v) for k, v in pairs},
        item=Signed,
    ),
]
Texts = Annotated[tuple[tuple[str, str], ...], Reader(_pairs_of(read_dimension), dict)]
Amounts = Annotated[
    tuple[tuple[str, Fraction], ...],
    Reader(_pairs_of(read_number), lambda pairs: {k: exact_text(v) for k, v in pairs}, item=Amount),
]
Precision = Annotated[int, Reader(lambda v, p: read_whole(v, p, high=12), int)]
_PLAIN: dict[object, Reader] = {
    str: Reader(read_text, str),
    int: Reader(read_whole, int),
    date: Reader(read_days_of, date.isoformat),
}


def _read_bool(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise PriceError("out_of_range", path, reason="kind", expected="true, false")
    return value


_PLAIN[bool] = Reader(_read_bool, bool)


@cache
def _shape(row: type) -> tuple[tuple[str, str, Field[Any], Reader, bool], ...]:
    """For each field: its name in documents, in Python, itself, its reader, whether null is it."""
    hints = get_type_hints(row, include_extras=True)
    shape = []
    for field in fields(row):
        if field.init:
            reader, nullable = _reader(hints[field.name])
            shape.append((field.name.rstrip("_"), field.name, field, reader, nullable))
    return tuple(shape)


def _reader(hint: Any) -> tuple[Reader, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return _reader(kinds[0])[0], True
    if get_origin(hint) is Annotated:
        own = [extra for extra in get_args(hint)[1:] if isinstance(extra, Reader)]
        return own[0], False
    if get_origin(hint) is Literal:
        known = get_args(hint)
        return Reader(lambda value, path: read_choice(value, path, known), str), False
    if get_origin(hint) is tuple:
        return _list_reader(_reader(get_args(hint)[0])[0]), False
    if own_reader := getattr(hint, "reader", None):  # a type that reads itself: a nested price
        return own_reader(), False
    if isinstance(hint, type) and is_dataclass(hint):
        return Reader(lambda value, path: read_row(hint, value, path), write_row), False
    return _PLAIN[hint], False


def _list_reader(item: Reader) -> Reader:
    def read(value: object, path: str) -> object:
        rows = read_list(value, path)
        return tuple(item.read(row, f"{path}[{i}]") for i, row in enumerate(rows))

    return Reader(read, lambda rows: [item.write(row) for row in rows])


def read_row(
    row: type, document: object, path: str, *, ignored: frozenset[str] = frozenset()
) -> Any:
    """Read `document` into the dataclass `row` and run its `check`.

    Raises:
        PriceError: an unknown or missing field, or a value that does not fit.
    """
    given = read_object(document, path)
    shape = _shape(row)
    known = [name for name, *_ in shape]
    for name in given:
        if name not in known and name not in ignored:
            raise unknown_field(path, str(name), sorted({*known, *ignored}))
    values: dict[str, object] = {}
    for name, attribute, field, reader, nullable in shape:
        where = f"{path}.{name}" if path else name
        if given.get(name) is not None:
            values[attribute] = reader.read(given[name], where)
        elif _required(field):
            if not nullable or name not in given:
                raise PriceError("missing_field", where, name=name)
            values[attribute] = None
    made = row(**values)
    if check := getattr(made, "check", None):
        check(path)
    return made


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def write_row(row: Any) -> dict[str, object]:
    """Write a dataclass back as a document; fields at their default are left out."""
    document: dict[str, object] = {}
    kind: type = type(row)
    for name, attribute, field, reader, _ in _shape(kind):
        value = getattr(row, attribute)
        if value is None or (field.default is not MISSING and value == field.default):
            continue
        document[name] = reader.write(value)
    return document
