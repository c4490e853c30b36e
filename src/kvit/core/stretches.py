"""Stretches: the parts of a service period in which nothing that decides a price changes.

A worked example: a month with −15 % from the 16th has two stretches of every price, [1, 16) and
[16, 1 of the next); a change of seats on the 20th cuts a fee a seat once more and leaves usage
whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from kvit.core.catalogue import ALWAYS, Catalogue, PlanTerms, PriceTerms, StandingDiscount
from kvit.core.discounts import Applied
from kvit.core.periods import Period, instant_of, local_date
from kvit.core.pricing import Price, Priced, parse_price
from kvit.core.pricing.composed import Composed
from kvit.core.schedule import Contract, ServicePeriod
from kvit.core.terms import Discount, Spell, Terms

ZERO = Fraction(0)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part [start, end) of a service period under one price, and what decides it there."""

    key: str  # the price's code; "plan/code" of a bundled plan, "+plan/code" of an add-on
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
    attributes: Mapping[str, str] = field(default_factory=dict)
    standing: tuple[StandingDiscount, ...] = ()  # for every customer, taken before `discounts`


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
        for plan in (spell.terms.plan, *(code for code, _ in spell.terms.add_ons)):
            cuts |= {instant_of(day, contract.zone) for day in catalogue.first_days(plan)}
        first = [one.effective_from for one in catalogue.discounts if one.effective_from > ALWAYS]
        cuts |= {instant_of(day, contract.zone) for day in first}
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
    bundled = catalogue.plans_within(terms.plan, day)
    taken = [(code, terms.quantity, "" if code == terms.plan else f"{code}/") for code in bundled]
    for add_on, quantity in terms.add_ons:
        for code in catalogue.plans_within(add_on, day):
            # A plan that is bundled and added as well is two charges, never one.
            within = f"+{add_on}/" if code == add_on else f"+{add_on}/{code}/"
            taken.append((code, quantity, within))
    standing = catalogue.discounts_on(day) if catalogue.discounts else ()
    # A day on which terms change at noon counts wholly for the new terms: shares tile the period.
    days = Period(day, local_date(end, contract.zone))
    for code, quantity, within in taken:
        plan = catalogue.plan_on(code, day)
        if plan is None:
            continue
        phase = _phase(contract, service, catalogue, plan, start)
        for one in catalogue.prices_on(code, on):
            # Neither usage nor a milestone waits for a pause or a trial to end.
            charged = fees or one.meter or one.when == "milestone"
            if (one.phase and one.phase != phase) or not charged:
                continue
            override = None if within else terms.overrides.get(one.code)
            yield Stretch(
                key=within + one.code,
                terms=one,
                price=one.price if override is None else parse_price(override, path=one.code),
                plan=plan,
                customer=terms.customer,
                quantity=quantity,
                discounts=_discounts_of(contract, service, terms, one.code, start),
                start=start,
                end=end,
                days=days,
                when=charged_when(one, terms.scheme or plan.scheme),
                attributes=terms.attributes,
                standing=tuple(discount for discount in standing if discount.covers(one)),
            )


def enters(contract: Contract, catalogue: Catalogue, stretch: Stretch) -> bool:
    """Whether a price charged once is charged in this stretch.

    It is in the first stretch in which its plan, once taken on, costs anything: after a trial, on
    the first day of a new period as well as in its middle. A pause, or an end that was undone,
    does not make it due again; another plan in between does.
    """
    charged = False
    for spell, until in _spells_before(contract, stretch.start):
        if spell.terms.state == "ended":
            continue
        if not _holds(contract, catalogue, spell.terms, stretch.plan.code, until):
            charged = False
        elif spell.terms.state == "active":
            trial = _trial_end(contract, spell.terms, catalogue)
            begins = spell.start if trial is None else max(spell.start, trial)
            charged = charged or begins < until
    return not charged


def _spells_before(contract: Contract, moment: datetime) -> Iterable[tuple[Spell, datetime]]:
    """Yield the spells that began before a moment, each with its end or that moment."""
    for spell in contract.spells:
        if spell.start < moment:
            yield spell, moment if spell.end is None else min(spell.end, moment)


def _holds(
    contract: Contract, catalogue: Catalogue, terms: Terms, plan: str, until: datetime
) -> bool:
    """Whether a plan is the subscription's, bundled or added, just before a moment."""
    day = local_date(until - _TICK, contract.zone)
    plans = (terms.plan, *(code for code, _ in terms.add_ons))
    return any(plan in catalogue.plans_within(code, day) for code in plans)


def _phase(
    contract: Contract,
    service: ServicePeriod,
    catalogue: Catalogue,
    plan: PlanTerms,
    start: datetime,
) -> str:
    """Return the plan's phase at `start`: its periods count from the one in which it was taken."""
    if not plan.phases:
        return ""
    since: datetime | None = None
    for spell, until in _spells_before(contract, start):
        if not _holds(contract, catalogue, spell.terms, plan.code, until):
            since = None
        elif since is None:
            since = spell.start
    taken = start if since is None else since
    return phase_of(plan, service.periods_since(local_date(taken, contract.zone)))


def phase_of(plan: PlanTerms, index: int) -> str:
    """Return the phase that period `index` of the plan falls in; empty after the last."""
    for code, cycles in plan.phases:
        if index < cycles:
            return code
        index -= cycles
    return ""


def _discounts_of(
    contract: Contract, service: ServicePeriod, terms: Terms, price: str, at: datetime
) -> tuple[Discount, ...]:
    def lasts(one: Discount) -> bool:
        if one.until is not None and at >= one.until:
            return False
        if one.periods is None:
            return True
        since = local_date(one.since or contract.spells[0].start, contract.zone)
        return service.periods_since(since) < one.periods

    return tuple(one for one in terms.discounts if one.price in (None, price) and lasts(one))


def _same(one: Stretch, other: Stretch) -> bool:
    """Whether nothing that decides the price differs. A quantity counts only where it is read."""
    return (
        one.terms == other.terms
        and one.price == other.price
        and one.customer == other.customer
        and one.when == other.when
        and one.discounts == other.discounts
        and one.standing == other.standing
        and _printed(one.plan) == _printed(other.plan)
        and (one.quantity == other.quantity or not reads_quantity(one))
        and (one.attributes == other.attributes or not asks_attributes(one.price))
    )


def asks_attributes(price: Price) -> bool:
    """Whether a price reads attributes of the subscription or the customer."""
    return isinstance(price, Composed) and price.asks_attributes


def _printed(plan: PlanTerms) -> tuple[str, ...]:
    """What of a plan stands on a line or decides its sum."""
    return (plan.code, plan.seller, plan.service, plan.calendar, plan.price_basis)


def reads_quantity(stretch: Stretch) -> bool:
    """Whether the subscription's quantity decides what the stretch costs."""
    terms = stretch.terms
    return not terms.meter and terms.counts_quantity and stretch.price.needs != "nothing"
