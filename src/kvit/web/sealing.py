"""Usage on its way from the log of bulk intake to sealed segments: by schedule, or as it comes.

A worker looks once a minute; `kvit run ingest` all the time. Any number of both may: a tenant's
files are taken up one after the other, and its seals take turns.
"""

from datetime import datetime

from kvit.metering import services as metering
from kvit.parties import queries as parties
from kvit.platform import clock
from kvit.platform.jobs import every_minute, job
from kvit.platform.tenancy import tenant_scope
from kvit.web.api import intake


def seal_tenant(*, now: datetime) -> int:
    """Take up what the tenant in scope sent in bulk; return how many events were looked at."""
    return metering.take_up_bulk(read=intake.read_kept, now=now)


def seal_all() -> int:
    """Do it for every tenant, here and now; return how many events were looked at."""
    looked_at = 0
    for tenant in parties.tenants():
        with tenant_scope(tenant.id, switch=True):
            looked_at += seal_tenant(now=clock.now_for(tenant.id))
    return looked_at


@job(name="web.seal")
def seal(*, now: datetime) -> None:
    """Seal what the tenant in scope has."""
    seal_tenant(now=now)


@every_minute(name="web.seal_all")
def tick() -> None:
    """Leave the work to the workers, for each tenant that has some."""
    for tenant in parties.tenants():
        with tenant_scope(tenant.id):
            if metering.has_to_seal():
                seal.defer_once(key=f"web.seal {tenant.id}")
