"""Buttons of a form's rows: added, moved, pasted; columns of a table; words of a formula.

Every button works without JavaScript: the form is posted, its document changed and shown again.

    add:price.price.tiers              a row
    up:price.price.tiers[2]            … also down:, remove:
    column:price.price.prices          the column typed beside the button
    uncolumn:price.price.prices[0]     the first column, with its values
    paste:price.price.prices           rows copied from a spreadsheet
    insert:price.price.expression:max( a word at the end of a formula
    name:price.price.parts             a named price, table, value
    unname:price.price.parts[0]        … taken out
    wrap:price.price                   the price becomes the first part of a formula
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from kvit.web.office import _named
from kvit.web.office._shapes import MOST_ROWS, PLACE, Document, number_typed

# A name or the place of a row; a place that no form of ours has is a name that nothing has.
_STEP = re.compile(r"\[([0-9]{1,6})\]|([^.\[\]]+)")
_BEGUN: Mapping[str, dict[str, str] | list[str]] = {
    "parts": {"model": "per_unit"},
    "tables": {},
    "filters": [],
}
MOST_COLUMNS = 12


class NotPasted(ValueError):
    """What was pasted makes no rows; the text says which line and why."""


@dataclass(slots=True)
class Asked:
    """What a form's buttons work on. `faults` and `typed` go back to the field they came from."""

    document: Document
    root: str
    posted: QueryDict
    columns: dict[str, list[str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)


def columns_posted(posted: QueryDict) -> dict[str, list[str]]:
    """Return the columns of every table of a form, by the table's name."""
    ending = ".columns"
    return {
        key.removesuffix(ending): [*dict.fromkeys(posted.getlist(key))]
        for key in posted
        if key.endswith(ending)
    }


def press(document: Document, root: str, button: str, posted: QueryDict) -> Asked:
    """Do what a button asks to the document and the columns; what fits nothing is left alone."""
    asked = Asked(document, root, posted, columns_posted(posted))
    act, _colon, path = button.partition(":")
    match act:
        case "column":
            _add_column(asked, path)
        case "uncolumn":
            _drop_column(asked, path)
        case "paste":
            _paste(asked, path)
        case "insert":
            _insert(asked, *path.partition(":")[::2])
        case "name":
            _add_named(asked, path)
        case "unname":
            _drop_named(asked, path)
        case "wrap":
            _wrap(asked, path)
        case _:
            _change_rows(asked, act, path)
    return asked


def _steps(asked: Asked, path: str) -> list[str | int]:
    return [name or int(place) for place, name in _STEP.findall(path.removeprefix(asked.root))]


def _change_rows(asked: Asked, act: str, path: str) -> None:
    """A new row of tiers stands before the last one, which is open."""
    steps = _steps(asked, path)
    place = steps.pop() if act != "add" and steps else -1
    many = _list_at(asked.document, steps) if act == "add" else _at(asked.document, steps)
    if not isinstance(many, list) or not isinstance(place, int) or place >= len(many):
        return
    match act:
        case "add" if len(many) < MOST_ROWS:
            if path in asked.columns:
                many.append({"price": {"model": "per_unit"}})
                return
            is_open = bool(many) and isinstance(many[-1], dict) and "up_to" not in many[-1]
            many.insert(len(many) - 1 if is_open else len(many), {})
        case "remove":
            many.pop(place)
        case "up" if place:
            many[place - 1], many[place] = many[place], many[place - 1]
        case "down" if place + 1 < len(many):
            many[place + 1], many[place] = many[place], many[place + 1]


def _add_column(asked: Asked, path: str) -> None:
    name = asked.posted.get(f"{path}.column", "").strip()[:80]
    columns = asked.columns.setdefault(path, [])
    if name and name not in columns and len(columns) < MOST_COLUMNS:
        columns.append(name)


def _drop_column(asked: Asked, path: str) -> None:
    table, _bracket, number = path.rstrip("]").rpartition("[")
    columns = asked.columns.get(table, [])
    if not PLACE.fullmatch(number) or int(number) >= len(columns):
        return
    gone = columns.pop(int(number))
    for row in _list_at(asked.document, _steps(asked, table)) or ():
        row.get("match", {}).pop(gone, None)


def _paste(asked: Asked, path: str) -> None:
    text = asked.posted.get(f"{path}.pasted", "")
    many = _list_at(asked.document, _steps(asked, path))
    if many is None or not text.strip():
        return
    try:
        columns, rows = pasted_rows(text, asked.columns.get(path, []))
        if len(rows) + len(many) > MOST_ROWS:
            raise NotPasted(_("A price has at most %(most)s rows.") % {"most": MOST_ROWS})
    except NotPasted as error:
        asked.faults[path], asked.typed[path] = str(error), text
        return
    asked.columns[path] = columns
    many[:] = [*(row for row in many if not _is_blank(row)), *rows]


def pasted_rows(text: str, columns: Sequence[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """Read rows copied from a spreadsheet: a value a column, the price of a unit last.

    A first line whose last cell is no number names the columns.

    Raises:
        NotPasted: a line has another number of cells, or its last one is no number.
    """
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    sign = "\t" if "\t" in text else ";"
    cells = [[one.strip() for one in line.split(sign)] for line in lines]
    known = list(columns)
    first = 0
    if len(cells[0]) > 1 and not _is_number(cells[0][-1]):
        known = [*dict.fromkeys([*columns, *cells[0][:-1]])]
        named, first = cells[0][:-1], 1
    else:
        named = known
    if not named or not all(named):
        raise NotPasted(_("The first line must name the columns: their values mean nothing else."))
    rows = []
    for number, line in enumerate(cells[first:], first + 1):
        if len(line) != len(named) + 1:
            raise NotPasted(
                _("Line %(line)s has %(cells)s cells, and %(wanted)s are needed: %(names)s, price.")
                % {"line": number, "cells": len(line), "wanted": len(named) + 1,
                   "names": ", ".join(named)}
            )  # fmt: skip
        if not _is_number(line[-1]):
            raise NotPasted(
                _("The last cell of line %(line)s is no price: “%(cell)s”. Write a number.")
                % {"line": number, "cell": line[-1][:40]}
            )
        match = {name: one for name, one in zip(named, line, strict=False) if one}
        price = {"model": "per_unit", "unit": number_typed(line[-1])}
        rows.append({"match": match, "price": price})
    return known, rows


def _is_number(text: str) -> bool:
    return number_typed(text).replace(".", "", 1).isdecimal()


def _is_blank(row: Any) -> bool:
    """A row in which nothing was filled in."""
    if not isinstance(row, Mapping):
        return True
    price = row.get("price") or {}
    return not row.get("match") and not set(price) - {"model"}


def _insert(asked: Asked, path: str, word: str) -> None:
    *steps, name = _steps(asked, path) or [""]
    here = _at(asked.document, steps)
    if isinstance(here, dict) and isinstance(name, str) and name:
        here[name] = f"{here.get(name, '')} {word}".strip()


def _add_named(asked: Asked, path: str) -> None:
    *steps, name = _steps(asked, path) or [""]
    here = _at(asked.document, steps)
    if not isinstance(here, dict) or not isinstance(name, str):
        return
    many = here.setdefault(name, {})
    if isinstance(many, dict) and len(many) < MOST_ROWS:
        begun = _BEGUN[name].copy() if name in _BEGUN else ""
        many[_named.free_name("", name, many)] = begun


def _drop_named(asked: Asked, path: str) -> None:
    *steps, place = _steps(asked, path) or [""]
    many = _at(asked.document, steps)
    if isinstance(many, dict) and isinstance(place, int) and place < len(many):
        del many[list(many)[place]]


def _wrap(asked: Asked, path: str) -> None:
    """The price goes on as it is, and a formula over it can be written."""
    price = _at(asked.document, _steps(asked, path))
    if not isinstance(price, dict) or price.get("model") == "composed":
        return
    part = dict(price)
    price.clear()
    price |= {"model": "composed", "parts": {"base": part}, "expression": "base"}


def _at(document: Document, steps: Sequence[str | int]) -> Any:
    """Return what stands at the end of a path; None where it leads nowhere. Of named values the
    place counts, as it does of rows."""
    here: Any = document
    for step in steps:
        if isinstance(step, int):
            many = list(here.values()) if isinstance(here, dict) else here
            here = many[step] if isinstance(many, list) and step < len(many) else None
        else:
            here = here.get(step) if isinstance(here, dict) else None
    return here


def _list_at(document: Document, steps: Sequence[str | int]) -> list[Any] | None:
    """Return the list at the end of a path, made where there is none yet."""
    here = _at(document, steps[:-1])
    if not steps:
        return None
    last = steps[-1]
    if isinstance(here, dict) and isinstance(last, str):
        found = here.setdefault(last, [])
    else:
        found = _at(document, steps)
    return found if isinstance(found, list) else None
