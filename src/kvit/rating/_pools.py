"""Pooled allowances: every subscription of one payer whose allowance of a meter is pooled.

A chunk rates its own subscriptions; the other members of their pools are read beside them, by the
same usage version, and priced without the pool to see what they use. Nothing of them is written.
What a member is given depends on all of them, so a rated period remembers a mark of its pool: it is
looked at again when a member comes, goes or is amended, and when usage of a member came late.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from uuid import UUID

from kvit.core.catalogue import Catalogue
from kvit.core.charges import rate
from kvit.core.differences import slot_of
from kvit.core.money import exact_text
from kvit.core.pools import Share, grants
from kvit.core.pricing import Price, parse_price
from kvit.core.pricing.allowance import Allowance
from kvit.core.schedule import Contract, ServicePeriod, service_periods
from kvit.core.stretches import Charge
from kvit.parties import queries as parties
from kvit.parties.rows import Customer
from kvit.rating import _load
from kvit.rating.rows import RatingRun
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.rows import SubscriptionInfo

Grants = Mapping[str, Fraction]  # units by price key, a group included
_ARREARS = frozenset({"arrears"})


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools in which subscriptions of a chunk are; `families` has the members of each."""

    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by subscription
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    infos: Mapping[UUID, SubscriptionInfo] = field(default_factory=dict)
    customers: Mapping[UUID, Customer] = field(default_factory=dict)

    def mark(self, subscription: str) -> str:
        """Return a text that changes when the pool may share otherwise; "" outside of pools."""
        if subscription not in self.families:
            return ""
        known = (self.contracts[key] for key in self.families[subscription])
        said = ";".join(sorted(f"{one.id}:{one.terms_number}" for one in known))
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    def late(self, spans: Mapping[str, _load.Span], run: RatingRun) -> dict[str, _load.Span]:
        """Return the spans of late usage, each widened to those of its whole pool."""
        if not self.families:
            return dict(spans)
        everyone = _load.late_spans(self.infos, self.customers, run.late_usage)
        found = dict(spans)
        for subscription, members in self.families.items():
            told = [everyone[key] for key in members if key in everyone]
            if told:
                found[subscription] = (min(t[0] for t in told), max(t[1] for t in told))
        return found


def find(
    contracts: Iterable[Contract],
    infos: Mapping[UUID, SubscriptionInfo],
    catalogue: Catalogue,
    *,
    turned: Callable[[Contract], Contract] = lambda one: one,
) -> Pools:
    """Return the pools of subscriptions; a tenant without pooled prices pays one look.

    Args:
        turned: what becomes of the contract of a member that is not among `contracts`.
    """
    contracts = list(contracts)
    plans = _pooled_plans(catalogue)
    pooled = [one for one in contracts if _is_pooled(one, plans)]
    if not pooled:
        return Pools()
    takers = {UUID(spell.terms.customer) for one in pooled for spell in one.spells}
    payers = {one.payer_id for one in parties.customers_by_id(takers).values()}
    family = parties.customers_by_id(parties.paid_for_by(payers))
    members = subscriptions.ever_served(family)
    known = {one.id: one for one in contracts}
    missing = [key for key in members if str(key) not in known]
    first = {UUID(str(info.first["customer"])) for info in members.values()}
    customers = dict(family) | parties.customers_by_id(
        first | {info.customer_id for info in (*members.values(), *infos.values())}
    )
    currencies = {key: one.currency for key, one in customers.items()}
    known |= {one.id: turned(one) for one in subscriptions.contracts(missing, currencies)}
    by_payer: dict[UUID, set[str]] = defaultdict(set)
    for key in map(str, members):
        if _is_pooled(known[key], plans):
            for payer in _payers(known[key], customers):
                by_payer[payer].add(key)
    families = {
        one.id: tuple(sorted(set().union(*(by_payer[payer] for payer in _payers(one, customers)))))
        for one in pooled
    }
    return Pools(families, known, members, customers)


def grants_of(
    jobs: Iterable[tuple[Contract, ServicePeriod]], pools: Pools, run: RatingRun
) -> dict[_load.Key, Grants]:
    """Return what each service period is given by the other members of its pools."""
    wanted = {
        (contract.id, service.key): service
        for contract, service in jobs
        if contract.id in pools.families
    }
    members: dict[_load.Key, tuple[Contract, ServicePeriod]] = {}
    for (subscription, _), service in wanted.items():
        for key in pools.families[subscription]:
            other = pools.contracts[key]
            for one in service_periods(other, run.catalogue, service.period):
                if one.period == service.period:
                    members[key, one.key] = (other, one)
    if not members:
        return {}
    measured = _load.usage_of(list(members.values()), pools.infos, pools.customers, run)
    shares: dict[tuple[object, ...], dict[tuple[_load.Key, str], Share]] = defaultdict(dict)
    for place, (contract, service) in members.items():
        rated = rate(contract, service, run.catalogue, measured[place], whens=_ARREARS)
        for (payer, meter, slot), share in _shares(rated.charges, pools.customers).items():
            shares[payer, meter, service.period][place, slot] = share
    found: dict[_load.Key, dict[str, Fraction]] = defaultdict(dict)
    for pool in shares.values():
        for (place, slot), units in grants(pool).items():
            if place in wanted:
                found[place][slot] = units
    return {**found}


def added(
    carried: Mapping[str, tuple[Fraction, ...]], units: Grants
) -> dict[str, tuple[Fraction, ...]]:
    """Return the units beside a price's own, what a pool gives among them."""
    return {**carried, **{key: (*carried.get(key, ()), one) for key, one in units.items()}}


def given(units: Grants) -> dict[str, object]:
    """Return what a charge keeps of its pool."""
    return {"pool": {key: exact_text(one) for key, one in units.items()}}


def kept(given: Mapping[str, Any]) -> Grants:
    """Return what a charge kept of its pool."""
    return {key: Fraction(text) for key, text in given.get("pool", {}).items()}


def _shares(
    charges: Iterable[Charge], customers: Mapping[UUID, Customer]
) -> dict[tuple[UUID, str, str], Share]:
    """Return what a service period brings: by payer, meter and price key."""
    found: dict[tuple[UUID, str, str], Share] = {}
    for charge in charges:
        stretch = charge.stretch
        if not _pools_units(stretch.price):
            continue
        payer = customers[UUID(stretch.customer)].payer_id
        place = payer, stretch.terms.meter, slot_of(charge, "").price_key
        before = found.get(place)
        included = stretch.price.included  # type: ignore[attr-defined]
        found[place] = Share(included, charge.units + (before.used if before else 0))
    return found


def _payers(contract: Contract, customers: Mapping[UUID, Customer]) -> set[UUID]:
    takers = {UUID(spell.terms.customer) for spell in contract.spells}
    return {customers[key].payer_id for key in takers if key in customers}


def _pooled_plans(catalogue: Catalogue) -> set[str]:
    """Return the plans that price by a pooled allowance, or bundle one that does."""
    plans = {
        code
        for code, many in catalogue.prices.items()
        if any(_pools_units(one.price) for one in many)
    }
    grown = True
    while grown:
        bundling = {
            code
            for code, many in catalogue.plans.items()
            if any(plans & set(one.includes) for one in many)
        }
        grown = not bundling <= plans
        plans |= bundling
    return plans


def _is_pooled(contract: Contract, plans: set[str]) -> bool:
    for spell in contract.spells:
        terms = spell.terms
        if terms.plan in plans or any(code in plans for code, _ in terms.add_ons):
            return True
        for document in terms.overrides.values():
            if document.get("pool") and _pools_units(parse_price(document)):
                return True
    return False


def _pools_units(price: Price) -> bool:
    return isinstance(price, Allowance) and bool(price.pool)
