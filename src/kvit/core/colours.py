"""Colours of a brand: is a text in one readable, and which darker one is.

A worked example, orange on white paper, where a text needs 4.5:

    contrast("#f5a623", "#ffffff")   → 2.03    too pale
    readable("#f5a623")              → "#a06c16", the same hue at 4.5 or more

Source: WCAG 2.2, relative luminance and contrast ratio.
"""

import re
from decimal import Decimal
from functools import cache

WHITE = "#ffffff"
TEXT = Decimal("4.5")  # the least contrast of a text with what it stands on, WCAG 1.4.3
_WRITTEN = re.compile(r"#[0-9a-f]{6}")
_STEPS = 256
_HAZE = Decimal("0.05")
_SHARES = (Decimal("0.2126"), Decimal("0.7152"), Decimal("0.0722"))  # red, green, blue


class BadColour(ValueError):
    """Not a colour of six hexadecimal digits."""


def parse_colour(text: str) -> str:
    """Return the colour as it is kept, "#0b57b7".

    Raises:
        BadColour: it is written otherwise; the three-digit form is none.
    """
    colour = text.strip().lower()
    if not colour.startswith("#"):
        colour = f"#{colour}"
    if not _WRITTEN.fullmatch(colour):
        raise BadColour(text)
    return colour


def contrast(colour: str, ground: str = WHITE) -> Decimal:
    """Return how far the two stand apart: 1 for the same, 21 for black and white."""
    darker, lighter = sorted((_luminance(colour), _luminance(ground)))
    return (lighter + _HAZE) / (darker + _HAZE)


def readable(colour: str, *, least: Decimal = TEXT) -> str:
    """Return the colour, or the lightest shade of it that can be read on white paper."""
    parts = _parts(colour)
    for step in range(_STEPS, -1, -1):
        shade = "#" + "".join(f"{part * step // _STEPS:02x}" for part in parts)
        if contrast(shade) >= least:
            return shade
    return "#000000"


def _luminance(colour: str) -> Decimal:
    return sum(
        (share * _linear(part) for share, part in zip(_SHARES, _parts(colour), strict=True)),
        Decimal(0),
    )


@cache
def _linear(part: int) -> Decimal:
    share = Decimal(part) / 255
    if share <= Decimal("0.04045"):
        return share / Decimal("12.92")
    curved: Decimal = ((share + Decimal("0.055")) / Decimal("1.055")) ** Decimal("2.4")
    return curved


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
