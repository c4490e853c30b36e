"""What of a service period is due in a run."""

from datetime import datetime

from kvit.core.money import to_minor
from kvit.core.schedule import Contract, ServicePeriod, due_in_advance, due_in_arrears
from kvit.rating.rows import RatingRun

LOOK_BACK_YEARS = 3  # how far a reading before the period is looked for


def when_due(
    contract: Contract, service: ServicePeriod, run: RatingRun, *, is_known: bool
) -> frozenset[str]:
    """Return the `when` of prices that this run charges of the period; empty: it is not due."""
    whens: set[str] = set()
    window_end = run.window.end_instant(contract.zone)
    clock = window_end if run.clock is None else min(run.clock, window_end)
    # A clock inside the period (`--now`) leaves what is not over yet to a later run.
    if due_in_arrears(service, run.window) and service.end <= clock:
        whens |= {"arrears"}
    if due_in_advance(service, run.window) and service.start <= clock:
        whens |= {"advance", "once"}
    window_start = run.window.start_instant(contract.zone)
    # One that is told late, of a period that was billed, is due with what else is late.
    since = service.start if is_known else max(service.start, window_start)
    if any(since <= at < min(clock, service.end) for at, _ in contract.milestones):
        whens |= {"milestone"}
    is_limited = run.usage_thresholds or threshold(contract, service, run) is not None
    if service.start <= clock < service.end and is_limited:
        whens |= {"interim"}
    return frozenset(whens if run.only is None else whens & run.only)


def threshold(contract: Contract, service: ServicePeriod, run: RatingRun) -> int | None:
    """The sum of usage, in minor units, at which it is billed before its period is over."""
    spell = next(one for one in contract.spells if one.end is None or one.end > service.start)
    plan = run.catalogue.plan_on(spell.terms.plan, service.served.start)
    if plan is None or plan.threshold is None:
        return None
    return to_minor(plan.threshold, contract.currency)


def looked_back(since: datetime) -> datetime:
    """Return from when on events may say what a level or a reading was at a moment."""
    return since.replace(year=since.year - LOOK_BACK_YEARS, day=min(since.day, 28))
