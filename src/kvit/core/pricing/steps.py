"""The explained steps of a sum: what an invoice line, a preview and «почему?» print."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from kvit.core.wording import say

ZERO = Fraction(0)

WORDS: dict[str, tuple[str, str]] = {
    "flat": ("твёрдая сумма", "flat sum"),
    "unit": ("{units} × {unit}", "{units} × {unit}"),
    "free": ("включено: {units}", "included: {units}"),
    "tier": ("ступень {n}: {low}–{high}", "tier {n}: {low}–{high}"),
    "tier.open": ("ступень {n}: свыше {low}", "tier {n}: above {low}"),
    "tier.zero": ("ступень {n} при нулевом объёме", "tier {n} at zero units"),
    "tier.capped": (
        "ступень {n}: {low}–{high}, не больше предела ступени",
        "tier {n}: {low}–{high}, limited by the tier's cap",
    ),
    "tier.capped.open": (
        "ступень {n}: свыше {low}, не больше предела ступени",
        "tier {n}: above {low}, limited by the tier's cap",
    ),
    "volume": (
        "весь объём по ступени {n}: {low}–{high}",
        "all units at tier {n}: {low}–{high}",
    ),
    "volume.open": (
        "весь объём по ступени {n}: свыше {low}",
        "all units at tier {n}: above {low}",
    ),
    "volume.zero": ("ступень {n} при нулевом объёме", "tier {n} at zero units"),
    "volume.capped": (
        "весь объём по ступени {n}: {low}–{high}, не больше предела ступени",
        "all units at tier {n}: {low}–{high}, limited by the tier's cap",
    ),
    "volume.capped.open": (
        "весь объём по ступени {n}: свыше {low}, не больше предела ступени",
        "all units at tier {n}: above {low}, limited by the tier's cap",
    ),
    "stair": (
        "сумма за весь объём, ступень {n}: {low}–{high}",
        "one sum for all units, step {n}: {low}–{high}",
    ),
    "stair.open": (
        "сумма за весь объём, ступень {n}: свыше {low}",
        "one sum for all units, step {n}: above {low}",
    ),
    "package": (
        "{packages} {packages:plural:пакет|пакета|пакетов} по {size}",
        "{packages} {packages:plural:package|packages} of {size}",
    ),
    "block": (
        "ступень {n}: {packages} {packages:plural:блок|блока|блоков} по {size}",
        "tier {n}: {packages} {packages:plural:block|blocks} of {size}",
    ),
    "percent_tier": (
        "ступень {n}: {percent} % от суммы {low}–{high}",
        "tier {n}: {percent}% of {low}–{high}",
    ),
    "percent_tier.open": (
        "ступень {n}: {percent} % от суммы свыше {low}",
        "tier {n}: {percent}% of the sum above {low}",
    ),
    "percent_tier.zero": ("ступень {n} при нулевом объёме", "tier {n} at zero units"),
    "percent": ("{percent} % от {units}", "{percent}% of {units}"),
    "percent.fee": (
        "{percent} % от {units} и {fee} × {count} {count:plural:событие|события|событий}",
        "{percent}% of {units} and {fee} × {count} {count:plural:event|events}",
    ),
    "events.free": (
        "без платы: {count} {count:plural:событие|события|событий}",
        "free: {count} {count:plural:event|events}",
    ),
    "events.rate": (
        "{percent} % от {units} и {fee} × {count} {count:plural:событие|события|событий}",
        "{percent}% of {units} and {fee} × {count} {count:plural:event|events}",
    ),
    "events.least": (
        "не меньше {bound} за событие: {count} {count:plural:событие|события|событий}",
        "at least {bound} an event: {count} {count:plural:event|events}",
    ),
    "events.most": (
        "не больше {bound} за событие: {count} {count:plural:событие|события|событий}",
        "at most {bound} an event: {count} {count:plural:event|events}",
    ),
    "own": (
        "сумма самих событий: {count} {count:plural:событие|события|событий}",
        "the events' own amounts: {count} {count:plural:event|events}",
    ),
    "capacity": (
        "ступень {n}: пределы всех показателей соблюдены",
        "tier {n}: the limits of all meters hold",
    ),
    "time": ("{units} с × {unit}", "{units} s × {unit}"),
    "connect": (
        "за соединение: {count} {count:plural:сеанс|сеанса|сеансов}",
        "connection: {count} {count:plural:session|sessions}",
    ),
    "session.free": ("без платы: {units} с", "free: {units} s"),
    "session.most": ("не больше предела за сеанс", "limited by the most a session may cost"),
    "session.rounding": ("округление сеансов", "rounding of sessions"),
    "formula": ("{formula}", "{formula}"),
    "discount": ("скидка {percent} %", "discount {percent}%"),
    "maximum": ("не больше {bound}", "not more than {bound}"),
    "minimum": ("доначисление до минимума {bound}", "true-up to the minimum {bound}"),
    "before": ("уже начислено: {what}", "charged before: {what}"),
}

Kind = Literal["charge", "discount", "maximum", "minimum", "rounding"]


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a sum; the parts' `exact` add up to it. Nothing is rounded.

    A charge is units × unit + flat, unless it counts packages or a bound has cut it.
    """

    key: str
    exact: Fraction
    units: Fraction = ZERO
    unit: Fraction = ZERO  # major units of money for one unit, or for one package
    flat: Fraction = ZERO
    kind: Kind = "charge"
    group: str = ""  # the band, the destination or the dimensions it belongs to
    packages: int = 0
    count: int = 0  # events or sessions
    params: tuple[tuple[str, Any], ...] = ()
    before: bool = False  # takes back what was charged earlier in the period
    inside: tuple[tuple[str, tuple["Step", ...]], ...] = ()  # parts of a composed price

    @property
    def identity(self) -> tuple[object, ...]:
        """Steps that are the same place of a price, whatever the quantity."""
        return (self.kind, self.group, self.key, self.unit, self.params)

    @property
    def is_empty(self) -> bool:
        """Says nothing: no units, no money."""
        return not (self.units or self.exact or self.flat)

    def minus(self, earlier: "Step") -> "Step":
        """Return what was added to this step since `earlier`."""
        return replace(
            self,
            exact=self.exact - earlier.exact,
            units=self.units - earlier.units,
            flat=self.flat - earlier.flat,
            packages=self.packages - earlier.packages,
            count=self.count - earlier.count,
        )

    def plus(self, other: "Step") -> "Step":
        """Return both steps of one place as one."""
        return replace(
            self,
            exact=self.exact + other.exact,
            units=self.units + other.units,
            flat=self.flat + other.flat,
            packages=self.packages + other.packages,
            count=self.count + other.count,
        )

    def taken_back(self) -> "Step":
        """Return the step that undoes this one."""
        return replace(Step("", ZERO).minus(self), key=self.key, kind=self.kind, unit=self.unit,
                       group=self.group, params=self.params, before=True)  # fmt: skip

    def why(self, lang: str) -> str:
        """Say where the sum comes from."""
        sign = -1 if self.before else 1
        text = say(
            WORDS,
            self.key,
            lang,
            units=self.units * sign,
            unit=self.unit,
            packages=self.packages * sign,
            count=self.count * sign,
            **dict(self.params),
        )
        if self.group:
            text = f"{self.group}: {text}"
        return say(WORDS, "before", lang, what=text) if self.before else text


@dataclass(frozen=True, slots=True)
class Priced:
    """A sum, not rounded, with the steps that make it."""

    exact: Fraction
    units: Fraction
    steps: tuple[Step, ...]

    def why(self, lang: str) -> tuple[str, ...]:
        """Say each step."""
        return tuple(step.why(lang) for step in self.steps)


class Sums:
    """Adds steps of one place together, in the order in which places were first met."""

    def __init__(self) -> None:
        self._steps: dict[tuple[object, ...], Step] = {}

    def add(self, step: Step) -> None:
        """Take one more step in."""
        known = self._steps.get(step.identity)
        self._steps[step.identity] = step if known is None else known.plus(step)

    def steps(self) -> list[Step]:
        """Return all steps so far."""
        return list(self._steps.values())


def difference(now: list[Step], earlier: list[Step]) -> list[Step]:
    """Return steps that lead from `earlier` to `now`: place by place, the rest taken back."""
    left = {step.identity: step for step in _merged(earlier)}
    steps = []
    for step in _merged(now):
        before = left.pop(step.identity, None)
        steps.append(step if before is None else step.minus(before))
    steps.extend(step.taken_back() for step in left.values())
    return [step for step in steps if not step.is_empty]


def _merged(steps: list[Step]) -> list[Step]:
    """Add up steps of one place: what an allowance and a package inside it leave free, say."""
    sums = Sums()
    for step in steps:
        sums.add(step)
    return sums.steps()
