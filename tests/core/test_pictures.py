"""Logos: what is kept holds pixels or shapes alone, whatever was handed in; colours on paper."""

import struct
import zlib
from decimal import Decimal

import pytest

from kvit.core.colours import TEXT, BadColour, contrast, parse_colour, readable
from kvit.core.pictures import LARGEST_BYTES, BadPicture, cleaned


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int = 3, height: int = 2, *, depth: int = 8, colours: int = 6, interlaced: int = 0,
    rows: bytes | None = None, extra: bytes = b"",
) -> bytes:  # fmt: skip
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)
    pixels = b"\0" + bytes(place % 256 for place in range(width * 4))
    body = zlib.compress(pixels * height if rows is None else rows)
    parts = chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def svg(inside: str = '<path d="M0 0h10v5z"/>', *, head: str = "", root: str = "") -> bytes:
    return (
        f'{head}<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 5" {root}>{inside}</svg>'
    ).encode()


def why(content: bytes) -> tuple[str, object]:
    with pytest.raises(BadPicture) as caught:
        cleaned(content)
    return caught.value.code, caught.value.params.get("what")


def test_a_png_keeps_its_pixels_and_loses_the_rest() -> None:
    hidden = chunk(b"tEXt", b"Comment\0<script>") + chunk(b"eXIf", b"secret place")
    kept = cleaned(png(extra=hidden) + b"appended payload")
    assert (kept.kind, kept.width, kept.height) == ("png", 3, 2)
    assert kept.content == cleaned(png()).content
    for word in (b"script", b"secret", b"payload"):
        assert word not in kept.content
    assert cleaned(kept.content) == kept


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "picture_empty"),
        (b"GIF89a", "picture_unknown"),
        (b"\x89PNG\r\n\x1a\n", "picture_damaged"),
        (png()[:-20], "picture_damaged"),
        (png().replace(b"IDAT", b"IDAX"), "picture_damaged"),
        (png(rows=b"\0" * 5), "picture_damaged"),
        (png(rows=b"\0" * 2**24), "picture_damaged"),  # a bomb: far more than its header says
        (png(rows=b"\7" + bytes(12) + b"\0" + bytes(12)), "picture_damaged"),  # no such filter
        (png(colours=5), "picture_damaged"),
        (png(colours=3), "picture_damaged"),  # a palette picture without its palette
        (png(interlaced=1), "picture_interlaced"),
        (png(2_001, 1), "picture_too_wide"),
        (png(2_000, 2_000, depth=16), "picture_too_wide"),
        (b"\0" * (LARGEST_BYTES + 1), "picture_too_large"),
    ],
)
def test_what_is_no_picture_of_ours_is_refused(content: bytes, code: str) -> None:
    assert why(content)[0] == code


def test_an_svg_is_written_anew_from_its_shapes() -> None:
    drawn = svg(
        '<!-- by an editor --><metadata>x</metadata><title>Acme</title>'
        '<g style="fill:#0b57b7; font-size:12px"><path d="M0 0h10v5z" id="a"/></g>',
        head='<?xml version="1.0"?>', root='width="100mm" xmlns:i="http://ink" i:version="1"',
    )  # fmt: skip
    kept = cleaned(drawn)
    assert (kept.kind, kept.width, kept.height) == ("svg", 10, 5)
    assert kept.content.decode() == (
        '<svg xmlns="http://www.w3.org/2000/svg" height="5" viewBox="0 0 10 5" width="10">'
        '<g fill="#0b57b7"><path d="M0 0h10v5z" id="a"></path></g></svg>'
    )
    assert cleaned(kept.content) == kept


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ('<image href="http://x/y.png"/>', "<image>"),
        ("<foreignObject/>", "<foreignObject>"),
        ('<use href="#a"/>', "<use>"),
        ("<text>Acme</text>", "<text>"),
        ("<style>*{fill:red}</style>", "<style>"),
        ("<animate/>", "<animate>"),
        ('<a href="javascript:alert(1)"><path/></a>', "<a>"),
        ('<path onclick="alert(1)"/>', "onclick="),
        ('<path href="http://x"/>', "href="),
        ('<path fill="url(http://x/#a)"/>', "fill="),
        ('<path fill="url(#a) url(//x)"/>', "fill="),
        ('<path style="background:url(http://x)"/>', "style background"),
        ('<path style="fill:expression(1)&#34;"/>', "fill="),
    ],
)
def test_an_svg_with_more_than_shapes_is_refused_by_its_name(inside: str, what: str) -> None:
    assert why(svg(inside)) == ("picture_forbidden", what)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (svg("&lol;", head='<!DOCTYPE svg [<!ENTITY lol "lol">]>'), "picture_entities"),
        (svg("&x;", head='<!DOCTYPE svg [<!ENTITY x SYSTEM "/etc/passwd">]>'), "picture_entities"),
        (svg("<g>" * 30 + "</g>" * 30), "picture_too_complex"),
        (svg("<path/>" * 2_001), "picture_too_complex"),
        (svg("<g>"), "picture_damaged"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><path/></svg>', "picture_without_size"),
        (b"<html><svg/></html>", "picture_unknown"),
        (svg(head='<?xml version="1.0" encoding="utf-7"?>'), "picture_damaged"),
        (svg(head='<?xml version="1.0" encoding="zlib"?>'), "picture_damaged"),
        (svg().replace(b"10 5", b"10 1e99999999999999999999"), "picture_without_size"),
        (svg().replace(b"10 5", b"10 1e-99999999999999999999"), "picture_without_size"),
    ],
)
def test_an_svg_that_would_cost_or_say_nothing_is_refused(content: bytes, code: str) -> None:
    assert why(content)[0] == code


def test_contrast_is_that_of_wcag() -> None:
    assert round(contrast("#000000"), 2) == Decimal(21)
    assert contrast("#ffffff") == 1
    assert round(contrast("#767676"), 2) == Decimal("4.54")  # the palest grey that passes
    assert round(contrast("#777777"), 2) == Decimal("4.48")


@pytest.mark.parametrize("colour", ["#f5a623", "#ffff00", "#00ffff", "#fefefe", "#777777"])
def test_a_pale_colour_has_a_shade_that_can_be_read(colour: str) -> None:
    shade = readable(colour)
    assert contrast(shade) >= TEXT
    assert readable(shade) == shade


def test_a_readable_colour_stays_itself_and_a_wrong_one_is_refused() -> None:
    assert readable("#0b57b7") == "#0b57b7" == parse_colour(" 0B57B7 ")
    for wrong in ("#0b5", "red", "#0b57b7ff", "#xyzxyz", '#0b57b7"'):
        with pytest.raises(BadColour):
            parse_colour(wrong)
