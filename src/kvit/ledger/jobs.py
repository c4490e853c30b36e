"""Every night the kept sums of days are brought together."""

from datetime import datetime

from kvit.ledger import services
from kvit.parties import queries as parties
from kvit.platform.jobs import every_night, job
from kvit.platform.tenancy import tenant_scope


@job(name="ledger.merge")
def merge(*, now: datetime) -> None:
    services.merge_turnovers()


@every_night(name="ledger.merge_all")
def merge_all() -> None:
    """Leave a job for each company."""
    for one in parties.tenants():
        with tenant_scope(one.id):
            merge.defer(key=f"ledger.merge {one.id}")
