"""Usage by day of some subjects, the newest first: for timelines and charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.db import connection, transaction

from kvit.core.periods import instant_of, local_date
from kvit.metering._released import Wanted, everything, spans, still_mark
from kvit.metering._standing import STANDING, parameters_of
from kvit.metering.models import UsageCounter
from kvit.metering.rows import EARLIEST
from kvit.platform.tenancy import current_tenant_id

FIRST_LOOK = timedelta(days=31)
WIDER = 4  # each look further back is so many times as long as the one before


@dataclass(frozen=True, slots=True)
class MeterDay:
    """One meter on one local day: how many events, Σ of their values, the time of the last."""

    day: date
    meter: str
    events: int
    total: Decimal
    last: datetime


def days_of(
    subjects: Sequence[tuple[str, str]], *, zone: str, before: datetime, days: int
) -> list[MeterDay]:
    """Return the last `days` days that have usage and whose last event is before a moment.

    Args:
        subjects: pairs (kind, code).
        zone: decides what a day is.
    """
    found: dict[date, list[MeterDay]] = {}
    span = FIRST_LOOK
    bounds = _bounds(subjects)
    if bounds is None:
        return []
    parameters = _parameters(subjects) | {"zone": zone}
    first = local_date(bounds[0], zone)
    until = local_date(min(before, bounds[1]), zone) + timedelta(days=1)
    while len(found) < days and until > first:
        since = max(first, until - span)
        asked = Wanted(subjects, since=instant_of(since, zone), until=instant_of(until, zone))
        rows = _between(parameters, asked)
        for day, group in groupby(rows, key=lambda row: row.day):
            of_day = list(group)
            if max(row.last for row in of_day) < before:
                found[day] = of_day
        until, span = since, span * WIDER
    return [row for day in sorted(found, reverse=True)[:days] for row in found[day]]


@transaction.atomic
def _bounds(subjects: Sequence[tuple[str, str]]) -> tuple[datetime, datetime] | None:
    """Return the times of the first and the last event, read off the index of each subject."""
    released = still_mark().version
    found = list(spans(Wanted(subjects), released)) if released else []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT min(first), max(last)
            FROM unnest(%(kinds)s::text[], %(codes)s::text[]) s (kind, code)
            CROSS JOIN LATERAL (
              SELECT min("time") AS first, max("time") AS last FROM metering_usageevent e
              WHERE e.tenant_id = %(tenant)s AND e.subject_kind = s.kind AND e.subject = s.code) f
            """,
            {"tenant": current_tenant_id(), **_of(subjects)},
        )
        first, last = cursor.fetchone()
    if first is not None:
        found.append((first, last))
    return (min(one for one, _ in found), max(one for _, one in found)) if found else None


def _between(parameters: Mapping[str, object], asked: Wanted) -> list[MeterDay]:
    with everything(asked) as usage, connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT ("time" AT TIME ZONE %(zone)s)::date, meter, count(*),
                   coalesce(sum(value), 0), max("time")
            FROM unnest(%(kinds)s::text[], %(codes)s::text[]) s (kind, code)
            JOIN {usage} e ON e.tenant_id = %(tenant)s AND e.subject_kind = s.kind
                          AND e.subject = s.code
            WHERE "time" >= %(since)s AND "time" < %(until)s AND {STANDING}
            GROUP BY 1, 2 ORDER BY 1 DESC, 2
            """,
            {**parameters, "since": asked.since, "until": asked.until},
        )
        return [MeterDay(*row) for row in cursor.fetchall()]


def _parameters(subjects: Sequence[tuple[str, str]]) -> dict[str, Any]:
    version = UsageCounter.objects.values_list("last", flat=True).first() or 0
    return parameters_of(since=EARLIEST, until=EARLIEST, as_of=version) | _of(subjects)


def _of(subjects: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {
        "kinds": [kind for kind, _ in subjects],
        "codes": [code for _, code in subjects],
    }
