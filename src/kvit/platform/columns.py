"""Columns of numbers and ids into a temporary table, by COPY's binary form: no object a row.

    PGCOPY\\n\\xff\\r\\n\\0 | flags | extension | rows: int16 fields, int32 length and bytes … | −1

Every value has a fixed width, so all rows are one structured array. What is text or may be null
goes beside it by `stage_rows`, a row for each object that the columns speak of. INSERT … SELECT
from these tables is the rest; the names are the caller's, in the session's own schema.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import psycopg
from django.db import connection, models
from psycopg import sql

from kvit.platform.bulk import NoTransaction
from kvit.platform.db.base import DatabaseWrapper
from kvit.platform.tenancy import current_tenant_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TAIL = b"\xff\xff"
_GROUPS = 12  # of four digits, of a number up to 10^48
_WIDTHS = {"uuid": 16, "bigint": 8, "integer": 4, "numeric": 8 + 2 * _GROUPS}
_FORMS = {"uuid": "V16", "bigint": ">i8", "integer": ">i4", "numeric": f"V{_WIDTHS['numeric']}"}

Column = tuple[str, "NDArray[Any]"]
"""The type in PostgreSQL, and the values: rows of sixteen bytes for a uuid, else whole numbers."""


def stage_columns(name: str, columns: Mapping[str, Column]) -> None:
    """Fill `pg_temp.name` with rows of fixed width; what it held before is gone."""
    import numpy as np

    _make(name, {column: kind for column, (kind, _) in columns.items()})
    rows = len(next(iter(columns.values()))[1])
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for place, (kind, _) in enumerate(columns.values()):
        fields += [(f"width{place}", ">i4"), (f"value{place}", _FORMS[kind])]
    packed = np.zeros(rows, np.dtype(fields))
    packed["fields"] = len(columns)
    for place, (kind, values) in enumerate(columns.values()):
        packed[f"width{place}"] = _WIDTHS[kind]
        packed[f"value{place}"] = _FORMED.get(kind, _as_they_are)(values)
    _copy(name, columns, [_HEAD, packed.tobytes(), _TAIL], binary=True)


def stage_rows(name: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Fill `pg_temp.name`, whose columns have the given types, with rows of Python values."""
    _make(name, columns)
    with (
        connection.wrap_database_errors,
        connection.connection.cursor().copy(_statement(name, columns)) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def copied(statement: str, parameters: Mapping[str, Any] | None = None) -> bytes:
    """Return what a COPY … TO STDOUT gives, whole. Its rows are not waited for one by one: that
    costs more than what they hold."""
    cast(DatabaseWrapper, connection).sync_tenant()
    with (
        connection.wrap_database_errors,
        # COPY takes no parameters from the server's side: this cursor writes them into the text.
        psycopg.ClientCursor(connection.connection) as cursor,
        cursor.copy(cast(Any, statement), parameters) as copy,
    ):
        return b"".join(connection.connection.wait(_rows(copy)))


def insert_staged(
    target: type[models.Model],
    picked: Mapping[str, str],
    source: str,
    *,
    on_conflict: str = "",
) -> int:
    """Insert into a tenant's table what a SELECT over staged tables gives; return how many.

    Args:
        picked: an SQL expression for each column of `target`, written by the caller's code.
        source: what follows FROM.
    """
    table = target._meta.db_table
    names = ", ".join(["tenant_id", *picked])
    values = ", ".join(["%s::uuid", *picked.values()])
    tail = f" ON CONFLICT {on_conflict}" if on_conflict else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {source}{tail}",
            [str(current_tenant_id())],
        )
        inserted: int = cursor.rowcount
        # See `bulk.copy_in`: plans of foreign keys' checks that were made for a small table.
        cursor.execute("SELECT kvit_refresh_statistics(%s::regclass)", [table])
    return inserted


def uuid_column(ids: Sequence[UUID]) -> "NDArray[np.uint8]":
    """Return ids as rows of sixteen bytes."""
    import numpy as np

    return np.frombuffer(b"".join(one.bytes for one in ids), np.uint8).reshape(-1, 16)


def uuids_of(column: "NDArray[np.uint8]") -> list[UUID]:
    """Return the ids of a column of `uuid_column` or `uuid7_column`."""
    data = column.tobytes()
    return [UUID(bytes=data[at : at + 16]) for at in range(0, len(data), 16)]


def _as_they_are(values: "NDArray[Any]") -> "NDArray[Any]":
    return values


def _as_numerics(values: "NDArray[Any]") -> "NDArray[Any]":
    """Return whole numbers as PostgreSQL's numeric: count, weight, sign, scale, then digits to the
    base 10 000; it drops leading zeros itself."""
    import numpy as np

    found = np.zeros((len(values), 4 + _GROUPS), ">i2")
    found[:, 0], found[:, 1] = _GROUPS, _GROUPS - 1
    found[:, 2] = np.where(values < 0, 0x4000, 0)
    left = np.abs(values)
    for part in range(_GROUPS // 4):  # sixteen digits at a time fit into 64 bits
        low = (left % 10**16).astype(np.int64)
        left = left // 10**16
        for group in range(4):
            found[:, 3 + _GROUPS - 4 * part - group] = low // 10 ** (4 * group) % 10_000
    return found.view(_FORMS["numeric"]).reshape(-1)


def _as_bytes(values: "NDArray[np.uint8]") -> "NDArray[Any]":
    import numpy as np

    return np.ascontiguousarray(values).view("V16").reshape(-1)


_FORMED = {"uuid": _as_bytes, "numeric": _as_numerics}


def _rows(copy: Any) -> Generator[Any, Any, list[Any]]:
    found = []
    while row := (yield from copy._read_gen()):
        found.append(row)
    return found


def _make(name: str, columns: Mapping[str, str]) -> None:
    connection.ensure_connection()
    if not connection.in_atomic_block:
        raise NoTransaction("open a transaction around bulk rows")
    parts = [
        sql.SQL("{} " + kind).format(sql.Identifier(column)) for column, kind in columns.items()
    ]
    table = sql.Identifier("pg_temp", name)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS").format(
                sql.Identifier(name), sql.SQL(", ").join(parts)
            )
        )
        cursor.execute(sql.SQL("TRUNCATE {}").format(table))


def _statement(name: str, columns: Iterable[str], *, binary: bool = False) -> sql.Composed:
    form = sql.SQL(" (FORMAT binary)") if binary else sql.SQL("")
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    table = sql.Identifier("pg_temp", name)
    return sql.SQL("COPY {} ({}) FROM STDIN").format(table, names) + form


def _copy(name: str, columns: Iterable[str], parts: Iterable[bytes], *, binary: bool) -> None:
    with (
        connection.wrap_database_errors,
        connection.connection.cursor().copy(_statement(name, columns, binary=binary)) as copy,
    ):
        for part in parts:
            copy.write(part)
