"""Walking a large set of rows in chunks, each asked for after the last key of the one before."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import QuerySet


def key_chunks(rows: "QuerySet[Any]", column: str, *, size: int) -> Iterator[list[UUID]]:
    """Yield the values of `column`, each once, rising, at most `size` at a time.

    Rows that are added or taken away meanwhile do no harm: nothing is counted from the beginning.
    """
    rows = rows.order_by(column)
    last: UUID | None = None
    while True:
        rest = rows if last is None else rows.filter(**{f"{column}__gt": last})
        keys = list(rest.values_list(column, flat=True).distinct()[:size])
        if not keys:
            return
        yield keys
        last = keys[-1]
