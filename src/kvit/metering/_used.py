"""Of whom there is any usage, seen quickly: where what waits is looked for.

Of what is sealed the index of a segment says it, the rest is read from the table. What was undone
since may be among it: who has to know exactly asks for the keys of those that remain in question.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from django.db import connection, transaction

from kvit.metering._sealed import known, latest_version, microseconds, moment
from kvit.metering._segments import Segment
from kvit.platform.tenancy import current_tenant_id

BATCH = 20_000  # subjects read at a time
_TAIL = """
    SELECT e.subject_kind, e.subject, min(e."time"), bool_or(e.meter <> ALL(%(meters)s))
    FROM metering_batch b
    JOIN metering_usageevent e ON e.tenant_id = b.tenant_id AND e.batch_id = b.id
    WHERE b.tenant_id = %(tenant)s AND b.version > %(sealed)s AND b.version <= %(as_of)s
      AND e."time" < %(until)s
    GROUP BY 1, 2
"""


class Used(NamedTuple):
    """A subject that used something. `is_odd`: perhaps of another meter than those named."""

    subject_kind: str
    subject: str
    first: datetime
    is_odd: bool


def subjects_used(
    until: datetime, meters: Collection[str], *, size: int = BATCH
) -> Iterator[list[Used]]:
    """Yield of whom there is usage before `until`, some at a time, once a seal: inside the
    caller's transaction. Memory depends on the size of a segment, not on how much is sealed.

    Raises:
        SealedUnusable: a file of sealed usage is missing or damaged.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("batches are read inside a transaction")
    latest = latest_version()
    sealed = known(latest)
    for segment in sealed.segments:
        yield from _sealed(segment, until, meters, size)
    if sealed.has_tail:
        asked = {"tenant": current_tenant_id(), "sealed": sealed.version, "as_of": latest}
        with connection.chunked_cursor() as cursor:
            cursor.execute(_TAIL, {**asked, "until": until, "meters": list(meters)})
            while rows := cursor.fetchmany(size):
                yield [Used(*row) for row in rows]


def _sealed(
    segment: Segment, until: datetime, meters: Collection[str], size: int
) -> Iterator[list[Used]]:
    if not segment.run_count:
        return
    codes, names = segment.meters
    odd = np.array([name not in meters for name in names], np.bool_)
    firsts = np.minimum.reduceat(segment.firsts, segment.begun)
    is_odd = np.logical_or.reduceat(odd[codes], segment.begun)
    within = np.flatnonzero(firsts < microseconds(until))
    for some in np.split(within, range(size, len(within), size)):
        yield [
            Used(*one)
            for one in zip(
                segment.kinds_of(some),
                segment.subjects.take(pa.array(some)).to_pylist(),
                map(moment, firsts[some].tolist()),
                is_odd[some].tolist(),
                strict=True,
            )
        ]
