"""Forms made of the dataclasses that are stated: what a person fills in, and the document it makes.

The name of an input is the path by which a refusal names the field: `price.price.tiers[0].unit`.
So an error finds its input, and a model added tomorrow has its form without a line here.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from django.http import QueryDict

from kvit.core.money import exact_text
from kvit.core.pricing import MODELS
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.labels import choice_label, field_label, model_label
from kvit.core.pricing.shape import Shape, shape_of

Document = dict[str, Any]
Choices = Sequence[tuple[str, str]]
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_SPACES = str.maketrans("", "", " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}")
MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list of rows, with its place for the buttons."""

    path: str
    number: int
    inputs: "tuple[Input, ...]"
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a form, or a group of them (`rows`, `inside`)."""

    name: str
    kind: str
    label: str
    value: str = ""
    required: bool = False
    error: str = ""
    choices: Choices = ()
    rows: tuple[Row, ...] = ()
    inside: "tuple[Input, ...]" = ()

    @property
    def id(self) -> str:
        """An id that CSS and htmx can name."""
        return "f-" + re.sub(r"[^\w-]+", "-", self.name).strip("-")


@dataclass(frozen=True, slots=True)
class Making:
    """What inputs are made with: the reader's language, the error, choices by the input's name."""

    lang: str
    error: PriceError | None = None
    choices: Mapping[str, Choices] = None  # type: ignore[assignment]

    def inputs(self, row: type, document: Mapping[str, Any], path: str) -> tuple[Input, ...]:
        """Return the inputs of a dataclass, filled in from a document."""
        return tuple(
            self._input(one, document.get(one.name, _start(one)), f"{path}.{one.name}", row)
            for one in shape_of(row)
        )

    def price(self, document: Mapping[str, Any], path: str) -> tuple[Input, ...]:
        """Return the choice of a model and the inputs of the model chosen."""
        model = str(document.get("model", ""))
        known = [("", "—"), *((name, model_label(name, self.lang)) for name in MODELS)]
        chosen = Input(
            f"{path}.model", "model", field_label(type, "model", self.lang), model, True,
            self._error(f"{path}.model"), known,
        )  # fmt: skip
        kind = MODELS.get(model)
        return (chosen, *(self.inputs(kind, document, path) if kind else ()))

    def _input(self, shape: Shape, value: Any, name: str, row: type) -> Input:
        label = field_label(row, shape.name, self.lang)
        own = (self.choices or {}).get(name)
        rows: tuple[Row, ...] = ()
        inside: tuple[Input, ...] = ()
        choices: Choices = ()
        kind: str = shape.kind
        if shape.kind == "rows" and shape.rows is not None:
            rows = self._rows(shape.rows, value if isinstance(value, list) else [], name)
        elif shape.kind == "row" and shape.rows is not None:
            inside = self.inputs(shape.rows, value if isinstance(value, dict) else {}, name)
        elif shape.kind == "price":
            inside = self.price(value if isinstance(value, dict) else {}, name)
        elif own is not None:
            kind, choices = "choice", own
        elif shape.choices:
            choices = [(word, choice_label(word, self.lang)) for word in shape.choices]
        shown = "" if rows or inside else _shown(shape, value, self.lang)
        if kind == "choice" and shown not in {word for word, _ in choices}:
            choices = [*choices, (shown, shown or "—")]
        return Input(
            name, kind, label, shown, not shape.optional, self._error(name), choices, rows, inside
        )

    def _rows(self, row: type, many: Sequence[Any], name: str) -> tuple[Row, ...]:
        return tuple(
            Row(
                path=f"{name}[{place}]",
                number=place + 1,
                inputs=self.inputs(row, one if isinstance(one, dict) else {}, f"{name}[{place}]"),
                first=place == 0,
                last=place == len(many) - 1,
            )
            for place, one in enumerate(many)
        )

    def _error(self, name: str) -> str:
        if self.error is None or self.error.field != name:
            return ""
        return self.error.message(self.lang)


def named(inputs: Iterable[Input]) -> set[str]:
    """Return the names of all inputs, those of rows and nested ones among them."""
    found: set[str] = set()
    for one in inputs:
        found |= {one.name} | named(one.inside)
        for row in one.rows:
            found |= named(row.inputs)
    return found


def document_of(row: type, posted: QueryDict, path: str) -> Document:
    """Return the document that a posted form makes; what is left empty is left out."""
    document: Document = {}
    for shape in shape_of(row):
        name = f"{path}.{shape.name}"
        value = _posted(shape, posted, name)
        if value is not None:
            document[shape.name] = value
    return document


def price_of(posted: QueryDict, path: str) -> Document:
    """Return the price document that a posted form makes."""
    model = posted.get(f"{path}.model", "")
    kind = MODELS.get(model)
    if kind is None:
        return {"model": model} if model else {}
    return {"model": model, **document_of(kind, posted, path)}


def change_rows(document: Document, root: str, asked: str) -> None:
    """Add, remove or move a row as a button asks: `add:price.price.tiers`, `up:…tiers[2]`.

    A new row of tiers stands before the last one, which is open; a request that fits no list is
    left alone.
    """
    act, _, path = asked.partition(":")
    steps = [name or int(place) for name, place in _STEP.findall(path.removeprefix(root))]
    place = steps.pop() if act != "add" and steps else -1
    many = _list_at(document, steps)
    if many is None or (act != "add" and not (isinstance(place, int) and place < len(many))):
        return
    assert isinstance(place, int)
    match act:
        case "add" if len(many) < MOST_ROWS:
            is_open = bool(many) and isinstance(many[-1], dict) and "up_to" not in many[-1]
            many.insert(len(many) - 1 if is_open else len(many), {})
        case "remove":
            many.pop(place)
        case "up" if place:
            many[place - 1], many[place] = many[place], many[place - 1]
        case "down" if place + 1 < len(many):
            many[place + 1], many[place] = many[place], many[place + 1]


def number_typed(text: str) -> str:
    """Return a number as documents have it: people write «1 234,50»."""
    plain = text.translate(_SPACES).replace("\N{MINUS SIGN}", "-")
    return plain.replace(",", ".") if plain.count(",") == 1 and "." not in plain else plain


def number_shown(text: str, lang: str) -> str:
    """Write a number of a document into an input."""
    return text.replace(".", ",") if lang == "ru" else text


def _list_at(document: Document, steps: Sequence[str | int]) -> list[Any] | None:
    here: Any = document
    for place, step in enumerate(steps):
        if isinstance(step, int):
            if not (isinstance(here, list) and step < len(here)):
                return None
            here = here[step]
        elif isinstance(here, dict):
            is_last = place == len(steps) - 1
            here = here.setdefault(step, []) if is_last else here.get(step)
        else:
            return None
    return here if isinstance(here, list) else None


def _start(shape: Shape) -> Any:
    """A list that is asked for begins with a row to fill in."""
    return [{}] if shape.kind == "rows" and not shape.optional else None


def _shown(shape: Shape, value: Any, lang: str) -> str:
    if value is None:
        value = shape.default
    if value is None or value == ():
        return ""
    match shape.kind:
        case "flag":
            return "on" if value else ""
        case "number":
            text = exact_text(value) if isinstance(value, Fraction) else str(value)
            return number_shown(text, lang)
        case "texts" | "dates":
            return ", ".join(str(one) for one in value)
        case "document":
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value.isoformat() if isinstance(value, date) else str(value)


def _posted(shape: Shape, posted: QueryDict, name: str) -> Any:
    if shape.kind == "rows" and shape.rows is not None:
        rows = [document_of(shape.rows, posted, f"{name}[{n}]") for n in _places(posted, name)]
        return rows or ([] if not shape.optional else None)
    if shape.kind == "row" and shape.rows is not None:
        return document_of(shape.rows, posted, name) or None
    if shape.kind == "price":
        return price_of(posted, name) or None
    if shape.kind == "flag":
        given = posted.get(name) == "on"
        return given if f"{name}.asked" in posted and given != bool(shape.default) else None
    text = posted.get(name, "").strip()
    return _READ.get(shape.kind, str)(text) if text else None


def _places(posted: QueryDict, name: str) -> list[int]:
    head = f"{name}["
    found = {
        int(key[len(head) :].partition("]")[0])
        for key in posted
        if key.startswith(head) and key[len(head) :].partition("]")[0].isdecimal()
    }
    return sorted(found)[:MOST_ROWS]


def _words(text: str) -> list[str]:
    return [one.strip() for one in re.split(r"[,;\n]", text) if one.strip()]


def _json_or_text(text: str) -> Any:
    """A document typed as JSON; what is none is taken as a text: 08:00, 60/1."""
    try:
        return json.loads(text, parse_float=str)
    except ValueError:
        return text


_READ: Mapping[str, Callable[[str], Any]] = {
    "number": number_typed,
    "whole": number_typed,
    "texts": _words,
    "dates": _words,
    "document": _json_or_text,
}
