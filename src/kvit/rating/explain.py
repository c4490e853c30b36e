"""Open a charge: compute it again, now, from the knowledge that it pins, and compare.

    charge 4 930.00 = events as of usage version 7, terms as of amendment 1, catalogue as of
    revision 3 → the same functions that charged it → 4 930.00: it agrees

Nothing of the sum is read back but what it is compared with. What was charged is the sum of the
stretch's revisions up to the one that is asked about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from kvit.catalog import queries as catalog
from kvit.core.catalogue import Catalogue
from kvit.core.charges import Past, rate
from kvit.core.measured import Measured, meters_of
from kvit.core.periods import Period, add_months
from kvit.core.schedule import Contract, ServicePeriod, service_periods
from kvit.core.stretches import Charge
from kvit.core.usage import UsageEvent, filtered
from kvit.parties import queries as parties
from kvit.platform.reading import reading
from kvit.rating import _load, _pools
from kvit.rating._fate import group_of
from kvit.rating.queries import stretch_pins
from kvit.rating.rows import ChargePins, RatingRun, SellerTerms
from kvit.subscriptions import queries as subscriptions

NOTHING = Measured()


@dataclass(frozen=True, slots=True)
class Explained:
    """A charge beside its recomputation.

    `computed` is None where the stretch does not exist by the pinned terms: then it costs nothing.
    `chain` are the recomputed charges of the same price and group, in order of time.
    """

    pins: ChargePins
    revisions: tuple[ChargePins, ...]  # of the stretch, up to this one
    contract: Contract
    catalogue: Catalogue
    service: ServicePeriod | None
    computed: Charge | None
    chain: tuple[Charge, ...]
    events: tuple[UsageEvent, ...]  # that the charge stands for, in (time, id) order
    measured: Measured = NOTHING  # all that is known of the period's usage

    @property
    def charged_minor(self) -> int:
        return sum(one.amount_minor for one in self.revisions)

    @property
    def computed_minor(self) -> int:
        return 0 if self.computed is None else self.computed.amount_minor

    @property
    def agrees(self) -> bool:
        return self.charged_minor == self.computed_minor


class ChargeUnknown(Exception):
    """No charge has this id."""


@reading()
def explain(charge_id: UUID) -> Explained:
    """Compute a charge again from what it pins.

    Raises:
        ChargeUnknown: no charge has this id.
    """
    known = stretch_pins(charge_id)
    if not known:
        raise ChargeUnknown(str(charge_id))
    [pin] = [one for one in known if one.id == charge_id]
    revisions = tuple(one for one in known if one.revision <= pin.revision)
    catalogue = catalog.catalogue(as_of=pin.catalogue_revision)
    info = subscriptions.by_ids([pin.subscription_id])[pin.subscription_id]
    taker = UUID(str(info.first["customer"]))
    customers = parties.customers_by_id({taker, info.customer_id})
    currencies = {taker: customers[taker].currency}
    terms = {info.id: pin.terms_number}
    [contract] = subscriptions.contracts_of([info], currencies, known=terms)
    service = _service(contract, catalogue, pin)
    if service is None:
        return Explained(pin, revisions, contract, catalogue, None, None, (), ())
    run = _run(catalogue, pin)
    usage = _load.usage_of([(contract, service)], {info.id: info}, customers, run)
    measured = usage[contract.id, service.key]
    charges = _rate(contract, service, catalogue, measured, pin)
    chain = tuple(one for one in charges if _key(one) == pin.price_key)
    computed = next((one for one in chain if one.stretch.start == pin.starts_at), None)
    events = () if computed is None else events_of(computed, measured)
    return Explained(
        pin, revisions, contract, catalogue, service, computed, chain, events, measured
    )


def _service(contract: Contract, catalogue: Catalogue, pin: ChargePins) -> ServicePeriod | None:
    until = max(pin.period_end, pin.period_start + timedelta(days=1))
    window = Period(pin.period_start, until)
    return next(
        (
            one
            for one in service_periods(contract, catalogue, window)
            if one.key == pin.period_start
        ),
        None,
    )


def _run(catalogue: Catalogue, pin: ChargePins) -> RatingRun:
    nobody = SellerTerms(pin.id, "", "net", "none")  # usage is read whoever sells
    return RatingRun(
        window=Period(pin.billed_in, add_months(pin.billed_in, 1)),
        clock=_clock(pin),
        now=pin.rated_at,
        actor="",
        catalogue=catalogue,
        catalogue_at=lambda _: catalogue,
        usage_version=pin.usage_version,
        sellers={},
        default_seller=nobody,
    )


def _clock(pin: ChargePins) -> datetime | None:
    """The business clock that cut the usage off; None where it stood at the period's end."""
    month = Period(pin.billed_in, add_months(pin.billed_in, 1))
    is_whole = pin.rated_at == month.end_instant(parties.tenant().row.zone)
    return None if is_whole else pin.rated_at


def _rate(
    contract: Contract,
    service: ServicePeriod,
    catalogue: Catalogue,
    measured: Measured,
    pin: ChargePins,
) -> Sequence[Charge]:
    wanted = [(contract, service)]
    key = contract.id, service.key
    standing = _load.standing_charges(wanted).get(key, {})
    # An earlier month that was billed later drew nothing yet when this was charged; a later one
    # that was billed before is told by the charge.
    told = _load.histories([contract], catalogue, before=pin.id)
    memory = told[contract.id].memory(service)
    spent = _load.together(memory.spent, pin.given.get("drawn", {}))
    about = pin.given.get("about", {})
    carried = _pools.added(memory.carried, _pools.kept(pin.given))
    past = Past(_load.advanced(standing), spent, carried, about)
    whens = frozenset(pin.whens)
    return rate(contract, service, catalogue, measured, whens=whens, past=past).charges


def _key(charge: Charge) -> str:
    key = charge.stretch.key
    return f"{key}[{charge.group}]" if charge.group else key


def events_of(charge: Charge, measured: Measured) -> tuple[UsageEvent, ...]:
    """Return the events of a charge: of its meters, its time, its filter and its group."""
    stretch = charge.stretch
    found: list[UsageEvent] = []
    for meter in meters_of(stretch.price, stretch.terms):
        events = measured.between(meter, stretch.start, stretch.end)
        if stretch.terms.filters:
            events = filtered(events, dict(stretch.terms.filters))
        if stretch.terms.group_by:
            names = stretch.terms.group_by
            events = [
                one for one in events if group_of(dict(one.dimensions), names) == charge.group
            ]
        found += events
    return tuple(sorted(found, key=lambda one: (one.time, one.id)))
