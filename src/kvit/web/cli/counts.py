"""Numbers and years that options take, refused in the language of the reader."""

import argparse
from collections.abc import Callable

from kvit.core.wording import Words, say
from kvit.web.cli.language import language

LAST_PORT = 65_535
MOST_PROCESSES = 256
MOST_DAYS = 36_500
YEARS = range(1970, 2200)  # that usage and documents may be of
WORDS: Words = {
    "bad_count": (
        "нужно целое число от {least} до {most}, а не «{text}»",
        "a whole number from {least} to {most} is needed, not “{text}”",
    ),
}


def within(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number, both its ends included; for argparse."""

    def read(text: str) -> int:
        digits = text.strip()
        if digits.isascii() and digits.isdigit() and len(digits) < 20:
            count = int(digits)
            if least <= count <= most:
                return count
        problem = say(WORDS, "bad_count", language(), least=least, most=most, text=text)
        raise argparse.ArgumentTypeError(problem)

    return read
