"""CSV as people and programs write it: the delimiter is found, comments are skipped, rows counted.

    # customers of the north
    code;name
    romashka;"ООО «Ромашка»
    (бывшая «Лютик»)"
    →  (2, ["code", "name"]), (3, ["romashka", "ООО «Ромашка»\\n(бывшая «Лютик»)"])

The first record is the header. Blank lines hold nothing and are passed over.
"""

import csv
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from kvit.adapters.folder.suggest import shown
from kvit.adapters.folder.textfile import FileFault, Lines, open_bytes
from kvit.integrations.port import Fault, Place

Record = tuple[int, list[str]]


def read_csv(
    path: Path, file: str, *, encoding: str = "utf-8"
) -> Generator[Record | Fault, None, None]:
    """Yield (line, fields) of the header and of every record; and faults, where they stand.

    Memory is bounded by a line of 1 MiB and a field of 128 KiB.
    """
    try:
        stream = open_bytes(path, file)
    except FileFault as error:
        yield error.fault
        return
    with stream:
        yield from _records(stream, file, encoding)


def _records(stream: BinaryIO, file: str, encoding: str) -> Iterator[Record | Fault]:
    state = Lines(stream, file, encoding)
    lines = iter(state)
    header = next(_begun(lines, state), None)
    if header is None or state.faults:
        yield from state.faults or [Fault("no_header", Place(file, 1))]
        return
    reader = csv.reader(chain([header], lines), delimiter=delimiter_of(header), strict=True)
    while True:
        try:
            for fields in reader:
                if state.faults:
                    yield from _drain(state)
                if state.spoiled:
                    state.spoiled = False
                elif any(fields):
                    yield state.first, fields
                state.fresh = True
            break
        except csv.Error as error:
            yield from _drain(state) or [_bad(error, state, file)]
            state.fresh, state.spoiled = True, False
    yield from state.faults


def _begun(lines: Iterable[str], state: Lines) -> Iterator[str]:
    """The lines from the first one on that holds anything."""
    for line in lines:
        if line.strip() or state.faults:
            yield line
        state.fresh = True


def _drain(state: Lines) -> list[Fault]:
    faults, state.faults = state.faults, []
    return faults


def _bad(error: csv.Error, state: Lines, file: str) -> Fault:
    detail = str(error)
    if state.number > state.first:  # an unclosed quote swallowed lines: say which
        detail = f"{detail} ({state.first}–{state.number})"
    return Fault("bad_csv", Place(file, state.first), {"detail": shown(detail)})


def delimiter_of(header: str) -> str:
    """The delimiter that occurs most often outside quotes; a comma where none does."""
    outside = "".join(header.split('"')[::2])
    return max(",;\t", key=outside.count)
