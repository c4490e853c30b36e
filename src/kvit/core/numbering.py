"""Document numbers: a seller's pattern such as "{year}-{number:05}" or "{branch}/{year}/{number}".

The pattern with everything but the number filled in is the series: a new year or another branch
begins a series of its own, counted from 1.
"""

import re
from datetime import date
from functools import lru_cache

_FIELD = re.compile(r"\{([^{}]*)\}")
_NUMBER = re.compile(r"number(?::0?(\d{1,2}))?")
_NAMES = ("year", "branch")


class BadPattern(ValueError):
    """The pattern has no {number}, has it twice, or names something else."""


@lru_cache(maxsize=1024)
def check_pattern(pattern: str) -> None:
    """Raise `BadPattern` unless the pattern has one {number} and otherwise {year}, {branch}."""
    fields = _FIELD.findall(pattern)
    numbers = [one for one in fields if _NUMBER.fullmatch(one)]
    others = [one for one in fields if one not in _NAMES and one not in numbers]
    if len(numbers) != 1 or others or set("{}") & set(_FIELD.sub("", pattern)):
        raise BadPattern(pattern)


def series_of(pattern: str, *, on: date, branch: str = "") -> str:
    """Return the series of a document dated `on`: the pattern with only {number} left.

    Raises:
        BadPattern: see `check_pattern`.
    """
    check_pattern(pattern)
    filled = pattern.replace("{year}", f"{on.year:04}").replace("{branch}", _plain(branch))
    return filled


def number_text(series: str, number: int) -> str:
    """Write the number within its series: ("2026-{number:05}", 7) → "2026-00007"."""
    match = _FIELD.search(series)
    width = _NUMBER.fullmatch(match[1]) if match else None
    if match is None or width is None:
        raise BadPattern(series)
    digits = f"{number:0{int(width[1] or 1)}}"
    return series[: match.start()] + digits + series[match.end() :]


def _plain(text: str) -> str:
    return text.replace("{", "(").replace("}", ")")
