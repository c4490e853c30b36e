"""A PNG is unpacked to its rows and packed again: only pixels and their palette come through.

Format: ISO/IEC 15948 (PNG). Interlaced files are refused: their rows are of seven sizes.
"""

import struct
import zlib
from collections.abc import Iterator

from kvit.core.pictures.picture import BadPicture, Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST_SIDE = 2_000  # pixels
LARGEST_ROWS = 16 * 2**20  # bytes of all rows unpacked: a small file may unpack to gigabytes
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_FILTERS = 5
_HEADER = struct.Struct(">IIBBBBB")


def clean_png(content: bytes) -> Picture:
    """Return the same pixels in a file of ours.

    Raises:
        BadPicture: it is damaged, too large, or interlaced.
    """
    header, palette, clear, packed = b"", b"", b"", bytearray()
    for kind, body in _chunks(content):
        if kind == b"IHDR":
            header = body
        elif kind == b"PLTE":
            palette = body
        elif kind == b"tRNS":
            clear = body
        elif kind == b"IDAT":
            packed += body
    width, height, depth, colours = _checked_header(header)
    if colours == 3 and not (palette and len(palette) % 3 == 0 and len(palette) <= 768):
        raise BadPicture("picture_damaged")
    row = 1 + (width * depth * _CHANNELS[colours] + 7) // 8
    rows = _unpacked(bytes(packed), row * height)
    if max(rows[::row], default=0) >= _FILTERS:
        raise BadPicture("picture_damaged")
    parts = [(b"IHDR", header)]
    parts += [(b"PLTE", palette)] if palette and colours in (2, 3, 6) else []
    parts += [(b"tRNS", clear)] if clear and colours in (0, 2, 3) and len(clear) <= 256 else []
    parts += [(b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return Picture("png", SIGNATURE + b"".join(map(_chunk, parts)), width, height)


def _checked_header(header: bytes) -> tuple[int, int, int, int]:
    if len(header) != _HEADER.size:
        raise BadPicture("picture_damaged")
    width, height, depth, colours, method, filtering, interlaced = _HEADER.unpack(header)
    if depth not in _DEPTHS.get(colours, ()) or method or filtering or interlaced > 1:
        raise BadPicture("picture_damaged")
    if interlaced:
        raise BadPicture("picture_interlaced")
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise BadPicture("picture_too_wide", most=LARGEST_SIDE, width=width, height=height)
    return width, height, depth, colours


def _unpacked(packed: bytes, size: int) -> bytes:
    """Unpack exactly `size` bytes, and never more than that: the rest would be a bomb."""
    if size > LARGEST_ROWS:
        raise BadPicture("picture_too_wide", most=LARGEST_SIDE, width="—", height="—")
    reader = zlib.decompressobj()
    try:
        rows = reader.decompress(packed, size + 1)
    except zlib.error:
        raise BadPicture("picture_damaged") from None
    if len(rows) != size:
        raise BadPicture("picture_damaged")
    return rows


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        body = content[place + 8 : place + 8 + size]
        sum_ = content[place + 8 + size : place + 12 + size]
        if len(body) < size or sum_ != struct.pack(">I", zlib.crc32(kind + body)):
            raise BadPicture("picture_damaged")
        yield kind, body
        if kind == b"IEND":
            return
        place += 12 + size
    raise BadPicture("picture_damaged")


def _chunk(part: tuple[bytes, bytes]) -> bytes:
    kind, body = part
    sum_ = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", sum_)
