"""Sessions of the four engines: a statement in, rows out. Optional ones are loaded when asked for.

A whole number comes back as an int, whatever the engine's driver makes of it.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib.util import find_spec
from typing import Any, Final, Protocol

INSTALL: Final = "pip install --require-hashes -r requirements-extras.lock"
Run = Callable[[str], Sequence[tuple[Any, ...]]]


class EngineMissing(Exception):
    """The engine is not installed; the text says what would install it."""


class Cursor(Protocol):
    """What PostgreSQL's driver has: the caller connects, nothing here knows how."""

    @property
    def description(self) -> object | None: ...
    def execute(self, query: Any) -> object: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...


def on_cursor(cursor: Cursor) -> Run:
    """Run on a cursor of PostgreSQL."""

    def run(statement: str) -> Sequence[tuple[Any, ...]]:
        cursor.execute(statement)
        return [_whole(row) for row in cursor.fetchall()] if cursor.description else []

    return run


@contextmanager
def duckdb_session() -> Iterator[Run]:
    import duckdb

    with duckdb.connect() as connection:
        yield lambda statement: [_whole(row) for row in connection.execute(statement).fetchall()]


@contextmanager
def clickhouse_session() -> Iterator[Run]:
    """ClickHouse's engine within this process, by `chdb`."""
    if find_spec("chdb") is None:
        raise EngineMissing(INSTALL)
    from chdb import session

    opened = session.Session()

    def run(statement: str) -> Sequence[tuple[Any, ...]]:
        told = opened.query(statement, "JSONCompact").bytes()
        if not told.strip():
            return []
        found = json.loads(told)
        whole = ["Int" in one["type"] for one in found["meta"]]
        return [
            tuple(
                int(cell) if is_whole and cell is not None else cell
                for is_whole, cell in zip(whole, row, strict=True)
            )
            for row in found["data"]
        ]

    try:
        yield run
    finally:
        opened.close()


@contextmanager
def spark_session(cores: int = 2) -> Iterator[Run]:
    """Spark in this machine's Java, without its pages."""
    if find_spec("pyspark") is None:
        raise EngineMissing(INSTALL)
    if shutil.which("java") is None:
        raise EngineMissing("apt install default-jre-headless")
    from pyspark.sql import SparkSession

    opened = (
        SparkSession.builder.master(f"local[{cores}]")
        .appName("kvit")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", str(cores))
        .getOrCreate()
    )
    opened.sparkContext.setLogLevel("OFF")
    try:
        yield lambda statement: [_whole(tuple(row)) for row in opened.sql(statement).collect()]
    finally:
        opened.stop()


def _whole(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(int(cell) if isinstance(cell, Decimal) else cell for cell in row)
