"""Usage on its way from the log of bulk intake to sealed segments.

    log of this machine ── every second, by each worker of intake ── events
    events ── by schedule, by jobs ── sealed segments
    rows of events ── long after their month was billed, at night ── segments alone

Any number of workers may: a tenant's files are taken up one after the other, its seals take turns.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from kvit.core.periods import instant_of, local_date
from kvit.insight import overview
from kvit.metering import services as metering
from kvit.metering.queries import Settled
from kvit.parties import queries as parties
from kvit.platform import clock, durable_log, settings
from kvit.platform.jobs import do_each, every_minute, every_night, is_held, job, repeating
from kvit.platform.tenancy import tenant_scope
from kvit.rating import queries as rating
from kvit.web.api import intake

_log = logging.getLogger("kvit.sealing")
LOOK_S = 1.0  # between looks into the log
WORTH = 10_000  # events, of which a seal of their own is worth it: a small company keeps its rows


def take_up_tenant(*, now: datetime) -> int:
    """Look into what the tenant in scope sent in bulk to this machine; return how many events."""
    return metering.take_up_bulk(read=intake.read_kept, now=now)


def take_up_all() -> None:
    """Look into what every tenant sent in bulk to this machine.

    Raises:
        ExceptionGroup: what some stumbled over; all others' is taken up, and each is told.
    """
    if raised := do_each([partial(_take_up, name) for name in durable_log.names()]):
        raise ExceptionGroup("what some companies sent in bulk waits on", raised)


def _take_up(name: str) -> int:
    tenant = UUID(name)
    with tenant_scope(tenant, switch=True):
        return take_up_tenant(now=clock.now_for(tenant))


def taking_up() -> AbstractContextManager[None]:
    """Take up what comes while the block lasts."""
    return repeating(_what_came, every_s=LOOK_S)


def _what_came() -> list[Callable[[], int]]:
    """Return what is to be done about each company that sent something."""
    names = durable_log.names()
    return [partial(_take_up, name) for name in names] if names and not is_held() else []


@job(name="web.seal", queue="ingest")
def seal(*, now: datetime) -> None:
    """Seal what the tenant in scope has."""
    metering.seal(now=now)


@every_minute(name="web.seal_due")
def tick() -> None:
    """Leave the work to the workers, for each tenant whose tail is long or old."""
    for tenant in parties.tenants():
        with tenant_scope(tenant.id):
            if metering.is_seal_due(now=clock.now_for(tenant.id)):
                seal.defer_once(key=f"web.seal {tenant.id}")


@job(name="web.release", queue="ingest")
def release(*, now: datetime) -> None:
    """Let events of the tenant in scope leave the database that have been settled long ago."""
    days = settings.load().keep_events_days
    try:
        release_settled(days, actor="job:release", now=now, least=WORTH)
    except (metering.Busy, metering.Returning) as why:  # the next night goes on from there
        _log.warning("events stay where they are: %s", why)


@every_night(name="web.release_all")
def release_all() -> None:
    """Leave a job for each company, if events are to leave at all."""
    if settings.load().keep_events_days:
        for tenant in parties.tenants():
            with tenant_scope(tenant.id):
                release.defer_once(key=f"web.release {tenant.id}")


def release_settled(days: int, *, actor: str, now: datetime, least: int = 1) -> int:
    """Let the events leave the database that `settled` says; return how many have left."""
    found = settled(days, now=now)
    return metering.release(found, actor=actor, now=now, least=least) if found else 0


def settled(days: int, *, now: datetime) -> Settled | None:
    """Return which events came and happened so many days ago, in a month that is billed, and do not
    wait; None where no month is billed."""
    billed = overview.billed_up_to()
    if billed is None:
        return None
    long_ago = now - timedelta(days=days)
    zone = parties.tenant().row.zone
    month = instant_of(local_date(long_ago, zone).replace(day=1), zone)
    before = min(month, billed.until)
    waiting = rating.waiting_by_reason(before)
    held = {(one.subject_kind, one.subject, one.meter) for one in waiting}
    return Settled(before, long_ago, sorted(held))
