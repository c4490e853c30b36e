"""What four engines call the same things, and what must be set so that they mean the same.

The contract needs little: whole numbers of 128 bits or more, their quotient, microseconds of a
moment, bytewise order of texts. Written in the obvious way each of these is wrong in silence in
some engine: a comment beside it says in which. docs/howto/rate-on-an-engine.md has them together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

Kind = Literal["int", "wide", "text", "moment"]
Cell = int | str | datetime | None


@dataclass(frozen=True, slots=True)
class TableRows:
    """A table given with its rows."""

    name: str
    columns: Mapping[str, Kind]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one engine writes what the contract asks for; `{}` takes an expression or a text."""

    name: str
    settings: tuple[str, ...]  # statements for the session, before everything else
    types: Mapping[Kind, str]
    moment: str  # a constant
    micros: str  # since 1970, of a moment
    quotient: str  # of two whole numbers ≥ 0, cut to a whole number
    as_text: str
    bytewise: str  # a text that is ordered by its bytes
    kept: str  # a query's rows under a name
    made: str  # an empty table: `{typed}` columns, or `{cast}` from `{columns}`
    filled: str
    has_escapes: bool = False  # a backslash in a text constant means something
    dropped: str = "DROP TABLE IF EXISTS {name}"

    def wide(self, expression: str) -> str:
        return f"CAST({expression} AS {self.types['wide']})"

    def divided(self, one: str, other: str) -> str:
        return self.quotient.format(one=f"({one})", other=f"({other})")

    def keep(self, name: str, query: str) -> Iterator[str]:
        """Give the statements that keep the rows of a query."""
        yield self.dropped.format(name=name)
        yield self.kept.format(name=name, query=query)

    def table(self, table: TableRows) -> Iterator[str]:
        """Give the statements that make a table with its rows."""
        columns = {
            "name": table.name,
            "columns": ", ".join(table.columns),
            "typed": ", ".join(
                f"{name} {self.types[kind]}" for name, kind in table.columns.items()
            ),
            "cast": ", ".join(
                f"CAST({name} AS {self.types[kind]}) AS {name}"
                for name, kind in table.columns.items()
            ),
        }
        yield self.dropped.format(name=table.name)
        nothing = ", ".join("NULL" for _ in table.columns)
        yield self.made.format(**columns, rows=f"({nothing})")
        if table.rows:
            kinds = table.columns.values()
            told = (zip(kinds, row, strict=True) for row in table.rows)
            rows = ("(" + ", ".join(self.constant(*cell) for cell in row) + ")" for row in told)
            yield self.filled.format(**columns, rows=", ".join(rows))

    def constant(self, kind: Kind, cell: Cell) -> str:
        """Write a value."""
        if cell is None:
            return "NULL"
        if isinstance(cell, datetime):
            return self.moment.format(cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"))
        if kind == "wide":  # ClickHouse reads a long number without quotes as a float
            return self.wide(f"'{cell}'")
        if isinstance(cell, int):
            return str(cell)
        text = cell.replace("\\", "\\\\") if self.has_escapes else cell
        return "'" + text.replace("'", "''" if not self.has_escapes else "\\'") + "'"


DUCKDB: Final = Dialect(
    name="duckdb",
    settings=("SET TimeZone = 'UTC'",),
    types={"int": "BIGINT", "wide": "HUGEINT", "text": "VARCHAR", "moment": "TIMESTAMPTZ"},
    moment="TIMESTAMPTZ '{}+00'",
    micros="epoch_us({})",  # epoch() is a float; date_part('epoch', …) rounds when it is cast
    quotient="({one} // {other})",  # `/` of whole numbers is a float
    as_text="CAST({} AS VARCHAR)",
    bytewise="{}",
    kept="CREATE TEMPORARY TABLE {name} AS {query}",
    made="CREATE TEMPORARY TABLE {name} ({typed})",
    filled="INSERT INTO {name} VALUES {rows}",
)
POSTGRESQL: Final = Dialect(
    name="postgresql",
    settings=("SET TIME ZONE 'UTC'", "SET standard_conforming_strings = on"),
    types={"int": "bigint", "wide": "numeric", "text": "text", "moment": "timestamptz"},
    moment="TIMESTAMPTZ '{}+00'",
    # Numeric from version 14 on. Cast to bigint before the multiplication it would be rounded.
    micros="CAST(EXTRACT(EPOCH FROM {}) * 1000000 AS bigint)",
    quotient="div({one}, {other})",  # `/` of numeric is cut at some digit
    as_text="CAST({} AS text)",
    bytewise='{} COLLATE "C"',  # the database's own order of letters is not that of bytes
    kept="CREATE TEMPORARY TABLE {name} AS {query}",
    made="CREATE TEMPORARY TABLE {name} ({typed})",
    filled="INSERT INTO {name} VALUES {rows}",
)
SPARK: Final = Dialect(
    name="spark",
    settings=(
        "SET TIME ZONE 'UTC'",
        # Without it a sum that has no room is NULL, or wraps, and nobody is told.
        "SET spark.sql.ansi.enabled = true",
        "SET spark.sql.decimalOperations.allowPrecisionLoss = true",
        "SET spark.sql.parser.escapedStringLiterals = false",
    ),
    types={"int": "BIGINT", "wide": "DECIMAL(38, 0)", "text": "STRING", "moment": "TIMESTAMP"},
    moment="TIMESTAMP '{}Z'",
    micros="unix_micros({})",  # unix_timestamp drops the fraction; a cast to DOUBLE is a float
    # `div` gives a BIGINT and wraps beyond 64 bits, in ANSI mode too. The remainder is taken off
    # first, so that `/`, which keeps six decimals of 38 digits, has nothing to round.
    quotient="CAST(({one} - {one} % {other}) / {other} AS DECIMAL(38, 0))",
    as_text="CAST({} AS STRING)",
    bytewise="{}",
    kept="CACHE TABLE {name} AS {query}",
    made="CREATE OR REPLACE TEMPORARY VIEW {name} AS"
    " SELECT {cast} FROM VALUES {rows} AS given({columns}) WHERE 1 = 0",
    filled="CREATE OR REPLACE TEMPORARY VIEW {name} AS"
    " SELECT {cast} FROM VALUES {rows} AS given({columns})",
    has_escapes=True,
    dropped="DROP VIEW IF EXISTS {name}",
)
CLICKHOUSE: Final = Dialect(
    name="clickhouse",
    settings=(
        "SET session_timezone = 'UTC'",
        "SET join_use_nulls = 1",  # else a row without its match has zeros and empty texts
        "SET prefer_column_name_to_alias = 1",  # else `sum(x) AS x` is read where x is meant
        "SET union_default_mode = 'ALL'",
    ),
    # Sums and products of Int64 and Int128 wrap in silence; of Int256 they have no occasion to.
    types={
        "int": "Nullable(Int64)", "wide": "Nullable(Int256)", "text": "Nullable(String)",
        "moment": "DateTime64(6, 'UTC')",
    },
    moment="toDateTime64('{}', 6, 'UTC')",
    micros="toUnixTimestamp64Micro({})",  # DateTime without 64 has whole seconds
    quotient="intDiv({one}, {other})",  # `/` is a float
    as_text="toString({})",
    bytewise="{}",
    kept="CREATE TABLE {name} ENGINE = Memory AS {query}",
    made="CREATE TABLE {name} ({typed}) ENGINE = Memory",
    filled="INSERT INTO {name} VALUES {rows}",
    has_escapes=True,
)  # fmt: skip
DIALECTS: Final = {one.name: one for one in (DUCKDB, POSTGRESQL, SPARK, CLICKHOUSE)}
