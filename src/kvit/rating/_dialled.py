"""Calls of members as the tariff reads them: when, how long, and which number was reached.

The number is the dimension `destination`. Numbers that are digits alone, nearly all, are found in
the texts of dimensions and read as keys without an object a text.
"""

from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from kvit.core.catalogue import Meter
from kvit.core.columnar.destinations import NOBODY, key_of, keys_of
from kvit.core.columnar.dialled import Dialled, Wall
from kvit.core.columnar.exact import split
from kvit.core.columnar.runs import Rows
from kvit.core.columnar.sessions import LONGEST
from kvit.core.pricing.bands import SECOND
from kvit.rating._counted import Counted

# Within a text a quotation mark has a backslash before it: this cannot be a part of another value.
_DIGITS = r'"destination": ?"(?P<number>[0-9]*)"'
_NEVER = -1  # microseconds of a session that has none: it is odd


def dialled(counted: Counted, meter: Meter, wall: Wall) -> Dialled:
    """Return the sessions of a meter; a value is seconds."""
    usage = counted.usage
    places, runs, owners = counted.rows(meter)
    keys, texts = numbers_of(usage.dimension_texts)
    numbers = np.append(keys, 0)[usage.dimensions[places]]
    lasting = _microseconds(usage.values[places], usage.scale)
    return Dialled(usage.times[places], lasting, numbers, texts, runs, owners, wall)


def numbers_of(dimensions: Sequence[str]) -> tuple[Rows, list[str]]:
    """Return the numbers of texts of dimensions, and what those say that are not digits alone."""
    found = pc.struct_field(pc.extract_regex(pa.array(dimensions, pa.string()), _DIGITS), "number")
    column = pc.fill_null(found, "")
    _, offsets, data = column.buffers()
    bytes_ = np.frombuffer(data or b"\0", np.uint8)
    ends = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    edges = ends.astype(np.int64)
    keys = keys_of(bytes_, edges[:-1], edges[1:])
    texts: list[str] = []
    for place in np.flatnonzero(pc.is_null(found).to_numpy(zero_copy_only=False)).tolist():
        text = orjson.loads(dimensions[place]).get("destination", "")
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
