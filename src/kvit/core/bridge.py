"""Why a bill differs from the one before it: the difference, split by cause, exactly.

    October   calls 10 000 × 0.10 = 1 000.00    fee 629.68 for 16 days
    November  calls 12 000 × 0.12 = 1 440.00    fee 1 220.00 for 30 days

    volume  calls  10 000 → 12 000 at October's price   +200.00
    price   calls  the rest                             +240.00
    days    fee    16 → 30                              +590.32
                                                      = +1 030.32

Each line's difference goes to causes whole: the last of them takes the rest, so the steps always
add up to the difference of the bills, whatever was rounded.

A fee is for time, and may stand on a bill in parts: a plan that began within the month, a quantity
or a price that changed. Its parts are weighed by the share of the period that each is for:

    October   fee 1 000.00, 1 seat, whole month
    November  fee 500.00, 1 seat, days 1–15 │ 1 200.00, 2 seats at 1 200, days 16–30

    volume  fee  1 → 1½ seats at October's price        +500.00
    price   fee  the rest                               +200.00
                                                      = +700.00
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from kvit.core.money import round_fraction

Cause = Literal["new", "gone", "volume", "price", "days", "recalculated"]
CAUSES: tuple[Cause, ...] = ("volume", "price", "days", "new", "gone", "recalculated")
_SHOWN = 6  # decimals of a quantity that is an average
MONTHS_DIFFER_BY = 3  # days: what February is shorter by is nobody's doing


@dataclass(frozen=True, slots=True)
class BillPart:
    """A line of a bill, as far as it is compared.

    `key` says which lines are about the same thing; `version` is the price's, "" where unknown.
    """

    key: tuple[str, ...]
    name: str
    units: Fraction
    days: int
    minor: int
    version: str = ""
    recalculated: bool = False  # it puts an earlier period right, and is compared with nothing
    # Of a fee, the days of its whole period: `units` are held through `days` of them. Of usage, 0.
    whole: int = 0


@dataclass(frozen=True, slots=True)
class BridgeStep:
    """One cause's share of one line's difference."""

    cause: Cause
    key: tuple[str, ...]
    name: str
    minor: int
    units_before: Fraction
    units_now: Fraction


@dataclass(frozen=True, slots=True)
class _Sum:
    name: str
    units: Fraction
    days: int
    minor: int
    versions: frozenset[str]
    parts: int
    time: Fraction | None  # periods that a fee is for: ½ is half a month; None: it is no fee
    held: Fraction  # its units through that time: 2 units for ½ a month are 1


def bridge(before: Iterable[BillPart], now: Iterable[BillPart]) -> tuple[BridgeStep, ...]:
    """Return steps whose sum is Σ now − Σ before; lines that cost the same make none.

    A recalculation within the earlier bill is undone as one of the present bill is done.
    """
    before, now = list(before), list(now)
    steps = [
        BridgeStep("recalculated", part.key, part.name, sign * part.minor, *_units(part, sign))
        for sign, parts in ((-1, before), (1, now))
        for part in parts
        if part.recalculated
    ]
    old, new = _sums(before), _sums(now)
    for key in dict.fromkeys([*old, *new]):
        steps += _compared(key, old.get(key), new.get(key))
    return tuple(step for step in steps if step.minor)


def by_cause(steps: Iterable[BridgeStep]) -> Mapping[Cause, int]:
    """Return Σ of each cause that has steps, in the order in which causes are told."""
    sums: dict[Cause, int] = {}
    for step in steps:
        sums[step.cause] = sums.get(step.cause, 0) + step.minor
    return {cause: sums[cause] for cause in CAUSES if cause in sums}


def _units(part: BillPart, sign: int) -> tuple[Fraction, Fraction]:
    return (part.units, Fraction(0)) if sign < 0 else (Fraction(0), part.units)


def _sums(parts: Iterable[BillPart]) -> dict[tuple[str, ...], _Sum]:
    found: dict[tuple[str, ...], list[BillPart]] = {}
    for part in parts:
        if not part.recalculated:
            found.setdefault(part.key, []).append(part)
    return {
        key: _Sum(
            name=many[-1].name,
            units=sum((one.units for one in many), Fraction(0)),
            days=sum(one.days for one in many),
            minor=sum(one.minor for one in many),
            versions=frozenset(one.version for one in many),
            parts=len(many),
            time=sum((Fraction(one.days, one.whole) for one in many), Fraction(0))
            if all(one.whole for one in many)
            else None,
            held=sum((one.units * one.days / one.whole for one in many if one.whole), Fraction(0)),
        )
        for key, many in found.items()
    }


def _compared(key: tuple[str, ...], old: _Sum | None, new: _Sum | None) -> Iterable[BridgeStep]:
    if old is None or new is None:
        known = new or old
        assert known is not None  # the key is of one of them
        cause: Cause = "gone" if new is None else "new"
        minor = -known.minor if new is None else known.minor
        before = known.units if new is None else Fraction(0)
        after = Fraction(0) if new is None else known.units
        yield BridgeStep(cause, key, known.name, minor, before, after)
        return
    if old.time and new.time and old.held and new.held:
        yield from _of_time(key, old, new)
        return
    whole = new.minor - old.minor
    units = old.units, new.units
    if old.units == new.units:
        same_days = abs(new.days - old.days) <= MONTHS_DIFFER_BY
        yield BridgeStep("price" if same_days else "days", key, new.name, whole, *units)
        return
    # Under one version what a step of a tariff adds is the volume's doing. Under two, the volume
    # is priced as before, and the price answers for the rest.
    volume = whole
    if old.versions != new.versions and old.units:
        volume = round_fraction(old.minor * new.units / old.units) - old.minor
    yield BridgeStep("volume", key, new.name, volume, *units)
    yield BridgeStep("price", key, new.name, whole - volume, *units)


def _of_time(key: tuple[str, ...], old: _Sum, new: _Sum) -> Iterable[BridgeStep]:
    """A fee: what it would have been for the present time, then for the present units too, both
    at the price before; the price answers for the rest."""
    assert old.time is not None and new.time is not None  # noqa: PT018
    quantities = old.held / old.time, new.held / new.time
    by_time = round_fraction(old.minor * new.time / old.time)
    by_units = round_fraction(old.minor * new.held / old.held)
    price = new.minor - by_units
    # Every part was rounded by itself. What a bill of half a month loses by that is no price.
    slack = old.parts * max(Fraction(1), new.held / old.held) + new.parts
    if abs(price) <= slack and (new.time, new.held) != (old.time, old.held):
        by_units, price = new.minor, 0
        if quantities[0] == quantities[1]:
            by_time = new.minor
    quantities = round(quantities[0], _SHOWN), round(quantities[1], _SHOWN)
    yield BridgeStep("days", key, new.name, by_time - old.minor, *quantities)
    yield BridgeStep("volume", key, new.name, by_units - by_time, *quantities)
    yield BridgeStep("price", key, new.name, price, *quantities)
