"""TOML documents with the line of every table and key, which `tomllib` does not keep."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from kvit.adapters.folder.suggest import shown
from kvit.adapters.folder.textfile import FileFault, read_whole, wrong_encoding
from kvit.integrations.port import Fault, Place

SIZE_LIMIT = 8 << 20
_HEADER = re.compile(r"\s*\[(\[?)\s*([\w.\" -]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*(?:\"([^\"]+)\"|([\w-]+))\s*=")
_AT = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)
Path_ = tuple[str | int, ...]


class Toml:
    """A parsed document. `line` finds where a table or key stands."""

    def __init__(
        self, file: str, content: Mapping[str, object], lines: Mapping[Path_, int]
    ) -> None:
        self.file = file
        self.content = content
        self._lines = lines

    def line(self, *path: str | int) -> int | None:
        """The line of the key or table at `path`, or of the nearest one around it."""
        for length in range(len(path), 0, -1):
            if (found := self._lines.get(path[:length])) is not None:
                return found
        return None


def read_toml(path: Path, file: str) -> Toml:
    """Read one document.

    Raises:
        FileFault: the file is not readable, not UTF-8 or not TOML.
    """
    raw = read_whole(path, file, SIZE_LIMIT).removeprefix(b"\xef\xbb\xbf")
    if (guess := wrong_encoding(raw)) == "UTF-16":
        raise FileFault(Fault("wrong_encoding", Place(file), {"guess": guess}))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        if guess:
            raise FileFault(Fault("wrong_encoding", Place(file, row), {"guess": guess})) from None
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise FileFault(Fault("not_utf8", Place(file, row), {"byte": str(column)})) from None
    try:
        # Line ends of Windows are TOML; a lone carriage return inside a text is not.
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileFault(_syntax(error, text, file)) from None
    except RecursionError:
        params = {"line": "1", "column": "1", "detail": "nesting"}
        raise FileFault(Fault("toml_syntax", Place(file, 1), params)) from None
    return Toml(file, content, _find_lines(text))


def _syntax(error: tomllib.TOMLDecodeError, text: str, file: str) -> Fault:
    match = _AT.match(str(error))
    last = text.count("\n") + 1
    line = int(match[2]) if match and match[2] else last
    column = match[3] if match and match[3] else "1"
    detail = shown(match[1] if match else str(error))
    params = {"line": str(line), "column": column, "detail": detail}
    return Fault("toml_syntax", Place(file, line, f"column {column}"), params)


def _find_lines(text: str) -> dict[Path_, int]:
    """Map ("plan", 0, "price", 1, "code") to its line, by headers and by keys that begin a line.

    A look-alike inside a text of several lines may add a place that nobody asks for; the first
    finding of a path is kept.
    """
    lines: dict[Path_, int] = {}
    counts: dict[Path_, int] = {}
    table: Path_ = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.fullmatch(line.rstrip("\r")):
            table = _table_of(header, counts)
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, key[1] or key[2]), number)
    return lines


def _table_of(header: re.Match[str], counts: dict[Path_, int]) -> Path_:
    """The path of a header: each array of tables on the way stands at its last element."""
    parts = [part.strip().strip('"') for part in header[2].split(".")]
    path: Path_ = ()
    for depth, part in enumerate(parts):
        path = (*path, part)
        if depth == len(parts) - 1 and header[1]:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
