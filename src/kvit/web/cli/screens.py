"""`kvit screens FOLDER`: a picture of every page, light, dark, wide, narrow, in both languages.

The walk over the pages is a test as well; this runs it and keeps what it sees. `--docs` retakes the
pictures that the documentation shows, as a screen shows them, and nothing else: as WebP, since
they are kept in the repository.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from kvit.core.wording import say
from kvit.web.cli.language import either, language

ROOT = Path(__file__).resolve().parents[4]
DOCS = ROOT / "docs"
TEST = "tests/browser/test_every_page.py"
LOOK = "ru-light-1360"
_PICTURE = re.compile(r"!\[[^\]]*\]\((?:\.\./)?pictures/([\w-]+)\.webp\)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "folder", nargs="?", help=either("куда положить картинки", "where the pictures go")
    )
    where.add_argument(
        "--docs", action="store_true",
        help=either("переснять картинки документации", "retake the pictures of the documentation"),
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from kvit.web import assets

    assets.ensure(lambda key: print(say(assets.WORDS, key, language()), file=sys.stderr))
    if args.docs:
        return _retake(sorted(shown_in_docs()))
    folder = Path(args.folder).absolute()
    status = _walk(folder)
    count = len(list(folder.rglob("*.png")))
    print(either(f"Картинок: {count}, в {folder}", f"Pictures: {count}, in {folder}"))
    return status


def shown_in_docs() -> set[str]:
    """Return the names of the pages whose pictures the documentation shows."""
    return {
        name
        for page in DOCS.rglob("*.md")
        for name in _PICTURE.findall(page.read_text(encoding="utf-8"))
    }


def _walk(folder: Path, *options: str, **more: str) -> int:
    environment = os.environ | {"KVIT_TEST_SCREENS": str(folder)} | more
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-rs", TEST, *options]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _retake(names: list[str]) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        status = _walk(Path(scratch), "-k", "ru-1360", KVIT_TEST_SCREENS_CUT="1")
        taken = {path.stem: path.read_bytes() for path in Path(scratch, LOOK).glob("*.webp")}
    (DOCS / "pictures").mkdir(exist_ok=True)
    for name in names:
        if name in taken:
            (DOCS / "pictures" / f"{name}.webp").write_bytes(taken[name])
    missing = [name for name in names if name not in taken]
    if missing:
        said = ", ".join(missing)
        print(either(f"Таких страниц нет: {said}", f"There are no such pages: {said}"))
    return status or int(bool(missing))
