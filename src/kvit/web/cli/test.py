"""`kvit test [pytest arguments]`: the tests, with the environment that the launcher made."""

import argparse
import os
import sys
from pathlib import Path

PASSES_ARGUMENTS_ON = True
ROOT = Path(__file__).resolve().parents[4]


def run(args: argparse.Namespace) -> int:
    """Become pytest, run in the project's root."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "pytest", *args.arguments])
