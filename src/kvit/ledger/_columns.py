"""Postings of many new facts at once, as columns: no object a posting.

What postings have alike (accounts, currency, day) is a staged row, what differs is columns.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from kvit.ledger.models import Posting
from kvit.platform.columns import insert_staged, stage_columns, stage_rows

_ALIKE = {
    "alike": "integer", "seller_id": "uuid", "debit": "text", "credit": "text", "currency": "text",
    "effective_on": "date", "origin": "text", "recorded_at": "timestamptz",
}  # fmt: skip
_PICKED = {
    **{name: f"a.{name}" for name in ("seller_id", "debit", "credit", "currency", "effective_on")},
    "customer_id": "p.customer",
    "amount_minor": "p.amount",
    "source": "a.origin || ':' || p.fact",
    "line": "p.line",
    "recorded_at": "a.recorded_at",
}
_FROM = "pg_temp.posted p JOIN pg_temp.posted_alike a ON a.alike = p.alike ORDER BY p.place"


class Alike(NamedTuple):
    """What postings have alike; accounts are codes of the seller's chart."""

    seller_id: UUID
    debit: str
    credit: str
    currency: str
    effective_on: date


class PostingColumns(NamedTuple):
    """Postings, by fact and line. Ids are rows of sixteen bytes (`platform.columns`)."""

    facts: NDArray[np.uint8]  # the id behind the colon of the source
    customers: NDArray[np.uint8]
    lines: NDArray[np.int64]  # from 1 within each fact
    alike: NDArray[np.int64]  # places among what postings have alike
    amounts: NDArray[np.int64]  # minor units above zero


def write(origin: str, posted: PostingColumns, alike: Sequence[Alike], *, now: datetime) -> int:
    """Write postings in their order; return how many."""
    stage_rows(
        "posted_alike", _ALIKE, ((place, *one, origin, now) for place, one in enumerate(alike))
    )
    stage_columns(
        "posted",
        {
            "place": ("integer", np.arange(len(posted.lines))),
            "fact": ("uuid", posted.facts),
            "customer": ("uuid", posted.customers),
            "line": ("integer", posted.lines),
            "alike": ("integer", posted.alike),
            "amount": ("bigint", posted.amounts),
        },
    )
    written = insert_staged(Posting, _PICKED, _FROM)
    assert written == len(posted.lines), "lines and groups differ"
    return written
