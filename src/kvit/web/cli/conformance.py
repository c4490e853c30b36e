"""`kvit conformance`: whether engines keep the rating contract, case by case."""

import argparse
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from typing import Final, Protocol

from kvit.adapters.rating_sql import DIALECTS
from kvit.adapters.rating_sql.conformance import Verdict, examine
from kvit.adapters.rating_sql.sessions import (
    EngineMissing,
    Run,
    clickhouse_session,
    duckdb_session,
    on_cursor,
    spark_session,
)
from kvit.core.wording import Words, say
from kvit.web.called import typeable
from kvit.web.cli.language import either, language

HOLDS, BROKEN, MISSING = 0, 1, 2
LINES, SEED = 300, 1
SHOWN = 20  # differences of an engine
WORDS: Words = {
    "holds": (
        "{engine:11}{seconds:>6} с  {lines} {lines:plural:строка|строки|строк}, {halves}"
        " округлений: всё совпало   {version}",
        "{engine:11}{seconds:>6} s  {lines} {lines:plural:line|lines}, {halves} roundings:"
        " nothing differs   {version}",
    ),
    "differs": (
        "{engine:11}{seconds:>6} с  {lines} {lines:plural:строка|строки|строк}, {halves}"
        " округлений: РАСХОЖДЕНИЙ {n}   {version}",
        "{engine:11}{seconds:>6} s  {lines} {lines:plural:line|lines}, {halves} roundings:"
        " {n} DIFFERENCES   {version}",
    ),
    "missing": ("{engine:11}не установлен: {remedy}", "{engine:11}not installed: {remedy}"),
}


class Opened(Protocol):
    def __call__(self) -> AbstractContextManager[Run]: ...


@contextmanager
def _postgresql() -> Iterator[Run]:
    """Temporary tables of a session of Kvit's own database."""
    from kvit.web.cli.ground import ready

    ready()
    from django.db import connection

    connection.ensure_connection()
    with connection.connection.cursor() as cursor:
        yield on_cursor(cursor)


SESSIONS: Final[Mapping[str, Opened]] = {
    "duckdb": duckdb_session,
    "postgresql": _postgresql,
    "clickhouse": clickhouse_session,
    "spark": spark_session,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=[*SESSIONS],
        help=either("только этот; иначе все", "this one only; otherwise all"),
    )
    parser.add_argument(
        "--lines",
        type=int,
        default=LINES,
        metavar="N",
        help=either(f"строк сверх случаев ({LINES})", f"lines beside the cases ({LINES})"),
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=SEED,
        metavar="N",
        help=either(
            f"то же число — те же строки ({SEED})", f"the same number draws the same lines ({SEED})"
        ),
    )
    parser.add_argument("--json", action="store_true", help=either("объект JSON", "a JSON object"))


def run(args: argparse.Namespace) -> int:
    """Exit with 1 where an engine differs, with 2 where the one asked for is not installed."""
    found: list[Verdict] = []
    status = HOLDS
    for engine in [args.engine] if args.engine else SESSIONS:
        try:
            with SESSIONS[engine]() as session:
                verdict = examine(DIALECTS[engine], session, drawn=args.lines, seed=args.seed)
        except EngineMissing as missing:
            if not args.json:
                _tell("missing", engine=engine, remedy=missing)
            status = MISSING if args.engine else status
            continue
        found.append(verdict)
        if verdict.differences:
            status = BROKEN
        if not args.json:
            _show(verdict)
    if args.json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False))
    return status


def _show(verdict: Verdict) -> None:
    _tell(
        "differs" if verdict.differences else "holds",
        engine=verdict.engine,
        seconds=f"{verdict.seconds:.1f}".replace(".", either(",", ".")),
        lines=verdict.lines,
        halves=verdict.halves,
        n=len(verdict.differences),
        version=verdict.version.split(",")[0],
    )
    for one in verdict.differences[:SHOWN]:
        print(typeable(f"    {one}"))


def _tell(key: str, **params: object) -> None:
    print(typeable(say(WORDS, key, language(), **params)), flush=True)
