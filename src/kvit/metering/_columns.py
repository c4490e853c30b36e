"""Usage as columns of numbers: the same events as `_stream`, for reductions over runs.

From sealed segments, and what is not sealed yet by COPY out, read by Arrow's CSV reader: no Python
object an event. What is text becomes a code of a dictionary; values become whole numbers over one
power of ten, those without room in 64 bits marked.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from kvit.core.columnar.runs import Rows, Runs, borders
from kvit.metering._sealed import Asked, Known, as_table, merged, piece
from kvit.metering._segments import NO_DIMENSIONS, NOTHING, Segment
from kvit.metering._standing import STANDING, parameters_of
from kvit.platform.columns import copied

SCALES = (0, 3, 6, 9, 12)
TEXTS, DIMENSIONS, TIMES = "text", "dimensions", "time"
_COLUMNS = {
    "subject": pa.string(),
    "meter": pa.string(),
    "time": pa.int64(),
    "value": pa.decimal128(38, 12),
    "text": pa.string(),
    "dimensions": pa.string(),
    "event_id": pa.string(),
}
_ORDERED = f"""
    COPY (SELECT subject, meter, (extract(epoch FROM "time") * 1000000)::bigint, value, text,
                 nullif(dimensions, '{{}}'), event_id
          FROM metering_usageevent e
          WHERE e.tenant_id = %(tenant)s AND subject_kind = %(kind)s AND subject = ANY(%(subjects)s)
            AND (%(meters)s::text[] IS NULL OR meter = ANY(%(meters)s))
            AND "time" >= %(since)s AND "time" < %(until)s AND {STANDING}
            AND (%(sealed)s = 0 OR batch_id IN (
                SELECT id FROM metering_batch
                WHERE tenant_id = %(tenant)s AND version > %(sealed)s AND version <= %(as_of)s))
          ORDER BY subject, meter, "time", event_id)
    TO STDOUT (FORMAT csv)
"""


@dataclass(frozen=True, slots=True)
class Codes:
    """A code a row, as it was read: what is looked at is filled in, no more than that."""

    codes: NDArray[Any]  # beneath `absent` anything
    absent: NDArray[np.bool_] | None = None
    instead: int = 0  # the code of what is absent

    def at(self, places: Rows | slice) -> Rows:
        """Return the codes of some rows."""
        some = self.codes[places] if isinstance(places, slice) else self.codes.take(places)
        found: Rows = some.astype(np.int64, copy=False)
        return found if self.absent is None else np.where(self.absent[places], self.instead, found)

    def of_rows(self, places: Rows) -> "Codes":
        """Return the codes of some rows alone."""
        return Codes(self.at(places))


@dataclass(frozen=True)
class UsageColumns:
    """Events sorted by (subject, meter, time, id); a run is one (subject, meter)."""

    subjects: Rows  # of each run, a place in `subject_codes`
    subject_codes: "pa.Array"
    meters: NDArray[Any]  # whole numbers of any size: of each run, a place in `meter_codes`
    meter_codes: list[str]
    runs: Runs
    values: Rows  # value × scale; 0 where there is none
    scale: int
    missing: NDArray[np.bool_]  # events without a value
    wide: NDArray[np.bool_]  # events whose value has no room in 64 bits; 0 stands for it
    texts: "Codes"  # of what they say instead; "" is one of them
    dimensions: "Codes"  # of `dimension_texts`
    dimension_texts: "pa.Array"  # JSON objects of texts
    times: Rows  # microseconds since 1970


def usage_table(asked: Asked, sealed: Known, as_of: int) -> pa.Table:
    """Return usage as rows: `_COLUMNS`, in order."""
    parts = [as_table(one, asked, sealed.undone) for one in sealed.segments]
    parts = [one for one in parts if one.num_rows]
    if sealed.has_tail or not parts:
        names = parameters_of(
            since=asked.since, until=asked.until, as_of=as_of, meters=asked.meters
        )
        names |= {
            "kind": asked.kind,
            "subjects": list(asked.subjects),
            "sealed": sealed.version,
        }
        parts.append(_table(copied(_ORDERED, names)))
    return merged(parts)


def of_segment(
    segment: Segment, asked: Asked, undone: NDArray[np.int64], reads: Collection[str]
) -> UsageColumns:
    """Return what one segment has, decoding nothing that is not looked at."""
    looked_at = ["value", "wide", *(name for name in (TEXTS, DIMENSIONS, TIMES) if name in reads)]
    columns = [name for name in looked_at if not segment.is_empty(name)]
    places, runs, rows = piece(segment, asked, undone, columns)
    subjects = segment.subjects_of(places)
    first, last = (int(subjects[0]), int(subjects[-1]) + 1) if len(subjects) else (0, 0)
    nothing = np.broadcast_to(np.int64(0), runs.rows)  # of no memory, whatever it is read as
    values, missing = nothing, np.ones(runs.rows, np.bool_)
    if "value" in columns:
        values, missing = _numbers_of(rows["value"])
    wide = np.zeros(runs.rows, np.bool_)
    if "wide" in columns:
        wide = ~_absent(_whole(rows["wide"]))
        missing = missing & ~wide
    texts = _texts_of(rows[TEXTS]) if TEXTS in columns else Codes(nothing)
    dimensions = Codes(nothing), pa.array([NO_DIMENSIONS])
    if DIMENSIONS in columns:
        dimensions = _codes_of(rows[DIMENSIONS], NO_DIMENSIONS)
    return UsageColumns(
        subjects=subjects - first,
        subject_codes=segment.subjects.slice(first, last - first),
        meters=segment.meters_of(places),
        meter_codes=segment.meters[1],
        runs=runs,
        values=values,
        scale=segment.scale,
        missing=missing,
        wide=wide,
        texts=texts,
        dimensions=dimensions[0],
        dimension_texts=dimensions[1],
        times=rows[TIMES].to_numpy() if TIMES in columns else nothing,
    )


def _texts_of(column: pa.ChunkedArray) -> Codes:
    """Return the codes of texts: where none was said, that of the empty one."""
    codes, known = _codes_of(column, "")
    nothing, empty = (pc.index(known, one).as_py() for one in (NOTHING, ""))
    if nothing < 0 or empty < 0:  # one of them alone stands for both
        return codes
    found = codes.at(slice(None))
    return Codes(np.where(found == nothing, empty, found))


def _codes_of(column: pa.ChunkedArray, absent: str) -> tuple[Codes, "pa.Array"]:
    """Return the codes of a column of texts, and what they stand for; one that is not read as a
    dictionary has a code a row."""
    if not len(column):
        return Codes(np.zeros(0, np.int64)), pa.array([], pa.string())
    if not pa.types.is_dictionary(column.type):
        texts = _whole(column)
        known = pc.fill_null(texts, absent) if texts.null_count else texts
        return Codes(np.arange(len(texts))), known
    coded = _whole(column.unify_dictionaries())
    known, indices = coded.dictionary, coded.indices
    if not indices.null_count:
        return Codes(indices.to_numpy()), known
    place = pc.index(known, absent).as_py()
    if place < 0:
        place, known = len(known), pa.concat_arrays([known, pa.array([absent], known.type)])
    codes = _beneath(indices, np.dtype(f"int{indices.type.bit_width}"))
    return Codes(codes, _absent(indices), place), known


def _numbers_of(column: pa.ChunkedArray) -> tuple[Rows, NDArray[np.bool_]]:
    """Return whole numbers, 0 where there is none, and where that is."""
    whole = _whole(column)
    absent = _absent(whole)
    if not whole.null_count:
        return whole.to_numpy(), absent
    return _beneath(whole, np.dtype(np.int64)) * ~absent, absent


def _absent(column: pa.Array) -> NDArray[np.bool_]:
    """Return where there is no value."""
    if column.null_count in (0, len(column)):
        return np.full(len(column), column.null_count > 0, np.bool_)
    bits = ~np.frombuffer(column.buffers()[0], np.uint8)
    found: NDArray[np.bool_] = np.unpackbits(bits, bitorder="little").view(np.bool_)
    return found[column.offset :][: len(column)]


def _beneath(column: pa.Array, kind: "np.dtype[Any]") -> NDArray[Any]:
    """Return numbers as they lie; what stands where there is none was there before."""
    return np.frombuffer(column.buffers()[1], kind)[column.offset :][: len(column)]


def _whole(column: pa.ChunkedArray) -> "pa.Array":
    """Return a column in one piece; Arrow would copy even one that is."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _table(data: bytes) -> pa.Table:
    if not data:
        return pa.schema(list(_COLUMNS.items())).empty_table()
    return csv.read_csv(pa.BufferReader(data), *reading(_COLUMNS))


def reading(columns: Mapping[str, pa.DataType]) -> tuple[Any, Any, Any]:
    """Return how Arrow reads what COPY writes as CSV."""
    return (
        csv.ReadOptions(column_names=list(columns), block_size=1 << 23),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types=dict(columns),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,  # PostgreSQL quotes what is empty and not null
        ),
    )


def columns_of(table: pa.Table) -> UsageColumns:
    """Return rows of `usage_table` as columns."""
    table = table.combine_chunks()
    subject, meter = _coded(table["subject"]), _coded(table["meter"])
    runs = borders(subject[0], meter[0])
    values, scale, wide = whole_numbers(table["value"])
    dimensions = _coded(pc.fill_null(table["dimensions"], NO_DIMENSIONS))
    return UsageColumns(
        subjects=runs.firsts(subject[0]),
        subject_codes=subject[1],
        meters=runs.firsts(meter[0]),
        meter_codes=meter[1].to_pylist(),
        runs=runs,
        values=values,
        scale=scale,
        missing=table["value"].is_null().to_numpy(),
        wide=wide,
        texts=Codes(_coded(pc.fill_null(table["text"], ""))[0]),
        dimensions=Codes(dimensions[0]),
        dimension_texts=dimensions[1],
        times=table["time"].to_numpy(),
    )


def _coded(column: pa.ChunkedArray) -> tuple[Rows, "pa.Array"]:
    """Return codes and what they stand for."""
    if not len(column):
        return np.zeros(0, np.int64), pa.array([], pa.string())
    coded = column.combine_chunks().dictionary_encode()
    return coded.indices.to_numpy().astype(np.int64), coded.dictionary


def whole_numbers(column: pa.ChunkedArray) -> tuple[Rows, int, NDArray[np.bool_]]:
    """Return decimals × scale, the least of some powers of ten that loses nothing of any of them,
    and which have no room in 64 bits; 0 stands for those and for nulls."""
    if not len(column):
        return np.zeros(0, np.int64), 1, np.zeros(0, np.bool_)
    decimals = column.combine_chunks()
    for digits in SCALES:
        try:
            cut = decimals.cast(pa.decimal128(38, digits))
        except pa.ArrowInvalid:  # it would lose digits
            continue
        break
    present = ~cut.is_null().to_numpy(zero_copy_only=False)
    low, high = halves(cut)
    wide = present & (high != low >> 63)
    return np.where(present & ~wide, low, 0), 10**digits, wide


def halves(decimals: pa.Array) -> tuple[Rows, Rows]:
    """Return the low and the high 64 bits of decimals without their point."""
    parts = np.frombuffer(decimals.buffers()[1], np.int64).reshape(-1, 2)  # little-endian
    parts = parts[decimals.offset : decimals.offset + len(decimals)]
    return parts[:, 0], parts[:, 1]
