"""What remains to be charged: the amounts a period costs by today's knowledge, less those charged.

A worked example. October was billed 4 000.00 for calls; a late file brings 10 000 calls more and
the month costs 4 150.00 now:

    revision 0   4 000.00    October's run
    revision 1     150.00    the run that found the difference

Nothing that stands is touched: revisions of one stretch always add up to what it costs. A stretch
that no longer exists (its amendment was withdrawn) is taken back to zero in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from kvit.core.stretches import Charge


class Slot(NamedTuple):
    """What identifies a stretch among the charges of a service period."""

    price_key: str
    starts_at: datetime
    customer: str  # who pays


@dataclass(frozen=True, slots=True)
class Standing:
    """What is charged for a slot already, over all its revisions."""

    amount_minor: int
    units: Fraction
    events: int
    revision: int  # the last one
    taken: Mapping[str, int] = field(default_factory=dict)  # by discount code, minor units
    voided: bool = False  # its document was voided last: nothing of it is asked for
    ends_at: datetime | None = None  # as the last revision tells; None: it is not compared

    @property
    def gross_minor(self) -> int:
        """What it would be without discounts."""
        return self.amount_minor + sum(self.taken.values())


@dataclass(frozen=True, slots=True)
class Due:
    """A charge to be written. `charge` is None when a stretch is taken back."""

    slot: Slot
    charge: Charge | None
    revision: int
    amount_minor: int
    gross_minor: int
    units: Fraction
    events: int
    taken: Mapping[str, int] = field(default_factory=dict)  # by discounts, in earlier revisions


_FINEST = 10**12
NOTHING = Standing(0, Fraction(0), 0, -1)


def slot_of(charge: Charge, payer: str) -> Slot:
    """Return the slot of a charge; a group is part of the price's key."""
    key = charge.stretch.key
    return Slot(f"{key}[{charge.group}]" if charge.group else key, charge.stretch.start, payer)


def differences(
    wanted: Mapping[Slot, Charge],
    standing: Mapping[Slot, Standing],
    *,
    amended: frozenset[str] = frozenset(),
) -> tuple[Sequence[Due], Sequence[Due]]:
    """Return (new charges, differences to what stands).

    A price that has no charge at all in the period is new; a stretch or a group that appears
    beside charged ones of its price is a difference, since a backdated change split what was
    billed whole.

    Args:
        amended: what was charged already (of "arrears", "advance", …) when the terms changed:
            a price that this brings is a difference too.
    """
    charged = {_bare(slot) for slot in standing}
    fresh: list[Due] = []
    changed: list[Due] = []
    numbers = _last_revisions(standing)
    for slot, charge in wanted.items():
        known = standing.get(slot, NOTHING)
        if slot not in standing and _is_new(slot, charge, charged, amended):
            fresh.append(
                Due(slot, charge, 0, charge.amount_minor, charge.gross_minor, charge.units,
                    charge.events)
            )  # fmt: skip
        elif _differs(charge, known):
            changed.append(
                Due(
                    slot,
                    charge,
                    _next(numbers, slot),
                    charge.amount_minor - known.amount_minor,
                    charge.gross_minor - known.gross_minor,
                    charge.units - known.units,
                    charge.events - known.events,
                    known.taken,
                )
            )
    for slot, known in standing.items():
        if slot not in wanted and (known.amount_minor or known.gross_minor or known.units):
            changed.append(
                Due(
                    slot,
                    None,
                    _next(numbers, slot),
                    -known.amount_minor,
                    -known.gross_minor,
                    -known.units,
                    -known.events,
                    known.taken,
                )
            )
    return fresh, changed


def _differs(charge: Charge, known: Standing) -> bool:
    """Whether anything differs: units and what discounts took count even where the sum does not,
    since later periods inherit from them. Units are stored with so many digits and no more.

    So does the end of what is charged: a backdated change may cut a stretch behind all that was
    used in it, and what is charged for the rest must not seem to be charged twice."""
    return (
        charge.amount_minor != known.amount_minor
        or charge.gross_minor != known.gross_minor
        or abs(charge.units - known.units) * _FINEST >= 1
        or bool(known.amount_minor and known.ends_at not in (None, charge.stretch.end))
    )


def _is_new(slot: Slot, charge: Charge, charged: set[str], amended: frozenset[str]) -> bool:
    if charge.stretch.when == "milestone":
        return True  # each is reached once
    return charge.stretch.when not in amended and _bare(slot) not in charged


def _bare(slot: Slot) -> str:
    """The price's key without the group."""
    return slot.price_key.split("[", 1)[0]


def _last_revisions(standing: Mapping[Slot, Standing]) -> dict[tuple[str, datetime], int]:
    """Return the last revision of each stretch, whoever pays: two payers may share its moment."""
    last: dict[tuple[str, datetime], int] = {}
    for slot, known in standing.items():
        place = (slot.price_key, slot.starts_at)
        last[place] = max(last.get(place, -1), known.revision)
    return last


def _next(numbers: dict[tuple[str, datetime], int], slot: Slot) -> int:
    place = (slot.price_key, slot.starts_at)
    numbers[place] = numbers.get(place, -1) + 1
    return numbers[place]
