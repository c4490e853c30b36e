"""Where the runs of a segment stand: the smaller of its two files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kvit.core.columnar.runs import Rows, borders

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
        """Read one column after the other, and keep of each what is needed."""
        file = pq.ParquetFile(path, memory_map=True, read_dictionary=["subject"])

        def column(name: str) -> pa.ChunkedArray:
            return file.read([name], use_threads=False)[name]

        starts = np.zeros(file.metadata.num_rows + 1, np.int32)
        low = column("rows").to_numpy().view(np.int32)[::2]  # see `Runs.sums`
        np.cumsum(low, out=starts[1:])
        meters, meter_names = _small(column("meter"))
        only = _only(file.metadata, "kind")  # nearly always: then nothing of it is decoded
        if only is None:
            kinds, kind_names = _small(column("kind"))
        else:
            kinds, kind_names = np.zeros(len(meters), np.uint8), [only]
        named = column("subject").unify_dictionaries().combine_chunks()
        found = borders(kinds, named.indices.to_numpy())
        return cls(
            starts=starts,
            meters=meters,
            meter_names=meter_names,
            subjects=named.take(pa.array(found.starts)).cast(pa.string()),
            subject_starts=np.append(found.starts, found.rows).astype(np.int32),
            kinds=kinds[found.starts],
            kind_names=kind_names,
        )


def _small(column: pa.ChunkedArray) -> tuple[NDArray[Any], list[str]]:
    """Return codes in as few bytes as they need, and what they stand for."""
    coded = column.unify_dictionaries().combine_chunks()
    names = coded.dictionary.to_pylist()
    return coded.indices.to_numpy().astype(np.min_scalar_type(len(names))), names


def _only(meta: Any, name: str) -> str | None:
    """Return the text that every row of a file says, by what its writer noted; None: not known."""
    place = meta.schema.names.index(name)
    told = [meta.row_group(one).column(place).statistics for one in range(meta.num_row_groups)]
    if not all(one is not None and one.has_min_max and one.null_count == 0 for one in told):
        return None
    said = {end for one in told for end in (one.min, one.max)}
    return said.pop() if len(said) == 1 else None
