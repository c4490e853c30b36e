"""Rows that break an invariant: each context tells its own, `kvit verify` sums them up.

Of rows that a query finds the first are fetched, and the others counted where they are: a fault of
every posting of a large company must not fill the memory of whoever looks for it.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from django.db import connection

from kvit.platform.tenancy import current_tenant_id

FIRST = 100  # rows of a query that are named each


class Problem(NamedTuple):
    """A row that breaks an invariant: which one (a key of its context's words), which row, and the
    figures. `rows` is more than one where it stands for those that were not fetched too."""

    code: str
    row: str
    detail: str
    rows: int = 1


def found_by(queries: Mapping[str, str], **params: object) -> Iterator[Problem]:
    """Ask queries by their invariant's code; each selects a row's name and figures.

    They are asked in the tenant in scope, `%(tenant)s`, and with `params`.
    """
    for code, sql in queries.items():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT found.*, count(*) OVER () FROM ({sql}) found LIMIT {FIRST}",
                {"tenant": current_tenant_id(), **params},
            )
            rows = cursor.fetchall()
        for place, (row, detail, count) in enumerate(rows, 1):
            yield Problem(code, row, detail, count - FIRST + 1 if place == FIRST else 1)
