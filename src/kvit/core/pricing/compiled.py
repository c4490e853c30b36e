"""The normal form of a price: event step → aggregation → segment tables of integers.

A worked example, "first 100 at 2.00, above at 1.50 and 10.00 once", in units × 1, sums × 1:

    lower  upper  offset  price  base
      −1      0       0    0/1      0     the row of zero units: no line is ever lost
       0    100       0    2/1      0
     100      –     100    3/2    210     base: what the tiers below cost, with this tier's flat

250 units are found in the third row: 210 + (250 − 100) × 3/2 = 435.

Everything that shows, previews, simulates or bills a price reads these parts; nothing else
computes one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Literal

from kvit.core.money import Rounding

if TYPE_CHECKING:
    from kvit.core.expression import Program

Aggregation = Literal[
    "nothing",  # a flat price: the row of zero
    "units",  # the units as they are
    "events",  # the sum of events' amounts, and their count for the per-event fee
    "amounts",  # the event step has turned each event into its own sum; these are added
    "keys",  # the event step has named a table for each item; units are added per table
    "limits",  # the first row all of whose limits hold
    "graph",  # an expression over other prices
]


@dataclass(frozen=True, slots=True)
class Segment:
    """One row: `base + (units − offset) × price + events × fee`, for lower < units <= upper."""

    lower: int  # exclusive, in units × unit_scale; −1 in the row of zero
    upper: int | None  # inclusive; None: open
    offset: int
    price: tuple[int, int]  # major units of money for one unit, or for one package
    base: int  # in money × amount_scale
    package: int = 0  # units × unit_scale in a package, rounded up to whole ones; 0: none
    fee: int = 0  # a charge for each event, in money × amount_scale
    tier: int = 0  # the tier it came from, counted from 1; 0: units that cost nothing
    capped: bool = False
    limits: tuple[tuple[str, int], ...] = ()  # by meter, in units × unit_scale


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A correction of a whole sum, applied in the order in which they stand."""

    kind: Literal["discount", "maximum", "minimum"]
    value: tuple[int, int]  # a share of the sum for a discount, else money


@dataclass(frozen=True, slots=True)
class Table:
    """The segments of one key, with the scales that make all their numbers integers."""

    segments: tuple[Segment, ...]
    unit_scale: int
    amount_scale: int
    shape: str  # which words explain its rows
    stacked: bool = False  # rows add up from the bottom (graduated); else one row counts alone
    free: int = 0  # units × unit_scale taken off before the table is read
    carries: bool = False  # takes off what was carried in as well
    key: str = ""
    adjustments: tuple[Adjustment, ...] = ()


@dataclass(frozen=True, slots=True)
class PercentStep:
    """What one event's amount turns into. Sums are in money × scale."""

    rate: tuple[int, int]
    scale: int
    fixed: int
    free_events: int | None
    free_amount: int | None
    least: int | None
    most: int | None


@dataclass(frozen=True, slots=True)
class OwnAmount:
    """The event brings its own amount."""


@dataclass(frozen=True, slots=True)
class Rule:
    """From `after` on, time is sold in whole steps (0: by the microsecond). Times in µs."""

    after: int
    step: int
    price: tuple[int, int]  # money for one second


@dataclass(frozen=True, slots=True)
class TimeBand:
    """Hours of some days. `days`: ISO weekdays, and 0 for holidays. Times in µs of the day."""

    days: frozenset[int]
    start: int
    end: int
    fee: tuple[int, int] = (0, 1)
    rules: tuple[Rule, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """How sessions to one group of destinations are charged."""

    name: str
    bands: tuple[TimeBand, ...]
    free_us: int = 0
    most: tuple[int, int] | None = None
    precision: int | None = None
    rounding: Rounding = "half-up"
    holidays: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class SessionStep:
    """Longest prefix → route; `prefixes` sorted, the empty prefix takes everything."""

    prefixes: tuple[tuple[str, int], ...]
    routes: tuple[Route, ...]

    def __hash__(self) -> int:
        """Of thousands of prefixes a few tell prices apart; equality looks at all of them."""
        return hash((len(self.prefixes), self.prefixes[:4], self.routes[:1]))


@dataclass(frozen=True, slots=True)
class BandKey:
    """Names the table of a reading by the band in which its interval starts."""

    bands: tuple[TimeBand, ...]
    holidays: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class MatchKey:
    """Names the table of a usage item: the first entry all of whose dimensions are equal."""

    entries: tuple[tuple[tuple[str, str], ...], ...]
    has_default: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """An expression over named prices."""

    parts: tuple[tuple[str, "Compiled"], ...]
    program: "Program"


EventStep = PercentStep | OwnAmount | SessionStep | BandKey | MatchKey


@dataclass(frozen=True, slots=True)
class Compiled:
    """A price as data."""

    aggregation: Aggregation
    event: EventStep | None = None
    tables: tuple[Table, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    graph: Graph | None = None


def scale_of(values: Iterable[Fraction | None]) -> int:
    """Return the least factor that makes all of `values` integers."""
    return lcm(*(value.denominator for value in values if value is not None))


def scaled(value: Fraction, scale: int) -> int:
    """Return value × scale, which the scale was chosen to make an integer."""
    times, rest = divmod(scale, value.denominator)
    if rest:
        raise ArithmeticError(f"{value} does not fit the scale {scale}")
    return value.numerator * times


def ratio(value: Fraction) -> tuple[int, int]:
    """Return numerator and denominator."""
    return value.numerator, value.denominator


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment before scaling: what a model says about the units from `lower` to `upper`."""

    lower: Fraction
    upper: Fraction | None
    offset: Fraction
    price: Fraction
    base: Fraction
    package: Fraction = Fraction(0)
    fee: Fraction = Fraction(0)
    tier: int = 0
    capped: bool = False


def make_table(
    pieces: Iterable[Piece],
    *,
    shape: str,
    at_zero: Fraction = Fraction(0),
    stacked: bool = False,
    free: Fraction = Fraction(0),
) -> Table:
    """Scale `pieces` to integers and put the row of zero units before them."""
    rows = tuple(pieces)
    units = scale_of([v for p in rows for v in (p.lower, p.upper, p.offset, p.package)] + [free])
    amounts = scale_of([v for p in rows for v in (p.base, p.fee)] + [at_zero])
    zero = Segment(-1, 0, 0, (0, 1), scaled(at_zero, amounts), tier=1)
    return Table(
        segments=(
            zero,
            *(
                Segment(
                    lower=scaled(p.lower, units),
                    upper=None if p.upper is None else scaled(p.upper, units),
                    offset=scaled(p.offset, units),
                    price=ratio(p.price),
                    base=scaled(p.base, amounts),
                    package=scaled(p.package, units),
                    fee=scaled(p.fee, amounts),
                    tier=p.tier,
                    capped=p.capped,
                )
                for p in rows
            ),
        ),
        unit_scale=units,
        amount_scale=amounts,
        shape=shape,
        stacked=stacked,
        free=scaled(free, units),
    )
