"""`kvit quote`: prices JSON Lines from standard input, without a database."""

import argparse
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from kvit.core.quote import MAX_LINE, answer_line, write_line
from kvit.core.quote.context import Catalogue
from kvit.web.cli.language import either

_SKIP = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--catalogue",
        "--catalog",
        dest="catalogue",
        metavar=either("ФАЙЛ", "FILE"),
        type=Path,
        action="append",
        default=[],
        help=either(
            'тарифы для "plan": "код": catalogue.toml (можно несколько раз)',
            'plans for "plan": "code": a catalogue.toml (may be repeated)',
        ),
    )


def run(args: argparse.Namespace) -> int:
    """Answer every line in order; the status is 1 if any could not be priced."""
    catalogue: dict[str, Mapping[str, object]] = {}
    for path in args.catalogue:
        try:
            catalogue.update(_plans(path))
        except (OSError, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
    return answer_stream(sys.stdin.buffer, sys.stdout.buffer, catalogue)


def answer_stream(source: BinaryIO, target: BinaryIO, catalogue: Catalogue) -> int:
    """Answer line by line, each as soon as it is known; memory does not grow with the input."""
    failed = False
    first = True
    while line := source.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            _skip_rest(source, line)
        body = line.removesuffix(b"\n").removesuffix(b"\r")
        if first:
            body = body.removeprefix(b"\xef\xbb\xbf")
            first = False
        answer = answer_line(body, catalogue)
        failed = failed or "error" in answer
        target.write(write_line(answer))
        target.flush()
    return 1 if failed else 0


def _skip_rest(source: BinaryIO, line: bytes) -> None:
    """Read the rest of a line that is too long, and forget it."""
    while line and not line.endswith(b"\n"):
        line = source.readline(_SKIP)


def _plans(path: Path) -> Catalogue:
    with path.open("rb") as file:
        document = tomllib.load(file)
    plans = document.get("plan", [])
    if not isinstance(plans, list):
        raise ValueError("[[plan]]")
    return {str(plan.get("code", "")): plan for plan in plans if isinstance(plan, dict)}
