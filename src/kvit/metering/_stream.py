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
import pyarrow.compute as pc
from django.db import connection, transaction

from kvit.metering._columns import usage_table
from kvit.metering._sealed import Asked, known
from kvit.metering._standing import STANDING, parameters_of

BATCH_ROWS = 50_000
SUBJECTS = 500  # of which usage is read at a time, where it is sealed

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
    sealed = known(as_of)
    if sealed.segments:
        for some in chunks(subjects, SUBJECTS):
            asked = Asked(kind, some, since, until, meters, sealed.last_version)
            yield from _batches(kind, usage_table(asked, sealed, as_of))
        return
    parameters = parameters_of(since=since, until=until, as_of=as_of, meters=meters)
    parameters |= {"kind": kind, "subjects": list(subjects)}
    connection.sync_tenant()
    with connection.connection.cursor(name=f"usage_{uuid4().hex}") as cursor:
        with connection.wrap_database_errors:
            cursor.execute(ORDERED, parameters)
        while found := _fetch(cursor):
            yield _batch(kind, found)


def rows(batch: pa.RecordBatch) -> Iterator[UsageRow]:
    """Yield the rows of a batch as Python values; for few rows, for explanations and tests."""
    columns = [column.to_pylist() for column in batch.columns]
    for *fields, dimensions in zip(*columns, strict=True):
        yield UsageRow._make([*fields, orjson.loads(dimensions)])


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut a list into parts of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _batches(kind: str, table: pa.Table) -> Iterator[pa.RecordBatch]:
    whole = pa.table(
        {
            "subject_kind": pa.array([kind] * table.num_rows, pa.string()),
            "subject": table["subject"],
            "meter": table["meter"],
            "time": table["time"].cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC")),
            "event_id": table["event_id"],
            "value": table["value"],
            "text": table["text"],
            "dimensions": pc.fill_null(table["dimensions"], "{}"),
        },
        schema=SCHEMA,
    )
    yield from whole.combine_chunks().to_batches(BATCH_ROWS)


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
