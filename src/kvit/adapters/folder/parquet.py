"""Parquet from strangers, decoded in a process of its own.

A Parquet file says in its own headers how much memory to take and which bytes to unpack; one that
lies can ask for gigabytes or bring the decoder down. The child has a limit on memory and reads
batch by batch; whatever happens to it is a fault here, no more.
"""

import json
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, cast

from kvit.adapters.folder.suggest import shown
from kvit.adapters.folder.textfile import FileFault, open_bytes, unpack
from kvit.integrations.port import Fault, Place

_CHILD = Path(__file__).with_name("parquet_child.py")


def read_parquet(
    path: Path, file: str, columns: Sequence[str]
) -> Generator[list[Any] | Fault, None, None]:
    """Yield the names of all columns, then batches; or a fault, and nothing after it.

    The names are texts. A batch is a list of columns: of those asked for that the file has, in its
    order.
    """
    with ExitStack() as stack:
        try:
            if path.suffix.lower() == ".gz":  # the decoder has to jump about in the file
                whole = stack.enter_context(NamedTemporaryFile(suffix=".parquet"))
                unpack(path, file, cast(BinaryIO, whole))
                path = Path(whole.name)
            open_bytes(path, file).close()
        except FileFault as error:
            yield error.fault
            return
        yield from _decoded(path, file, columns)


def _decoded(
    path: Path, file: str, columns: Sequence[str]
) -> Generator[list[Any] | Fault, None, None]:
    import pyarrow as pa

    # -P: the child's own folder is no place to import from.
    command = [sys.executable, "-P", str(_CHILD), str(path), json.dumps(list(columns))]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            with pa.ipc.open_stream(child.stdout) as stream:
                yield json.loads(stream.schema.metadata[b"columns"])
                for batch in stream:
                    yield [column.to_pylist() for column in batch.columns]
        except (pa.ArrowException, OSError, ValueError):
            pass  # the child stopped in mid-stream: it tells why below
        except GeneratorExit:
            child.kill()
            raise
        told = child.stderr.read(1 << 16).decode("utf-8", "replace")
    if child.returncode:
        yield _fault(told, child.returncode, file)


def _fault(told: str, status: int, file: str) -> Fault:
    """The child's last words are a fault as JSON; a killed child has none."""
    try:
        code, field, params = json.loads(told.strip().splitlines()[-1])
    except (ValueError, IndexError):
        code, field, params = "bad_parquet", "", {"detail": f"exit status {status}"}
    return Fault(code, Place(file, None, field), {k: shown(v) for k, v in params.items()})
