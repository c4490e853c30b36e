"""Local times to UTC: which 01:30 was it on the night when clocks went back?

A worked example, hourly stamps of America/Toronto on 4 November 2012, when 01:00 strikes twice:

    00:00  01:00  01:00  02:00   →   04:00Z  05:00Z  06:00Z  07:00Z

A stamp that strikes twice, or never, is resolved by the time elapsed since the row before it of
the same series (or the row before it in the file): the first moment that is later than that row.
Where that decides nothing, the offset before the change of clocks holds. Each is counted.
"""

import re
from collections.abc import Callable, Hashable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from kvit.core.periods import zone_of

_DAY = timedelta(days=1)
_SERIES_LIMIT = 100_000
_DIRECTIVES = {
    "Y": r"(?P<year>\d{4})", "m": r"(?P<month>\d{1,2})", "d": r"(?P<day>\d{1,2})",
    "H": r"(?P<hour>\d{1,2})", "M": r"(?P<minute>\d{1,2})", "S": r"(?P<second>\d{1,2})",
}  # fmt: skip


def parse_time(text: str) -> datetime | None:
    """Read an ISO 8601 time, with or without a zone, of the years 1970 to 2199; else None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if 1970 <= moment.year < 2200 else None


def parser_of(pattern: str) -> Callable[[str], datetime | None]:
    """Return a reader of times written as `pattern` (strptime's directives).

    Plain numeric patterns are read by a regular expression, several times as fast as strptime.
    """
    parts = re.split(r"%(.)", pattern)
    names = parts[1::2]
    if not set(names) <= set(_DIRECTIVES) or len(set(names)) != len(names):
        return lambda text: _strptime(text, pattern)
    expression = "".join(
        _DIRECTIVES[part] if i % 2 else re.escape(part) for i, part in enumerate(parts)
    )
    match = re.compile(expression, re.ASCII).fullmatch
    fields = [name for name in ("year", "month", "day", "hour", "minute", "second")
              if f"<{name}>" in expression]  # fmt: skip
    if fields[:3] != ["year", "month", "day"]:
        return lambda text: _strptime(text, pattern)

    def parse(text: str) -> datetime | None:
        found = match(text)
        try:
            numbers = [int(part) for part in found.group(*fields)] if found else []
            year, month, day, *clock = numbers
            return datetime(year, month, day, *clock)  # type: ignore[arg-type]  # noqa: DTZ001
        except ValueError:
            return None

    return parse


def _strptime(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007
    except ValueError:
        return None


class LocalClock:
    """Turns the local times of one zone, in the order of a file, into UTC."""

    def __init__(self, zone: str, step: timedelta | None = None) -> None:
        self.resolved = 0
        self.first_row = 0
        self._zone: ZoneInfo = zone_of(zone)
        self._step = step
        self._offsets: dict[date, timedelta | None] = {}
        self._last: datetime | None = None
        self._last_series: Hashable = None
        self._night: dict[Hashable, datetime] = {}  # last moment by series, on such a night only

    def utc(self, local: datetime, series: Hashable, row: int) -> datetime:
        """Return the moment of the naive time `local` as an aware time in UTC.

        Raises:
            OverflowError: at the very edge of the calendar.
        """
        day = local.date()
        try:
            offset = self._offsets[day]
        except KeyError:
            offset = self._offsets[day] = self._constant_offset(day)
        if offset is not None:
            moment = (local - offset).replace(tzinfo=UTC)
        else:
            moment = self._on_such_a_day(local, series, row)
        self._last, self._last_series = moment, series
        return moment

    def _constant_offset(self, day: date) -> timedelta | None:
        """The offset that holds all day, None on a day on which clocks change."""
        start = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        offsets = {(start + _DAY * part / 8).replace(fold=fold).utcoffset()
                   for part in range(9) for fold in (0, 1)}  # fmt: skip
        return offsets.pop() if len(offsets) == 1 else None

    def _on_such_a_day(self, local: datetime, series: Hashable, row: int) -> datetime:
        aware = local.replace(tzinfo=self._zone)
        by_earlier_offset = aware.astimezone(UTC)
        candidates = [by_earlier_offset, aware.replace(fold=1).astimezone(UTC)]
        if candidates[0] == candidates[1]:
            chosen = by_earlier_offset
        else:
            self.resolved += 1
            self.first_row = self.first_row or row
            chosen = self._choose(candidates, series) or by_earlier_offset
        if len(self._night) < _SERIES_LIMIT:
            self._night[series] = chosen
        return chosen

    def _choose(self, candidates: list[datetime], series: Hashable) -> datetime | None:
        """The first candidate that fits the time elapsed since the row before, None where none."""
        before = self._night.get(series)
        if before is None and self._last_series == series:
            before = self._last
        if before is None:  # another series: rows of one moment may follow one another
            return next((c for c in candidates if self._last and c >= self._last), None)
        if self._step is not None and before + self._step in candidates:
            return before + self._step
        return next((c for c in candidates if c > before), None)
