"""Events → units of a period: the aggregations of a meter, with filters and groups by dimension.

A worked example, a store that held 0 GB, from 5 March 2 500 GB, in a March of 31 days:

    sum 2 500 · count 1 · max 2 500 · latest 2 500 · time_weighted 2 500 × 27/31 = 2 177.419…

Events come sorted by (time, id). Every figure is exact.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal, get_args

from kvit.core.expression import Program, parse_expression

Kind = Literal["sum", "count", "max", "unique", "latest", "time_weighted", "expression"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ZERO = Fraction(0)
_TICK = timedelta(microseconds=1)
Group = tuple[tuple[str, str], ...]


class UnknownAggregation(ValueError):
    """The word is not an aggregation, or "expression" stands without one."""


class NotMeasured(ValueError):
    """The value of an event is a text where a number is needed."""


class OutOfOrder(ValueError):
    """Events are not sorted by (time, id): the caller's mistake."""


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One measurement. `time` is aware; `dimensions` are sorted pairs."""

    time: datetime
    id: str
    value: Fraction | str  # a text only under "unique" and "count"
    dimensions: Group = ()


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How the events of a period become units. `program` is there for "expression" alone."""

    kind: Kind
    program: Program | None = None

    @property
    def persists(self) -> bool:
        """The value at the end of a period is the value at the start of the next."""
        return self.kind in ("latest", "time_weighted")

    def units(
        self,
        events: Sequence[UsageEvent],
        *,
        start: datetime,
        end: datetime,
        carried: Fraction = ZERO,
    ) -> Fraction:
        """Aggregate the events of [start, end).

        Args:
            events: sorted by (time, id), all within the period.
            start: the first moment of the period; aware.
            end: the first moment after it.
            carried: the value at `start`, for kinds that persist; others do not read it.

        Returns:
            Units; 0 without events, or what was carried in.

        Raises:
            NotMeasured: a text where a number is needed.
            OutOfOrder: events are not sorted, or one lies outside the period.
            ExpressionError: the expression cannot be computed for an event.
        """
        _check_order(events, start, end)
        match self.kind:
            case "count":
                return Fraction(len(events))
            case "unique":
                return Fraction(len({event.value for event in events}))
            case "sum":
                return sum(map(_number, events), ZERO)
            case "max":
                return max(map(_number, events), default=ZERO)
            case "latest":
                return _number(events[-1]) if events else carried
            case "time_weighted":
                return _time_weighted(events, start, end, carried)
            case "expression":
                return sum((self._computed(event) for event in events), ZERO)

    def carry_over(self, events: Sequence[UsageEvent], carried: Fraction = ZERO) -> Fraction:
        """Return the value with which the next period starts, for kinds that persist."""
        if not self.persists:
            return ZERO
        return _number(events[-1]) if events else carried

    def _computed(self, event: UsageEvent) -> Fraction:
        assert self.program is not None
        return self.program.run({"value": _number(event), **dict(event.dimensions)})


def aggregation(
    kind: str, *, expression: str | None = None, dimensions: Iterable[str] = ()
) -> Aggregation:
    """Make an aggregation from the words of a meter.

    "expression" is computed for each event from its `value` and its dimensions, and added up.

    Raises:
        UnknownAggregation: see the class.
        ExpressionError: the expression cannot be read.
    """
    found = next((known for known in KINDS if known == kind), None)
    if found is None or (found == "expression") != (expression is not None):
        raise UnknownAggregation(kind)
    if expression is None:
        return Aggregation(found)
    names = frozenset({"value", *dimensions})
    return Aggregation(found, parse_expression(expression, names=names))


def filtered(events: Iterable[UsageEvent], wanted: Mapping[str, Iterable[str]]) -> list[UsageEvent]:
    """Keep the events whose every wanted dimension has one of the wanted values."""
    conditions = [(name, frozenset(values)) for name, values in wanted.items()]
    kept = []
    for event in events:
        dimensions = dict(event.dimensions)
        if all(dimensions.get(name) in values for name, values in conditions):
            kept.append(event)
    return kept


def grouped(events: Iterable[UsageEvent], by: Sequence[str]) -> dict[Group, list[UsageEvent]]:
    """Part the events by the values of the dimensions `by`, a missing one being empty.

    Every event is in exactly one group, and the order within a group is kept.
    """
    groups: dict[Group, list[UsageEvent]] = {}
    for event in events:
        dimensions = dict(event.dimensions)
        key = tuple((name, dimensions.get(name, "")) for name in sorted(by))
        groups.setdefault(key, []).append(event)
    return groups


def _check_order(events: Sequence[UsageEvent], start: datetime, end: datetime) -> None:
    before: tuple[datetime, str] | None = None
    for event in events:
        place = (event.time, event.id)
        if before is not None and place < before:
            raise OutOfOrder(f"{event.id} at {event.time}")
        before = place
    if events and not (start <= events[0].time and events[-1].time < end):
        raise OutOfOrder(f"outside {start} … {end}")


def _number(event: UsageEvent) -> Fraction:
    if isinstance(event.value, str):
        raise NotMeasured(f"{event.id}: {event.value[:40]!r}")
    return event.value


def _time_weighted(
    events: Sequence[UsageEvent], start: datetime, end: datetime, carried: Fraction
) -> Fraction:
    """Average the level over the period: each value holds until the next."""
    if end <= start:
        raise OutOfOrder(f"{start} … {end}")
    level, since = carried, start
    weighted = ZERO
    for event in events:
        weighted += level * ((event.time - since) // _TICK)
        level, since = _number(event), event.time
    weighted += level * ((end - since) // _TICK)
    return weighted / ((end - start) // _TICK)
