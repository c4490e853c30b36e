"""The clock of triggers: once a minute every tenant that has one is looked at by a job. And what
is kept of documents is brought together every night."""

from datetime import datetime

from kvit.invoicing import services
from kvit.invoicing.models import Trigger
from kvit.parties import queries as parties
from kvit.platform.jobs import every_minute, every_night, job
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


@job(name="invoicing.merge")
def merge(*, now: datetime) -> None:
    services.merge_tallies()
    services.keep_plan_months(today=now.date())


@every_night(name="invoicing.merge_all")
def merge_all() -> None:
    """Leave a job for each company."""
    for tenant in parties.tenants():
        with tenant_scope(tenant.id):
            merge.defer(key=f"invoicing.merge {tenant.id}")
