"""`kvit bench NAME`: time a part of Kvit beside a peer and the limit; ratios, never a verdict.

The benchmarks stand in bench/ of a checkout, as the tests do: their peers are code that nobody
should import.
"""

import argparse
import os
import sys
from pathlib import Path

from kvit.core.wording import Words
from kvit.platform.failures import Failure
from kvit.web.cli.counts import within
from kvit.web.cli.language import either

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "bench"
TAKES = {  # of each benchmark, besides --json
    "quote": ("events",),
    "intake": ("events", "rounds"),
    "upload": ("events", "accounts"),
    "release": ("events", "accounts", "rounds"),
    "billrun": ("events", "accounts", "rounds", "workers", "kill", "growth", "keep"),
    "rating": ("events", "accounts", "rounds", "keep"),
    "telecom": ("events", "accounts", "rounds"),
    "pages": ("invoices", "customers", "rounds", "keep", "only"),
    "export": ("invoices", "customers", "keep", "only"),
}
FLAGS = ("kill", "growth")
MOST = 10**9
WORDS: Words = {
    "takes_not": (
        "{name} не знает параметра --{option}, только {known}.",
        "{name} does not know --{option}, only {known}.",
    ),
}


class TakesNot(Failure):
    """An option of another benchmark."""

    words = WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=TAKES, help=either("что измерить", "what to time"))
    parser.add_argument(
        "--events",
        type=within(1, MOST),
        metavar="N",
        help=either("событий (у quote — вызовов)", "events (of quote: calls)"),
    )
    parser.add_argument(
        "--accounts", type=within(1, MOST), metavar="N", help=either("счетов клиентов", "accounts")
    )
    parser.add_argument(
        "--invoices",
        type=within(1, MOST),
        metavar="N",
        help=either("документов (у pages и export)", "documents (of pages and export)"),
    )
    parser.add_argument(
        "--customers",
        type=within(1, MOST),
        metavar="N",
        help=either("их клиентов (десятая часть)", "customers of these (a tenth)"),
    )
    parser.add_argument(
        "--rounds",
        type=within(1, MOST),
        metavar="N",
        help=either("кругов вперемежку с соперником", "rounds, alternating with the peer"),
    )
    parser.add_argument(
        "--workers",
        type=within(1, MOST),
        nargs="+",
        metavar="N",
        help=either(
            "billrun: исполнителей, которые делят запуск; чисел может быть несколько, вперемежку",
            "billrun: workers that share the run; of several numbers each, alternating",
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
    """Become the benchmark, run in the project's root.

    Raises:
        TakesNot: it would have nothing to do with an option that is given.
    """
    words = [str(FOLDER / f"{args.name}.py")]
    args.keep = args.keep and args.keep.resolve()
    options = list(dict.fromkeys(option for known in TAKES.values() for option in known))
    for option in options:
        given = getattr(args, option)
        if given in (None, False):
            continue
        if option not in TAKES[args.name]:
            known = ", ".join(f"--{one}" for one in (*TAKES[args.name], "json"))
            raise TakesNot("takes_not", name=args.name, option=option, known=known)
        told = given if isinstance(given, list) else [given]
        words += [f"--{option}"] if option in FLAGS else [f"--{option}", *map(str, told)]
    words += ["--json"] if args.json else []
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *words])
