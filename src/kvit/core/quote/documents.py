"""Reads one line of JSON strictly and writes one back.

Refused: repeated keys, NaN and Infinity, bytes that are not UTF-8, nesting without end. A number
with a fraction keeps its text, so that the refusal can show how to write it.
"""

import json
from functools import partial

from kvit.core.pricing.errors import PriceError

MAX_LINE = 8 * 1024 * 1024  # bytes
_MAX_DIGITS = 100
_BEYOND_RANGE = 10**_MAX_DIGITS  # refused as out of range by whoever reads the field


class _WrittenFloat(float):
    """A JSON number with a fraction or an exponent, and the text it was written as."""

    text: str

    def __str__(self) -> str:
        return self.text


class BadLine(PriceError):
    """The line is no document; `identifier` is its id, where that could be read."""

    identifier: object = None


def read_line(line: bytes) -> object:
    """Read one document.

    Raises:
        BadLine: bad_json, or out_of_range for a line that is too long.
    """
    if len(line) > MAX_LINE:
        raise BadLine("out_of_range", "", reason="size", limit=f"{MAX_LINE >> 20} MiB")
    refused: list[str] = []  # what JSON allows and we do not
    document: object = None
    try:
        document = json.loads(
            line.decode("utf-8"),
            object_pairs_hook=partial(_object, refused),
            parse_constant=refused.append,
            parse_float=_float,
            parse_int=_int,
        )
        if not refused:
            return document
        detail = refused[0]
    except UnicodeDecodeError as error:
        detail = f"UTF-8, {error.start}"
    except RecursionError:
        detail = "[[[[…"
    except json.JSONDecodeError as error:
        detail = str(error)
    error_found = BadLine("bad_json", "", detail=detail)
    if isinstance(document, dict) and isinstance(document.get("id"), str | int):
        error_found.identifier = document["id"]
    raise error_found


def write_line(document: object) -> bytes:
    """Write one document as a line of UTF-8."""
    text = json.dumps(document, ensure_ascii=False, separators=(", ", ": "))
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair came in with an escape
        return json.dumps(document).encode() + b"\n"


def _object(refused: list[str], pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                refused.append(f"“{name[:60]}” × 2")
            seen.add(name)
    return made


def _float(text: str) -> float:
    number = _WrittenFloat(text)
    number.text = text[:_MAX_DIGITS]
    return number


def _int(text: str) -> int:
    return int(text) if len(text) <= _MAX_DIGITS else _BEYOND_RANGE
