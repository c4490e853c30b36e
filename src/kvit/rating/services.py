"""Rate a set of subscriptions: what they owe by today's knowledge, less what is charged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from django.db import transaction

from kvit.core import extras
from kvit.core.charges import Past, Rated, rate
from kvit.core.differences import Due, Slot, Standing, differences, slot_of
from kvit.core.measured import Measured
from kvit.core.schedule import Contract, ServicePeriod, due_in_advance, due_in_arrears
from kvit.core.stretches import Charge as Priced
from kvit.core.wording import Words, say
from kvit.parties import queries as parties
from kvit.parties.rows import Customer
from kvit.platform import audit
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.rating import _load
from kvit.rating.models import Charge, RatedPeriod
from kvit.rating.rows import RatingProblem, RatingResult, RatingRun
from kvit.subscriptions import queries as subscriptions

WORDS: Words = {
    extras.COMMITMENT: ("Доначисление до минимального объёма", "True-up to the commitment"),
    extras.ADVANCE: ("Аванс", "Advance"),
    extras.OFFSET: ("Зачёт аванса", "Advance taken into account"),
}
_COLUMNS = (
    "id", "subscription_id", "subscription_code", "customer_id", "seller_id", "service",
    "price_key", "price_code", "price_version_id", "name", "unit", "billed_in", "period_start",
    "period_end", "starts_at", "ends_at", "starts_on", "ends_on", "revision", "reason",
    "currency", "basis", "vat_code", "vat_on", "units", "events", "exact_num", "exact_den",
    "gross_minor", "amount_minor", "discounts", "usage_version", "terms_number",
    "catalogue_revision", "rated_at",
)  # fmt: skip
_PERIOD_COLUMNS = (
    "id", "subscription_id", "period_start", "period_end", "starts_at", "ends_at", "billed_in",
    "whens", "events", "uncovered", "usage_version", "terms_number", "catalogue_revision",
)  # fmt: skip
_REMEMBER = "(tenant_id, subscription_id, period_start) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _PERIOD_COLUMNS[3:]
)


@dataclass(frozen=True, slots=True)
class _Job:
    """A service period to look at."""

    contract: Contract
    service: ServicePeriod
    whens: frozenset[str]
    known: RatedPeriod | None


@transaction.atomic
def rate_many(ids: Sequence[UUID], run: RatingRun) -> RatingResult:
    """Charge what is due of these subscriptions: one transaction, a few statements.

    Their rows are locked first, so no amendment slips in, and a run beside this one waits and
    then finds everything charged. Called again, it changes nothing.
    """
    infos = subscriptions.by_ids(ids)
    payers = parties.customers_by_id({info.customer_id for info in infos.values()} | {
        UUID(str(info.first["customer"])) for info in infos.values()
    })  # fmt: skip
    currencies = {key: payer.currency for key, payer in payers.items()}
    contracts = subscriptions.contracts(ids, currencies, lock=True)
    late = _load.late_spans(infos, payers, run.late_usage)
    jobs = _jobs(contracts, run, _load.rated_periods(contracts, run.window, late), late)
    result = RatingResult(subscriptions=len(contracts))
    if not jobs:
        return result
    measured = _load.usage_of([(job.contract, job.service) for job in jobs], infos, payers, run)
    standing = _load.standing_charges([(job.contract, job.service) for job in jobs])
    spent = _load.spent_balances([(job.contract, job.service) for job in jobs])
    everybody = parties.customers_by_id(
        {UUID(spell.terms.customer) for one in contracts for spell in one.spells}
    )
    rows: list[tuple[object, ...]] = []
    remembered: list[tuple[object, ...]] = []
    for job in jobs:
        key = (job.contract.id, job.service.period.start)
        made = _settle(
            job, run, measured[key], standing.get(key, {}),
            spent.get(job.contract.id, {}), everybody, result,
        )  # fmt: skip
        if made is None:
            continue
        fresh, memory = made
        rows += fresh
        remembered.append(memory)
    copy_in(Charge, _COLUMNS, rows)
    copy_in(RatedPeriod, _PERIOD_COLUMNS, remembered, on_conflict=_REMEMBER)
    if rows:
        audit.record(
            action="rating.charges.rated", object_type="rating.chunk", object_id=str(rows[0][0]),
            after={"charges": len(rows), "period": str(run.window)}, actor=run.actor, now=run.now,
        )  # fmt: skip
    return result


def _jobs(
    contracts: Iterable[Contract],
    run: RatingRun,
    known: Mapping[_load.Key, RatedPeriod],
    late: Mapping[str, _load.Span],
) -> list[_Job]:
    jobs = []
    for contract in contracts:
        if contract.code in run.held_subscriptions:
            continue
        for service in _load.periods_to_rate(contract, run.catalogue, run.window, known):
            rated = known.get((contract.id, service.period.start))
            whens = _due(contract, service, run)
            stale = rated is not None and _load.is_stale(rated, contract, late.get(contract.id))
            if whens or stale:
                billed = frozenset() if rated is None else frozenset(rated.whens)
                jobs.append(_Job(contract, service, whens | billed, rated))
    return jobs


def _due(contract: Contract, service: ServicePeriod, run: RatingRun) -> frozenset[str]:
    whens: set[str] = set()
    window_end = run.window.end_instant(contract.zone)
    clock = window_end if run.clock is None else min(run.clock, window_end)
    # A clock inside the period (`--now`) leaves what is not over yet to a later run.
    if due_in_arrears(service, run.window) and service.end <= clock:
        whens |= {"arrears"}
    if due_in_advance(service, run.window) and service.start <= clock:
        whens |= {"advance", "once"}
    window_start = run.window.start_instant(contract.zone)
    if any(window_start <= at < clock for at, _ in contract.milestones):
        whens |= {"milestone"}
    return frozenset(whens)


def _settle(
    job: _Job,
    run: RatingRun,
    measured: Measured,
    standing: Mapping[Slot, Standing],
    spent: Mapping[date, Mapping[str, int]],
    payers: Mapping[UUID, Customer],
    result: RatingResult,
) -> tuple[list[tuple[object, ...]], tuple[object, ...]] | None:
    """Return the charges to write and the memory of the period; None when all is put off."""
    catalogue = run.catalogue
    rated = rate(
        job.contract,
        job.service,
        catalogue,
        measured,
        whens=job.whens,
        held=run.held_prices,
        past=Past(_load.advanced(standing), spent.get(job.service.period.start, {})),
    )
    wanted = {
        slot_of(charge, str(payers[UUID(charge.stretch.customer)].payer_id)): charge
        for charge in rated.charges
    }
    fresh, changed = differences(wanted, standing)
    for price, error in rated.unpriced:
        result.problems.append(
            RatingProblem(
                error.code,
                job.contract.code,
                price,
                params={"ru": error.message("ru"), "en": error.message("en")},
            )
        )
    result.problems += [
        RatingProblem("unpriced_usage", job.contract.code, meter=meter, events=events)
        for meter, events in rated.uncovered.items()
        if events and "arrears" in job.whens
    ]
    if changed and not _may_differ(job, run):
        result.put_off += len(changed)
        changed = []
        if not fresh:
            return None
    result.charges += len(fresh)
    result.differences += len(changed)
    rows = [_row(job, run, due, "period") for due in fresh]
    reason = "correction" if run.late == "correction" else "late"
    rows += [_row(job, run, due, reason) for due in changed]
    return rows, _memory(job, run, rated)


def _may_differ(job: _Job, run: RatingRun) -> bool:
    """Differences wait for the next period, unless this one is still being billed for the service
    (its fee was in advance, its usage is charged now) or the policy is to correct at once."""
    known = job.known
    if known is None or run.late == "correction" or known.billed_in < run.window.start:
        return True
    return not job.whens <= frozenset(known.whens)


def _row(job: _Job, run: RatingRun, due: Due, reason: str) -> tuple[object, ...]:
    charge = due.charge
    if charge is None:
        return _load.reversal(job.contract, job.service, run, due, reason, _discounts(due))
    stretch = charge.stretch
    seller = run.seller_of(stretch.plan.seller)
    meter = run.catalogue.meters.get(stretch.terms.meter)
    exact = charge.exact
    return (
        uuid7(), UUID(job.contract.id), job.contract.code, UUID(due.slot.customer), seller.id,
        stretch.plan.service, due.slot.price_key, stretch.terms.code, stretch.terms.version_id,
        _name(charge, run.lang), meter.unit if meter else "", run.window.start,
        job.service.period.start, job.service.period.end, stretch.start, stretch.end,
        stretch.days.start, stretch.days.end,
        due.revision, reason, job.contract.currency,
        stretch.terms.price_basis or stretch.plan.price_basis or seller.price_basis,
        seller.vat_code, _last_day(job.service), _load.quantized(due.units), due.events,
        exact.numerator, exact.denominator, due.gross_minor, due.amount_minor,
        _discounts(due),
        run.usage_version, job.contract.terms_number, run.catalogue.revision, run.now,
    )  # fmt: skip


def _discounts(due: Due) -> list[dict[str, object]]:
    """Tell what each discount took; of a difference, what it takes more than before."""
    applied = () if due.charge is None else due.charge.discounts
    told: list[dict[str, object]] = [
        {**one.document(), "amount_minor": one.amount_minor - due.taken.get(one.discount.code, 0)}
        for one in applied
    ]
    known = {one.discount.code for one in applied}
    told += [
        {"code": code, "amount_minor": -minor}
        for code, minor in due.taken.items()
        if minor and code not in known
    ]
    return told


def _last_day(service: ServicePeriod) -> date:
    """The last day of the service: its rate of VAT holds for all of it."""
    return max(service.served.start, service.served.end - timedelta(days=1))


def _name(charge: Priced, lang: str) -> str:
    name = charge.stretch.terms.name or say(WORDS, charge.stretch.terms.code, lang)
    return f"{name} ({charge.group})" if charge.group else name


def _memory(job: _Job, run: RatingRun, rated: Rated) -> tuple[object, ...]:
    billed_in = (
        run.window.start if job.known is None else max(job.known.billed_in, run.window.start)
    )
    return (
        uuid7(), UUID(job.contract.id), job.service.period.start, job.service.period.end,
        job.service.start, job.service.end, billed_in, sorted(job.whens),
        sum(rated.covered.values()), {k: v for k, v in rated.uncovered.items() if v},
        run.usage_version, job.contract.terms_number, run.catalogue.revision,
    )  # fmt: skip
