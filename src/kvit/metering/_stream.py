"""Usage in order, as Arrow batches, through a server-side cursor.

A cursor rather than COPY: while a COPY runs its connection can do nothing else, and rating writes
charges between two batches.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
import pyarrow as pa
from django.db import connection, transaction

from kvit.platform.tenancy import current_tenant_id

BATCH_ROWS = 50_000

SCHEMA = pa.schema(
    [
        pa.field("subject_kind", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("meter", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("value", pa.decimal128(38, 12)),
        pa.field("text", pa.string()),
        pa.field("dimensions", pa.string(), nullable=False),  # a JSON object of texts
    ]
)

# Events of later versions and events undone by now are left out, wherever usage is counted.
# NOT IN, whose columns are never null, and not NOT EXISTS: it is always one small hash table, while
# a planner without statistics may walk all batches anew for each event.
STANDING = """
    batch_id NOT IN (SELECT id FROM metering_batch
                     WHERE tenant_id = %(tenant)s AND version > %(as_of)s)
    AND e.id NOT IN (SELECT event FROM metering_retraction
                     WHERE tenant_id = %(tenant)s AND version <= %(as_of)s)
"""
# Moments as microseconds and decimals as text: Arrow makes columns of them without Python objects
# of a date or a decimal in between.
ORDERED = f"""
    SELECT subject, meter, (extract(epoch FROM "time") * 1000000)::bigint, event_id,
           value::text, text, dimensions::text
    FROM metering_usageevent e
    WHERE e.tenant_id = %(tenant)s AND subject_kind = %(kind)s AND subject = ANY(%(subjects)s)
      AND (%(meters)s::text[] IS NULL OR meter = ANY(%(meters)s))
      AND "time" >= %(since)s AND "time" < %(until)s AND {STANDING}
    ORDER BY subject, meter, "time", event_id
"""


class UsageRow(NamedTuple):
    """One row of a batch as Python values."""

    subject_kind: str
    subject: str
    meter: str
    time: datetime
    event_id: str
    value: Decimal | None
    text: str | None
    dimensions: dict[str, str]


def stream(
    kind: str,
    subjects: Sequence[str],
    *,
    since: datetime,
    until: datetime,
    as_of: int,
    meters: Sequence[str] | None,
) -> Iterator[pa.RecordBatch]:
    """Yield the usage of subjects of one kind, in order, in batches of at most `BATCH_ROWS`."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("usage is streamed inside a transaction")
    parameters = parameters_of(since=since, until=until, as_of=as_of, meters=meters)
    parameters |= {"kind": kind, "subjects": list(subjects)}
    connection.sync_tenant()
    with connection.connection.cursor(name=f"usage_{uuid4().hex}") as cursor:
        with connection.wrap_database_errors:
            cursor.execute(ORDERED, parameters)
        while found := _fetch(cursor):
            yield _batch(kind, found)


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


def rows(batch: pa.RecordBatch) -> Iterator[UsageRow]:
    """Yield the rows of a batch as Python values; for few rows, for explanations and tests."""
    columns = [column.to_pylist() for column in batch.columns]
    for *fields, dimensions in zip(*columns, strict=True):
        yield UsageRow._make([*fields, orjson.loads(dimensions)])


def _fetch(cursor: Any) -> list[tuple[Any, ...]]:
    with connection.wrap_database_errors:
        return cursor.fetchmany(BATCH_ROWS)


def _batch(kind: str, found: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    subject, meter, time, event_id, value, text, dimensions = zip(*found, strict=True)
    return pa.RecordBatch.from_arrays(
        [
            pa.array([kind] * len(found), pa.string()),
            pa.array(subject, pa.string()),
            pa.array(meter, pa.string()),
            pa.array(time, pa.timestamp("us", tz="UTC")),
            pa.array(event_id, pa.string()),
            pa.array(value, pa.string()).cast(pa.decimal128(38, 12)),
            pa.array(text, pa.string()),
            pa.array(dimensions, pa.string()),
        ],
        schema=SCHEMA,
    )
