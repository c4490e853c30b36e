"""The business rows of a database in one form, so that two histories of it can be compared.

Ids that a history made are chance: each is named by what its row says. What only tells when
something was recorded, or how many tries a run took, is left out. All else is compared: sums,
numbers, statuses, events told, audit rows, jobs left.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from kvit.web.prove.company import ask

Rows = Counter[tuple[str, str]]
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# A run's record of itself, queues that hold nothing when everything was delivered, and sums kept a
# row a statement: how many statements there were is chance, and `verify` compares their sums.
LEFT_OUT = (
    "invoicing_billrun", "invoicing_tally", "ledger_dayturnover", "procrastinate_events",
    "procrastinate_workers", "procrastinate_periodic_defers", "django_", "auth_",
)  # fmt: skip
COLUMNS = frozenset(
    "recorded_at started_at heard_at finished_at ordered_at parked_at retry_at"
    " report done whole stage reopened_at".split()
)
RUN_TOLD = ("invoicing.run.",)  # facts about a run, told once more when it is started again
_TABLES = """
    SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"""


def rows(known: frozenset[str], *, without: Collection[str] = ()) -> Rows:
    """Return the business rows, each with how often it stands; ids of `known` keep their names.

    `without` are tables and columns that are not compared.
    """
    tables = [name for name in _tables() if name not in without]
    found = [(table, row) for table in tables for row in _rows_of(table)]
    names: dict[str, str] = {}
    for _, row in found:
        key = row.get("id")
        if isinstance(key, str) and key not in known:
            said = _said(row, known, {}, without)
            names[key] = hashlib.sha256(said.encode()).hexdigest()[:12]
    return Counter((table, _said(row, known, names, without)) for table, row in found)


def ids() -> frozenset[str]:
    """Return every id that stands in the database: what a copy of it is made with."""
    return frozenset(
        key
        for table in _tables()
        for row in _rows_of(table)
        for key in _UUID.findall(json.dumps(row))
    )


def difference(found: Rows, wanted: Rows) -> list[str]:
    """Say what stands that should not, and what does not that should."""
    more, less = found - wanted, wanted - found
    return [
        *(f"stands: {table} {said}"[:400] for table, said in _few(more)),
        *(f"is missing: {table} {said}"[:400] for table, said in _few(less)),
    ]


def _few(rows_: Rows) -> Iterable[tuple[str, str]]:
    return sorted(rows_.elements())[:3]


def _tables() -> list[str]:
    names = [name for (name,) in ask(_TABLES)]
    return [name for name in names if not name.startswith(LEFT_OUT)]


def _rows_of(table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [row for (row,) in ask(f'SELECT to_jsonb(t) FROM "{table}" t')]
    found = [row if isinstance(row, dict) else json.loads(row) for row in found]
    return [row for row in found if not _is_of_a_run(row)]


def _is_of_a_run(row: dict[str, Any]) -> bool:
    told = row.get("topic") or row.get("action") or ""
    return isinstance(told, str) and told.startswith(RUN_TOLD)


def _said(
    row: dict[str, Any], known: frozenset[str], names: dict[str, str], without: Collection[str]
) -> str:
    kept = {
        key: value
        for key, value in row.items()
        if key not in COLUMNS
        and key not in without
        and not (key == "id" and isinstance(value, int))
    }
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False)
    return _UUID.sub(lambda m: m[0] if m[0] in known else names.get(m[0], "#"), text)
