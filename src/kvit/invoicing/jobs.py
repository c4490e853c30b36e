"""The clock of triggers: once a minute every tenant that has one is looked at by a job."""

from datetime import datetime

from kvit.invoicing import services
from kvit.invoicing.models import Trigger
from kvit.parties import queries as parties
from kvit.platform.jobs import every_minute, job
from kvit.platform.tenancy import tenant_scope

perform_order = services.perform_order  # a worker knows a job by importing it


@job(name="invoicing.look")
def look(*, now: datetime) -> None:
    services.look(now=now)


@every_minute(name="invoicing.tick")
def tick() -> None:
    """Leave a look to the workers for each tenant that has a trigger."""
    for tenant in parties.tenants():
        with tenant_scope(tenant.id):
            if Trigger.objects.filter(is_on=True).exists():
                look.defer_once(key=f"invoicing.look {tenant.id}")
