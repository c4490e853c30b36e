"""A bar on stderr while something takes long. Nothing at all where stderr is no terminal."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from kvit.core.wording import Words, number_text, say
from kvit.web.cli.language import language

WORDS: Words = {
    "reading": ("Чтение", "Reading"),
    "rating": ("Расчёт", "Rating"),
    "invoicing": ("Счета", "Invoicing"),
    "printing": ("Печать", "Printing"),
    "verifying": ("Сверка", "Verifying"),
}
EVERY_S = 0.1
WIDTH = 24


class Bar:
    """Draws one line and draws it over: stage, bar, how much of how much."""

    def __init__(self, out: TextIO, lang: str) -> None:
        self._out, self._lang = out, lang
        self._drawn = 0.0
        self._stage = ""

    def __call__(self, stage: str, done: int, whole: int) -> None:
        """Show that `done` of `whole` is behind us; a whole of 0 is not known."""
        now = time.monotonic()
        if stage == self._stage and done < whole and now - self._drawn < EVERY_S:
            return
        self._stage, self._drawn = stage, now
        count = number_text(done, self._lang)
        if whole:
            full = WIDTH * done // whole
            bar = "█" * full + "░" * (WIDTH - full)
            count = f"{bar} {count} / {number_text(whole, self._lang)}"
        line = f"{say(WORDS, stage, self._lang):<10} {count}"
        room = shutil.get_terminal_size().columns - 1
        self._out.write(f"\r\x1b[K{line[:room]}")
        self._out.flush()

    def clear(self) -> None:
        """Leave the line empty for what is printed next."""
        self._out.write("\r\x1b[K")
        self._out.flush()


def _silent(stage: str, done: int, whole: int) -> None:
    pass


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """Give what shows progress inside the block."""
    if not sys.stderr.isatty():
        yield _silent
        return
    drawn = Bar(sys.stderr, language())
    try:
        yield drawn
    finally:
        drawn.clear()
