"""Many rows at once: COPY into a temporary table, then one INSERT or UPDATE from it.

COPY straight into a table under row-level security is refused by PostgreSQL. Rows go in the order
given. Everything happens in the caller's transaction; without one it raises.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, cast

import orjson
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from psycopg import sql
from psycopg.types.json import Jsonb

from kvit.platform.db.base import DatabaseWrapper
from kvit.platform.db.schema import TENANT, is_tenant
from kvit.platform.tenancy import current_tenant_id

Row = Sequence[Any]
FEW = 64  # up to here one INSERT … VALUES is quicker than a temporary table


class NoTransaction(Exception):
    """Bulk rows are written as part of a transaction, never by themselves."""


def copy_in(
    target: type[models.Model] | str,
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    on_conflict: str = "",
    returning: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Insert rows; of a tenant's model, into the tenant in scope.

    Args:
        target: a model, or the name of a table (then `columns` has its tenant_id too).
        columns: names of database columns (`payer_id`, not `payer`), in the order of a row.
        rows: may be a generator; values of JSON columns are plain Python values.
        on_conflict: what follows ON CONFLICT, such as "DO NOTHING".
        returning: columns of the inserted rows to give back, in no promised order.
    """
    table, columns, convert, tenant = _target(target, columns)
    given = iter(rows)
    few: list[Row] = []
    for row in given:
        few.append(convert(row))
        if len(few) > FEW:
            break
    if not few:
        return []
    connection_ = _connection()
    all_names = _names([*tenant, *columns])
    head = sql.SQL("INSERT INTO {} ({}) ").format(sql.Identifier(table), all_names)
    values = [sql.Literal(str(v)) + sql.SQL("::uuid") for v in tenant.values()]
    if len(few) <= FEW:
        rows_sql = [sql.SQL(", ").join([*values, *map(sql.Literal, row)]) for row in few]
        body = sql.SQL("VALUES ") + sql.SQL(", ").join(sql.SQL("({})").format(r) for r in rows_sql)
        stage = None
    else:
        stage = _stage(connection_, table, columns, few, map(convert, given))
        picked = sql.SQL(", ").join([*values, _names(columns)])
        body = sql.SQL("SELECT {} FROM {}").format(picked, stage)
    tail = sql.Composed([])
    if on_conflict:
        tail += sql.SQL(" ON CONFLICT ") + sql.SQL(cast(Any, on_conflict))
    if returning:
        tail += sql.SQL(" RETURNING ") + _names(returning)
    with connection.cursor() as cursor:
        cursor.execute(head + body + tail)
        found = cursor.fetchall() if returning else []
        if stage is not None:
            cursor.execute(sql.SQL("TRUNCATE {}").format(stage))
            # The session keeps the plans of its foreign keys' checks. One made while the table was
            # small, or by what was known of an empty one, reads the whole tenant for every row of
            # a later chunk. New statistics discard such plans.
            cursor.execute("SELECT kvit_refresh_statistics(%s::regclass)", [table])
    return found


def update_in(
    target: type[models.Model], columns: Sequence[str], rows: Iterable[Row], *, key: str = "id"
) -> int:
    """Set `columns` of the rows named by `key`, the first value of each row. Returns how many."""
    table, names, convert, tenant = _target(target, [key, *columns])
    rows = list(map(convert, rows))
    if not rows:
        return 0
    stage = None if len(rows) <= FEW else _stage(_connection(), table, names, [], rows)
    source = _valued(target, names, rows) if stage is None else stage + sql.SQL(" s")
    pairs = [sql.SQL("{0} = s.{0}").format(sql.Identifier(c)) for c in names[1:]]
    where = sql.SQL("t.{0} = s.{0}").format(sql.Identifier(names[0]))
    if tenant:
        where += sql.SQL(" AND t.tenant_id = {}::uuid").format(sql.Literal(str(tenant[TENANT])))
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("UPDATE {} t SET {} FROM {} WHERE {}").format(
                sql.Identifier(table), sql.SQL(", ").join(pairs), source, where
            )
        )
        changed: int = cursor.rowcount
        if stage is not None:
            cursor.execute(sql.SQL("TRUNCATE {}").format(stage))
    return changed


def _valued(target: type[models.Model], names: Sequence[str], rows: Sequence[Row]) -> sql.Composed:
    """Return the rows as they stand in a statement, their types told by the first of them."""
    _connection()
    types = {one.column: one.db_type(connection) for one in target._meta.local_concrete_fields}
    # A cast to varchar(n) would cut what is too long; the column itself refuses it.
    told = ["text" if "char" in (kind := str(types[name])) else kind for name in names]
    first = [
        sql.Literal(value) + sql.SQL(cast(Any, f"::{kind}"))
        for value, kind in zip(rows[0], told, strict=True)
    ]
    given: list[list[Any]] = [first, *([*map(sql.Literal, row)] for row in rows[1:])]
    rows_sql = [sql.SQL("({})").format(sql.SQL(", ").join(row)) for row in given]
    listed = sql.SQL(", ").join(rows_sql)
    return sql.SQL("(VALUES {}) s ({})").format(listed, _names(names))


def _target(
    target: type[models.Model] | str, columns: Sequence[str]
) -> tuple[str, list[str], Callable[[Row], Row], dict[str, Any]]:
    """Return table, columns, what makes a row ready for them, and the tenant's column if any."""
    columns = list(columns)
    if isinstance(target, str):
        return target, columns, lambda row: row, {}
    fields = {field.column: field for field in target._meta.local_concrete_fields}
    json_at = [i for i, c in enumerate(columns) if isinstance(fields[c], models.JSONField)]

    def convert(row: Row) -> Row:
        changed = list(row)
        for i in json_at:
            changed[i] = None if row[i] is None else Jsonb(row[i], dumps=_json)
        return changed

    tenant = {}
    if is_tenant(target) and TENANT not in columns:
        tenant = {TENANT: current_tenant_id()}
    return target._meta.db_table, columns, convert if json_at else lambda row: row, tenant


def _stage(
    connection_: DatabaseWrapper,
    table: str,
    columns: Sequence[str],
    first: Iterable[Row],
    rest: Iterable[Row],
) -> sql.Identifier:
    """Fill a temporary table with the rows. One stands for each connection and set of columns."""
    mark = zlib.crc32(",".join(columns).encode())
    stage = sql.Identifier("pg_temp", f"stage_{table[:40]}_{mark:08x}")
    connection_.sync_tenant()
    raw = connection_.connection
    copy_sql = sql.SQL("COPY {} ({}) FROM STDIN").format(stage, _names(columns))
    # AS SELECT and not LIKE: that would copy NOT NULL of columns that the rows do not have.
    create_sql = sql.SQL(
        "CREATE TEMP TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA"
    ).format(stage, _names(columns), sql.Identifier(table))
    with connection_.wrap_database_errors:
        raw.execute(create_sql)
        with raw.cursor().copy(copy_sql) as copy:
            for row in chain(first, rest):
                copy.write_row(row)
    return stage


def _connection() -> DatabaseWrapper:
    connection.ensure_connection()
    if not connection.in_atomic_block:
        raise NoTransaction("open a transaction around bulk rows")
    return cast(DatabaseWrapper, connection)


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _json(value: Any) -> str:
    try:
        # Ids and texts, numbers, lists: what is anything else is written as Django writes it.
        return orjson.dumps(
            value, _encoder.default, orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
        ).decode()
    except TypeError:  # an integer of more than 64 bits
        return _encoder.encode(value)


_encoder = DjangoJSONEncoder(ensure_ascii=False, separators=(",", ":"))
