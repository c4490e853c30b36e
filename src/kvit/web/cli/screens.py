"""`kvit screens FOLDER`: a picture of every page, light, dark, wide, narrow, in both languages.

The walk over the pages is a test as well; this runs it and keeps what it sees.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from kvit.core.wording import say
from kvit.web.cli.language import either, language

ROOT = Path(__file__).resolve().parents[4]
TEST = "tests/browser/test_every_page.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help=either("куда положить картинки", "where the pictures go"))


def run(args: argparse.Namespace) -> int:
    from kvit.web import assets

    assets.ensure(lambda key: print(say(assets.WORDS, key, language()), file=sys.stderr))
    folder = Path(args.folder).absolute()
    environment = os.environ | {"KVIT_TEST_SCREENS": str(folder)}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-rs", TEST]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    count = len(list(folder.rglob("*.png")))
    print(either(f"Картинок: {count}, в {folder}", f"Pictures: {count}, in {folder}"))
    return status
