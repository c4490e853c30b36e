"""Values taken out of a row one by one, each by its kind; what does not fit becomes a fault.

The same for a CSV record (all texts), a TOML table and a JSON object:

    fields = Fields(record, known=COLUMNS, at=place_of, faults=faults)
    code, plan = fields.code("code"), fields.code("plan")
    return SubscriptionRow(…) if fields.sound else None

Reading goes on after a fault, so that all of a row's faults are told at once.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Any, TypeVar

from kvit.adapters.folder.suggest import hints, shown
from kvit.core.money import FloatRefused, NotANumber, exact_text, parse_decimal
from kvit.integrations.port import Fault, Place

CODE = re.compile(r"[^\W_][\w.-]{0,63}")  # of the catalogue: stands in paths and expressions
NUMBER = re.compile(r"[^\W_][\w.:@#+/-]{0,63}")  # of customers and contracts: Д-12/2026
TEXT_LIMIT = 500
_FORMULA = re.compile(r"[=+@\t\r]|-[^\s\d]|-\d.*[a-z(!]", re.IGNORECASE | re.DOTALL)
_LOW = Fraction(0)
T = TypeVar("T")


class Fields:
    """The values of one row. An empty text counts as absent."""

    def __init__(
        self,
        values: Mapping[str, object],
        *,
        known: Iterable[str],
        at: Callable[[str], Place],
        faults: list[Fault],
        outer: "Fields | None" = None,
    ) -> None:
        self.sound = True
        self.faults = faults
        self._outer = outer
        self._at = at
        known = tuple(known)
        self._values = {}
        for name, value in values.items():
            if name not in known:
                self.fault("unknown_key", name, name=shown(name), **hints(name, known))
            elif value is not None and value != "":
                self._values[name] = value

    def fault(self, code: str, field: str, **params: str) -> None:
        """Report what is wrong with a field; the row is not sound."""
        self.add(Fault(code, self._at(field), params))

    def add(self, fault: Fault) -> None:
        """Report a fault found elsewhere in this row."""
        self.faults.append(fault)
        row: Fields | None = self
        while row is not None:
            row.sound = False
            row = row._outer

    def inside(self, values: Mapping[str, object], known: Iterable[str], path: str) -> "Fields":
        """Return the fields of an object within this row, shown as `path`.name."""
        return Fields(
            values,
            known=known,
            at=lambda name: self._at(f"{path}.{name}" if name else path),
            faults=self.faults,
            outer=self,
        )

    def place(self, field: str = "") -> Place:
        return self._at(field)

    def given(self, name: str) -> bool:
        return name in self._values

    def raw(self, name: str) -> Any:
        """Return the value as it stands, None when absent."""
        return self._values.get(name)

    def require(self, *names: str) -> None:
        """Report those that are absent."""
        for name in names:
            if name not in self._values:
                self.fault("missing_value", name)

    def text(self, name: str, default: str = "", *, limit: int = TEXT_LIMIT) -> str:
        """Return a text that is safe to show and to export."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            return self._wrong(name, "текст в кавычках", "a text in quotes", default)
        text = unicodedata.normalize("NFC", value).strip()
        if _FORMULA.match(value) or _FORMULA.match(text):
            self.fault("formula", name, value=shown(value))
        elif len(text) > limit or not all(c.isprintable() or c in "\n\r" for c in text):
            self.fault("bad_text", name, limit=str(limit))
        return text

    def code(self, name: str, pattern: re.Pattern[str] = CODE) -> str:
        """Return a code; absent is an empty string."""
        value = self._values.get(name, "")
        if not isinstance(value, str):
            return self._wrong(name, "код в кавычках", "a code in quotes", "")
        text = unicodedata.normalize("NFC", value).strip()
        if text and not pattern.fullmatch(text):
            self.fault("bad_code", name, value=shown(value))
        return text

    def word(self, name: str, options: Iterable[str], default: str = "") -> Any:
        """Return one of `options`."""
        value = self._values.get(name)
        if value is None:
            return default
        options = tuple(options)
        if value not in options:
            self.fault("bad_word", name, value=shown(value), **hints(str(value), options))
            return default
        return value

    def number(
        self, name: str, *, low: Fraction | None = _LOW, high: Fraction | None = None
    ) -> Fraction | None:
        """Return an exact number within bounds, None when absent or faulty."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            number = parse_decimal(value.strip() if isinstance(value, str) else value)
        except FloatRefused:
            self.fault("float_refused", name, value=shown(value))
            return None
        except NotANumber:
            self.fault("bad_number", name, value=shown(value))
            return None
        if (low is not None and number < low) or (high is not None and number > high):
            least = "" if low is None else f"≥ {exact_text(low)}"
            most = "" if high is None else f"≤ {exact_text(high)}"
            bounds = ", ".join(bound for bound in (least, most) if bound)
            self.fault("out_of_range", name, value=shown(value), bounds=bounds)
            return None
        return number

    def whole(self, name: str, *, low: int = 0, high: int = 10**9) -> int | None:
        """Return an integer within bounds, None when absent or faulty."""
        number = self.number(name, low=Fraction(low), high=Fraction(high))
        if number is None:
            return None
        if number.denominator != 1:
            self.fault("bad_number", name, value=shown(self._values[name]))
            return None
        return number.numerator

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            return self._wrong(name, "true или false", "true or false", default)
        return value

    def day(self, name: str) -> date | None:
        """Return a date, None when absent or faulty."""
        value = self._values.get(name)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        day = parse_day(value.strip()) if isinstance(value, str) else None
        if day is None:
            self.fault("bad_date", name, value=shown(value))
        return day

    def codes(self, name: str) -> tuple[str, ...]:
        """Return a list of codes without repetition; a single text is a list of one."""
        value = self._values.get(name, ())
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(i, str) for i in items):
            return self._wrong(name, "список кодов", "a list of codes", ())
        for item in items:
            if not CODE.fullmatch(item):
                self.fault("bad_code", name, value=shown(item))
        return tuple(dict.fromkeys(items))

    def table(self, name: str) -> Mapping[str, object]:
        """Return an object, empty when absent or faulty."""
        value = self._values.get(name, {})
        if not isinstance(value, Mapping):
            return self._wrong(name, "таблица { … }", "a table { … }", {})
        return value

    def tables(self, name: str) -> list[Mapping[str, object]]:
        """Return a list of objects, empty when absent or faulty."""
        value = self._values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            return self._wrong(name, "список таблиц", "a list of tables", [])
        return value

    def _wrong(self, name: str, expected_ru: str, expected_en: str, default: T) -> T:
        self.fault("wrong_type", name, expected_ru=expected_ru, expected_en=expected_en)
        return default


def parse_day(text: str) -> date | None:
    """Read YYYY-MM-DD within the years 1900 to 2199; anything else is None."""
    if len(text) != 10 or text[4] != "-":
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1900 <= day.year < 2200 else None
