"""Lines of text from files that may be hostile: bounded memory, every refusal named by its row.

A line over 1 MiB is read past in pieces and refused, be it 2 GB long; a compressed file that
unpacks to hundreds of times its size is given up; a wrong encoding is told once, not a million
times.
"""

import gzip
import io
import os
import shutil
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from kvit.adapters.folder.suggest import shown
from kvit.integrations.port import Fault, Place

LINE_LIMIT = 1 << 20
GZIP_RATIO = 300  # usage compresses 5 to 60 times; deflate can reach 1 032
_GZIP_FREE = 8 << 20  # so much may be unpacked before the ratio is looked at
_BOM = b"\xef\xbb\xbf"
_CYRILLIC_1251 = frozenset([*range(0xC0, 0x100), 0xA8, 0xB8])
_CYRILLIC_866 = frozenset([*range(0x80, 0xB0), *range(0xE0, 0xF2)])


class _Bomb(Exception):
    """The compressed file unpacks out of all proportion."""


class FileFault(Exception):
    """The file as a whole cannot be read; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code)
        self.fault = fault


def open_bytes(path: Path, file: str) -> BinaryIO:
    """Open an ordinary file for reading, unpacking .gz within bounds.

    Raises:
        FileFault: link_outside, not_a_file, unreadable_file.
    """
    try:
        if _leads_out(path, file):
            raise FileFault(Fault("link_outside", Place(file)))
        # Looked at before opening: opening a pipe would wait for a writer for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileFault(Fault("not_a_file", Place(file)))
        stream = path.open("rb")
    except OSError as error:
        raise FileFault(_unreadable(error, file)) from None
    if path.suffix.lower() != ".gz":
        return stream
    return cast(BinaryIO, io.BufferedReader(_Unpacked(stream), 1 << 16))


def _leads_out(path: Path, file: str) -> bool:
    """Whether a link takes a file of the folder, known there as `file`, to a place outside it."""
    inner = Path(file).parts
    if path.parts[-len(inner) :] != inner:  # a copy of ours, unpacked elsewhere
        return False
    root = path.parents[len(inner) - 1]
    # `Path.resolve` fails on a link to itself; that is told when the file is looked at.
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def read_whole(path: Path, file: str, limit: int) -> bytes:
    """Read a small file.

    Raises:
        FileFault: as `open_bytes`, and file_too_big.
    """
    with open_bytes(path, file) as stream:
        try:
            content = stream.read(limit + 1)
        except OSError as error:
            raise FileFault(_unreadable(error, file)) from None
    if len(content) > limit:
        raise FileFault(Fault("file_too_big", Place(file), {"limit": f"{limit >> 20} MiB"}))
    return content


def unpack(path: Path, file: str, into: BinaryIO) -> None:
    """Copy what a compressed file holds to an open one, within bounds.

    Raises:
        FileFault: as `open_bytes`, and gzip_bomb, bad_gzip.
    """
    with open_bytes(path, file) as stream:
        try:
            shutil.copyfileobj(stream, into)
        except _Bomb:
            bomb = Fault("gzip_bomb", Place(file), {"ratio": str(GZIP_RATIO)})
            raise FileFault(bomb) from None
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise FileFault(Fault("bad_gzip", Place(file))) from None
        except OSError as error:
            raise FileFault(_unreadable(error, file)) from None
    into.flush()


def wrong_encoding(raw: bytes) -> str:
    """Name the encoding that `raw`, which is not UTF-8, was probably written in; "" if unclear."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or raw[:4096].count(0) > len(raw[:4096]) // 4 > 0:
        return "UTF-16"
    high = [byte for byte in raw[:4096] if byte >= 0x80]
    if len(high) < 3:  # a stray byte says nothing
        return ""
    for name, letters in (("windows-1251", _CYRILLIC_1251), ("cp866", _CYRILLIC_866)):
        if sum(byte in letters for byte in high) >= 0.9 * len(high):
            return name
    return ""


class Lines:
    """The lines of a file as text, in order; what cannot be a line goes to `faults` instead.

    The record reader sets `fresh` when the next line begins a record; only then does `#` start a
    comment. `first` is the line on which the record being read began, `spoiled` says that a line
    inside it was refused; a refused line that began a record is a record of its own.
    """

    def __init__(self, stream: BinaryIO, file: str, encoding: str = "utf-8") -> None:
        self.number = 0
        self.first = 0
        self.fresh = True
        self.spoiled = False
        self.faults: list[Fault] = []
        self._stream = stream
        self._file = file
        self._encoding = encoding
        self._seen_letters = False  # a line beyond ASCII was read well before

    def __iter__(self) -> Iterator[str]:
        """Yield lines with their line ends.

        A fault of the whole file ends the iteration and stands last in `faults`.
        """
        try:
            yield from self._lines()
        except _Bomb:
            self._refuse("gzip_bomb", ratio=str(GZIP_RATIO))
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self._refuse("bad_gzip")
        except OSError as error:
            self.faults.append(_unreadable(error, self._file))

    def _lines(self) -> Iterator[str]:
        readline, encoding = self._stream.readline, self._encoding
        while raw := readline(LINE_LIMIT):
            self.number += 1
            if self.fresh:
                if self.number == 1:
                    raw = raw.removeprefix(_BOM)
                    if (guess := wrong_encoding(raw)) == "UTF-16":
                        self._refuse("wrong_encoding", guess=guess)
                        return
                if raw[:1] == b"#" and len(raw) < LINE_LIMIT:
                    continue
                self.first = self.number
                self.fresh = False
            if len(raw) == LINE_LIMIT and raw[-1:] != b"\n":
                self._refuse("line_too_long", raw, limit="1 MiB")
                while (piece := readline(LINE_LIMIT)) and piece[-1:] != b"\n":
                    pass
                continue
            if b"\0" in raw:
                self._refuse("nul_byte", raw)
                continue
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError as error:
                guess = "" if self._seen_letters else wrong_encoding(raw)
                if guess:
                    self._refuse("wrong_encoding", guess=guess)
                    return
                self._refuse("not_utf8", raw, byte=str(error.start + 1))
                continue
            if not self._seen_letters and not raw.isascii():
                self._seen_letters = True
            yield text

    def _refuse(self, code: str, raw: bytes = b"", **params: str) -> None:
        if raw:  # what is left of a refused row: its first column may still say what hangs on it
            params["text"] = raw[:500].decode("utf-8", "replace")
        if self.first == self.number:
            self.fresh = True
        else:
            self.spoiled = True
        self.faults.append(Fault(code, Place(self._file, self.number), params))


class _Unpacked(io.RawIOBase):
    """A gzip stream that stops when it unpacks to more than GZIP_RATIO times what it read."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._unpacked = gzip.GzipFile(fileobj=packed)
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        got = self._unpacked.readinto(buffer)
        self._given += got
        if self._given > _GZIP_FREE and self._given > GZIP_RATIO * self._packed.tell():
            raise _Bomb
        return got

    def close(self) -> None:
        self._unpacked.close()
        self._packed.close()
        super().close()


def _unreadable(error: OSError, file: str) -> Fault:
    return Fault("unreadable_file", Place(file), {"detail": shown(error.strerror or error)})
