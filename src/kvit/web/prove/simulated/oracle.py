"""What a subscription's periods must come to, computed day by day and apart from the core.

Nothing of `kvit.core` is used but the shape of what was said: periods are counted from the first
day, terms are folded by the day, shares and roundings are plain integers.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

FEES = {"pro": 100_000, "max": 177_777}  # kopecks a period
USED = ("max",)  # plans that charge calls
A_CALL = 10  # kopecks
CYCLES = {"month": 1, "quarter": 3, "year": 12}  # months


@dataclass(frozen=True, slots=True)
class Said:
    """An amendment: from the day on, the plan or the percentage off."""

    number: int
    day: date
    change: str
    value: str


@dataclass(frozen=True, slots=True)
class Life:
    """A subscription as it was said."""

    start: date
    plan: str  # pro or max, its cycle, its anchor
    zone: str

    @property
    def months(self) -> int:
        return CYCLES[self.plan.split()[1]]

    @property
    def is_anniversary(self) -> bool:
        return self.plan.endswith("anniversary")


def owed(
    life: Life, said: Sequence[Said], events: Sequence[tuple[datetime, int]], until: date
) -> dict[date, int]:
    """Return what each period that ends by `until` costs, by its first day of service."""
    found: dict[date, int] = {}
    k = 0
    while True:
        start, end = _boundary(life, k), _boundary(life, k + 1)
        if end > until:
            return found
        served = max(start, life.start)
        found[served] = _cost(life, said, events, (start, end), served)
        k += 1


def _boundary(life: Life, k: int) -> date:
    origin = life.start.month - 1
    if not life.is_anniversary:
        origin -= origin % life.months
    year, month = divmod(life.start.year * 12 + origin + k * life.months, 12)
    day = min(life.start.day, monthrange(year, month + 1)[1]) if life.is_anniversary else 1
    return date(year, month + 1, day)


def _cost(
    life: Life,
    said: Sequence[Said],
    events: Sequence[tuple[datetime, int]],
    period: tuple[date, date],
    served: date,
) -> int:
    length = (period[1] - period[0]).days
    cuts = sorted({served, period[1], *(one.day for one in said if served < one.day < period[1])})
    total, begun, terms = 0, served, _terms(life, said, served)
    for day in [*cuts[1:]]:
        new = _terms(life, said, day)
        if new == terms and day != period[1]:
            continue
        plan, percent, _ = terms
        fee = FEES[plan.split()[0]] * (day - begun).days * (100 - percent)
        total += _half_up(fee, length * 100)
        since, until = _midnight(begun, life.zone), _midnight(day, life.zone)
        if plan.split()[0] in USED:
            calls = sum(value for at, value in events if since <= at < until)
            total += _half_up(calls * A_CALL * (100 - percent), 100)
        begun, terms = day, new
    return total


def _terms(life: Life, said: Sequence[Said], day: date) -> tuple[str, int, date | None]:
    """Return the plan, the percentage, and since when: a discount that is given anew is another."""
    plan, percent, since = life.plan, 0, None
    for one in sorted(said, key=lambda one: (one.day, one.number)):
        if one.day > day:
            break
        if one.change == "plan":
            plan = one.value
        else:
            percent, since = int(one.value), one.day
    return plan, percent, since


def _midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
