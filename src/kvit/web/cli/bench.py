"""`kvit bench NAME`: time a part of Kvit beside a peer and the limit; ratios, never a verdict.

The benchmarks stand in bench/ of a checkout, as the tests do: their peers are code that nobody
should import.
"""

import argparse
import os
import sys
from pathlib import Path

from kvit.web.cli.language import either

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "bench"
NAMES = ("quote", "intake", "upload", "release", "billrun", "rating", "telecom", "pages", "export")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=NAMES, help=either("что измерить", "what to time"))
    parser.add_argument(
        "--events",
        type=int,
        metavar="N",
        help=either("событий (у quote — вызовов)", "events (of quote: calls)"),
    )
    parser.add_argument(
        "--accounts", type=int, metavar="N", help=either("счетов клиентов", "accounts")
    )
    parser.add_argument(
        "--invoices",
        type=int,
        metavar="N",
        help=either("документов (у pages и export)", "documents (of pages and export)"),
    )
    parser.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help=either("кругов вперемежку с соперником", "rounds, alternating with the peer"),
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help=either(
            "billrun: исполнителей, которые делят запуск", "billrun: workers that share the run"
        ),
    )
    parser.add_argument(
        "--kill",
        action="store_true",
        help=either("billrun: убить одного из них", "billrun: kill one of them"),
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help=either(
            "папка, где сделанное остаётся; для pages, export и rating годится снова",
            "a folder in which what was made stays; pages, export and rating use it again",
        ),
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        help=either("pages, export: с этим в имени", "pages, export: named so"),
    )
    parser.add_argument(
        "--growth",
        action="store_true",
        help=either("billrun: сначала меньшие размеры", "billrun: smaller sizes before"),
    )
    parser.add_argument(
        "--json", action="store_true", help=either("результат в JSON", "figures as JSON")
    )


def run(args: argparse.Namespace) -> int:
    """Become the benchmark, run in the project's root."""
    words = [str(FOLDER / f"{args.name}.py")]
    args.keep = args.keep and args.keep.resolve()
    for option in ("events", "accounts", "invoices", "rounds", "workers", "keep", "only"):
        given = getattr(args, option)
        if given is not None:
            words += [f"--{option}", str(given)]
    words += [f"--{option}" for option in ("kill", "growth", "json") if getattr(args, option)]
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *words])
