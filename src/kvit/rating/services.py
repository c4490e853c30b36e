"""Rate a set of subscriptions: what they owe by today's knowledge, less what is charged."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from uuid import UUID

from django.db import transaction

from kvit.core.charges import Past, Rated, rate
from kvit.core.differences import Due, Slot, Standing, differences, slot_of
from kvit.core.measured import Measured
from kvit.core.schedule import Contract, ServicePeriod
from kvit.parties import queries as parties
from kvit.parties.rows import Customer
from kvit.platform import audit
from kvit.platform.ids import uuid7
from kvit.platform.reading import steadily
from kvit.rating import _about, _load, _pools
from kvit.rating._due import threshold, when_due
from kvit.rating._plain import part
from kvit.rating._taken_back import take_back
from kvit.rating._together import charge_together
from kvit.rating._write import ChargeIn, Row, charge_rows, write
from kvit.rating.models import RatedPeriod
from kvit.rating.rows import RatingProblem, RatingResult, RatingRun
from kvit.subscriptions import queries as subscriptions

__all__ = ["rate_many", "take_back"]

FEW = 16  # subscriptions: a set of so few costs more than to rate them beside others one by one


@dataclass(frozen=True, slots=True)
class _Job:
    """A service period to look at, with what is known of it."""

    contract: Contract
    service: ServicePeriod
    whens: frozenset[str]
    known: RatedPeriod | None
    stale: bool  # something was learned since that may change what it costs

    @property
    def is_amended(self) -> bool:
        """Whether the terms changed since it was last rated."""
        return self.known is not None and _load.is_amended(self.known, self.contract)

    @property
    def key(self) -> _load.Key:
        return self.contract.id, self.service.key

    @property
    def is_first(self) -> bool:
        """Whether something of it is charged for the first time."""
        return self.known is None or not self.whens <= frozenset(self.known.whens)

    @property
    def is_interim(self) -> bool:
        """Only usage so far is looked at: the period is not over."""
        return "interim" in self.whens and "arrears" not in self.whens


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What the jobs of a chunk are settled from."""

    measured: Mapping[_load.Key, Measured]
    standing: Mapping[_load.Key, Mapping[Slot, Standing]]
    histories: Mapping[str, _load.History]
    customers: Mapping[UUID, Customer]
    about: dict[str, dict[str, str]]  # of customers now
    remembered: Mapping[_load.Key, dict[str, dict[str, str]]]  # as earlier charges keep it
    marks: Mapping[str, str]  # of the pools, by subscription
    grants: Mapping[_load.Key, _pools.Grants]  # what pools give
    jobs: Mapping[str, Sequence[_Job]]  # of each subscription

    def about_of(self, key: _load.Key) -> _about.About:
        """Return the customers as the period was first billed by, and the others as now."""
        return self.about | self.remembered.get(key, {})


@transaction.atomic
@steadily()
def rate_many(ids: Sequence[UUID], run: RatingRun) -> RatingResult:
    """Charge what is due of these subscriptions: one transaction, a few statements.

    Their rows are locked first, so no amendment slips in, and a run beside this one waits and
    then finds everything charged. Called again, it changes nothing. Those that differ in nothing
    but usage are charged together (`_together`), the others one by one; of whom nothing is left to
    be charged, and nothing new is known, is not looked at further.
    """
    groups, settled = part(ids, run)
    together = sum(len(one.members) for one in groups)
    if together < FEW and together + len(settled) < len(ids):
        groups = []
    result, done = charge_together(groups, run)
    result.subscriptions += len(settled)
    rest = [one for one in ids if one not in done and one not in settled]
    if rest:
        result.add(_rate_each(rest, run))
    return result


def _rate_each(ids: Sequence[UUID], run: RatingRun) -> RatingResult:
    infos = subscriptions.by_ids(ids, lock=True)
    owners = {info.customer_id for info in infos.values()}
    owners |= {UUID(str(info.first["customer"])) for info in infos.values()}
    payers = parties.customers_by_id(owners)
    currencies = {key: payer.currency for key, payer in payers.items()}
    contracts = subscriptions.contracts_of(list(infos.values()), currencies)
    pools = _pools.find(contracts, infos, run.catalogue)
    marks = {one.id: pools.mark(one.id) for one in contracts if one.id in pools.families}
    late = pools.late(_load.late_spans(infos, payers, run.late_usage), run)
    known = _load.rated_periods(contracts, run.window, late, run.reopened, marks)
    histories = _load.histories(contracts, run.catalogue)
    jobs = _jobs(contracts, run, known, late, histories, marks)
    result = RatingResult(subscriptions=len(contracts))
    if not jobs:
        return result
    wanted = [(job.contract, job.service) for job in jobs]
    served = {UUID(spell.terms.customer) for one in contracts for spell in one.spells}
    customers = payers if served == owners else parties.customers_by_id(served)
    is_asked = _about.is_asked(contracts, run.catalogue)
    chunk = _Chunk(
        measured=_load.usage_of(wanted, infos, payers, run),
        standing=_load.standing_charges(wanted),
        histories=histories,
        customers=customers,
        about=_about.of_customers(customers) if is_asked else {},
        remembered=_about.remembered(wanted) if is_asked else {},
        marks=marks,
        grants=_grants(jobs, pools, run),
        jobs={key: list(many) for key, many in groupby(jobs, lambda one: one.contract.id)},
    )
    found: list[ChargeIn] = []
    periods: list[Row] = []
    for job in jobs:
        _settle(job, run, chunk, result, found, periods)
    charges = charge_rows(found)
    write(charges, periods)
    if charges:
        audit.record(
            action="rating.charges.rated",
            object_type="rating.chunk",
            object_id=str(charges[0][0]),
            after={"charges": len(charges), "period": str(run.window)},
            actor=run.actor,
            now=run.now,
        )
    return result


def _jobs(
    contracts: Iterable[Contract],
    run: RatingRun,
    known: Mapping[_load.Key, RatedPeriod],
    late: Mapping[str, _load.Span],
    histories: Mapping[str, _load.History],
    marks: Mapping[str, str],
) -> list[_Job]:
    remembered: dict[str, dict[date, RatedPeriod]] = defaultdict(dict)
    for (subscription, start), one in known.items():
        remembered[subscription][start] = one
    jobs = []
    for contract in contracts:
        if contract.code in run.held_subscriptions:
            continue
        periods = remembered[contract.id]
        stale_before = False
        for service in _load.periods_to_rate(contract, run.catalogue, run.window, periods):
            rated = periods.get(service.key)
            whens = when_due(contract, service, run, is_known=rated is not None)
            stale = rated is not None and (
                _load.is_stale(rated, contract, late.get(contract.id))
                or _is_reopened(rated, run)
                or marks.get(contract.id, rated.pool) != rated.pool
            )
            # What an earlier period draws otherwise from a balance is drawn otherwise here; one
            # that is billed after a later one draws what that one has left (`_drawn_after`).
            stale = stale or (rated is not None and stale_before)
            drawn = stale or (rated is None and bool(whens))
            stale_before |= drawn and histories[contract.id].is_inherited
            if whens or (stale and run.only is None):
                billed = frozenset() if rated is None else frozenset(rated.whens)
                jobs.append(_Job(contract, service, whens | billed, rated, stale))
    return jobs


def _grants(
    jobs: Iterable[_Job], pools: _pools.Pools, run: RatingRun
) -> dict[_load.Key, _pools.Grants]:
    """Ask the pools, by the catalogue that each period keeps."""
    if not pools.families:
        return {}
    runs: dict[int, tuple[RatingRun, list[_Job]]] = {}
    for job in jobs:
        own = _as_billed(job, run)
        runs.setdefault(own.catalogue.revision, (own, []))[1].append(job)
    found: dict[_load.Key, _pools.Grants] = {}
    for own, many in runs.values():
        found |= _pools.grants_of([(one.contract, one.service) for one in many], pools, own)
    return found


def _settle(
    job: _Job,
    run: RatingRun,
    chunk: _Chunk,
    result: RatingResult,
    charges: list[ChargeIn],
    periods: list[Row],
) -> None:
    """Rate one period and add what is to be written."""
    run = _as_billed(job, run)
    standing = chunk.standing.get(job.key, {})
    history = chunk.histories[job.contract.id]
    rated = _rated(job, run, chunk)
    wanted = {
        slot_of(one, str(chunk.customers[UUID(one.stretch.customer)].payer_id)): one
        for one in rated.charges
    }
    # What waits for a fault to be mended keeps what it was charged.
    fresh, changed = differences(
        wanted,
        {slot: one for slot, one in standing.items() if not rated.waits(slot.price_key)},
        amended=frozenset(job.known.whens) if job.known and job.is_amended else frozenset(),
    )
    if not job.stale:  # what a void took back stays so until something new is learned
        changed = [due for due in changed if not _is_voided(due, standing)]
    done = job.whens
    if job.is_interim and not _reaches_threshold(job, run, [*fresh, *changed]):
        done -= {"interim"}
        fresh, changed = _without_usage(fresh), _without_usage(changed)
        if not done:
            return
    held = _held(job, run, rated)
    _tell_problems(job, rated, held, result)
    put_off = bool(changed) and (
        not _may_differ(job, run, standing) or _must_wait(job, run, chunk, changed)
    )
    if put_off:
        result.put_off += len(changed)
        changed = []
        if not fresh and not history.is_inherited:
            return
    history.add(job.service, [*fresh, *changed])
    result.charges += len(fresh)
    result.differences += len(changed)
    for due in fresh:
        reason = _reason(job, run) if _is_past(job, run) else "period"
        charges.append(_charge_in(job, run, due, reason, done, chunk))
    for due in changed:
        charges.append(_charge_in(job, run, due, _reason(job, run), done, chunk))
    periods.append(_memory(job, run, rated, held, done, chunk, put_off=put_off))


def _rated(job: _Job, run: RatingRun, chunk: _Chunk) -> Rated:
    standing = chunk.standing.get(job.key, {})
    memory = chunk.histories[job.contract.id].memory(job.service)
    spent = _load.together(memory.spent, _drawn_after(job, chunk))
    carried = _pools.added(memory.carried, chunk.grants.get(job.key, {}))
    return rate(
        job.contract,
        job.service,
        run.catalogue,
        chunk.measured[job.key],
        whens=job.whens,
        held=run.held_prices,
        past=Past(_load.advanced(standing), spent, carried, chunk.about_of(job.key)),
    )


def _drawn_after(job: _Job, chunk: _Chunk) -> dict[str, int]:
    """What is billed for the first time draws nothing that a later period has drawn already."""
    return chunk.histories[job.contract.id].drawn_after(job.service) if job.is_first else {}


def _must_wait(job: _Job, run: RatingRun, chunk: _Chunk, changed: Sequence[Due]) -> bool:
    """Whether it would draw what a later period has drawn and gives back in a later run alone."""
    history = chunk.histories[job.contract.id]
    if not history.is_overdrawn(job.service, changed):
        return False
    giving = {
        one.service.key
        for one in chunk.jobs[job.contract.id]
        if _may_differ(one, run, chunk.standing.get(one.key, {}))
    }
    return not history.drawing_after(job.service) <= giving


def _charge_in(
    job: _Job, run: RatingRun, due: Due, reason: str, done: frozenset[str], chunk: _Chunk
) -> ChargeIn:
    grants = chunk.grants.get(job.key, {})
    given = {} if due.charge is None else _about.given(due.charge, chunk.about_of(job.key))
    given |= _pools.given(grants) if grants else {}
    drawn = _drawn_after(job, chunk)
    given |= {"drawn": drawn} if drawn else {}
    return ChargeIn(job.contract, job.service, run, due, reason, sorted(done), given)


def _as_billed(job: _Job, run: RatingRun) -> RatingRun:
    """A period that is wholly billed keeps its prices: what is published later is for others."""
    known = job.known
    if known is None or not job.whens <= frozenset(known.whens):
        return run
    if known.catalogue_revision == run.catalogue.revision:
        return run
    return replace(run, catalogue=run.catalogue_at(known.catalogue_revision))


def _held(job: _Job, run: RatingRun, rated: Rated) -> list[str]:
    """Return the prices of the period that wait for a fault to be mended."""
    plans = {
        code
        for spell in job.contract.spells
        for plan in (spell.terms.plan, *(add_on for add_on, _ in spell.terms.add_ons))
        for code in run.catalogue.plans_within(plan, job.service.served.start)
    }
    waiting = {f"{plan}/{code}" for plan, code in run.held_prices if plan in plans}
    return sorted(waiting | {key for key, _ in rated.unpriced})


def _tell_problems(job: _Job, rated: Rated, held: Sequence[str], result: RatingResult) -> None:
    for price, error in rated.unpriced:
        texts = {"ru": error.message("ru"), "en": error.message("en")}
        result.problems.append(RatingProblem(error.code, job.contract.code, price, params=texts))
    # Usage of a price that is held waits for the fault that is told already.
    if "arrears" in job.whens and not held:
        result.problems += [
            RatingProblem("unpriced_usage", job.contract.code, meter=meter, events=events)
            for meter, events in rated.uncovered.items()
            if events
        ]


def _reason(job: _Job, run: RatingRun) -> str:
    """What is still being billed goes on; what was billed is recalculated, or corrected."""
    if (
        job.known is not None
        and "arrears" not in job.known.whens
        and job.whens & {"arrears", "interim"}
    ):
        return "period"
    return "correction" if run.late == "correction" else "late"


def _is_past(job: _Job, run: RatingRun) -> bool:
    """Whether the period was billed by an earlier month's run: what it adds now comes late."""
    known = job.known
    return (
        known is not None
        and known.billed_in < run.window.start
        and job.whens <= frozenset(known.whens)
    )


def _may_differ(job: _Job, run: RatingRun, standing: Mapping[Slot, Standing]) -> bool:
    """Differences wait for the next period, unless this one is still being billed for the service
    (its fee was in advance, its usage is charged now), no document stands that bills it, or the
    policy is to correct at once."""
    known = job.known
    if known is None or run.late == "correction" or known.billed_in < run.window.start:
        return True
    if _is_reopened(known, run) or any(one.voided for one in standing.values()):
        return True
    return job.is_interim or not job.whens <= frozenset(known.whens)


def _is_reopened(known: RatedPeriod, run: RatingRun) -> bool:
    return (known.subscription_id, known.period_start) in run.reopened


def _is_voided(due: Due, standing: Mapping[Slot, Standing]) -> bool:
    return due.slot in standing and standing[due.slot].voided


def _reaches_threshold(job: _Job, run: RatingRun, dues: Iterable[Due]) -> bool:
    least = threshold(job.contract, job.service, run)
    usage = [due for due in dues if _is_usage(due)]
    if least is not None and sum(due.amount_minor for due in usage) >= least:
        return True
    return any(
        sum(due.units for due in usage if _meter(due) == meter) >= units
        for meter, units in run.usage_thresholds.items()
    )


def _without_usage(dues: Iterable[Due]) -> list[Due]:
    return [due for due in dues if not _is_usage(due)]


def _is_usage(due: Due) -> bool:
    return bool(_meter(due))


def _meter(due: Due) -> str:
    return "" if due.charge is None else due.charge.stretch.terms.meter


def _memory(
    job: _Job,
    run: RatingRun,
    rated: Rated,
    held: list[str],
    done: frozenset[str],
    chunk: _Chunk,
    *,
    put_off: bool,
) -> Row:
    """What is put off must be found again: then the period is known as well as it was before."""
    start = run.window.start
    pool = chunk.marks.get(job.contract.id, "")
    is_inherited = chunk.histories[job.contract.id].is_inherited
    billed = {"interim", "arrears"} & done
    usage, terms = run.usage_version, job.contract.terms_number
    events = sum(rated.covered.values()) if billed else 0
    uncovered = {meter: n for meter, n in rated.uncovered.items() if n and billed}
    if put_off and job.known is not None:
        usage = job.known.usage_version
        terms = _load.LOOK_AGAIN if is_inherited else job.known.terms_number
        events, uncovered, pool = job.known.events, job.known.uncovered, job.known.pool
    return (
        uuid7(), UUID(job.contract.id), job.service.key, job.service.period.end,
        job.service.start, job.service.end,
        start if job.known is None else max(job.known.billed_in, start), sorted(done),
        events, uncovered, held, usage, terms, run.catalogue.revision, pool,
    )  # fmt: skip
