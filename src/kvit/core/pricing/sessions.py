"""Charges sessions by compiled routes: whole steps of time through bands, by elapsed time.

A step begun before a border is charged whole at its own band's rate, and the next band begins
where it ends. All times are integers of microseconds.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction

from kvit.core.money import round_fraction
from kvit.core.pricing.bands import DAY, SECOND, HolidayCalendar, band_at, to_us
from kvit.core.pricing.compiled import Route, Rule, SessionStep, TimeBand
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.quantity import Session
from kvit.core.pricing.steps import Step, Sums

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_LAST_DAY = date.max.toordinal() - _EPOCH_DAY - 1
_TICK = timedelta(microseconds=1)
MAX_SECONDS = 10 * 366 * 24 * 60 * 60


def charge_sessions(
    event: SessionStep, sessions: tuple[Session, ...], calendar: HolidayCalendar | None
) -> list[Step]:
    """Return the steps of all sessions, one a place.

    Raises:
        PriceError: no_price (no prefix fits), no_band, out_of_range, bad_period.
    """
    sums = Sums()
    for item in sessions:
        session = Session(*item)
        if not 0 <= session.seconds <= MAX_SECONDS:
            shown = str(session.seconds)[:40]
            raise PriceError("out_of_range", "seconds", value=shown, bounds=f"0…{MAX_SECONDS}")
        route = _route(event, session.destination)
        for step in _charge(route, session, calendar):
            sums.add(step)
    return sums.steps()


def _route(event: SessionStep, destination: str) -> Route:
    """Find the longest prefix of `destination` that the price knows."""
    prefixes = event.prefixes
    for length in range(len(destination), -1, -1):
        wanted = destination[:length]
        at = bisect_left(prefixes, (wanted, 0))
        if at < len(prefixes) and prefixes[at][0] == wanted:
            return event.routes[prefixes[at][1]]
    raise PriceError("no_price", "destination", value=destination[:40] or "–")


def _charge(route: Route, session: Session, calendar: HolidayCalendar | None) -> list[Step]:
    total = to_us(session.seconds, "seconds")
    if not total:
        return []
    if total <= route.free_us:
        free = Fraction(total, SECOND)
        return [Step("session.free", Fraction(0), units=free, group=route.name)]
    steps = _timed_steps(route, session, total, calendar)
    cost = sum((step.exact for step in steps), Fraction(0))
    if route.most is not None and cost > (most := Fraction(*route.most)):
        cut = Step("session.most", most - cost, kind="maximum", group=route.name)
        steps.append(cut)
        cost = most
    if route.precision is not None:
        scale = 10**route.precision
        rounded = Fraction(round_fraction(cost * scale, route.rounding), scale)
        if rounded != cost:
            steps.append(
                Step("session.rounding", rounded - cost, kind="rounding", group=route.name)
            )
    return steps


def _timed_steps(
    route: Route, session: Session, total: int, calendar: HolidayCalendar | None
) -> list[Step]:
    """Walk through the session from border to border."""
    clock = _LocalClock(session.start)
    steps: list[Step] = []
    at = 0
    while at < total:
        day, of_day = clock.local(at)
        index = band_at(route, day, of_day, calendar)
        if index is None:
            moment = (
                f"{day.isoformat()} {of_day // 3_600_000_000:02}:{of_day // 60_000_000 % 60:02}"
            )
            raise PriceError("no_band", "start", moment=moment)
        band = route.bands[index]
        group = ": ".join(name for name in (route.name, band.name) if name)
        if not at and band.fee[0]:
            fee = Fraction(*band.fee)
            steps.append(Step("connect", fee, flat=fee, count=1, group=group))
        rule, until = _rule_at(band, at)
        limit = clock.hold_until(at, at + band.end - of_day)
        limit = min(total, limit) if until is None else min(total, limit, until)
        # Every step that begins before the limit is charged whole.
        taken = -(-(limit - at) // rule.step) * rule.step if rule.step else limit - at
        seconds = Fraction(taken, SECOND)
        unit = Fraction(*rule.price)
        steps.append(Step("time", seconds * unit, units=seconds, unit=unit, group=group))
        at += taken
    return steps


def _rule_at(band: TimeBand, at: int) -> tuple[Rule, int | None]:
    """Return the last rule begun by `at` of the session, and when the next one begins."""
    found = band.rules[0]
    for rule in band.rules[1:]:
        if rule.after > at:
            return found, rule.after
        found = rule
    return found, None


class _LocalClock:
    """Local time of a session, by microseconds elapsed since its start."""

    def __init__(self, start: datetime) -> None:
        offset = start.utcoffset()
        if offset is None or start.tzinfo is None:
            raise PriceError("bad_period", "start", reason="time", value=start.isoformat())
        self._zone = start.tzinfo
        self._fixed = isinstance(start.tzinfo, timezone)
        self._offset = offset // _TICK
        self._start = (start - _EPOCH) // _TICK

    def local(self, at: int) -> tuple[date, int]:
        """Return the local date and the microseconds of that day."""
        days, of_day = divmod(self._start + at + self._offset_at(at), DAY)
        if not -_EPOCH_DAY < days <= _LAST_DAY:
            raise PriceError("out_of_range", "start", value="", bounds="0001…9999")
        return date.fromordinal(days + _EPOCH_DAY), of_day

    def hold_until(self, at: int, until: int) -> int:
        """Return `until`, or the earlier moment after `at` at which clocks are moved."""
        if self._fixed or self._offset_at(until) == (offset := self._offset_at(at)):
            return until
        low, high = at, until
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset_at(middle) == offset:
                low = middle
            else:
                high = middle
        return high

    def _offset_at(self, at: int) -> int:
        if self._fixed:
            return self._offset
        try:
            moment = _EPOCH + (self._start + at) * _TICK
            offset = moment.astimezone(self._zone).utcoffset()
        except OverflowError:
            raise PriceError("out_of_range", "start", value="", bounds="0001…9999") from None
        return (offset or timedelta(0)) // _TICK
