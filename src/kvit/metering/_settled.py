"""Which events may leave the table, and what stays and holds back all that came after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from kvit.metering._sealed import mark
from kvit.metering.models import Batch
from kvit.platform.tenancy import current_tenant_id

_WITHIN = "b.tenant_id = %(tenant)s AND b.version > %(since)s"
_STAYS = f"""
    SELECT 'young' AS reason, min(b.version) AS version FROM metering_batch b
    WHERE {_WITHIN} AND b.received_at >= %(came_before)s
    UNION ALL
    SELECT 'later', min(b.version) FROM metering_batch b JOIN metering_usageevent e
           ON e.tenant_id = b.tenant_id AND e.batch_id = b.id
    WHERE {_WITHIN} AND e."time" >= %(before)s AND NOT EXISTS (
        SELECT FROM metering_retraction r WHERE r.tenant_id = e.tenant_id AND r.event = e.id)
    UNION ALL
    SELECT 'disputed', min(b.version) FROM metering_conflictevent c
    JOIN metering_usageevent e ON e.tenant_id = c.tenant_id AND e.source = c.source
         AND e.event_id = c.event_id
    JOIN metering_batch b ON b.tenant_id = e.tenant_id AND b.id = e.batch_id
    WHERE {_WITHIN} AND NOT EXISTS (
        SELECT FROM metering_conflictresolution d
        WHERE d.tenant_id = c.tenant_id AND d.conflict_id = c.id)
    UNION ALL
    SELECT 'waits', min(b.version)
    FROM unnest(%(kinds)s::text[], %(subjects)s::text[], %(meters)s::text[]) k (kind, code, meter)
    JOIN metering_usageevent e ON e.tenant_id = %(tenant)s AND e.subject_kind = k.kind
         AND e.subject = k.code AND e.meter = k.meter
    JOIN metering_batch b ON b.tenant_id = e.tenant_id AND b.id = e.batch_id
    WHERE {_WITHIN}
    ORDER BY version NULLS LAST, reason LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """Events of times before `before` that came before `came_before`, and are none of `held`: the
    (kind, subject, meter) of those that wait."""

    before: datetime
    came_before: datetime
    held: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The first intake that stays, and all after it. `reason`: "young" (it came lately), "later"
    (an event is of a later time), "disputed", "waits"."""

    reason: str
    version: int
    source: str
    received_at: datetime


def held_back(settled: Settled) -> HeldBack | None:
    """Return what holds back the rest; None where nothing is to stay."""
    names = {
        "tenant": current_tenant_id(),
        "since": mark().version,
        "before": settled.before,
        "came_before": settled.came_before,
        "kinds": [kind for kind, _, _ in settled.held],
        "subjects": [subject for _, subject, _ in settled.held],
        "meters": [meter for _, _, meter in settled.held],
    }
    with connection.cursor() as cursor:
        cursor.execute(_STAYS, names)
        reason, version = cursor.fetchone()
    if version is None:
        return None
    batch = Batch.objects.get(version=version)
    return HeldBack(reason, version, batch.source, batch.received_at)
