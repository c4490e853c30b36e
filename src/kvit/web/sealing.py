"""Usage on its way from the log of bulk intake to sealed segments.

    log of this machine ── every second, by each worker of intake ── events
    events ── by schedule, by jobs ── sealed segments
    rows of events ── long after their month was billed, at night ── segments alone

Any number of workers may: a tenant's files are taken up one after the other, its seals take turns.
"""

from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from kvit.core.periods import instant_of, local_date
from kvit.insight import overview
from kvit.metering import services as metering
from kvit.parties import queries as parties
from kvit.platform import clock, durable_log, settings
from kvit.platform.jobs import every_minute, every_night, job, repeating
from kvit.platform.tenancy import tenant_scope
from kvit.rating import queries as rating
from kvit.web.api import intake

LOOK_S = 1.0  # between looks into the log
WORTH = 10_000  # events, of which a seal of their own is worth it: a small company keeps its rows


def take_up_tenant(*, now: datetime) -> int:
    """Look into what the tenant in scope sent in bulk to this machine; return how many events."""
    return metering.take_up_bulk(read=intake.read_kept, now=now)


def take_up_all() -> int:
    """Look into what every tenant sent in bulk to this machine; return how many events."""
    return sum(_take_up(name) for name in durable_log.names())


def _take_up(name: str) -> int:
    tenant = UUID(name)
    with tenant_scope(tenant, switch=True):
        return take_up_tenant(now=clock.now_for(tenant))


def taking_up() -> AbstractContextManager[None]:
    """Take up what comes while the block lasts."""
    return repeating(
        lambda: [partial(_take_up, name) for name in durable_log.names()], every_s=LOOK_S
    )


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
    release_settled(settings.load().keep_events_days, actor="job:release", now=now, least=WORTH)


@every_night(name="web.release_all")
def release_all() -> None:
    """Leave a job for each company, if events are to leave at all."""
    if settings.load().keep_events_days:
        for tenant in parties.tenants():
            with tenant_scope(tenant.id):
                release.defer_once(key=f"web.release {tenant.id}")


def release_settled(days: int, *, actor: str, now: datetime, least: int = 1) -> int:
    """Let the events leave the database whose month ended so many days ago, and was billed; return
    how many have left. What waits stays, and all that came after it."""
    before = settled_before(days, now=now)
    if before is None:
        return 0
    held = {(one.subject_kind, one.subject, one.meter) for one in rating.waiting_by_reason(before)}
    return metering.release(before=before, held=sorted(held), actor=actor, now=now, least=least)


def settled_before(days: int, *, now: datetime) -> datetime | None:
    """Return the end of the last month that ended so many days ago, and was billed."""
    billed = overview.billed_up_to()
    if billed is None:
        return None
    zone = parties.tenant().row.zone
    month = local_date(now - timedelta(days=days), zone).replace(day=1)
    return min(instant_of(month, zone), billed.until)
