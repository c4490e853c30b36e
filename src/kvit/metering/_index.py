"""Where the runs of a segment stand: the smaller of its two files.

A worker has several indices open, and reads them again where a run of the bill goes over many
segments: an index takes ten bytes a run, and little more while it is read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kvit.core.columnar.runs import Rows, borders

PART_RUNS = 65_536  # that are read at a time
CODED_BYTES = 2  # of a run's subject, on the average, where it is read as a code
INDEX = pa.schema(
    [
        pa.field("kind", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("meter", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("first", pa.int64(), nullable=False),
        pa.field("last", pa.int64(), nullable=False),
    ]
)


def index_of(part: pa.Table) -> pa.Table:
    """Return the runs of a sorted part: `INDEX`."""
    runs = borders(*(codes_of(part[name]) for name in ("kind", "subject", "meter")))
    picked = part.select(["kind", "subject", "meter"]).take(pa.array(runs.starts))
    times = part["time"].to_numpy()
    return pa.table(
        [
            *picked.columns,
            pa.array(runs.counts),
            pa.array(runs.firsts(times)),
            pa.array(runs.lasts(times)),
        ],
        names=INDEX.names,
    ).cast(INDEX)


def codes_of(column: pa.ChunkedArray) -> Rows:
    """Return a code a row: equal ones say the same."""
    whole = column.combine_chunks()
    if not pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_encode()
    found: Rows = whole.indices.to_numpy().astype(np.int64)
    return found


@dataclass(frozen=True, slots=True)
class Index:
    """Where the runs of a segment stand, in ten bytes a run: a process keeps several open."""

    starts: NDArray[np.int32]  # of each run among the rows, and the end of the last
    meters: NDArray[Any]  # a code of each run's
    meter_names: list[str]
    subjects: pa.Array  # in order, of each kind anew
    subject_starts: NDArray[np.int32]  # of each subject among the runs, and the end of the last
    kinds: NDArray[Any]  # a code of each subject's
    kind_names: list[str]

    @classmethod
    def read(cls, path: Path) -> "Index":
        """Read some runs after the other: whole columns would take five times what is kept."""
        meta = pq.read_metadata(path)
        # Of many runs a subject there are few texts: as codes they take half the time, and no room.
        size = sum(one.total_uncompressed_size for one in _chunks(meta, "subject"))
        coded = ["subject"] if size <= CODED_BYTES * meta.num_rows else []
        file = pq.ParquetFile(path, metadata=meta, memory_map=True, read_dictionary=coded)
        only = _only(meta, "kind")  # nearly always: then nothing of it is decoded
        kinds, meters = _Coded([] if only is None else [only]), _Coded([])
        columns = ["subject", "meter", "rows", *(["kind"] if only is None else [])]
        runs = meta.num_rows
        starts = np.zeros(runs + 1, np.int32)
        nothing = np.zeros(0, np.uint8)
        of_meters, of_kinds, begun, subjects = [nothing], [nothing], [np.zeros(0, np.int32)], []
        done, last = 0, (None, -1)
        for some in file.iter_batches(PART_RUNS, columns=columns, use_threads=False):
            end = done + len(some)
            low = some["rows"].to_numpy().view(np.int32)[::2]  # see `Runs.sums`
            np.cumsum(low, dtype=np.int32, out=starts[done + 1 : end + 1])
            starts[done + 1 : end + 1] += starts[done]
            of_meters.append(meters.codes_of(some["meter"]))
            kind = np.zeros(len(some), np.uint8)
            if only is None:
                kind = kinds.codes_of(some["kind"])
            named = some["subject"] if coded else some["subject"].dictionary_encode()
            is_new = np.ones(len(some), np.bool_)
            is_new[1:] = kind[1:] != kind[:-1]
            codes = named.indices.to_numpy()
            is_new[1:] |= codes[1:] != codes[:-1]
            is_new[0] = last != (named[0].as_py(), kind[0])
            last = named[-1].as_py(), kind[-1]
            found = np.flatnonzero(is_new).astype(np.int32)
            subjects.append(named.dictionary.take(pa.array(codes[found])))
            begun.append(found + np.int32(done))
            of_kinds.append(kind[found])
            done = end
        return cls(
            starts=starts,
            meters=np.concatenate(of_meters),
            meter_names=meters.names,
            subjects=pa.chunked_array(subjects, pa.string()).combine_chunks(),
            subject_starts=np.append(np.concatenate(begun), np.int32(runs)),
            kinds=np.concatenate(of_kinds),
            kind_names=kinds.names,
        )


class _Coded:
    """Codes of texts that few differ, over all parts that are read."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def codes_of(self, column: pa.DictionaryArray) -> NDArray[Any]:
        """Return what each text of a part is coded as, in as few bytes as that needs; new ones are
        remembered."""
        here = column.dictionary.to_pylist()
        self.names += [name for name in here if name not in self.names]
        short = np.min_scalar_type(len(self.names))
        codes = np.array([self.names.index(name) for name in here], short)
        return np.take(codes, column.indices.to_numpy())


def _only(meta: Any, name: str) -> str | None:
    """Return the text that every row of a file says, by what its writer noted; None: not known."""
    told = [one.statistics for one in _chunks(meta, name)]
    if not all(one is not None and one.has_min_max and one.null_count == 0 for one in told):
        return None
    said = {end for one in told for end in (one.min, one.max)}
    return said.pop() if len(said) == 1 else None


def _chunks(meta: Any, name: str) -> list[Any]:
    """Return what is known of a column, of each row group."""
    place = meta.schema.names.index(name)
    return [meta.row_group(one).column(place) for one in range(meta.num_row_groups)]


def last_before(starts: NDArray[np.int32], places: Rows) -> Rows:
    """Return in which of the stretches that begin at `starts` each place lies. Numbers as short as
    those are looked up: else all of `starts` would be copied."""
    found: Rows = np.searchsorted(starts, places.astype(starts.dtype), side="right") - 1
    return found
