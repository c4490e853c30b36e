"""`kvit new DIR --preset NAME`: a small company that bills at once and explains itself in comments.

The presets are company folders under `kvit/web/presets`. A line that begins with `#ru ` or `#en `
is a comment in that language: one of the two is written, as `# `.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from kvit.core.wording import Words, say
from kvit.platform.failures import Failure
from kvit.web.called import name as called
from kvit.web.called import typeable
from kvit.web.cli.language import either, language

PRESETS: dict[str, tuple[str, str]] = {
    "saas": ("облачный сервис", "a cloud service"),
    "telecom": ("оператор связи", "a telecom operator"),
    "utilities": ("управляющая компания, ЖКХ", "housing and utilities"),
    "it": ("ИТ-подрядчик", "an IT contractor"),
    "logistics": ("склад и доставка", "warehouse and delivery"),
    "transport": ("парк машин", "a car pool"),
    "medicine": ("клиника", "a clinic"),
}
PERIOD = "2026-10"  # the month of the presets' sample data

WORDS: Words = {
    "new_not_empty": (
        "Папка {directory} не пуста: здесь ничего не изменено. Назовите новую папку.",
        "The folder {directory} is not empty: nothing was changed. Name a new one.",
    ),
    "new_not_a_folder": (
        "{directory} — файл, а не папка. Назовите новую папку.",
        "{directory} is a file, not a folder. Name a new one.",
    ),
    "new_not_written": (
        "Не удалось создать {directory}: {reason}. Проверьте путь и права.",
        "{directory} could not be made: {reason}. Check the path and your rights.",
    ),
    "choose": (
        "Выберите образец: kvit new {directory} --preset …",
        "Choose a preset: kvit new {directory} --preset …",
    ),
    "made": (
        "Компания создана: {directory} ({n} {n:plural:файл|файла|файлов})",
        "The company is made: {directory} ({n} {n:plural:file|files})",
    ),
    "next": ("Дальше:", "Next:"),
    "look": ("что написано в файлах", "what the files say"),
    "try": ("проверить, ничего не меняя", "check, changing nothing"),
    "bill": ("выставить счета", "issue the invoices"),
}


class NotMade(Failure):
    """The company was not made, and nothing was changed."""

    words = WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help=either("новая папка", "a new folder"))
    parser.add_argument("--preset", choices=PRESETS, help=either("образец", "what to start from"))
    parser.add_argument(
        "--lang", choices=("ru", "en"), help=either("язык пояснений", "language of the comments")
    )


def run(args: argparse.Namespace) -> int:
    lang = language()
    if args.preset is None:
        print(typeable(say(WORDS, "choose", lang, directory=args.directory)), file=sys.stderr)
        for name, words in PRESETS.items():
            print(f"  {name:<10} {words[lang == 'en']}", file=sys.stderr)
        return 2
    written = make(Path(args.directory), args.preset, lang=args.lang or lang)
    print(say(WORDS, "made", lang, directory=args.directory, n=len(written)))
    print(say(WORDS, "next", lang))
    shown = f"'{args.directory}'" if " " in args.directory else args.directory
    bill = f"{called()} bill {shown} --period {PERIOD}"
    for key, command in (
        ("look", f"less {shown}/catalogue.toml"),
        ("try", f"{bill} --dry-run"),
        ("bill", bill),
    ):
        print(f"  {command}  # {say(WORDS, key, lang)}")
    return 0


def make(directory: Path, preset: str, *, lang: str) -> list[Path]:
    """Write the preset's files into `directory`, which must be new or empty.

    Raises:
        NotMade: it is not, or cannot be written.
    """
    try:
        if directory.exists() and not directory.is_dir():
            raise NotMade("new_not_a_folder", directory=str(directory))
        if directory.is_dir() and any(directory.iterdir()):
            raise NotMade("new_not_empty", directory=str(directory))
        written = []
        for name, text in preset_files(preset, code=code_of(directory.resolve().name), lang=lang):
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise NotMade("new_not_written", directory=str(directory), reason=reason) from None
    return written


def preset_files(preset: str, *, code: str, lang: str) -> Iterator[tuple[str, str]]:
    """Yield (path within the folder, text) of a preset in one language."""
    root = files("kvit.web") / "presets" / preset
    for name, source in sorted(_walk(root, "")):
        text = source.read_text(encoding="utf-8").replace("@CODE@", code).replace("@LANG@", lang)
        yield name, "".join(_in_language(text.splitlines(keepends=True), lang))


def code_of(name: str) -> str:
    """A company's code from the name of its folder: two folders are two companies."""
    code = re.sub(r"[^\w.-]+", "-", name).strip("-._")[:64]
    return code or "company"


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


def _in_language(lines: list[str], lang: str) -> Iterator[str]:
    for line in lines:
        if not line.startswith(("#ru ", "#en ")):
            yield line
        elif line[1:3] == lang:
            yield "# " + line[4:]
