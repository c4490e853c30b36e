"""Every night each company is verified as `kvit verify` does it; what does not hold is told.

A fault is an event (`insight.invariants.broken`), so that a webhook can wake somebody, and an audit
row that names the first broken row of each kind. A night in which everything holds tells nothing.
"""

import logging
from datetime import datetime

from django.db import transaction

from kvit.insight.events import INVARIANTS_BROKEN, InvariantsBroken
from kvit.parties import queries as parties
from kvit.platform import audit, events
from kvit.platform.jobs import every_night, job
from kvit.platform.tenancy import current_tenant_id, tenant_scope
from kvit.web.invariants import TenantReport, verify_tenant

SAMPLE = 100  # charges computed again; others every night
ACTOR = "job:verify"

_log = logging.getLogger("kvit.verify")


@job(name="web.verify")
def verify(*, now: datetime) -> None:
    """Verify the company in scope."""
    seed = now.date().isoformat()
    report = verify_tenant(parties.tenant(), sample=SAMPLE, seed=seed, progress=_silent)
    if report.broken:
        tell(report, now=now)


@every_night(name="web.verify_all")
def verify_all() -> None:
    """Leave a job for each company."""
    for one in parties.tenants():
        with tenant_scope(one.id):
            verify.defer(key=f"verify:{one.id}")


@transaction.atomic
def tell(report: TenantReport, *, now: datetime) -> None:
    """Tell what does not hold in the company in scope."""
    codes = tuple(sorted({one.code for one in report.broken}))
    rows = sum(one.rows for one in report.broken)
    _log.error("%s does not hold: %s", report.tenant, ", ".join(codes))
    tenant = str(current_tenant_id())
    events.publish(
        INVARIANTS_BROKEN,
        key=tenant,
        payload=InvariantsBroken(now.date(), codes, rows),
        actor=ACTOR,
        now=now,
    )
    audit.record(
        action="insight.invariants.broken",
        object_type="parties.tenant",
        object_id=tenant,
        after={one.code: {"row": one.row, "rows": one.rows} for one in report.broken},
        actor=ACTOR,
        now=now,
    )


def _silent(done: int, whole: int) -> None:
    """Show no progress."""
