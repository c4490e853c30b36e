"""Forms made of the dataclasses that are stated: what a person fills in, and the document it makes.

The name of an input is the path by which a refusal names the field: `price.price.tiers[0].unit`.
So an error finds its input, and a model added tomorrow has its form without a line here.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from fractions import Fraction
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from kvit.core.expression import FUNCTIONS
from kvit.core.money import exact_text
from kvit.core.pricing import MODELS, Price
from kvit.core.pricing.composed import OWN_NAMES, Composed
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.labels import choice_label, field_label, model_label
from kvit.core.pricing.matrix import shadowed
from kvit.core.pricing.shape import WEEKDAYS, Shape, shape_of
from kvit.web.forms import ungrouped
from kvit.web.office import _named
from kvit.web.office._told import hint, told

Document = dict[str, Any]
Choices = Sequence[tuple[str, str]]
PLACE = re.compile(r"[0-9]{1,6}")
_SPACES = str.maketrans("", "", " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}")
MOST_ROWS = 200
INCREMENTS = ("first", "next")
BOUNDS = frozenset(one.name for one in fields(Price) if one.init)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list of rows, with its place for the buttons."""

    path: str
    number: int
    inputs: "tuple[Input, ...]"
    first: bool
    last: bool
    note: str = ""  # what is odd about its values; said before anything is refused

    @property
    def id(self) -> str:
        """An id that CSS and htmx can name."""
        return _id(self.path)

    @property
    def called(self) -> str:
        """The name of a named value, as its first input has it."""
        return self.inputs[0].value

    @property
    def is_large(self) -> bool:
        """Whether a named value takes a form of its own rather than a line."""
        return len(self.inputs) > 2 or any(one.inside or one.rows for one in self.inputs)


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
    checked: tuple[str, ...] = ()  # of weekdays: which are chosen
    aside: bool = False  # seldom asked: folded away until it says something
    columns: tuple[str, ...] = ()  # of a table: what its rows are told apart by
    offered: tuple[str, ...] = ()  # columns that may be added, names that a formula may use
    marked: tuple[str, str, str] | None = None  # a formula before, at and after its fault
    hint: str = ""
    adds: str = ""  # of named values: what the button that adds one says

    @property
    def id(self) -> str:
        """An id that CSS and htmx can name."""
        return _id(self.name)

    @property
    def folds(self) -> bool:
        """Whether something within is folded away."""
        return any(one.aside for one in self.inside)


def _id(name: str) -> str:
    return "f-" + re.sub(r"[^\w-]+", "-", name).strip("-")


@dataclass(frozen=True, slots=True)
class Making:
    """What inputs are made with: the reader's language, the error, choices by the input's name.

    `columns`, `faults` and `typed` are by the name of a table: its columns as they were posted, why
    a paste made no rows, what was pasted. `dimensions` and `counters` are what the meter's events
    bring and what meters there are.
    """

    lang: str
    error: PriceError | None = None
    choices: Mapping[str, Choices] = field(default_factory=dict)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    dimensions: Sequence[str] = ()
    counters: Sequence[str] = ()

    def inputs(self, row: type, document: Mapping[str, Any], path: str) -> tuple[Input, ...]:
        """Return the inputs of a dataclass, filled in from a document."""
        return tuple(
            self._formula(row, document, f"{path}.{one.name}")
            if one.kind == "formula"
            else self._input(one, document.get(one.name, _start(one)), f"{path}.{one.name}", row)
            for one in _in_order(row)
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
        own = self.choices.get(name)
        rows: tuple[Row, ...] = ()
        inside: tuple[Input, ...] = ()
        choices: Choices = ()
        kind: str = shape.kind
        if shape.kind == "rows" and shape.rows is not None:
            many = value if isinstance(value, list) else []
            if pairs := pairs_in(shape.rows):
                return self._table(shape.rows, pairs, many, Input(
                    name, "table", label, self.typed.get(name, ""), not shape.optional,
                    self.faults.get(name, "") or self._error(name),
                ))  # fmt: skip
            rows = self._rows(shape.rows, many, name)
        elif shape.kind == "row" and shape.rows is not None:
            inside = self.inputs(shape.rows, value if isinstance(value, dict) else {}, name)
        elif shape.kind == "price":
            inside = self.price(value if isinstance(value, dict) else {}, name)
        elif shape.item is not None:
            rows = self._named(shape, shape.item, value, name)
        elif shape.kind in ("weekdays", "increments"):
            made = Input(
                name, shape.kind, label, "", not shape.optional, self._error(name, within=True)
            )
            return _weekdays(made, value) if shape.kind == "weekdays" else _increments(made, value)
        elif own is not None:
            kind, choices = "choice", own
        elif shape.choices:
            choices = [(word, choice_label(word, self.lang)) for word in shape.choices]
        shown = "" if rows or inside or shape.item else _shown(shape, value, self.lang)
        if kind == "choice" and shown not in {word for word, _ in choices}:
            choices = [*choices, (shown, shown or "—")]
        return Input(
            name, kind, label, shown, not shape.optional, self._error(name), choices, rows, inside,
            hint=hint(row, shape.name), adds=_named.labels(shape.name)[2] if shape.item else "",
        )  # fmt: skip

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

    def _named(self, shape: Shape, item: Shape, value: Any, name: str) -> tuple[Row, ...]:
        """Rows of a name and what it means: a price, a table, a number, texts."""
        found = []
        many = _named.items(value)
        title, meaning, _adds = _named.labels(shape.name)
        for place, (called, one) in enumerate(many):
            where = f"{name}[{place}]"
            label = f"{where}.{_named.CALLED}"
            inside = one if isinstance(one, dict) else {}
            whole = label if item.kind in ("price", "row") else f"{where}.value"
            error = _named.placed(self.error, name, called, where, whole=whole)
            inner = replace(self, error=error)
            told = self.faults.get(label, "") or inner._error(label)
            inputs = [Input(label, "text", title, called, True, told)]
            if item.kind == "price":
                made = Input(where, "price", meaning, inside=inner.price(inside, where))
                inputs.append(_folded(made))
            elif item.kind == "row" and item.rows is not None:
                inputs += inner.inputs(item.rows, inside, where)
            else:
                inputs.append(
                    Input(whole, item.kind, meaning, _shown(item, one, self.lang), True,
                          inner._error(whole))
                )  # fmt: skip
            note = _named.oddity(called, shape.name)
            found.append(
                Row(where, place + 1, tuple(inputs), not place, place + 1 == len(many), note)
            )
        return tuple(found)

    def _table(self, row: type, pairs: str, many: Sequence[Any], made: Input) -> Input:
        """Rows told apart by pairs: a column a name, in the order in which they were chosen."""
        matches = [_match(one, pairs) for one in many]
        columns = columns_of(matches, self.columns.get(made.name), self.dimensions)
        notes = {
            place: _("The same values as in row %(row)s. Keep one of the two.") % {"row": taker + 1}
            if matches[place] == matches[taker]
            else _("Never reached: row %(row)s takes all that this one would. Move it above.")
            % {"row": taker + 1}
            for place, taker in shadowed(matches).items()
        }
        rows = []
        for place, (plain, match) in enumerate(
            zip(self._rows(row, many, made.name), matches, strict=True)
        ):
            where = f"{plain.path}.{pairs}"
            cells = tuple(
                Input(f"{where}.{number}", "text", column, match.get(column, ""))
                for number, column in enumerate(columns)
            )
            others = tuple(_folded(one) for one in plain.inputs if one.name != where)
            told = Input(where, "pairs", made.label, error=self._error(where), inside=cells)
            rows.append(replace(plain, inputs=(told, *others), note=notes.get(place, "")))
        offered = tuple(one for one in self.dimensions if one not in columns)
        return replace(made, rows=tuple(rows), columns=columns, offered=offered)

    def _formula(self, row: type, document: Mapping[str, Any], name: str) -> Input:
        text = str(document.get("expression", ""))
        marked = None
        if self.error is not None and self.error.field == name:
            at = self.error.params.get("position")
            if isinstance(at, int):
                marked = (text[: at - 1], text[at - 1 : at] or "␣", text[at:])
        return Input(
            name, "formula", field_label(row, "expression", self.lang), text, row is Composed,
            self._error(name), offered=self._names(row, document), marked=marked,
            hint=hint(row, "expression"),
        )  # fmt: skip

    def _names(self, row: type, document: Mapping[str, Any]) -> tuple[str, ...]:
        """What a formula may name: its own names, functions, counters."""
        calls = tuple(f"{one}(" for one in FUNCTIONS if one != "counter")
        if row is not Composed:
            return ("value", *_texts(document.get("dimensions")), *calls)
        tables = document.get("tables")
        looked_up = tuple(
            f"{'range' if isinstance(one, dict) and 'ranges' in one else 'key'}(units, {name})"
            for name, one in (tables.items() if isinstance(tables, dict) else ())
        )
        counters = tuple(f'counter("{one}")' for one in ("periods", *self.counters))
        parts = document.get("parts")
        named = tuple(parts) if isinstance(parts, dict) else ()
        own = (*named, *sorted(OWN_NAMES), *_texts(document.get("attributes")))
        return (*own, *looked_up, *calls, *counters)

    def _error(self, name: str, *, within: bool = False) -> str:
        """What is wrong with a field; `within`: or with an item of it."""
        if self.error is None:
            return ""
        if self.error.field != name and not (within and self.error.field.startswith(f"{name}[")):
            return ""
        return told(self.error, self.lang)


def _weekdays(made: Input, value: Any) -> Input:
    """A box a day of the week, and one for holidays."""
    chosen = tuple(map(str, value)) if isinstance(value, list) else ()
    named = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"), _("Holidays"))
    days = [*zip(map(str, WEEKDAYS), named, strict=True)]
    return replace(made, choices=days, checked=chosen)


def _increments(made: Input, value: Any) -> Input:
    """Seconds of the first increment and of those that follow; they are written "60/1"."""
    parts = dict(zip(INCREMENTS, str(value or "").split("/", 1), strict=False))
    labels = dict(zip(INCREMENTS, (_("the first, s"), _("the next, s")), strict=True))
    inside = tuple(
        Input(f"{made.name}.{part}", "whole", labels[part], parts.get(part, ""))
        for part in INCREMENTS
    )
    return replace(made, inside=inside)


def _in_order(row: type) -> Sequence[Shape]:
    """The fields as a form shows them: a formula over parts after the parts that it names."""
    known = shape_of(row)
    if row is not Composed:
        return known
    return sorted(known, key=lambda one: (one.name in BOUNDS, one.kind == "formula"))


def pairs_in(row: type) -> str:
    """Return the field by whose pairs the rows of a list are told apart; empty where none is."""
    return next((one.name for one in shape_of(row) if one.kind == "pairs"), "")


def columns_of(
    matches: Sequence[Mapping[str, str]], chosen: Sequence[str] | None, dimensions: Sequence[str]
) -> tuple[str, ...]:
    """Return the columns of a table: those chosen and every one that a row has a value of; before
    anything is there, all that the meter's events bring."""
    used = [name for one in matches for name in one]
    return tuple(dict.fromkeys([*(chosen or ()), *used])) or tuple(dimensions)


def _folded(price: Input) -> Input:
    """A price within a row: its bounds are folded away while none of them is set."""
    bounds = [one for one in price.inside if one.name.rpartition(".")[2] in BOUNDS]
    if any(one.error or one.value not in ("", "0") for one in bounds):
        return price
    return replace(price, inside=tuple(replace(one, aside=one in bounds) for one in price.inside))


def _match(row: Any, pairs: str) -> dict[str, str]:
    found = row.get(pairs) if isinstance(row, dict) else None
    return {str(name): str(one) for name, one in found.items()} if isinstance(found, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def all_of(inputs: Iterable[Input]) -> list[Input]:
    """Return all inputs, those of rows and nested ones among them."""
    found: list[Input] = []
    for one in inputs:
        found += [one, *all_of(one.inside)]
        for row in one.rows:
            found += all_of(row.inputs)
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


def number_typed(text: str) -> str:
    """Return a number as documents have it: people write «1 234,50», in English also "1,234.50"."""
    plain = ungrouped(text).translate(_SPACES).replace("\N{MINUS SIGN}", "-")
    return plain.replace(",", ".") if plain.count(",") == 1 and "." not in plain else plain


def number_shown(text: str, lang: str) -> str:
    """Write a number of a document into an input."""
    return text.replace(".", ",") if lang == "ru" else text


def _start(shape: Shape) -> Any:
    """A list that is asked for begins with a row to fill in."""
    if shape.kind != "rows" or shape.optional or shape.rows is None:
        return None
    return [{"price": {"model": "per_unit"}}] if pairs_in(shape.rows) else [{}]


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
        case "dates":
            return ", ".join(_day_shown(str(one), lang) for one in value)
        case "texts":
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
    if shape.kind == "pairs":
        columns = posted.getlist(f"{name.rpartition('[')[0]}.columns")
        given = {one: posted.get(f"{name}.{n}", "").strip() for n, one in enumerate(columns)}
        return {one: value for one, value in given.items() if value}
    if shape.kind == "price":
        return price_of(posted, name) or None
    if shape.item is not None:
        return _named_posted(shape, shape.item, posted, name) or None
    if shape.kind == "weekdays":
        chosen = posted.getlist(name)[: 2 * len(WEEKDAYS)]
        return [int(one) if one in map(str, range(1, 8)) else one for one in chosen] or None
    if shape.kind == "increments":
        parts = [number_typed(posted.get(f"{name}.{part}", "")) for part in INCREMENTS]
        return "/".join(parts) if any(parts) else None
    if shape.kind == "flag":
        given = posted.get(name) == "on"
        return given if f"{name}.asked" in posted and given != bool(shape.default) else None
    text = posted.get(name, "").strip()
    return _READ.get(shape.kind, str)(text) if text else None


def _named_posted(shape: Shape, item: Shape, posted: QueryDict, name: str) -> Document:
    """What stands under names; a row in which nothing was filled in is left out."""
    found: Document = {}
    for place in _places(posted, name):
        where = f"{name}[{place}]"
        called = _named.called(posted, where)
        if item.kind == "price":
            value: Any = price_of(posted, where)
        elif item.kind == "row" and item.rows is not None:
            value = document_of(item.rows, posted, where)
        else:
            value = _posted(item, posted, f"{where}.value")
            if value is None and not called:
                continue
            value = value or ([] if item.kind == "texts" else "")
        found[_named.free_name(called, shape.name, found)] = value
    return found


def _places(posted: QueryDict, name: str) -> list[int]:
    """Return the numbers of the rows that were posted; a number no form of ours has is none."""
    head = f"{name}["
    found = {
        int(place)
        for key in posted
        if key.startswith(head) and PLACE.fullmatch(place := key[len(head) :].partition("]")[0])
    }
    return sorted(found)[:MOST_ROWS]


def _words(text: str) -> list[str]:
    return [one.strip() for one in re.split(r"[,;\n]", text) if one.strip()]


def _day_typed(text: str) -> str:
    """A day as documents have it: people write 31.12.2026."""
    found = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", text)
    return f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}" if found else text


def _day_shown(text: str, lang: str) -> str:
    parts = text.split("-")
    return ".".join(reversed(parts)) if lang == "ru" and len(parts) == 3 else text


def _json_or_text(text: str) -> Any:
    """A document typed as JSON; what is none is taken as a text: 08:00, 60/1."""
    try:
        return json.loads(text, parse_float=str)
    except (ValueError, RecursionError):  # “[[[[…” of thousands
        return text


_READ: Mapping[str, Callable[[str], Any]] = {
    "number": number_typed,
    "whole": number_typed,
    "texts": _words,
    "dates": lambda text: [_day_typed(one) for one in _words(text)],
    "document": _json_or_text,
}
