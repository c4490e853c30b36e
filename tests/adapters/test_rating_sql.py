"""The rating contract as SQL: engines keep it, and a mistake in an engine's dialect is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from kvit.adapters.rating_sql import DIALECTS, Contract, NotInContract, statements
from kvit.adapters.rating_sql.cases import CASES, Case
from kvit.adapters.rating_sql.conformance import draw, exact, examine, prepared
from kvit.adapters.rating_sql.sessions import (
    EngineMissing,
    Run,
    clickhouse_session,
    duckdb_session,
    on_cursor,
    spark_session,
)
from kvit.adapters.rating_sql.statements import AMOUNTS, MISSING
from kvit.core.money import to_minor
from kvit.core.pricing import parse_price
from kvit.core.pricing.price import compile_price

DUCKDB, POSTGRESQL = DIALECTS["duckdb"], DIALECTS["postgresql"]
# Left although they have a price: 128 bits are not proven to do, or columns leave them too.
CAUTIOUS = {
    "a product without room in 128 bits",
    "an amount that is no money",
    "a weight that no decimal of Spark holds",
    "a cell with a correction",
}
DRAWN = 60  # lines beside the cases; `./kvit conformance` draws more


@contextmanager
def installed(session: Any) -> Iterator[Run]:
    try:
        with session() as run:
            yield run
    except EngineMissing as missing:
        pytest.skip(f"not installed: {missing}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_evaluator_agrees_with_what_is_worked_by_hand(case: Case) -> None:
    told = exact(case)
    if isinstance(case.minor, str):
        assert (told is not None) == (case.name in CAUTIOUS)
        return
    assert told is not None
    assert to_minor(told, case.currency, "half-up") == case.expected("half-up")
    assert to_minor(told, case.currency, "half-even") == case.expected("half-even")


def test_duckdb_keeps_the_contract() -> None:
    with duckdb_session() as run:
        assert examine(DUCKDB, run, drawn=DRAWN).differences == ()


def test_postgresql_keeps_the_contract(owner: psycopg.Connection[Any]) -> None:
    with owner.cursor() as cursor:
        assert examine(POSTGRESQL, on_cursor(cursor), drawn=DRAWN).differences == ()


def test_clickhouse_keeps_the_contract() -> None:
    with installed(clickhouse_session) as run:
        assert examine(DIALECTS["clickhouse"], run, drawn=DRAWN).differences == ()


def test_spark_keeps_the_contract() -> None:
    with installed(spark_session) as run:
        assert examine(DIALECTS["spark"], run, drawn=DRAWN).differences == ()


def test_the_zone_of_a_session_decides_nothing() -> None:
    elsewhere = replace(DUCKDB, settings=("SET TimeZone = 'Asia/Kathmandu'",))
    with duckdb_session() as run:
        assert examine(elsewhere, run, drawn=0).differences == ()


@pytest.mark.parametrize(
    ("mistake", "case"),
    [
        ({"micros": "epoch_ms({}) // 1000 * 1000000"}, "half a second is half a second"),
        ({"micros": "CAST(round(epoch({})) AS BIGINT) * 1000000"},
         "a second is not rounded up into the next period"),
        ({"quotient": "CAST({one} / {other} AS HUGEINT)"}, "a package full"),
        ({"bytewise": "lower({})"}, "capitals come before small letters"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_dialect_is_told(mistake: dict[str, Any], case: str) -> None:
    with duckdb_session() as run:
        told = examine(replace(DUCKDB, **mistake), run, drawn=0).differences
    assert any(case in one for one in told)


def test_a_line_that_is_lost_is_told() -> None:
    with duckdb_session() as run:
        for statement in (*prepared(DUCKDB, CASES[:3]), *statements(DUCKDB)):
            run(statement)
        assert run(MISSING) == [(0, 0)]
        assert len(run(AMOUNTS)) == 3
        run("DELETE FROM kvit_amounts WHERE line = 1")
        assert run(MISSING) == [(1, 0)]


def test_the_same_seed_draws_the_same_lines() -> None:
    assert draw(5, seed=7) == draw(5, seed=7)
    assert draw(5, seed=7) != draw(5, seed=8)


BOUNDED = {"model": "percentage", "rate": "1", "event_min": "1"}
DIALLED = {"model": "destination", "rates": [{"prefixes": ["7"], "rate": "1"}]}
CELL = {"model": "per_unit", "unit": "1", "minimum": "5"}


@pytest.mark.parametrize(
    ("price", "kind"),
    [
        (BOUNDED, "sum"),
        (DIALLED, "sum"),
        ({"model": "percentage", "rate": "1"}, "max"),
        ({"model": "matrix", "prices": [], "default": {"model": "per_unit", "unit": "1"}}, "max"),
        ({"model": "matrix", "prices": [], "default": CELL}, "sum"),
        ({"model": "per_unit", "unit": "1"}, "time_weighted"),  # of a period of nothing
    ],
)
def test_what_reads_more_is_not_in_the_contract(price: dict[str, Any], kind: Any) -> None:
    with pytest.raises(NotInContract):
        Contract().price(compile_price(parse_price(price)), kind, value_scale=1000)
