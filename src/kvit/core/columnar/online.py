"""One session at a time, while somebody waits: the tables of `sessions`, read by whole numbers.

The same line of time, the same ranges of prefixes and the same sums; lists stand in place of
columns, of which a single number costs more to read than to add.
"""

from bisect import bisect_right
from fractions import Fraction
from typing import NamedTuple

from kvit.core.columnar.digits import NOBODY, key_of
from kvit.core.columnar.exact import NotColumnar
from kvit.core.columnar.hours import SPAN, Line
from kvit.core.columnar.sessions import LONGEST, Tariff
from kvit.core.money import round_fraction


class Cost(NamedTuple):
    """num / den of the tariff, and the microseconds that were charged for."""

    num: int
    taken: int


class Online:
    """A tariff on one line of time, ready to be asked."""

    def __init__(self, tariff: Tariff, line: Line) -> None:
        self.den = tariff.den
        self._routes = tariff.routes
        self._prefixes = tariff.prefixes
        self._bounds: list[int] = tariff.prefixes.bounds.tolist()
        self._takers: list[int] = tariff.prefixes.routes.tolist()
        self._begin, self._end = line.begin, line.end - LONGEST
        self._stretches = line.keys.tolist()
        self._slots, self._borders = line.slots.tolist(), line.untils.tolist()
        self._of_route = list(
            zip(*(column.tolist() for column in (
                tariff.schedule, tariff.band, tariff.free, tariff.most, tariff.quantum,
            )), strict=True)
        )  # fmt: skip
        self._of_band = list(zip(tariff.fee.tolist(), tariff.rule.tolist(), strict=True))
        self._of_rule = list(
            zip(tariff.step.tolist(), tariff.price.tolist(), tariff.until.tolist(), strict=True)
        )

    def charge(self, start: int, lasting: int, number: str) -> Cost:
        """Charge one session.

        Args:
            start: µs since 1970.
            lasting: µs.

        Raises:
            NotColumnar: no prefix or no band takes it, or it is beyond the line: the evaluator
                says what is wrong, or how much it is.
        """
        route = self._route(number)
        inside = self._begin <= start < self._end and 0 <= lasting <= LONGEST
        if route == NOBODY or not inside:
            raise NotColumnar("no route, or beyond the line of time")
        schedule, first_band, free, most, quantum = self._of_route[route]
        if lasting <= free:
            return Cost(0, lasting)
        num = at = 0
        key = schedule * SPAN + start - self._begin
        while at < lasting:
            stretch = bisect_right(self._stretches, key + at) - 1
            slot = self._slots[stretch]
            if slot == NOBODY:
                raise NotColumnar("no band")
            fee, rule = self._of_band[first_band + slot]
            while at >= self._of_rule[rule][2]:
                rule += 1
            step, price, until = self._of_rule[rule]
            spent = min(lasting, self._borders[stretch] - start, until) - at
            if step:
                spent = -(-spent // step) * step
            num += spent * price if at else spent * price + fee
            at += spent
        kept = self._routes[route]
        num = min(num, most)
        if kept.precision is not None:
            num = round_fraction(Fraction(num, quantum), kept.rounding) * quantum
        return Cost(num, at)

    def _route(self, number: str) -> int:
        key = key_of(number)
        if key == NOBODY:
            return self._prefixes.of_text(number)
        return self._takers[bisect_right(self._bounds, key) - 1]
