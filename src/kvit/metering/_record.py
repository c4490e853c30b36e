"""What is noted of an intake that brought something new: its version, batch, audit row and fact.

One statement: the intakes of a tenant take turns from the counter of versions on, until the commit.
"""

from datetime import datetime

from django.db import connection

from kvit.metering._intake import Intake
from kvit.metering.events import USAGE_ACCEPTED
from kvit.metering.rows import clean
from kvit.platform import audit, events
from kvit.platform.ids import uuid7

_COUNTS = ("accepted", "repeated", "conflicting", "rejected")
_COUNTED = {name: f"%({name})s::bigint" for name in _COUNTS}
_FACTS = {"batch_id": "%(batch)s::text", "version": "last", **_COUNTED}
_IMAGE = ", ".join(
    f"'{name}', {one}"
    for name, one in {"source": "%(source)s::text", "version": "last", **_COUNTED}.items()
)
# What writes a fact's parts waits for the row of `taken`, whose lock is that of the fact's key.
_RECORD = """
    WITH taken AS (
        INSERT INTO metering_usagecounter (id, tenant_id, last) VALUES (%(counter)s, %(tenant)s, 1)
        ON CONFLICT (tenant_id) DO UPDATE SET last = metering_usagecounter.last + 1
        RETURNING last
    ), batch AS (
        INSERT INTO metering_batch (id, tenant_id, source, version, origin, actor, received_at,
                                    accepted, repeated, conflicting, rejected)
        SELECT %(batch)s, %(tenant)s, %(source)s, last, %(origin)s, %(actor)s, %(now)s,
               %(accepted)s, %(repeated)s, %(conflicting)s, %(rejected)s FROM taken
    ), {parts}
    SELECT last, told.* FROM taken CROSS JOIN ({told}) told
"""


def record(intake: Intake, *, actor: str, now: datetime, origin: str) -> int:
    """Note an intake; return its version. The counter's row is held until commit: versions follow
    commits, and facts follow versions."""
    audited, names = audit.recording(
        "taken",
        action="metering.usage.accepted",
        object_type="metering.batch",
        object_id=str(intake.batch_id),
        after=f"jsonb_build_object({_IMAGE})",
        actor=actor,
        now=now,
    )
    (*written, told), more = events.publishing(
        USAGE_ACCEPTED, _FACTS, "taken", key="usage", actor=actor, now=now
    )
    names |= more | {name: getattr(intake, name) for name in _COUNTS}
    names |= {"batch": intake.batch_id, "source": intake.source, "origin": clean(origin, 500)}
    names["counter"] = uuid7()
    parts = ", ".join(f"part_{n} AS ({one})" for n, one in enumerate([audited, *written]))
    with connection.cursor() as cursor:
        cursor.execute(_RECORD.format(parts=parts, told=told), names)
        version: int = cursor.fetchone()[0]
    return version
