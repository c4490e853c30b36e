"""The work of `bench rating` by the contract's SQL, in PostgreSQL and in DuckDB: its peer.

    from by_sql import by_sql
    by_sql("postgresql", args)      in a child: tells taken, cpu, memory_mb, events, lines, total

The same events, meters and prices of accounts' own as `rating.py` writes. What is loaded is not
timed: rows stand in a table already, which is more than Kvit's side is given. PostgreSQL works in
an embedded server of its own with 256 MB a sort, and its tables are analysed.
"""

import argparse
import io
import json
from collections.abc import Callable, Iterator
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from measure import database_cpu_s, memory_mb, workplace

from kvit.adapters.rating_sql import DIALECTS, Contract, Dialect, statements
from kvit.adapters.rating_sql.dialects import TableRows
from kvit.adapters.rating_sql.sessions import Run, on_cursor
from kvit.adapters.rating_sql.statements import EVENTS, LINES, MISSING
from kvit.core.pricing import parse_price
from kvit.core.pricing.price import compile_price

LINE_ROWS = 50_000  # lines in one statement
REGIONS = ("eu", "us", "asia")


def by_sql(engine: str, args: argparse.Namespace) -> None:
    """Rate `args.events` of `args.accounts` and tell the figures as a child does."""
    {"postgresql": _in_postgresql, "duckdb": _in_duckdb}[engine](args)


def _in_postgresql(args: argparse.Namespace) -> None:
    with workplace():
        from kvit.web.cli.ground import ready

        ready()
        from django.db import connection

        connection.ensure_connection()
        with connection.connection.cursor() as cursor:

            def load(table: pa.Table) -> None:
                out = io.BytesIO()
                pa.csv.write_csv(table, out, pa.csv.WriteOptions(include_header=False))
                with cursor.copy("COPY kvit_events FROM STDIN (FORMAT csv)") as copy:
                    copy.write(out.getvalue())

            run = on_cursor(cursor)
            run("SET work_mem = '256MB'")
            dialect = DIALECTS["postgresql"]
            _prepare(dialect, run, args, load)
            for name in ("events", "lines", "prices", "segments", "cells"):
                run(f"ANALYZE kvit_{name}")
            _measured(dialect, run, args, database_cpu_s)


def _in_duckdb(args: argparse.Namespace) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")

        def load(table: pa.Table) -> None:
            connection.register("loaded", table)
            connection.execute("INSERT INTO kvit_events SELECT * FROM loaded")
            connection.unregister("loaded")

        def run(statement: str) -> list[tuple[Any, ...]]:
            return connection.execute(statement).fetchall()

        _prepare(DIALECTS["duckdb"], run, args, load)
        _measured(DIALECTS["duckdb"], run, args, process_time)


def _measured(
    dialect: Dialect, run: Run, args: argparse.Namespace, cpu_s: Callable[[], float]
) -> None:
    begun, spent = perf_counter(), cpu_s()
    for statement in statements(dialect):
        run(statement)
    [(total, lines, left)] = run("SELECT sum(minor), count(*), count(remark) FROM kvit_amounts")
    taken, cpu = perf_counter() - begun, cpu_s() - spent
    assert left == 0, f"{left} lines are left"
    assert run(MISSING) == [(0, 0)]
    told = {"taken": taken, "cpu": cpu, "events": args.events, "lines": lines, "total": int(total)}
    print(json.dumps({**told, "memory_mb": memory_mb()}))


def _prepare(
    dialect: Dialect, run: Run, args: argparse.Namespace, load: Callable[[pa.Table], None]
) -> None:
    for statement in dialect.settings:
        run(statement)
    contract = Contract()
    lines = list(_lines(contract, args.accounts))
    for first in range(0, len(lines), LINE_ROWS):
        part = TableRows("kvit_some", LINES, lines[first : first + LINE_ROWS])
        for statement in dialect.table(part):
            run(statement)
        if not first:
            run("CREATE TEMPORARY TABLE kvit_lines AS SELECT * FROM kvit_some WHERE 1 = 0")
        run("INSERT INTO kvit_lines SELECT * FROM kvit_some")
    for table in (*contract.rows(), TableRows("kvit_events", EVENTS, [])):
        for statement in dialect.table(table):
            run(statement)
    for table in _events(args):
        load(table)


def _lines(contract: Contract, accounts: int) -> Iterator[tuple[Any, ...]]:
    """A line a meter of each account; a fifth of the accounts have a price of their own."""
    from usage import BEGIN, METERS, MONTH_US, own_price

    begin = int(BEGIN.timestamp()) * 10**6
    dims = {_dims(region): {"region": region} for region in REGIONS}

    def number(document: dict[str, Any], kind: str) -> int:
        compiled = compile_price(parse_price(document))
        return contract.price(
            compiled,
            kind,
            value_scale=1000,
            period_us=MONTH_US,
            dims=dims,  # type: ignore[arg-type]
        )

    shared = [number(price, kind) for _, kind, price in METERS]
    for account in range(accounts):
        for place, (_, kind, _) in enumerate(METERS):
            price = shared[place]
            if place == 0 and account % 5 == 0:
                price = number(json.loads(own_price(account)), kind)
            series = account * len(METERS) + place
            yield series, series, price, kind, begin, begin + MONTH_US, 0


def _dims(region: str) -> str:
    return json.dumps({"region": region}, separators=(",", ":"))


def _events(args: argparse.Namespace) -> Iterator[pa.Table]:
    from usage import BEGIN, METERS, columns, per_account, step

    unique = np.array([kind == "unique" for _, kind, _ in METERS])
    said, regions = pa.array([f"user-{n}" for n in range(8)]), pa.array(list(map(_dims, REGIONS)))
    for first in range(0, args.accounts, step(args)):
        found = columns(first, min(step(args), args.accounts - first), per_account(args))
        is_unique = unique[found["meter"]]
        moments = found["time"] + int(BEGIN.timestamp()) * 10**6
        yield pa.table(
            {
                "series": pa.array(found["owner"] * len(METERS) + found["meter"]),
                "moment": pa.array(moments).cast(pa.timestamp("us", "UTC")),
                "event_id": pa.array(np.arange(len(moments))).cast(pa.string()),
                "value": pa.array(found["value"], mask=is_unique),
                "said": said.take(pa.array(found["text"], mask=~is_unique)),
                "dims": regions.take(pa.array(found["region"])),
            }
        )


def main() -> None:
    """Rate by one engine: `.venv/bin/python bench/by_sql.py ENGINE [--events N]`."""
    from measure import parser_of

    parser = parser_of(__doc__, events=100_000)
    parser.add_argument("engine", choices=["postgresql", "duckdb"])
    args = parser.parse_args()
    args.accounts = args.accounts or max(args.events // 100, 1)
    by_sql(args.engine, args)


if __name__ == "__main__":
    main()
