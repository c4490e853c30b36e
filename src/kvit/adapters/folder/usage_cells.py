"""A usage file of its own, outside any folder: read at all, or a row of it as a person typed it.

What could not be read is shown as it stood, cell by cell, mended and read again: for that the cells
of a row are taken back from the file, and a file of one row is made of cells.
"""

import csv
from collections.abc import Collection, Mapping
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

from kvit.adapters.folder.mapping import World, standard_layout
from kvit.adapters.folder.parquet import read_parquet
from kvit.adapters.folder.records import read_csv
from kvit.adapters.folder.textfile import FileFault, Lines, open_bytes
from kvit.adapters.folder.usage import UsageFile, kind_of
from kvit.integrations.port import Fault

LINE = ""  # the name under which a line of JSON stands whole


def usage_file(path: Path, *, name: str, source: str, world: World) -> UsageFile | None:
    """Return an uploaded file with the contract's own columns; None for a kind that is not read.

    Args:
        path: where its bytes lie, whatever it is called there.
        name: what it was called: the ending says its kind.
        source: the source within which its ids are unique.
    """
    found = kind_of(name)
    if found is None:
        return None
    return UsageFile(source, name, path, found[1], standard_layout(world), world)


def cells_of(file: UsageFile, wanted: Collection[int]) -> dict[int, dict[str, str]]:
    """Return rows as they stand in the file: by column, or a line of JSON whole."""
    if not wanted:
        return {}
    match file.kind:
        case "csv":
            return _csv(file, wanted)
        case "jsonl":
            return _jsonl(file, wanted)
        case "parquet":
            return _parquet(file, wanted)


def write_row(path: Path, cells: Mapping[str, str]) -> str:
    """Write a file of one row at `path`; return the name that says its kind."""
    if set(cells) == {LINE}:
        path.write_text(cells[LINE].replace("\n", " ").replace("\r", " ") + "\n", encoding="utf-8")
        return "row.jsonl"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(cells.keys())
        writer.writerow(cells.values())
    return "row.csv"


def _csv(file: UsageFile, wanted: Collection[int]) -> dict[int, dict[str, str]]:
    header: list[str] = []
    found: dict[int, dict[str, str]] = {}
    with closing(read_csv(file.path, file.file, encoding=file.layout.encoding)) as records:
        for item in records:
            if isinstance(item, Fault):
                continue
            row, values = item
            if not header:
                header = values
            elif row in wanted:
                pairs = zip_longest(header, values[: len(header)], fillvalue="")
                found[row] = dict(pairs)
    return found


def _jsonl(file: UsageFile, wanted: Collection[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    try:
        stream = open_bytes(file.path, file.file)
    except FileFault:
        return found
    with stream:
        lines = Lines(stream, file.file, file.layout.encoding)
        for text in lines:
            lines.fresh = True
            if lines.number in wanted:
                found[lines.number] = {LINE: text.strip()}
    return found


def _parquet(file: UsageFile, wanted: Collection[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    names: list[str] = []
    row = 0
    with closing(read_parquet(file.path, file.file, file.layout.columns)) as batches:
        for item in batches:
            if isinstance(item, Fault):
                break
            if not names:
                names = [name for name in item if name in file.layout.columns]
                continue
            for cells in zip(*item, strict=True):
                row += 1
                if row in wanted:
                    texts = ["" if cell is None else str(cell) for cell in cells]
                    found[row] = dict(zip(names, texts, strict=True))
    return found
