"""One usage record → a `UsageRow`, or the fault that keeps it from being one. The hot path."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter

from kvit.adapters.folder.localtime import LocalClock
from kvit.adapters.folder.mapping import Layout, Part, World, lookup_key, lookup_table
from kvit.adapters.folder.suggest import shown
from kvit.integrations.port import Fault, Notice, Place, UsageRow

_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,12})?", re.ASCII).fullmatch
_DAY = timedelta(days=1)
_MIDNIGHT = datetime(1970, 1, 1).time()  # noqa: DTZ001


class _BadRow(Exception):
    """What is wrong with the row being made: code, field, parameters."""

    def __init__(self, code: str, field: str, **params: str) -> None:
        super().__init__(code, field, params)


class RowMaker:
    """Makes rows of one file. `columns` is the order in which its cells come."""

    def __init__(
        self, source: str, file: str, layout: Layout, world: World, columns: Sequence[str]
    ) -> None:
        self._source = source
        self._file = file
        self._layout = layout
        self._world = world
        places = {name: i for i, name in enumerate(columns)}
        self._ids = [places[name] for name in layout.id]
        self._time = places[layout.time.column]
        self._subscription = _cell(layout.subscription, places)
        self._customer = _cell(layout.customer, places)
        self._meter = _cell(layout.meter, places)
        self._value = _cell(layout.value, places)
        self._dimensions = [
            (name, cell)
            for name, part in layout.dimensions.items()
            if (cell := _cell(part, places)) is not None
        ]
        self._aggregations = {code: meter.aggregation for code, meter in world.meters.items()}
        self._lookups = {
            part.lookup: lookup_table(part.lookup, world) for part in layout.parts if part.lookup
        }
        self._clocks: dict[str, LocalClock] = {}
        self._zones: dict[tuple[str, str], str] = {}

    def make(self, row: int, cells: Sequence[object], source: str = "") -> UsageRow | Fault:
        """Return the row whose cells stand in the order of `columns`."""
        try:
            return self._make(row, cells, source or self._source)
        except _BadRow as bad:
            code, field, params = bad.args
            return Fault(code, Place(self._file, row, field), {**params, "id": self._id(cells)})

    def notices(self) -> Iterator[Notice]:
        """Yield what the reader should know about the file once it is read."""
        clocks = [clock for clock in self._clocks.values() if clock.resolved]
        if clocks:
            first = min(clock.first_row for clock in clocks)
            params = {"count": str(sum(clock.resolved for clock in clocks)), "first": str(first)}
            place = Place(self._file, first, self._layout.time.column)
            yield Notice("local_time_resolved", place, params)

    def _make(self, row: int, cells: Sequence[object], source: str) -> UsageRow:
        key = self._id(cells)
        if not key:
            raise _BadRow("missing_value", self._layout.id[0])
        subject = self._subject(cells)
        meter = self._meter(cells) if self._meter else ""
        if not meter:
            raise _BadRow("missing_value", self._layout.meter.column or "meter")
        written = cells[self._time]
        time = self._moment(written, subject, meter, row)
        value, text = self._measured(cells, meter)
        dimensions = {}
        for name, cell in self._dimensions:
            if given := cell(cells):
                dimensions[name] = given
        return UsageRow(source, key, time, subject, meter, value, text, dimensions, self._file, row)

    def _id(self, cells: Sequence[object]) -> str:
        if len(self._ids) == 1:
            return str(cells[self._ids[0]])
        # Doubled where it occurs, so that no two sets of columns make the same id.
        return "|".join(str(cells[i]).replace("|", "||") for i in self._ids)

    def _subject(self, cells: Sequence[object]) -> tuple[str, str]:
        subscription = self._subscription(cells) if self._subscription else ""
        customer = self._customer(cells) if self._customer else ""
        if bool(subscription) == bool(customer):
            raise _BadRow("bad_subject", "subscription")
        part = self._layout.subscription if subscription else self._layout.customer
        code = subscription or customer
        if not part.lookup:
            return ("subscription" if subscription else "customer", code)
        table = self._lookups[part.lookup]
        found = table.get(lookup_key(part.lookup, code), "")
        if not found:
            fault = "ambiguous_lookup" if found is None else "unknown_lookup"
            raise _BadRow(fault, part.column, value=shown(code), lookup=part.lookup)
        return ("customer" if part.lookup.startswith("customers.") else "subscription", found)

    def _moment(self, written: object, subject: tuple[str, str], meter: str, row: int) -> datetime:
        layout = self._layout.time
        given = written if isinstance(written, datetime) else layout.parse(str(written))
        if given is None:
            raise _BadRow("bad_time", layout.column, value=shown(written))
        try:
            if given.tzinfo is UTC:
                moment = given
            elif given.tzinfo is not None:
                moment = given.astimezone(UTC)
            else:
                if layout.midnight_closes and given.time() == _MIDNIGHT:
                    given += _DAY
                moment = self._clock(subject).utc(given, (subject, meter), row)
            if layout.ends and layout.step:
                moment -= layout.step
        except OverflowError:
            raise _BadRow("bad_time", layout.column, value=shown(written)) from None
        return moment

    def _clock(self, subject: tuple[str, str]) -> LocalClock:
        zone = self._layout.time.zone or self._zones.get(subject)
        if not zone:
            zone = self._world.zone_of(subject)
            if len(self._zones) < 1_000_000:
                self._zones[subject] = zone
        clock = self._clocks.get(zone)
        if clock is None:
            clock = self._clocks[zone] = LocalClock(zone, self._layout.time.step)
        return clock

    def _measured(self, cells: Sequence[object], meter: str) -> tuple[Decimal | None, str | None]:
        """A number; a text for a meter of unique values; nothing is enough for one that counts."""
        written = self._value(cells) if self._value else ""
        aggregation = self._aggregations.get(meter)
        if aggregation == "unique":
            if not written:
                raise _BadRow("missing_value", self._layout.value.column or "value")
            return None, written
        if not written and aggregation == "count":
            return None, None
        plain = written.replace(",", ".", 1) if self._layout.value.comma else written
        if _NUMBER(plain):
            return Decimal(plain), None
        if aggregation is None and written:  # an unknown meter: it waits, whatever it says
            return None, written
        raise _BadRow("bad_value", self._layout.value.column or "value", value=shown(written))


def _cell(part: Part, places: dict[str, int]) -> Callable[[Sequence[object]], str] | None:
    """Return how the part is taken from a record's cells; None where the file does not have it."""
    if always := part.always:
        return lambda _: always
    place = places.get(part.column)
    return None if place is None else itemgetter(place)
