"""Calls of members as the tariff reads them: when, how long, and which number was reached.

The number is the dimension `destination`. Numbers that are digits alone, nearly all, are found in
the texts of dimensions and read as keys without an object a text.
"""

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from kvit.core.catalogue import Meter
from kvit.core.columnar.dialled import Dialled, Wall
from kvit.core.columnar.digits import (
    CHUNK,
    NOBODY,
    WORDS,
    key_of,
    keys_in,
    keys_of,
    with_room,
    words,
)
from kvit.core.columnar.exact import split
from kvit.core.columnar.runs import Rows
from kvit.core.columnar.sessions import LONGEST
from kvit.core.pricing.bands import SECOND
from kvit.rating._counted import Counted

# Where the number is the only dimension: what stands before it, eight bytes at a time, and after.
_BEFORE = np.frombuffer(b'{"destination":"', np.uint64)
_AFTER = b'"}'
_AROUND = 16, 2
_NEVER = -1  # microseconds of a session that has none: it is odd


def dialled(counted: Counted, meter: Meter, wall: Wall) -> Dialled:
    """Return the sessions of a meter; a value is seconds."""
    usage = counted.usage
    places, runs, owners = counted.rows(meter)
    dimensions, said = counted.dimensions(places)
    keys, texts = numbers_of(dimensions)
    numbers = keys[said]
    lasting = _microseconds(usage.values[places], usage.scale)
    return Dialled(usage.times[places], lasting, numbers, texts, runs, owners, wall)


def numbers_of(dimensions: "pa.Array") -> tuple[Rows, list[str]]:
    """Return the numbers of texts of dimensions, and what those say that are not digits alone."""
    keys = np.full(len(dimensions), NOBODY)
    if len(dimensions):
        _, offsets, data = dimensions.buffers()
        edges = np.frombuffer(offsets, np.int32)[dimensions.offset :][: len(dimensions) + 1]
        for first in range(0, len(keys), CHUNK):
            some = edges[first : first + CHUNK + 1].astype(np.int64)
            part = with_room(np.frombuffer(data, np.uint8), int(some[0]), int(some[-1]))
            _read_alone(part, some - some[0], keys[first : first + CHUNK])
    texts: list[str] = []
    for place in np.flatnonzero(keys == NOBODY).tolist():
        text = orjson.loads(dimensions[place].as_py()).get("destination", "")
        keys[place] = key_of(text)
        if keys[place] == NOBODY:
            keys[place] = -1 - len(texts)
            texts.append(text)
    return keys, texts


def _read_alone(data: NDArray[np.uint8], edges: Rows, keys: Rows) -> None:
    """Read the texts whose only dimension is the number."""
    begins, ends = edges[:-1], edges[1:]
    before, after = _AROUND
    read = words(data, begins, len(_BEFORE) + WORDS)
    alone = ends - begins >= before + after
    for place, word in enumerate(_BEFORE):
        alone &= read[:, place] == word
    for place, byte in enumerate(_AFTER):
        alone &= data[ends + (place - after)] == byte
    if alone.all():
        keys[:] = keys_in(read[:, len(_BEFORE) :], data, begins + before, ends - after)
    else:
        rows = np.flatnonzero(alone)
        keys[rows] = keys_of(data, begins[rows] + before, ends[rows] - after)


def _microseconds(values: Rows, scale: int) -> Rows:
    """Return seconds over a scale as whole microseconds; what has none, or lasts too long, is
    marked."""
    within = np.minimum(values, (LONGEST + SECOND) * scale // SECOND)
    if SECOND % scale == 0:
        within *= SECOND // scale
        return within
    whole, rest = split(within, scale // SECOND)
    return np.where(rest == 0, whole, _NEVER)
