"""Which events stand as of a usage version, in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kvit.platform.tenancy import current_tenant_id

# Events of later versions and events undone by now are left out, wherever usage is counted.
# NOT IN, whose columns are never null, and not NOT EXISTS: it is always one small hash table, while
# a planner without statistics may walk all batches anew for each event.
STANDING = """
    batch_id NOT IN (SELECT id FROM metering_batch
                     WHERE tenant_id = %(tenant)s AND version > %(as_of)s)
    AND e.id NOT IN (SELECT event FROM metering_retraction
                     WHERE tenant_id = %(tenant)s AND version <= %(as_of)s)
"""


def parameters_of(
    *, since: datetime, until: datetime, as_of: int, meters: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return what `STANDING` and the bounds of time are filled with."""
    return {
        "tenant": current_tenant_id(),
        "since": since,
        "until": until,
        "as_of": as_of,
        "meters": None if meters is None else list(meters),
    }
