"""Usage on its way from the log of bulk intake to sealed segments.

    log of this machine ── every second, by each worker of intake ── events
    events ── by schedule, by jobs ── sealed segments

Any number of workers may: a tenant's files are taken up one after the other, its seals take turns.
"""

from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from uuid import UUID

from kvit.metering import services as metering
from kvit.parties import queries as parties
from kvit.platform import clock, durable_log
from kvit.platform.jobs import every_minute, job, repeating
from kvit.platform.tenancy import tenant_scope
from kvit.web.api import intake

LOOK_S = 1.0  # between looks into the log


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
