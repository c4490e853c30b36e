"""Objects of named values in forms: parts and tables of a formula, filters, limits.

A row is a name and its value: `price.price.parts[0].called` and `price.price.parts[0].unit`, or
`price.filters[0].value`. So a name may change, and everything beside it stays where it is.
"""

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from kvit.core.pricing.errors import PriceError

CALLED = "called"
MOST_LETTERS = 80
# What a part is called until somebody says better: a formula needs a name for it at once.
_USUAL = {"parts": "part", "tables": "table"}
_WORD = re.compile(r"[^\W\d]\w*")


def labels(of: str) -> tuple[str, str, str]:
    """Return what the name, the value and the button that adds one are called."""
    match of:
        case "parts":
            return _("name"), _("its price"), _("Add a part")
        case "tables":
            return _("name"), _("its values"), _("Add a table")
        case "filters":
            return _("attribute of the event"), _("its values, by commas"), _("Add a condition")
        case "keys":
            return _("word"), _("value"), _("Add a word")
    return _("name"), _("value"), _("Add a row")


def called(posted: QueryDict, row: str) -> str:
    """Return the name that was typed into a row."""
    return posted.get(f"{row}.{CALLED}", "").strip()[:MOST_LETTERS]


def free_name(wanted: str, of: str, taken: Container[str]) -> str:
    """Return a name that none has yet; an empty one stays empty where a word is no matter."""
    usual = _USUAL.get(of, "")
    if not wanted and not usual:
        return "" if "" not in taken else free_name("name", of, taken)
    if wanted and wanted not in taken:
        return wanted
    stem, number = (f"{wanted}_", 2) if wanted else (usual, 1)
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


def repeated(posted: QueryDict) -> dict[str, str]:
    """Return what to say at names that stand twice, by the name of their input."""
    rows: dict[str, list[str]] = {}
    for key in posted:
        if key.endswith(f"].{CALLED}"):
            rows.setdefault(key.rpartition("[")[0], []).append(key)
    found = {}
    for keys in rows.values():
        seen: set[str] = set()
        for key in keys:
            name = posted.get(key, "").strip()[:MOST_LETTERS]
            if name and name in seen:
                found[key] = _(
                    "“%(name)s” stands twice: this one got another name. Check it, and the formula."
                ) % {"name": name}
            seen.add(name)
    return found


def oddity(name: str, of: str) -> str:
    """Say why a formula cannot name this; empty where it can."""
    if of not in _USUAL or _WORD.fullmatch(name):
        return ""
    return _("A formula cannot name “%(name)s”: take letters, digits and _, a letter first.") % {
        "name": name
    }


def placed(
    error: PriceError | None, table: str, name: str, row: str, *, whole: str
) -> PriceError | None:
    """Return the error with the path of its input: documents say the name, forms the row's place.

    `whole` is the input that an error of the value itself belongs to.
    """
    path = f"{table}.{name[:60]}"
    if error is None or not error.field.startswith(path):
        return None
    rest = error.field.removeprefix(path)
    if rest and rest[0] not in ".[":
        return None
    return PriceError(
        error.code, row + rest if rest else whole, reason=error.reason, **error.params
    )


def items(value: Any) -> Sequence[tuple[str, Any]]:
    """Return the named values of a document, in the order in which they stand."""
    return [(str(name), one) for name, one in value.items()] if isinstance(value, Mapping) else []
