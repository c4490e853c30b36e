"""A small shop for tests of the arithmetic: catalogue, contract, events, bills, no database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction
from itertools import count
from typing import Any

from kvit.core.catalogue import (
    Catalogue,
    Meter,
    PlanTerms,
    PriceTerms,
    StandingDiscount,
    build,
)
from kvit.core.charges import Charge, Rated, rate
from kvit.core.measured import Measured
from kvit.core.periods import Period, instant_of, parse_billing_period
from kvit.core.pricing import parse_price
from kvit.core.schedule import Contract, ServicePeriod, service_periods
from kvit.core.terms import Amendment, Terms, counts_from, milestones, timeline, with_terms
from kvit.core.usage import UsageEvent

MOSCOW = "Europe/Moscow"
EVERYTHING = frozenset({"arrears", "advance", "once", "milestone"})
_versions = count(1)
Said = tuple[str, str, object]  # a moment, the change, its value


def flat(amount: str) -> dict[str, object]:
    return {"model": "flat", "amount": amount}


def per_unit(unit: str) -> dict[str, object]:
    return {"model": "per_unit", "unit": unit}


def graduated(*tiers: tuple[str | None, str]) -> dict[str, object]:
    return {"model": "graduated", "tiers": [{"up_to": top, "unit": unit} for top, unit in tiers]}


def plan(code: str = "pro", **said: Any) -> PlanTerms:
    return PlanTerms(code=code, name=code.title(), version_id=str(next(_versions)), **said)


def price(code: str, document: Mapping[str, object], **said: Any) -> PriceTerms:
    said.setdefault("plan", "pro")
    said.setdefault("prorate", "none" if said.get("meter") else "days")
    return PriceTerms(
        code=code,
        name=code.title(),
        price=parse_price(document),
        version_id=str(next(_versions)),
        **said,
    )


def meter(code: str, aggregation: str = "sum", **said: Any) -> Meter:
    return Meter(code, code.title(), "шт", aggregation, **said)


def shop(*things: PlanTerms | PriceTerms | Meter | StandingDiscount) -> Catalogue:
    return build(
        meters=[one for one in things if isinstance(one, Meter)],
        plans=[one for one in things if isinstance(one, PlanTerms)],
        prices=[one for one in things if isinstance(one, PriceTerms)],
        discounts=[one for one in things if isinstance(one, StandingDiscount)],
        calendars={},
        revision=1,
    )


def moment(text: str, zone: str = MOSCOW) -> datetime:
    """A date is its first moment, a time stands on the wall of the zone."""
    if "T" in text:
        return instant_of(datetime.fromisoformat(text), zone)
    return instant_of(date.fromisoformat(text), zone)


def contract(
    *said: Said,
    plan: str = "pro",
    start: str = "2026-09-01",
    end: str | None = None,
    zone: str = MOSCOW,
    currency: str = "RUB",
    quantity: int = 1,
    terms: Mapping[str, object] | None = None,
) -> Contract:
    """A subscription with its amendments, recorded in the order in which they are said."""
    told = [
        Amendment(number, moment(at, zone), change, value)
        for number, (at, change, value) in enumerate(said, 1)
    ]
    first = Terms(plan=plan, customer="c1", quantity=Fraction(quantity))
    spells = timeline(
        start=moment(start, zone),
        end=None if end is None else moment(end, zone),
        first=with_terms(first, terms or {}, since=None),
        amendments=told,
    )
    return Contract(
        id="s1",
        code="s1",
        zone=zone,
        currency=currency,
        spells=spells,
        milestones=milestones(told),
        terms_number=len(told),
        changes=counts_from(told),
    )


def used(*rows: tuple[str, str, object] | tuple[str, str, object, Mapping[str, str]],
         zone: str = MOSCOW) -> Measured:  # fmt: skip
    """Events (meter, moment, value, dimensions), as a whole life's usage."""
    found: dict[str, list[UsageEvent]] = {}
    for place, (code, at, value, *rest) in enumerate(rows):
        dimensions = tuple(sorted(rest[0].items())) if rest else ()
        number = value if isinstance(value, str) else Fraction(value)  # type: ignore[arg-type]
        found.setdefault(code, []).append(
            UsageEvent(moment(at, zone), f"e{place:05}", number, dimensions)
        )
    for many in found.values():
        many.sort(key=lambda one: (one.time, one.id))
    return Measured(found)


def cut(measured: Measured, service: ServicePeriod) -> Measured:
    """What rating is handed: the period's own events, and those before it."""
    own = {
        code: [one for one in many if service.start <= one.time < service.end]
        for code, many in measured.events.items()
    }
    before = {
        code: [one for one in many if one.time < service.start]
        for code, many in measured.events.items()
    }
    return Measured(own, before)


def rated(
    subscription: Contract,
    catalogue: Catalogue,
    measured: Measured | None = None,
    month: str = "2026-10",
    whens: frozenset[str] = EVERYTHING,
    **said: Any,
) -> list[Rated]:
    """Rate every service period that has a day in the month."""
    window = parse_billing_period(month)
    services = service_periods(subscription, catalogue, window)
    return [
        rate(subscription, one, catalogue, cut(measured or Measured(), one), whens=whens, **said)
        for one in services
        if one.served.end > window.start
    ]


def charges(*args: Any, **said: Any) -> list[Charge]:
    return [charge for one in rated(*args, **said) for charge in one.charges]


def lines(*args: Any, **said: Any) -> list[tuple[str, str, int]]:
    """(key with group, "first…last day", kopecks) of each charge, in order."""
    found = []
    for one in charges(*args, **said):
        key = f"{one.stretch.key}[{one.group}]" if one.group else one.stretch.key
        days: Period = one.stretch.days
        found.append((key, f"{days.start:%d.%m}…{days.end:%d.%m}", one.amount_minor))
    return found


def total(*args: Any, **said: Any) -> int:
    return sum(one.amount_minor for one in charges(*args, **said))


def later(terms: PriceTerms, **said: Any) -> PriceTerms:
    """A further version of a price."""
    return replace(terms, version_id=str(next(_versions)), **said)


def codes(found: Iterable[Charge]) -> Sequence[str]:
    return [one.stretch.key for one in found]
