"""Usage and terms turned into charges: what one service period of one subscription costs.

A worked example (the demo's A): fee 10 000.00 a month, calls graduated, −15 % from 16 October:

    fee    [1, 16 Oct)    10 000 × 15/31                         = 4 838.71
    fee    [16 Oct, 1 Nov) 10 000 × 16/31 = 5 161.29…, −15 %     = 4 387.10
    calls  [1, 16 Oct)    P(300 000)                             = 4 000.00
    calls  [16 Oct, 1 Nov) P(620 000) − P(300 000) = 5 800, −15 % = 4 930.00

A stretch is a part of the period in which nothing that decides a price changes. A price that an
amendment leaves as it is goes on counting its tiers; a new price starts at zero unless it says
that it continues. Each charge is rounded once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from kvit.core.catalogue import Catalogue, PlanTerms, PriceTerms
from kvit.core.discounts import Applied, Line, apply_discounts
from kvit.core.measured import Measured, quantities
from kvit.core.money import to_minor
from kvit.core.periods import Period, instant_of, local_date
from kvit.core.pricing import Price, Priced, PriceError, Quantity, evaluate, parse_price
from kvit.core.proration import Moments, share
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


@dataclass(frozen=True, slots=True)
class Rated:
    """A service period, rated. `covered` counts events by meter that some charge stands for;
    `uncovered` those within the service that no price asks for: they wait, in sight."""

    charges: tuple[Charge, ...]
    covered: Mapping[str, int]
    uncovered: Mapping[str, int]
    unpriced: tuple[tuple[str, PriceError], ...]  # price key, why it could not be applied


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


def rate(
    contract: Contract,
    service: ServicePeriod,
    catalogue: Catalogue,
    measured: Measured,
    *,
    whens: frozenset[str],
    held: frozenset[tuple[str, str]] = frozenset(),
) -> Rated:
    """Price the service period for the prices whose `when` is asked for.

    Args:
        measured: the subscription's events by meter, in (time, id) order, of the whole service
            period; others are ignored.
        whens: of "arrears", "advance", "once", "milestone".
        held: (plan, price code) that wait for a fault to be mended; the price "*" is all of a plan.

    Returns:
        One charge a stretch (and group), zero amounts included: a lost zero line would be a
        silent loss. What a price refuses is named and does not stop the others.
    """
    lines: list[Line[Charge]] = []
    marks = measured.marks()
    unpriced: list[tuple[str, PriceError]] = []
    for key, chain in stretches(contract, service, catalogue).items():
        due = [
            one
            for one in chain
            if one.when in whens and not _is_held(one.terms, held)
        ]
        try:
            charges = _rate_chain(contract, service, catalogue, measured, due)
        except PriceError as error:
            unpriced.append((key, error))
            continue
        for charge in charges:
            lines.append(Line(charge, charge.gross, charge.stretch.discounts))
        for stretch in due:
            marks.cover(stretch.price, stretch.terms, stretch.start, stretch.end)
    priced = [
        replace(
            line.item,
            exact=line.exact,
            amount_minor=to_minor(line.exact, contract.currency),
            discounts=line.applied,
        )
        for line in apply_discounts(lines, contract.currency)
    ]
    covered, uncovered = marks.counts(service.start, service.end)
    return Rated(tuple(priced), covered, uncovered, tuple(unpriced))


def _is_held(terms: PriceTerms, held: frozenset[tuple[str, str]]) -> bool:
    return bool({(terms.plan, terms.code), (terms.plan, "*")} & held)


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
        and (one.quantity == other.quantity or not _reads_quantity(one))
    )


def _reads_quantity(stretch: Stretch) -> bool:
    terms = stretch.terms
    return not terms.meter and terms.counts_quantity and stretch.price.needs != "nothing"


def _rate_chain(
    contract: Contract,
    service: ServicePeriod,
    catalogue: Catalogue,
    measured: Measured,
    chain: Sequence[Stretch],
) -> list[Charge]:
    charges: list[Charge] = []
    used: dict[str, Quantity] = {}
    chain_start = service.start
    before: Stretch | None = None
    for stretch in chain:
        goes_on = before is not None and (
            before.price == stretch.price or stretch.terms.continues
        )
        if not goes_on:
            used, chain_start = {}, stretch.start
        if stretch.terms.meter:
            charges += _rate_usage(contract, service, catalogue, measured, stretch, used, chain_start)
        elif stretch.terms.when == "milestone":
            charges += _rate_milestones(contract, stretch)
        elif stretch.terms.when != "once" or _enters(contract, service, stretch, before):
            charges.append(_rate_fee(contract, service, stretch))
        before = stretch
    return charges


def _rate_fee(contract: Contract, service: ServicePeriod, stretch: Stretch) -> Charge:
    part = Fraction(1) if stretch.terms.when == "once" else _share(contract, service, stretch)
    return _charge(contract, stretch, part=part, priced=_fee(stretch))


def _rate_milestones(contract: Contract, stretch: Stretch) -> Iterable[Charge]:
    for at, code in contract.milestones:
        if code == stretch.terms.code and stretch.start <= at < stretch.end:
            yield _charge(
                contract, stretch, part=Fraction(1), priced=_fee(stretch), group=at.isoformat()
            )


def _fee(stretch: Stretch) -> Priced:
    quantity = stretch.quantity if stretch.terms.counts_quantity else Fraction(1)
    priced = evaluate(stretch.price, Quantity(units=quantity))
    return priced if _reads_quantity(stretch) else replace(priced, units=Fraction(1))


def _rate_usage(  # noqa: PLR0913
    contract: Contract,
    service: ServicePeriod,
    catalogue: Catalogue,
    measured: Measured,
    stretch: Stretch,
    used: dict[str, Quantity],
    chain_start: datetime,
) -> list[Charge]:
    """One charge a group; `used` carries what was counted before within this chain, by group."""
    calendar = catalogue.calendar(stretch.terms.calendar or stretch.plan.calendar)
    charges = []
    found = quantities(
        stretch.price,
        stretch.terms,
        catalogue.meters,
        measured,
        start=stretch.start,
        end=stretch.end,
        period=(service.period.start_instant(contract.zone), service.period.end_instant(contract.zone)),
        zone=contract.zone,
        chain_start=chain_start,
        attributes={"quantity": stretch.quantity},
    )  # fmt: skip
    for group, quantity, events in found:
        already = used.get(group)
        priced = evaluate(stretch.price, quantity, already=already, calendar=calendar)
        used[group] = quantity if already is None else already + quantity
        part = _share(contract, service, stretch)
        charges.append(
            _charge(contract, stretch, part=part, priced=priced, events=events, group=group)
        )
    return charges


def _charge(  # noqa: PLR0913
    contract: Contract,
    stretch: Stretch,
    *,
    part: Fraction,
    priced: Priced,
    events: int = 0,
    group: str = "",
) -> Charge:
    gross = priced.exact * part
    minor = to_minor(gross, contract.currency)
    return Charge(stretch, group, priced.units, events, part, gross, gross, minor, minor, (), priced)


def _share(contract: Contract, service: ServicePeriod, stretch: Stretch) -> Fraction:
    policy = stretch.terms.prorate
    if policy == "seconds":
        zone = contract.zone
        whole = Moments(service.period.start_instant(zone), service.period.end_instant(zone))
        return share(policy, whole, Moments(stretch.start, stretch.end))
    # Stretches are half-open here, so a day that the policy would count at both ends is one day.
    return share("days" if policy == "days_inclusive" else policy, service.period, stretch.days)


def _enters(
    contract: Contract, service: ServicePeriod, stretch: Stretch, before: Stretch | None
) -> bool:
    """Whether a price charged once is charged here: its plan is taken on in this stretch."""
    if before is not None:
        return before.plan.code != stretch.plan.code
    earlier = [spell for spell in contract.spells if spell.start < stretch.start]
    if not earlier:
        return True
    terms = earlier[-1].terms
    held = {terms.plan, *(code for code, _ in terms.add_ons)}
    return stretch.start > service.start and stretch.plan.code not in held
