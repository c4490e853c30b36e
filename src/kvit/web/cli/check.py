"""`kvit check`: format, lint, types, import contracts; a line each, and what is wrong."""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kvit.web.cli.language import either

ROOT = Path(__file__).resolve().parents[4]


@dataclass(frozen=True, slots=True)
class Check:
    """A tool of the development lock; its configuration stands in pyproject.toml."""

    russian: str
    english: str
    words: tuple[str, ...]


CHECKS = (
    Check("формат", "format", ("-m", "ruff", "format", "--check", "--quiet", ".")),
    Check("правила", "lint", ("-m", "ruff", "check", "--quiet", ".")),
    Check("типы", "types", ("-m", "mypy", "--no-error-summary")),
    Check(
        "слои",
        "imports",
        ("-c", "import sys, importlinter.cli as c; sys.exit(c.lint_imports(show_timings=False))"),
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fix",
        action="store_true",
        help=either("сначала исправить формат и простое", "first mend format and simple faults"),
    )


def run(args: argparse.Namespace) -> int:
    """Run every check, whatever the others say; 1 if any of them fails."""
    if args.fix:
        for words in (("check", "--fix", "--quiet", "."), ("format", "--quiet", ".")):
            _run(("-m", "ruff", *words))
    worst = 0
    for check in CHECKS:
        began = time.monotonic()
        done = _run(check.words)
        passed = done.returncode == 0
        verdict = either("в порядке", "holds") if passed else either("нарушено", "broken")
        seconds = time.monotonic() - began
        name = either(check.russian, check.english)
        print(f"{name:<10}{verdict} ({seconds:.1f} s)", flush=True)
        if not passed:
            worst = 1
            print(done.stdout + done.stderr, file=sys.stderr, flush=True)
    return worst


def _run(words: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
