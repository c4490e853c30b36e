"""Usage that came after its period was billed: how much of which meter, and since when."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from kvit.metering._released import Wanted, everything
from kvit.platform.tenancy import current_tenant_id

_LATE = """
    SELECT e.meter, count(*), count(DISTINCT (e.subject_kind, e.subject)),
           coalesce(sum(e.value), 0), min(b.received_at)
    FROM metering_batch b JOIN {usage} e
         ON e.tenant_id = b.tenant_id AND e.batch_id = b.id
    WHERE b.tenant_id = %(tenant)s AND b.version > %(version)s AND e."time" < %(before)s
      AND NOT EXISTS (SELECT 1 FROM metering_retraction r
                      WHERE r.tenant_id = e.tenant_id AND r.event = e.id)
    GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class LateUsage:
    """Late events of one meter; `value` is the sum of what they carry, before any aggregation."""

    meter: str
    events: int
    subjects: int
    value: Decimal
    received_at: datetime  # the first of them


def late_usage(version: int, *, before: datetime) -> list[LateUsage]:
    """Return, by meter, the events of times before `before` that were taken in after `version`.

    What was undone is not among them.
    """
    parameters: dict[str, Any] = {
        "tenant": current_tenant_id(), "version": version, "before": before,
    }  # fmt: skip
    asked = Wanted(until=before, after_version=version)
    with everything(asked) as usage, connection.cursor() as cursor:
        cursor.execute(_LATE.format(usage=usage), parameters)
        return [LateUsage(*row) for row in cursor.fetchall()]
