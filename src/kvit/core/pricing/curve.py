"""The bill as a function of the quantity: points of a curve, by the evaluator of the bill itself.

A worked example, first 100 at 2.00, above at 1.50, up to 200: (0, 0.00) … (100, 200.00) …
(200, 350.00). Where a tier begins there is a point on its bound and one just behind it, so that a
step is drawn as a step.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from kvit.core.money import to_minor
from kvit.core.pricing.bands import HolidayCalendar
from kvit.core.pricing.compiled import Compiled
from kvit.core.pricing.evaluator import evaluate
from kvit.core.pricing.price import Price, compile_price
from kvit.core.pricing.quantity import Quantity

POINTS = 48
BEHIND = Fraction(1, 1000)  # of the width: how far behind a bound its tier is looked at
DEFAULT_REACH = Fraction(100)


@dataclass(frozen=True, slots=True)
class Point:
    """What so many units cost: rounded once, as a bill has it, and the average of a unit."""

    units: Fraction
    amount_minor: int
    per_unit: Fraction | None  # major units of money; None at zero


def has_curve(price: Price) -> bool:
    """Whether the price is a function of one quantity."""
    return price.reads <= {"units", "nothing"}


def bounds_of(price: Price) -> tuple[Fraction, ...]:
    """Return the quantities at which something changes, rising: bounds of tiers, what is free."""
    return tuple(sorted({bound for bound in _bounds(compile_price(price)) if bound > 0}))


def reach_of(price: Price, *quantities: Fraction) -> Fraction:
    """Return how far a curve should go: beyond every bound, and every quantity that matters."""
    bounds = bounds_of(price)
    far = max((*quantities, bounds[-1] if bounds else Fraction(0)))
    return far * Fraction(3, 2) if far else DEFAULT_REACH


def curve(
    price: Price, *, reach: Fraction, currency: str, calendar: HolidayCalendar | None = None
) -> tuple[Point, ...]:
    """Return points from zero to `reach`, on an even grid and at every bound.

    Raises:
        PriceError: the price asks for more than a quantity (an attribute of a composed one).
    """
    grid = {reach * step / POINTS for step in range(POINTS + 1)}
    for bound in bounds_of(price):
        grid |= {bound, bound + reach * BEHIND}
    wanted = sorted(one for one in grid if one <= reach)
    return points_at(price, wanted, currency=currency, calendar=calendar)


def points_at(
    price: Price,
    quantities: Iterable[Fraction],
    *,
    currency: str,
    calendar: HolidayCalendar | None = None,
) -> tuple[Point, ...]:
    """Return what each of these quantities costs.

    Raises:
        PriceError: see `curve`.
    """
    found = []
    for units in quantities:
        exact = evaluate(price, Quantity(units=units), calendar=calendar).exact
        per_unit = exact / units if units else None
        found.append(Point(units, to_minor(exact, currency), per_unit))
    return tuple(found)


def ticks(reach: Fraction) -> tuple[Fraction, ...]:
    """Return round quantities from zero to `reach`, five to ten of them: for a table."""
    rough, step = reach / 8, Fraction(1)
    while step * 10 <= rough:
        step *= 10
    while step > rough:
        step /= 10
    step = next(step * factor for factor in (1, 2, 5, 10) if step * factor >= rough)
    return tuple(step * place for place in range(int(reach / step) + 1))


def _bounds(compiled: Compiled) -> Iterator[Fraction]:
    for table in compiled.tables:
        for segment in table.segments:
            if segment.upper is not None:
                yield Fraction(segment.upper + table.free, table.unit_scale)
        if table.free:
            yield Fraction(table.free, table.unit_scale)
    if compiled.graph is not None:
        for _, part in compiled.graph.parts:
            yield from _bounds(part)
