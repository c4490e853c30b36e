"""Matrix: units are priced by the values of their dimensions.

The first entry all of whose dimensions are equal takes the units; all units of an entry are added
and priced together, so that its tiers run over the whole period. `default` takes the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, MatchKey, Table
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Texts
from kvit.core.pricing.price import Needs, Price, compile_price, require_units


@dataclass(frozen=True, slots=True)
class Entry:
    """A price for the units whose dimensions have these values."""

    match: Texts
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix(Price):
    """No entry fits and there is no default: no_price."""

    model: ClassVar[str] = "matrix"
    part: ClassVar[Needs] = "usage"

    prices: tuple[Entry, ...]
    default: Price | None = None

    def check(self, path: str) -> None:
        """Entries differ, and each prices units."""
        if not self.prices and self.default is None:
            raise PriceError("bad_tiers", f"{path}.prices", reason="empty")
        seen = set()
        for i, entry in enumerate(self.prices):
            where = f"{path}.prices[{i}]"
            if entry.match in seen:
                shown = _label(entry.match)
                raise PriceError("bad_tiers", f"{where}.match", reason="repeated", value=shown)
            seen.add(entry.match)
            require_units(entry.price, f"{where}.price", self.model)
        if self.default is not None:
            require_units(self.default, f"{path}.default", self.model)

    def compile(self) -> Compiled:
        """The tables of all entries, each under its key."""
        tables = [_keyed(entry.price, _label(entry.match)) for entry in self.prices]
        if self.default is not None:
            tables.append(_keyed(self.default, "*"))
        matches = tuple(entry.match for entry in self.prices)
        return Compiled(
            "keys", event=MatchKey(matches, self.default is not None), tables=tuple(tables)
        )


def shadowed(matches: Sequence[Mapping[str, str]]) -> dict[int, int]:
    """Return the entries that no unit reaches, each with the first one that takes its units.

    zone=1 │ zone=1, kind=box   the second is never reached: {1: 0}
    """
    asked = [frozenset(one.items()) for one in matches]
    found: dict[int, int] = {}
    for place, one in enumerate(asked):
        taker = next((earlier for earlier in range(place) if asked[earlier] <= one), None)
        if taker is not None:
            found[place] = taker
    return found


def _keyed(price: Price, key: str) -> Table:
    compiled = compile_price(price)
    table = compiled.tables[0]
    return replace(table, key=key, adjustments=table.adjustments + compiled.adjustments)


def _label(match: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in match) or "*"
