"""What a company sells, as frozen facts: meters, plans and prices with the days they hold from.

Only the first day of a version is stored (like the upper bound of a tier): two dates could
overlap or leave a gap, one cannot. The version in force on a day is the latest that has begun.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from kvit.core.calendars import RUSSIAN, Calendar, RussianCalendar
from kvit.core.periods import Period
from kvit.core.pricing import Price
from kvit.core.pricing.bands import HolidayCalendar

ALWAYS = date(1900, 1, 1)  # a version without an effective date holds from the beginning


@dataclass(frozen=True, slots=True)
class Meter:
    """What is measured: how its events add up to units of a period."""

    code: str
    name: str
    unit: str
    aggregation: str
    expression: str | None = None
    dimensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """One version of a plan. `cycle` and `anchor` are the words of `periods.parse_cycle`."""

    code: str
    name: str
    cycle: str = "month"
    anchor: str = "calendar"
    scheme: str = "postpaid"
    service: str = ""
    seller: str = ""
    calendar: str = ""
    price_basis: str = ""
    trial_days: int = 0
    commitment: Fraction | None = None  # major units a full period, topped up by a true-up
    # Usage that is not billed yet is billed at once when it costs so much (major units).
    threshold: Fraction | None = None
    includes: tuple[str, ...] = ()
    phases: tuple[tuple[str, int], ...] = ()  # (code, how many cycles), in order; then none
    effective_from: date = ALWAYS
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """One version of a price of a plan, with its definition parsed."""

    plan: str
    code: str
    name: str
    price: Price
    when: str = "arrears"
    prorate: str = "days"
    meter: str = ""
    continues: bool = False
    counts_quantity: bool = True  # whether the subscription's quantity is a fee's units
    ends: bool = False  # from this version's first day on the price is no more
    price_basis: str = ""
    calendar: str = ""
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    group_by: tuple[str, ...] = ()
    phase: str = ""
    effective_from: date = ALWAYS
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class StandingDiscount:
    """A discount for every customer. `scope`: "" all prices, "plan", or "plan/price".

    With `from_units` it is a volume discount: taken off the whole of a price once a service
    period uses that many units of it. A version holds from its first day until the next of the
    same code; of a fixed sum, the share of the period's days on which it holds.
    """

    code: str
    name: str
    percent: Fraction | None = None
    fixed: Fraction | None = None
    scope: str = ""
    from_units: Fraction | None = None
    order: int = 0
    effective_from: date = ALWAYS

    def covers(self, terms: PriceTerms) -> bool:
        """Whether it is taken off this price, once enough of it was used."""
        return self.scope in ("", terms.plan, f"{terms.plan}/{terms.code}")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything sold, as it was known at one revision."""

    meters: Mapping[str, Meter] = field(default_factory=dict)
    plans: Mapping[str, tuple[PlanTerms, ...]] = field(default_factory=dict)
    prices: Mapping[str, tuple[PriceTerms, ...]] = field(default_factory=dict)  # by plan
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    discounts: tuple[StandingDiscount, ...] = ()  # every version, rising by its first day
    revision: int = 0
    default_calendar: str = ""  # of prices and plans that name none

    def calendar(self, code: str) -> HolidayCalendar | None:
        """Return the holidays of a calendar: the company's own, or the built-in Russian one.

        Days of an own calendar "ru" override the built-in one, day by day.
        """
        name = code or self.default_calendar
        own = self.calendars.get(name)
        return RussianCalendar(own) if name == RUSSIAN else own

    def plan_on(self, code: str, day: date) -> PlanTerms | None:
        """Return the version of the plan in force on `day`; its first one on an earlier day."""
        versions = self.plans.get(code, ())
        begun = [one for one in versions if one.effective_from <= day]
        return begun[-1] if begun else (versions[0] if versions else None)

    def prices_on(self, plan: str, day: date) -> tuple[PriceTerms, ...]:
        """Return the prices of `plan` in force on `day`, in the order they were first declared."""
        begun = {one.code: one for one in self.prices.get(plan, ()) if one.effective_from <= day}
        return tuple(one for one in begun.values() if not one.ends)

    def first_days(self, plan: str) -> tuple[date, ...]:
        """Return the days on which a version of the plan, of a plan bundled into it or of a price
        of them begins, rising."""
        days: set[date] = set()
        seen: set[str] = set()
        waiting = [plan]
        while waiting:
            code = waiting.pop()
            if code not in seen:
                seen.add(code)
                versions = self.plans.get(code, ())
                days |= {one.effective_from for one in versions}
                days |= {one.effective_from for one in self.prices.get(code, ())}
                waiting += [included for one in versions for included in one.includes]
        return tuple(sorted(days - {ALWAYS}))

    def discounts_on(self, day: date) -> tuple[StandingDiscount, ...]:
        """Return the discounts in force on `day`, in the order in which they are taken."""
        chosen = {one.code: one for one in self.discounts if one.effective_from <= day}
        return tuple(sorted(chosen.values(), key=_turn))

    def share_of(self, discount: StandingDiscount, period: Period) -> Fraction:
        """Return the share of a period's days on which a version of a discount holds."""
        later = [
            one.effective_from
            for one in self.discounts
            if one.code == discount.code and one.effective_from > discount.effective_from
        ]
        held = min([period.end, *later]) - max(discount.effective_from, period.start)
        return Fraction(max(held.days, 0), period.days)

    def plans_within(self, plan: str, day: date) -> tuple[str, ...]:
        """Return the plan and the plans bundled into it, each once, the plan itself first."""
        found: list[str] = []
        waiting = [plan]
        while waiting:
            code = waiting.pop(0)
            terms = self.plan_on(code, day)
            if code in found or terms is None:
                continue
            found.append(code)
            waiting += terms.includes
        return tuple(found)


def build(
    *,
    meters: Iterable[Meter],
    plans: Iterable[PlanTerms],
    prices: Iterable[PriceTerms],
    calendars: Mapping[str, Calendar],
    revision: int,
    discounts: Iterable[StandingDiscount] = (),
    default_calendar: str = "",
) -> Catalogue:
    """Arrange versions by plan, rising by their first day; declared order is kept within a day."""
    by_plan: dict[str, list[PlanTerms]] = {}
    for plan in plans:
        by_plan.setdefault(plan.code, []).append(plan)
    priced: dict[str, list[PriceTerms]] = {}
    for price in prices:
        priced.setdefault(price.plan, []).append(price)
    return Catalogue(
        meters={meter.code: meter for meter in meters},
        plans={code: tuple(sorted(many, key=_first_day)) for code, many in by_plan.items()},
        prices={code: tuple(sorted(many, key=_first_day)) for code, many in priced.items()},
        calendars=calendars,
        discounts=tuple(sorted(discounts, key=_first_day)),
        revision=revision,
        default_calendar=default_calendar,
    )


def _first_day(terms: PlanTerms | PriceTerms | StandingDiscount) -> date:
    return terms.effective_from


def _turn(discount: StandingDiscount) -> tuple[int, str]:
    return discount.order, discount.code
