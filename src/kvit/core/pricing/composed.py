"""Composed: an expression over other prices, tables, attributes and counters.

A worked example, 12 pallets, 1–10 at 1 850 and from 11 at 1 650, fuel 8 % of it:

    {"model": "composed", "parts": {"base": {"model": "graduated", …}}, "expression": "base * 0.08"}

    base = 21 800.00 → 1 744.00

Every part is a price of the same quantity. The expression may use the parts by name, `units`
(also `quantity`), `events` (their count), the attributes it declares, and counters. A bill hands
it:

- attributes: those of the subscription's terms (`{"attributes": {"region": "north"}}`), the values
  of the price's `group_by`, `plan`, and of the customer `customer` (the code), `kind`, `segment`,
  `branch` as they were when the period was first billed;
- counters: `counter("NAME")` is what the meter NAME has measured in the service period up to now,
  `counter("periods")` how many periods of the cycle came before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, ClassVar, cast

from kvit.core.expression import (
    ExpressionError,
    KeyTable,
    Program,
    RangeTable,
    parse_expression,
)
from kvit.core.expression import Table as LookupTable
from kvit.core.pricing.compiled import Compiled, Graph
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Reader, Signed, SignedAmounts, read_object, read_row, write_row
from kvit.core.pricing.price import Needs, Price, compile_price, parse_price
from kvit.core.pricing.tiers import check_tiers

ZERO = Fraction(0)
OWN_NAMES = frozenset({"units", "quantity", "events"})


@dataclass(frozen=True, slots=True)
class RangeRow:
    """A value that holds up to and including `up_to`."""

    value: Signed
    up_to: Signed | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Either `ranges` for `range(x, table)`, or `keys` for `key(text, table)`."""

    ranges: tuple[RangeRow, ...] = ()
    keys: SignedAmounts = ()
    default: Signed | None = None

    def check(self, path: str) -> None:
        """One of the two, with rising ranges."""
        if bool(self.ranges) == bool(self.keys):
            raise PriceError("missing_field", f"{path}.ranges", name="ranges / keys")
        if self.ranges:
            check_tiers(self.ranges, path, name="ranges", low=None)

    def table(self) -> LookupTable:
        """Return what the expression reads."""
        if self.ranges:
            return RangeTable(tuple((row.up_to, row.value) for row in self.ranges))
        return KeyTable(self.keys, self.default)


def _named(
    read: Callable[[object, str], object], write: Callable[[object], object], item: type
) -> Reader:
    """Read an object whose values are of one kind, kept as sorted pairs."""
    return Reader(
        lambda value, path: tuple(
            (name, read(one, f"{path}.{str(name)[:60]}"))
            for name, one in sorted(read_object(value, path).items())
        ),
        lambda pairs: {name: write(one) for name, one in pairs},
        item=item,
    )


Parts = Annotated[
    tuple[tuple[str, Price], ...],
    _named(lambda v, p: parse_price(v, path=p), lambda price: cast(Price, price).document(), Price),
]
Lookups = Annotated[
    tuple[tuple[str, Lookup], ...], _named(lambda v, p: read_row(Lookup, v, p), write_row, Lookup)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed(Price):
    """A small graph of prices. `attributes` names what the quantity has to bring."""

    model: ClassVar[str] = "composed"

    expression: str
    parts: Parts = ()
    tables: Lookups = ()
    attributes: tuple[str, ...] = ()

    @property
    def reads(self) -> frozenset[Needs]:
        """What the parts read, and what the expression itself names."""
        parts = frozenset(kind for _, part in self.parts for kind in part.reads)
        used = self._program("expression").used
        if used & {"units", "quantity"}:
            parts |= {"units"}
        if "events" in used and not parts & {"events", "dynamic"}:
            parts |= {"events"}
        return parts - {"nothing"} or frozenset({"nothing"})

    @property
    def counters(self) -> frozenset[str]:
        """The counters that the expression and the parts name."""
        parts = (part.counters for _, part in self.parts if isinstance(part, Composed))
        graph = compile_price(self).graph
        assert graph is not None  # compile() makes one
        return graph.program.counters.union(*parts)

    @property
    def asks_attributes(self) -> bool:
        """Whether the expression or a part reads attributes."""
        return bool(self.attributes) or any(
            isinstance(part, Composed) and part.asks_attributes for _, part in self.parts
        )

    def check(self, path: str) -> None:
        """The expression can be read."""
        self._program(f"{path}.expression")

    def compile(self) -> Compiled:
        """The compiled parts and the program over them."""
        parts = tuple((name, compile_price(part)) for name, part in self.parts)
        return Compiled("graph", graph=Graph(parts, self._program("expression")))

    def _program(self, field: str) -> Program:
        parts = frozenset(name for name, _ in self.parts)
        try:
            return parse_expression(
                self.expression,
                names=OWN_NAMES | parts | frozenset(self.attributes),
                tables={name: lookup.table() for name, lookup in self.tables},
            )
        except ExpressionError as error:
            raise PriceError(
                "bad_expression", field, position=error.position, detail=error
            ) from None
