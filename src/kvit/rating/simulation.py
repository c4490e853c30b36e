"""A billed month rated again with other prices, beside what was charged. Nothing is changed.

    calls 0.10 → 0.12, October, 10 000 calls: charged 1 000.00, before 1 000.00, after 1 200.00

The evaluator is that of the bill (`core.charges.rate`), once by the catalogue as it stands and once
by each scenario; usage is read once a chunk. A chunk is one transaction: killed anywhere, the
simulation is started again and goes on after the last chunk.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from types import MappingProxyType
from uuid import UUID

from django.db import transaction

from kvit.catalog import queries as catalog
from kvit.catalog import services as catalog_services
from kvit.catalog.rows import SimulatedPayer, SimulationInfo
from kvit.core.catalogue import Catalogue
from kvit.core.charges import Past, rate
from kvit.core.measured import Measured
from kvit.core.periods import Period
from kvit.core.schedule import (
    Contract,
    ServicePeriod,
    due_in_advance,
    due_in_arrears,
    reach_of_changes,
    service_periods,
)
from kvit.core.statements import supposing
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.parties.rows import Customer
from kvit.platform.jobs import job
from kvit.rating import _about, _load, _pools
from kvit.rating.models import Charge
from kvit.rating.rows import RatingRun, SellerTerms
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.rows import SubscriptionInfo

CHUNK = 500
Money = dict[tuple[str, str], int]  # (payer id, currency) → minor units
Progress = Callable[[int, int], None]


def begin(
    draft_ids: Sequence[UUID],
    *,
    period: Period,
    actor: str,
    now: datetime,
    moves: Mapping[UUID, tuple[str, str]] = MappingProxyType({}),
) -> SimulationInfo:
    """Pin what is to be rated again, with usage as it is known now.

    Args:
        moves: by draft, (plan, plan): everybody of the first is supposed to have had the second,
            so that a plan that nobody has yet can be simulated.

    Raises:
        catalog.services.SimulationRefused: there is nothing to simulate.
    """
    return catalog_services.open_simulation(
        draft_ids,
        period=period,
        usage_version=metering.latest_version(),
        whole=subscriptions.count_alive(before=period.end, since=reach_of_changes(period.start)),
        actor=actor,
        now=now,
        moves=moves,
    )


@job(name="rating.simulate")
def simulate_later(*, simulation: str, now: datetime) -> None:
    """Rate what is left of a simulation; a worker does it where it would keep a page waiting."""
    simulate(UUID(simulation), now=now)


def simulate(
    simulation_id: UUID, *, now: datetime, progress: Progress = lambda done, whole: None
) -> SimulationInfo:
    """Rate all that is left of a simulation, chunk by chunk; called again, it adds nothing."""
    catalogues: list[Catalogue] | None = None
    while True:
        with transaction.atomic():
            info = catalog_services.hold_simulation(simulation_id)
            ids = [] if info.status == "done" else _following(info)
            if not ids:
                catalog_services.finish_simulation(simulation_id, now=now)
                break
            if catalogues is None:
                catalogues = _catalogues(info)
            chunk = _rate_chunk(ids, info, catalogues)
            catalog_services.add_simulated(
                simulation_id,
                chunk.sums(),
                done=len(ids),
                rated_until=ids[-1],
                problems=chunk.problems,
            )
        progress(info.done + len(ids), info.whole)
    found = catalog.simulation(simulation_id)
    assert found is not None
    return found


def _catalogues(info: SimulationInfo) -> list[Catalogue]:
    """The catalogue as it stood when the simulation began, and as each draft supposes it."""
    stood = catalog.catalogue(as_of=info.catalogue_revision)
    return [stood, *(supposing(stood, catalog.terms_in(one.content)) for one in info.scenarios)]


def _following(info: SimulationInfo) -> list[UUID]:
    since = reach_of_changes(info.period.start)
    chunks = subscriptions.due_chunks(
        before=info.period.end, since=since, size=CHUNK, beyond=info.rated_until
    )
    return next(chunks, [])


@dataclass(slots=True)
class _Chunk:
    """What a chunk costs: as charged, and by each catalogue; the first is that which stood."""

    charged: Money
    costs: list[Money]
    problems: list[tuple[int, str, str, str, str, str]]

    def sums(self) -> list[SimulatedPayer]:
        before, *scenarios = self.costs
        return [
            SimulatedPayer(
                place, UUID(payer), currency, self.charged.get((payer, currency), 0),
                before.get((payer, currency), 0), after.get((payer, currency), 0),
                after.get((payer, currency), 0) - before.get((payer, currency), 0),
            )
            for place, after in enumerate(scenarios)
            for payer, currency in sorted({*self.charged, *before, *after})
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Known:
    """What all scenarios of a chunk share."""

    period: Period
    contracts: Sequence[Contract]
    infos: Mapping[UUID, SubscriptionInfo]
    payers: Mapping[UUID, Customer]
    customers: Mapping[UUID, Customer]
    usage_version: int
    now: datetime


def _rate_chunk(
    ids: Sequence[UUID], info: SimulationInfo, catalogues: Sequence[Catalogue]
) -> _Chunk:
    infos = subscriptions.by_ids(ids)
    owners = {one.customer_id for one in infos.values()}
    owners |= {UUID(str(one.first["customer"])) for one in infos.values()}
    payers = parties.customers_by_id(owners)
    currencies = {key: payer.currency for key, payer in payers.items()}
    contracts = subscriptions.contracts(ids, currencies)
    named = {UUID(spell.terms.customer) for one in contracts for spell in one.spells}
    customers = parties.customers_by_id(named)
    known = _Known(
        info.period, contracts, infos, payers, customers, info.usage_version, info.started_at
    )
    chunk = _Chunk({}, [], [])
    read: tuple[object, Mapping[_load.Key, Measured]] | None = None
    moves = [None, *(one.move for one in info.scenarios)]
    for place, (catalogue, move) in enumerate(zip(catalogues, moves, strict=True)):
        wanted = [
            (contract, service)
            for contract in (_moved(one, move) for one in contracts)
            for service in service_periods(contract, catalogue, info.period)
            if _whens(contract, service, info.period)
        ]
        signature = (wanted, catalogue.meters, _meters_priced(catalogue))
        if read is None or read[0] != signature:  # the same usage for all that ask for the same
            read = (signature, _usage(known, wanted, catalogue))
        pools = _pools.find(
            {one.id: one for one, _ in wanted}.values(),
            infos,
            catalogue,
            turned=partial(_moved, move=move),
        )
        pasts = _pasts(known, wanted, catalogue, pools)
        chunk.costs.append(_cost(known, wanted, catalogue, read[1], pasts, place - 1, chunk))
        if not place:
            chunk.charged = _charged(ids, wanted, info.period.start)
    return chunk


def _moved(contract: Contract, move: tuple[str, str] | None) -> Contract:
    """Return the contract with another plan wherever it had the first one of `move`."""
    if move is None or all(one.terms.plan != move[0] for one in contract.spells):
        return contract
    spells = tuple(
        replace(one, terms=replace(one.terms, plan=move[1])) if one.terms.plan == move[0] else one
        for one in contract.spells
    )
    return replace(contract, spells=spells)


def _meters_priced(catalogue: Catalogue) -> frozenset[tuple[str, str]]:
    """What decides whose an event is: which plan reads which meter."""
    return frozenset(
        (plan, one.meter) for plan, many in catalogue.prices.items() for one in many if one.meter
    )


def _whens(contract: Contract, service: ServicePeriod, window: Period) -> frozenset[str]:
    """What of a service period is due in the month, as a bill run has it."""
    whens: set[str] = set()
    end = window.end_instant(contract.zone)
    if due_in_arrears(service, window):
        whens |= {"arrears"}
    if due_in_advance(service, window):
        whens |= {"advance", "once"}
    since = max(service.start, window.start_instant(contract.zone))
    if any(since <= at < min(end, service.end) for at, _ in contract.milestones):
        whens |= {"milestone"}
    return frozenset(whens)


def _usage(
    known: _Known, wanted: Sequence[tuple[Contract, ServicePeriod]], catalogue: Catalogue
) -> Mapping[_load.Key, Measured]:
    if not wanted:
        return {}
    return _load.usage_of(wanted, known.infos, known.payers, _run(known, catalogue))


def _run(known: _Known, catalogue: Catalogue) -> RatingRun:
    nobody = SellerTerms(UUID(int=0), "", "net", "none")  # usage is read whoever sells
    return RatingRun(
        window=known.period,
        clock=None,
        now=known.now,
        actor="",
        catalogue=catalogue,
        catalogue_at=lambda _: catalogue,
        usage_version=known.usage_version,
        sellers={},
        default_seller=nobody,
    )


def _pasts(
    known: _Known,
    wanted: Sequence[tuple[Contract, ServicePeriod]],
    catalogue: Catalogue,
    pools: _pools.Pools,
) -> Mapping[_load.Key, Past]:
    """Return what bears on each service period from without, as a bill run knows it."""
    contracts = list({one.id: one for one, _ in wanted}.values())
    standing = _load.standing_charges(wanted) if wanted else {}
    histories = _load.histories(contracts, catalogue)
    about: Mapping[str, Mapping[str, str]] = {}
    remembered: Mapping[_load.Key, Mapping[str, Mapping[str, str]]] = {}
    if _about.is_asked(contracts, catalogue):
        about, remembered = _about.of_customers(known.customers), _about.remembered(wanted)
    grants = _pools.grants_of(wanted, pools, _run(known, catalogue))
    found = {}
    for contract, service in wanted:
        key = contract.id, service.key
        memory = histories[contract.id].memory(service)
        found[key] = Past(
            _load.advanced(standing.get(key, {})),
            memory.spent,
            _pools.added(memory.carried, grants.get(key, {})),
            {**about, **remembered.get(key, {})},
        )
    return found


def _cost(
    known: _Known,
    wanted: Sequence[tuple[Contract, ServicePeriod]],
    catalogue: Catalogue,
    measured: Mapping[_load.Key, Measured],
    pasts: Mapping[_load.Key, Past],
    scenario: int,
    chunk: _Chunk,
) -> Money:
    found: Money = defaultdict(int)
    for contract, service in wanted:
        key = contract.id, service.key
        rated = rate(
            contract,
            service,
            catalogue,
            measured[key],
            whens=_whens(contract, service, known.period),
            past=pasts[key],
        )
        for charge in rated.charges:
            payer = known.customers[UUID(charge.stretch.customer)].payer_id
            found[str(payer), contract.currency] += charge.amount_minor
        if scenario >= 0:
            chunk.problems += [
                (scenario, contract.code, price, error.code, error.message("ru"),
                 error.message("en"))
                for price, error in rated.unpriced
            ]  # fmt: skip
    return dict(found)


def _charged(
    ids: Sequence[UUID], wanted: Sequence[tuple[Contract, ServicePeriod]], billed_in: date
) -> Money:
    """What the month's run charged for these service periods, before tax."""
    asked = {(contract.id, service.key) for contract, service in wanted}
    rows = Charge.objects.filter(subscription_id__in=list(ids), billed_in=billed_in)
    found: Money = defaultdict(int)
    for subscription, start, payer, currency, minor in rows.values_list(
        "subscription_id", "period_start", "customer_id", "currency", "amount_minor"
    ):
        if (str(subscription), start) in asked:
            found[str(payer), currency] += minor
    return dict(found)
