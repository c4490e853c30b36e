"""Run as a script: decode a Parquet file under a memory limit, as an Arrow stream on stdout.

    python -P parquet_child.py FILE '["id", "time", …]'

The schema's metadata names all columns of the file; only those asked for are sent. Imports
nothing of kvit, so that it starts quickly and cannot do anything else.
"""

import json
import os
import sys

MEMORY = 512 << 20  # bytes of data; the decoder with its libraries needs a third of it
BATCH_ROWS = 8192
BATCH_BYTES = 64 << 20


def main(path: str, wanted: list[str]) -> int:
    """Write the stream; on failure write [code, field, params] to stderr and return 3."""
    limit_memory()
    # The pools that pyarrow ships reserve address space far beyond what they use.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(path, page_checksum_verification=True)
        schema = source.schema_arrow
        names = list(schema.names)
        columns = [name for name in names if name in wanted and names.count(name) == 1]
        for name in columns:
            if not is_readable(schema.field(name).type):
                kind = str(schema.field(name).type)
                return tell("parquet_type", name, {"name": name, "type": kind})
        sent = pa.schema([plain_field(schema.field(name)) for name in columns])
        sent = sent.with_metadata({"columns": json.dumps(names)})
        with pa.ipc.new_stream(sys.stdout.buffer, sent) as out:
            sys.stdout.buffer.flush()
            for batch in source.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                if batch.nbytes > BATCH_BYTES:
                    return tell("bad_parquet", "", {"detail": f"{batch.nbytes} bytes in a batch"})
                arrays = [batch.column(name).cast(sent.field(name).type) for name in columns]
                out.write_batch(pa.record_batch(arrays, schema=sent))
    except MemoryError:
        return tell("bad_parquet", "", {"detail": f"more than {MEMORY >> 20} MiB of memory"})
    except BrokenPipeError:
        return 0
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        return tell("bad_parquet", "", {"detail": str(error)})
    return 0


def limit_memory() -> None:
    """Take no more than MEMORY, where the system can enforce it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind in ("RLIMIT_DATA", "RLIMIT_CORE"):
        resource.setrlimit(getattr(resource, kind), (MEMORY if kind == "RLIMIT_DATA" else 0,) * 2)


def is_readable(kind: object) -> bool:
    """Texts, integers, decimals and times are exact; floats are not."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type  # type: ignore[attr-defined]
    return any(
        check(kind)
        for check in (
            types.is_string, types.is_large_string, types.is_integer, types.is_decimal,
            types.is_timestamp, types.is_null,
        )
    )  # fmt: skip


def plain_field(field: object) -> object:
    """The field without dictionary encoding, and times in microseconds."""
    import pyarrow as pa

    kind = field.type  # type: ignore[attr-defined]
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind):
        kind = pa.timestamp("us", kind.tz)
    return pa.field(field.name, kind)  # type: ignore[attr-defined]


def tell(code: str, field: str, params: dict[str, str]) -> int:
    """Leave the last words that the parent reads."""
    sys.stderr.write("\n" + json.dumps([code, field, params]) + "\n")
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
