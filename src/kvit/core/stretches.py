"""Stretches: the parts of a service period in which nothing that decides a price changes.

A worked example: a month with −15 % from the 16th has two stretches of every price, [1, 16) and
[16, 1 of the next); a change of seats on the 20th cuts a fee a seat once more and leaves usage
whole.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from kvit.core.catalogue import Catalogue, PlanTerms, PriceTerms
from kvit.core.discounts import Applied
from kvit.core.periods import Period, instant_of, local_date
from kvit.core.pricing import Price, Priced, parse_price
from kvit.core.schedule import Contract, ServicePeriod
from kvit.core.terms import Discount, Terms

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part [start, end) of a service period under one price, and what decides it there."""

    key: str  # the price's code; "plan/code" within an add-on or a bundled plan
    terms: PriceTerms
    price: Price
    plan: PlanTerms
    customer: str
    quantity: Fraction
    discounts: tuple[Discount, ...]
    start: datetime
    end: datetime
    days: Period
    when: str  # when it is charged: see `charged_when`


@dataclass(frozen=True, slots=True)
class Charge:
    """What a stretch costs. `gross` and `exact` are unrounded major units, before and after
    discounts; `amount_minor` is `exact` rounded once, in the price's basis (net or gross)."""

    stretch: Stretch
    group: str  # the value of the price's group-by dimensions, empty without
    units: Fraction
    events: int
    share: Fraction
    gross: Fraction
    exact: Fraction
    gross_minor: int
    amount_minor: int
    discounts: tuple[Applied, ...]
    priced: Priced


def charged_when(terms: PriceTerms, scheme: str) -> str:
    """Return when a price is charged under a billing scheme.

    Usage cannot be charged before it was used. A prepaid or hybrid subscription pays its fees in
    advance; postpaid and advance + balance settle them when the service was rendered.
    """
    if terms.when == "milestone":
        return terms.when
    if terms.meter:
        return "arrears"
    if terms.when == "arrears" and scheme in ("prepaid", "hybrid"):
        return "advance"
    return terms.when


def stretches(
    contract: Contract, service: ServicePeriod, catalogue: Catalogue
) -> dict[str, list[Stretch]]:
    """Return, by price key, the stretches of the service period, each list in order of time.

    Neighbours that nothing distinguishes are one stretch: a change of quantity does not split a
    price that does not depend on it.
    """
    found: dict[str, list[Stretch]] = {}
    for start, end, terms in _elementary(contract, service, catalogue):
        for stretch in _prices_of(contract, service, catalogue, terms, start, end):
            chain = found.setdefault(stretch.key, [])
            if chain and chain[-1].end == start and _same(chain[-1], stretch):
                days = Period(chain[-1].days.start, stretch.days.end)
                chain[-1] = replace(chain[-1], end=end, days=days)
            else:
                chain.append(stretch)
    return found


def _elementary(
    contract: Contract, service: ServicePeriod, catalogue: Catalogue
) -> Iterable[tuple[datetime, datetime, Terms]]:
    """Cut the service at every moment at which anything could change."""
    for spell in contract.spells:
        start = max(spell.start, service.start)
        end = service.end if spell.end is None else min(spell.end, service.end)
        if start >= end or spell.terms.state == "ended":
            continue
        cuts = {start, end}
        plans = (spell.terms.plan, *(plan for plan, _ in spell.terms.add_ons))
        for plan in plans:
            for code in catalogue.plans_within(plan, local_date(start, contract.zone)):
                for day in catalogue.first_days(code):
                    cuts.add(instant_of(day, contract.zone))
        cuts |= {one.until for one in spell.terms.discounts if one.until is not None}
        trial = _trial_end(contract, spell.terms, catalogue)
        cuts |= {trial} if trial else set()
        inside = sorted(cut for cut in cuts if start <= cut <= end)
        for early, late in pairwise(inside):
            yield early, late, spell.terms


def _trial_end(contract: Contract, terms: Terms, catalogue: Catalogue) -> datetime | None:
    """The moment fees begin: agreed, or the plan's days counted from the subscription's start."""
    if terms.trial_until is not None:
        return terms.trial_until
    start = contract.spells[0].start
    first_day = local_date(start, contract.zone)
    plan = catalogue.plan_on(terms.plan, first_day)
    if plan is None or not plan.trial_days:
        return None
    return instant_of(first_day + timedelta(days=plan.trial_days), contract.zone)


def _prices_of(
    contract: Contract,
    service: ServicePeriod,
    catalogue: Catalogue,
    terms: Terms,
    start: datetime,
    end: datetime,
) -> Iterable[Stretch]:
    day = local_date(start, contract.zone)
    on = day if terms.pinned_on is None else min(day, date.fromisoformat(terms.pinned_on))
    trial = _trial_end(contract, terms, catalogue)
    fees = terms.state == "active" and (trial is None or start >= trial)
    taken = [(code, terms.quantity, index == 0) for index, code in
             enumerate(catalogue.plans_within(terms.plan, day))]  # fmt: skip
    for add_on, quantity in terms.add_ons:
        taken += [(code, quantity, False) for code in catalogue.plans_within(add_on, day)]
    # A day on which terms change at noon counts wholly for the new terms: shares tile the period.
    days = Period(day, local_date(end, contract.zone))
    for code, quantity, main in taken:
        plan = catalogue.plan_on(code, day)
        if plan is None:
            continue
        phase = phase_of(plan, service.index)
        for one in catalogue.prices_on(code, on):
            if (one.phase and one.phase != phase) or not (one.meter or fees):
                continue
            override = terms.overrides.get(one.code) if main else None
            yield Stretch(
                key=one.code if main else f"{code}/{one.code}",
                terms=one,
                price=one.price if override is None else parse_price(override, path=one.code),
                plan=plan,
                customer=terms.customer,
                quantity=quantity,
                discounts=_discounts_of(service, terms, one.code, start, contract.zone),
                start=start,
                end=end,
                days=days,
                when=charged_when(one, terms.scheme or plan.scheme),
            )


def phase_of(plan: PlanTerms, index: int) -> str:
    """Return the phase that period `index` of the plan falls in; empty after the last."""
    for code, cycles in plan.phases:
        if index < cycles:
            return code
        index -= cycles
    return ""


def _discounts_of(
    service: ServicePeriod, terms: Terms, price: str, at: datetime, zone: str
) -> tuple[Discount, ...]:
    return tuple(
        one
        for one in terms.discounts
        if one.price in (None, price)
        and (one.until is None or at < one.until)
        and (
            one.periods is None
            or one.since is None
            or service.periods_since(local_date(one.since, zone)) < one.periods
        )
    )


def _same(one: Stretch, other: Stretch) -> bool:
    """Whether nothing that decides the price differs. A quantity counts only where it is read."""
    return (
        one.terms.version_id == other.terms.version_id
        and one.price == other.price
        and one.customer == other.customer
        and one.when == other.when
        and one.discounts == other.discounts
        and one.plan.seller == other.plan.seller
        and (one.quantity == other.quantity or not reads_quantity(one))
    )


def reads_quantity(stretch: Stretch) -> bool:
    """Whether the subscription's quantity decides what the stretch costs."""
    terms = stretch.terms
    return not terms.meter and terms.counts_quantity and stretch.price.needs != "nothing"
