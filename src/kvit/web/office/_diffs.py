"""What differs between two documents of the catalogue, field by field, as people read it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from kvit.core.pricing.labels import CHOICES, FIELDS, choice_label, field_label, model_label
from kvit.core.pricing.shape import shape_of
from kvit.core.statements import ROWS
from kvit.core.wording import date_text, say
from kvit.web.office._shapes import number_shown

SEPARATOR = " › "


@dataclass(frozen=True, slots=True)
class Difference:
    """One field: where, what it was and what it becomes; empty is nothing."""

    where: str
    was: str
    becomes: str


def differences(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, kind: str, lang: str
) -> list[Difference]:
    """Return the fields that differ; of a new object, all of them."""
    own = _own_labels(kind, lang)
    was = {own.get(where, where): text for where, text in _leaves(before or {}, "", lang)}
    becomes = {own.get(where, where): text for where, text in _leaves(after or {}, "", lang)}
    return [
        Difference(where, was.get(where, ""), becomes.get(where, ""))
        for where in dict.fromkeys([*was, *becomes])
        if was.get(where, "") != becomes.get(where, "")
    ]


def _own_labels(kind: str, lang: str) -> dict[str, str]:
    """What the object's own fields are called, where the same word is another thing elsewhere."""
    row: type = ROWS[kind]  # type: ignore[index]
    return {
        say(FIELDS, one.name, lang): field_label(row, one.name, lang)
        for one in shape_of(row)
        if one.name in FIELDS
    }


def _leaves(value: Any, where: str, lang: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "examples":
                continue
            label = say(FIELDS, name, lang) if name in FIELDS else str(name)
            yield from _leaves(inner, f"{where}{SEPARATOR}{label}" if where else label, lang)
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, f"{where} {number}", lang)
    else:
        yield where, _text(value, where, lang)


def _text(value: Any, where: str, lang: str) -> str:
    if isinstance(value, bool):
        return "✓" if value else "✗"
    if isinstance(value, list):
        return ", ".join(_day(str(one), lang) for one in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    text = str(value)
    if where.endswith(say(FIELDS, "model", lang)):
        return model_label(text, lang)
    if text in CHOICES:
        return choice_label(text, lang)
    text = _day(text, lang)
    plain = text.removeprefix("-").replace(".", "", 1)
    return number_shown(text, lang) if plain.isdecimal() else text


def _day(text: str, lang: str) -> str:
    """A day as people read it; anything else as it is."""
    try:
        return date_text(date.fromisoformat(text), lang)
    except ValueError:
        return text
