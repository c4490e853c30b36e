"""Every night the kept sums of days are brought together; every minute postings are logged."""

import logging
from datetime import datetime, timedelta

from kvit.ledger import queries, services
from kvit.parties import queries as parties
from kvit.platform import settings
from kvit.platform.jobs import every_minute, every_night, job
from kvit.platform.tenancy import tenant_scope
from kvit.platform.tlog import LogDamaged

_log = logging.getLogger("kvit.ledger")
RESTS = timedelta(days=31)  # days that something is still posted to


@job(name="ledger.merge")
def merge(*, now: datetime) -> None:
    services.merge_turnovers()
    services.keep_past(before=now.date() - RESTS)


@every_night(name="ledger.merge_all")
def merge_all() -> None:
    """Leave a job for each company."""
    for one in parties.tenants():
        with tenant_scope(one.id):
            merge.defer(key=f"ledger.merge {one.id}")


@job(name="ledger.log")
def log(*, now: datetime) -> None:
    """Write what was posted by the company in scope into its log."""
    services.log_postings(beside=settings.load().checkpoints)


@every_minute(name="ledger.log_all")
def log_all() -> None:
    """Leave a job for each company that has posted something."""
    for one in parties.tenants():
        with tenant_scope(one.id):
            try:
                if queries.is_behind():
                    log.defer_once(key=f"ledger.log {one.id}")
            except LogDamaged as error:  # others are signed all the same
                _log.error("%s: %s", one.row.code, error)
