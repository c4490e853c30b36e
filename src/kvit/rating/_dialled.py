"""Calls of members as the tariff reads them: when, how long, and which number was reached.

The number is the dimension `destination`. Numbers that are digits alone, nearly all, are found in
the texts of dimensions and read as keys without an object a text.
"""

import numpy as np
import orjson
import pyarrow as pa

from kvit.core.catalogue import Meter
from kvit.core.columnar.destinations import NOBODY, key_of, keys_of
from kvit.core.columnar.dialled import Dialled, Wall
from kvit.core.columnar.exact import split
from kvit.core.columnar.runs import Rows
from kvit.core.columnar.sessions import LONGEST
from kvit.core.pricing.bands import SECOND
from kvit.rating._counted import Counted

_ALONE = b'{"destination":"', b'"}'  # around the number, where it is the only dimension
_NEVER = -1  # microseconds of a session that has none: it is odd


def dialled(counted: Counted, meter: Meter, wall: Wall) -> Dialled:
    """Return the sessions of a meter; a value is seconds."""
    usage = counted.usage
    places, runs, owners = counted.rows(meter)
    keys, texts = numbers_of(usage.dimension_texts)
    numbers = np.append(keys, 0)[usage.dimensions[places]]
    lasting = _microseconds(usage.values[places], usage.scale)
    return Dialled(usage.times[places], lasting, numbers, texts, runs, owners, wall)


def numbers_of(dimensions: "pa.Array") -> tuple[Rows, list[str]]:
    """Return the numbers of texts of dimensions, and what those say that are not digits alone."""
    if not len(dimensions):
        return np.zeros(0, np.int64), []
    _, offsets, data = dimensions.buffers()
    edges = np.frombuffer(offsets, np.int32)[dimensions.offset :][: len(dimensions) + 1]
    begins, ends = edges[:-1].astype(np.int64), edges[1:].astype(np.int64)
    data = np.frombuffer(data, np.uint8)
    before, after = _ALONE
    plain = ends - begins >= len(before) + len(after)
    keys = np.full(len(dimensions), NOBODY)
    for place, byte in enumerate(before + after):
        rows = np.flatnonzero(plain)
        at = begins[rows] + place
        if place >= len(before):
            at = ends[rows] - len(before + after) + place
        plain[rows] = data[at] == byte
    rows = np.flatnonzero(plain)
    keys[rows] = keys_of(data, begins[rows] + len(before), ends[rows] - len(after))
    texts: list[str] = []
    for place in np.flatnonzero(keys == NOBODY).tolist():
        text = orjson.loads(dimensions[place].as_py()).get("destination", "")
        keys[place] = key_of(text)
        if keys[place] == NOBODY:
            keys[place] = -1 - len(texts)
            texts.append(text)
    return keys, texts


def _microseconds(values: Rows, scale: int) -> Rows:
    """Return seconds over a scale as whole microseconds; what has none, or lasts too long, is
    marked."""
    within = np.minimum(values, (LONGEST + SECOND) * scale // SECOND)
    if SECOND % scale == 0:
        return within * (SECOND // scale)
    whole, rest = split(within, scale // SECOND)
    return np.where(rest == 0, whole, _NEVER)
