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
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

from kvit.core.catalogue import Catalogue, PriceTerms, StandingDiscount
from kvit.core.discounts import Line, apply_discounts
from kvit.core.extras import COMMITMENT, NOT_ADVANCED, Advanced, advances, true_ups
from kvit.core.measured import Measured, counters, quantities
from kvit.core.money import exact_text, exponent, minor_text, to_minor
from kvit.core.periods import instant_of, local_date
from kvit.core.pricing import Priced, PriceError, Quantity, evaluate
from kvit.core.pricing.composed import Composed
from kvit.core.pricing.steps import difference
from kvit.core.proration import Moments, share
from kvit.core.schedule import Contract, ServicePeriod
from kvit.core.stretches import Charge, Stretch, enters, reads_quantity, stretches
from kvit.core.terms import Discount

ZERO, ONE = Fraction(0), Fraction(1)
ALL = "*"  # the key under which all prices wait
LARGEST = 10**15  # minor units: thousands of such charges still fit into a sum of 64 bits


@dataclass(frozen=True, slots=True)
class Past:
    """What was charged before and bears on the period."""

    advanced: Advanced = NOT_ADVANCED
    spent: Mapping[str, int] = field(default_factory=dict)  # minor units by discount code
    # Unused allowance of earlier periods, and what a pool gives, by price key and group: the
    # oldest first.
    carried: Mapping[str, tuple[Fraction, ...]] = field(default_factory=dict)
    # What is known of each customer who takes the service, for composed prices.
    about: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


NO_PAST = Past()


@dataclass(frozen=True, slots=True)
class Rated:
    """A service period, rated. `covered` counts events by meter that some charge stands for;
    `uncovered` those within the service that no price asks for: they wait, in sight."""

    charges: tuple[Charge, ...]
    covered: Mapping[str, int]
    uncovered: Mapping[str, int]
    unpriced: tuple[tuple[str, PriceError], ...]  # price key, why it could not be applied
    # Keys of prices that wait, held or not applicable: what they were charged before stands.
    waiting: frozenset[str] = frozenset()

    def waits(self, price_key: str) -> bool:
        """Whether charges of this key (a group may follow it) are left as they are."""
        bare = price_key.split("[", 1)[0]
        return bool(self.waiting) and (
            ALL in self.waiting or bare in self.waiting or bare.rpartition("/")[2] == COMMITMENT
        )


@dataclass(frozen=True, slots=True)
class _Case:
    """What every price of a service period is rated from."""

    contract: Contract
    service: ServicePeriod
    catalogue: Catalogue
    measured: Measured
    about: Mapping[str, Mapping[str, str]]

    def attributes(self, stretch: Stretch) -> dict[str, Fraction | str]:
        """Return what a composed price may read beside its quantity."""
        if not isinstance(stretch.price, Composed):
            return {}
        about = self.about.get(stretch.customer, {})
        said = {**about, "plan": stretch.terms.plan, **stretch.attributes}
        return {**said, "quantity": stretch.quantity}

    def counters(self, stretch: Stretch, until: datetime) -> dict[str, Fraction]:
        """Return the counters of the service period as they stand at a moment."""
        if not isinstance(stretch.price, Composed):
            return {}
        zone = self.contract.zone
        began = local_date(self.contract.spells[0].start, zone)
        return counters(
            stretch.price,
            self.catalogue.meters,
            self.measured,
            start=self.service.start,
            end=until,
            period=_whole(self.service, zone),
            periods_before=self.service.periods_since(began),
            zone=zone,
        )


def _whole(service: ServicePeriod, zone: str) -> tuple[datetime, datetime]:
    return service.period.start_instant(zone), service.period.end_instant(zone)


@dataclass(slots=True)
class _Tally:
    """What a chain of stretches under one price has counted; each is charged what it adds."""

    start: datetime
    share: Fraction = ZERO
    used: dict[str, Quantity] = field(default_factory=dict)  # by group
    cost: dict[str, Fraction] = field(default_factory=dict)  # of all that was used, by group
    idle: dict[str, Priced] = field(default_factory=dict)  # what a group of no usage was charged

    def add(self, group: str, quantity: Quantity, priced: Priced) -> Priced:
        """Count one stretch more; return what it adds, with its steps.

        Where nothing was used before, `evaluate` subtracts nothing: a minimum or a flat part that
        was charged for it must not be charged again.
        """
        known = self.used.get(group)
        before = self.idle.pop(group, None)
        if before is not None:
            steps = difference(list(priced.steps), list(before.steps))
            priced = Priced(priced.exact - before.exact, priced.units - before.units, tuple(steps))
        self.used[group] = quantity if known is None else known + quantity
        self.cost[group] = self.cost.get(group, ZERO) + priced.exact
        if self.used[group].is_zero:
            self.idle[group] = priced if before is None else before
        return priced


def rate(
    contract: Contract,
    service: ServicePeriod,
    catalogue: Catalogue,
    measured: Measured,
    *,
    whens: frozenset[str],
    held: frozenset[tuple[str, str]] = frozenset(),
    past: Past = NO_PAST,
) -> Rated:
    """Price the service period for the prices whose `when` is asked for.

    Args:
        measured: the subscription's events by meter, in (time, id) order, of the whole service
            period; others are ignored.
        whens: of "arrears", "advance", "once", "milestone"; "interim" is usage so far, before
            its period is over.
        held: (plan, price code) that wait for a fault to be mended; the price "*" is all of a plan.
        past: what the period was charged in advance, and what earlier periods drew from balances.

    Returns:
        One charge a stretch (and group), zero amounts included: a lost zero line would be a
        silent loss. What a price refuses is named and does not stop the others.
    """
    case = _Case(contract, service, catalogue, measured, past.about)
    marks = measured.marks()
    try:
        chains = stretches(contract, service, catalogue)
    except PriceError as error:  # a price of its own that cannot be read holds them all
        counted = marks.counts(service.start, service.end)
        return Rated((), *counted, ((error.field, error),), frozenset({ALL}))
    due = {
        key: [one for one in chain if _is_due(one, whens) and not _is_held(one.terms, held)]
        for key, chain in chains.items()
    }
    found: list[Charge] = []
    unpriced: list[tuple[str, PriceError]] = []
    waiting = {
        key for key, chain in chains.items() if any(_is_held(one.terms, held) for one in chain)
    }
    for key, chain in due.items():
        try:
            found += _rate_chain(case, chain, past.carried)
        except PriceError as error:
            unpriced.append((key, error))
            waiting.add(key)
            continue
        for stretch in chain:
            marks.cover(stretch.price, stretch.terms, stretch.start, stretch.end)
    charges = _discounted(case, found, past)
    if "arrears" in whens and not waiting:
        # A price that was never sound stands in no catalogue: its plan is known by `held` alone.
        doubtful = {plan for plan, _ in held}
        whole = [one for one in charges if one.stretch.plan.code not in doubtful]
        charges += true_ups(contract, service, whole)
    if {"arrears", "advance"} & whens and _is_advance_balance(contract, service, chains):
        is_settled = "arrears" in whens
        fees = charges if is_settled else _fees_to_come(case, chains.values(), past)
        fees = [one for one in fees if _is_fee(one.stretch)]
        charges += advances(contract, service, fees, past.advanced, is_settled=is_settled)
    covered, uncovered = marks.counts(service.start, service.end)
    return Rated(tuple(charges), covered, uncovered, tuple(unpriced), frozenset(waiting))


def _is_fee(stretch: Stretch) -> bool:
    return not stretch.terms.meter and stretch.when == "arrears"


def _fees_to_come(case: _Case, chains: Iterable[Sequence[Stretch]], past: Past) -> list[Charge]:
    """Price the fees that the end of the period will charge, for an advance on them.

    A fee that cannot be priced asks for no advance; the end of the period names it.
    """
    owed: list[Charge] = []
    for chain in chains:
        with suppress(PriceError):
            owed += _rate_chain(case, [one for one in chain if _is_fee(one)], {})
    return _discounted(case, owed, past)


def _discounted(case: _Case, charges: Sequence[Charge], past: Past) -> list[Charge]:
    """Take the company's discounts and then the subscription's; round each charge once."""
    units: dict[str, Fraction] = {}
    currency = case.contract.currency
    for charge in charges if case.catalogue.discounts else ():  # nobody else asks
        key = charge.stretch.key
        units[key] = units.get(key, ZERO) + charge.units
    lines = [
        Line(
            charge,
            charge.gross,
            (
                *_standing(case, charge.stretch, units.get(charge.stretch.key, ZERO)),
                *charge.stretch.discounts,
            ),
        )
        for charge in charges
    ]
    return [
        replace(
            line.item,
            exact=line.exact,
            amount_minor=to_minor(line.exact, currency),
            discounts=line.applied,
        )
        if line.applied
        else line.item
        for line in apply_discounts(lines, currency, past.spent)
    ]


def _standing(case: _Case, stretch: Stretch, units: Fraction) -> Iterable[Discount]:
    """Yield the company's discounts on a price of so many units in the service period."""
    for one in stretch.standing:
        if one.from_units is None or units >= one.from_units:
            yield _given(case, one)


def _given(case: _Case, one: StandingDiscount) -> Discount:
    """Return a discount as the service period gets it: of a fixed sum, the days it holds for."""
    held = case.catalogue.share_of(one, case.service.period)
    if one.fixed is None or held == 1:
        return Discount(one.code, percent=one.percent, fixed=one.fixed)
    currency = case.contract.currency
    fixed = Fraction(to_minor(one.fixed * held, currency), 10 ** exponent(currency))
    # Two halves of one sum are two discounts, each of its own days.
    return Discount(one.code, fixed=fixed, since=instant_of(one.effective_from, case.contract.zone))


def _is_advance_balance(
    contract: Contract, service: ServicePeriod, chains: Mapping[str, Sequence[Stretch]]
) -> bool:
    """Whether the period began under the scheme advance + balance."""
    terms = next(one.terms for one in contract.spells if one.end is None or one.end > service.start)
    firsts = [
        chain[0] for chain in chains.values() if chain and chain[0].key == chain[0].terms.code
    ]
    scheme = terms.scheme or (firsts[0].plan.scheme if firsts else "")
    return scheme == "advance_balance"


def _is_due(stretch: Stretch, whens: frozenset[str]) -> bool:
    return stretch.when in whens or ("interim" in whens and bool(stretch.terms.meter))


def _is_held(terms: PriceTerms, held: frozenset[tuple[str, str]]) -> bool:
    return bool({(terms.plan, terms.code), (terms.plan, "*")} & held)


def _rate_chain(
    case: _Case, chain: Sequence[Stretch], carried: Mapping[str, tuple[Fraction, ...]]
) -> list[Charge]:
    charges: list[Charge] = []
    tally = _Tally(case.service.start)
    before: Stretch | None = None
    for place, stretch in enumerate(chain):
        goes_on = before is not None and (before.price == stretch.price or stretch.terms.continues)
        if not goes_on:
            tally = _Tally(stretch.start)
        if stretch.terms.meter:
            charges += _rate_usage(case, stretch, tally, carried)
        elif stretch.terms.when == "milestone":
            charges += _rate_milestones(case, stretch)
        elif part := _part_of_fee(case, stretch, chain[place + 1 :]):
            charges.append(_charge(case.contract, stretch, part=part, priced=_fee(case, stretch)))
        before = stretch
    return charges


def _part_of_fee(case: _Case, stretch: Stretch, later: Sequence[Stretch]) -> Fraction:
    """Return the share of its fee that a stretch is charged.

    A fee that is not prorated is whole once a period: under the terms with which it ends.
    """
    if stretch.terms.when == "once":
        return Fraction(1 if enters(case.contract, case.catalogue, stretch) else 0)
    if stretch.terms.prorate == "none":
        return Fraction(0 if any(one.terms.prorate == "none" for one in later) else 1)
    return _share(case.contract, case.service, stretch)


def _rate_milestones(case: _Case, stretch: Stretch) -> Iterable[Charge]:
    for at, code in case.contract.milestones:
        if code == stretch.terms.code and stretch.start <= at < stretch.end:
            priced = _fee(case, stretch)
            yield _charge(
                case.contract, stretch, part=Fraction(1), priced=priced, group=at.isoformat()
            )


def _fee(case: _Case, stretch: Stretch) -> Priced:
    """Price a fee. Its counters are those of the whole period; in advance nothing is measured."""
    until = case.service.end if stretch.when == "arrears" else case.service.start
    quantity = Quantity(
        units=stretch.quantity if stretch.terms.counts_quantity else ONE,
        attributes=case.attributes(stretch),
        counters=case.counters(stretch, until),
    )
    priced = evaluate(stretch.price, quantity)
    return priced if reads_quantity(stretch) else Priced(priced.exact, ONE, priced.steps)


def _rate_usage(
    case: _Case, stretch: Stretch, tally: _Tally, carried: Mapping[str, tuple[Fraction, ...]]
) -> list[Charge]:
    """One charge a group: what it costs with this stretch, less what it cost before it."""
    catalogue, zone = case.catalogue, case.contract.zone
    calendar = catalogue.calendar(stretch.terms.calendar or stretch.plan.calendar)
    before = tally.share
    if stretch.terms.prorate == "none":
        before = tally.share = Fraction(1)
    else:
        tally.share += _share(case.contract, case.service, stretch)
    found = quantities(
        stretch.price,
        stretch.terms,
        catalogue.meters,
        case.measured,
        start=stretch.start,
        end=stretch.end,
        period=_whole(case.service, zone),
        zone=zone,
        chain_start=tally.start,
        attributes=case.attributes(stretch),
        counters=case.counters(stretch, stretch.end),
    )
    charges = []
    for group, quantity, events in found:
        key = f"{stretch.key}[{group}]" if group else stretch.key
        quantity = replace(quantity, carried=carried.get(key, ()))
        already, cost = tally.used.get(group), tally.cost.get(group, ZERO)
        if already is not None:  # changed attributes price what comes, not again what was
            already = replace(already, attributes=quantity.attributes)
        whole = evaluate(stretch.price, quantity, already=already, calendar=calendar)
        priced = tally.add(group, quantity, whole)
        charge = _charge(
            case.contract, stretch, part=tally.share, priced=priced, events=events, group=group
        )
        if before != tally.share:
            gross = tally.cost[group] * tally.share - cost * before
            charge = _costing(charge, gross, case.contract.currency)
        charges.append(charge)
    return charges


def _charge(
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
    if not -LARGEST < minor < LARGEST:
        bounds = f"< {minor_text(LARGEST, contract.currency)} {contract.currency}"
        raise PriceError("out_of_range", "amount", value=exact_text(gross)[:40], bounds=bounds)
    return Charge(
        stretch, group, priced.units, events, part, gross, gross, minor, minor, (), priced
    )


def _costing(charge: Charge, gross: Fraction, currency: str) -> Charge:
    minor = to_minor(gross, currency)
    return replace(charge, gross=gross, exact=gross, gross_minor=minor, amount_minor=minor)


def _share(contract: Contract, service: ServicePeriod, stretch: Stretch) -> Fraction:
    policy = stretch.terms.prorate
    if policy == "seconds":
        zone = contract.zone
        whole = Moments(service.period.start_instant(zone), service.period.end_instant(zone))
        return share(policy, whole, Moments(stretch.start, stretch.end))
    # Stretches are half-open here, so a day that the policy would count at both ends is one day.
    return share("days" if policy == "days_inclusive" else policy, service.period, stretch.days)
