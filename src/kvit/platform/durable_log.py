"""Records kept on the disk before anybody looks into them: taken at once, worked on later.

    writer().keep("tenant", [b"…"])            # from any thread; on return it is on the disk

What comes while a flush lasts is one write and one `fdatasync` of whoever gets the next turn. So a
record costs little when many come, and nothing is answered before it is safe.

    <data>/intake/<name>/<time>-<chance>.open      being written: its writer holds a lock on it
                                        .log       whole, and will not grow
                                        .left      its writer died: the last record may be torn
                                        .damaged   set aside for a person: a record is not as it was

A record is `MAGIC`, its length, its CRC-32, its bytes. What is torn at the end of a file was never
answered for; a record that is broken before others is damage, and is told as such. Whoever closes a
file adds what it holds, so that nobody needs to read it to count: `END`, 16, CRC-32, the number of
records and what they weigh. Nothing hangs on it but such counts.
"""

import errno
import fcntl
import logging
import os
import shutil
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

from kvit.platform import files
from kvit.platform.failures import Failure

MAGIC = b"KVR1"
END = b"KVRE"
_HEAD = struct.Struct(">4sII")
_HELD = struct.Struct(">QQ")
_END_BYTES = _HEAD.size + _HELD.size
_UNREAD = (".open", ".log", ".left")
_log = logging.getLogger("kvit.log")
FILE_BYTES = 16 * 2**20  # a file is closed beyond
FILE_S = 1.0  # or after so long, so that what it holds is worked on
MOST_WAITING = 64 * 2**20  # bytes of a process that wait for the disk
MOST_KEPT = 4 * 2**30  # bytes of one name that wait to be worked on
RESERVE = 128 * 2**20  # of the disk: the database needs it to go on
WORDS = {
    "log_busy": (
        "Приём не успевает за потоком событий: повторите через {seconds} с.",
        "Intake cannot keep pace with the stream of events: try again in {seconds} s.",
    ),
    "log_behind": (
        "Принятое, но не разобранное заняло отведённое место: повторите через {seconds} с.",
        "What was taken and not yet sealed fills its space: try again in {seconds} s.",
    ),
    "log_disk_full": (
        "На диске нет места, события не приняты: повторите через {seconds} с.",
        "The disk is full and the events were not taken: try again in {seconds} s.",
    ),
    "log_failed": (
        "Диск не подтвердил запись, события не приняты: повторите через {seconds} с.",
        "The disk did not confirm the write and the events were not taken: try again in"
        " {seconds} s.",
    ),
}


class NotKept(Failure):
    """The record is not kept; `seconds` says when to try again."""

    words = WORDS

    def __init__(self, code: str, seconds: int) -> None:
        super().__init__(code, seconds=seconds)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Read:
    """A file's records. `damaged`: one was broken in a way that no crash leaves behind."""

    records: tuple[bytes, ...]
    damaged: bool


@dataclass(frozen=True, slots=True)
class Held:
    """What a file holds, by its end."""

    records: int
    weight: int


@dataclass(slots=True)
class _Open:
    """A file being written; `size`, `records`, `weight` are what is known to be on the disk."""

    path: Path
    descriptor: int
    begun: float
    size: int = 0
    records: int = 0
    weight: int = 0


@dataclass(slots=True)
class _Waiting:
    """Records of one caller; `is_done` once they are on the disk or were refused."""

    name: str
    records: bytes
    count: int
    weight: int
    is_done: bool = False
    refused: "NotKept | None" = None


class Writer:
    """The writer of a process; `writer()` returns it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._line = threading.Lock()  # of what waits
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._disk = threading.Lock()  # of the files; who has it writes for all that wait
        self._files: dict[str, _Open] = {}
        self._closing: threading.Thread | None = None

    def keep(self, name: str, records: Sequence[bytes], *, weight: int = 0) -> None:
        """Write records; on return they are on the disk.

        Args:
            weight: of all of them, in a unit of the caller's; `held` sums it up.

        Raises:
            NotKept: there is no room for them, now or at all; none of them is kept.
        """
        one = _Waiting(name, b"".join(map(_framed, records)), len(records), weight)
        with self._line:
            if self._waiting and self._bytes + len(one.records) > MOST_WAITING:
                raise NotKept("log_busy", 1)
            self._waiting.append(one)
            self._bytes += len(one.records)
        with self._disk:
            if not one.is_done:
                self._write()
        if one.refused is not None:
            raise one.refused
        if not one.is_done:  # whoever wrote for us was ended by something else than the disk
            raise NotKept("log_failed", 1)

    def close(self) -> None:
        """Close the files, so that what they hold is worked on at once."""
        with self._disk:
            for name in list(self._files):
                self._close(name)

    def _write(self) -> None:
        with self._line:
            group, self._waiting, self._bytes = self._waiting, [], 0
        by_name: dict[str, list[_Waiting]] = {}
        for one in group:
            by_name.setdefault(one.name, []).append(one)
        for name, mine in by_name.items():
            refused = self._kept(name, mine)
            for one in mine:
                one.is_done, one.refused = True, refused
        if self._files and self._closing is None:
            closing = threading.Thread(target=self._close_old, name="kvit-log", daemon=True)
            with suppress(RuntimeError):  # no thread is to be had; the next one who writes tries
                closing.start()
                self._closing = closing

    def _close_old(self) -> None:
        """Close each file some time after it was begun; end when there is none."""
        while True:
            time.sleep(FILE_S)
            with self._disk:
                for name, file in list(self._files.items()):
                    if time.monotonic() - file.begun >= FILE_S:
                        self._close(name)
                if not self._files:
                    self._closing = None
                    return

    def _kept(self, name: str, group: Sequence[_Waiting]) -> NotKept | None:
        """Have records on the disk, or say why they are not."""
        content = b"".join(one.records for one in group)
        try:
            file = self._files.get(name) or self._begin(name)
            if shutil.disk_usage(self._root).free < RESERVE + len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            _append(file.descriptor, content)
            file.size += len(content)
            file.records += sum(one.count for one in group)
            file.weight += sum(one.weight for one in group)
        except NotKept as refused:
            return refused
        except OSError as error:
            self._give_up(name)
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            _log.warning("the log of %s was not written: %s", name, error)
            return NotKept("log_disk_full" if is_full else "log_failed", 30)
        if file.size > FILE_BYTES:
            self._close(name)
        return None

    def _begin(self, name: str) -> _Open:
        folder = self._root / name
        files.make_folder(folder)
        if sum(map(_size, folder.iterdir())) > MOST_KEPT:
            raise NotKept("log_behind", 30)
        path = folder / f"{time.time_ns():020}-{uuid4().hex[:8]}.open"
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            # Locked before it has its name: who looks for files of dead writers finds it locked.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            new.rename(path)
        except OSError:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        file = self._files[name] = _Open(path, descriptor, time.monotonic())
        files.sync(folder)
        return file

    def _give_up(self, name: str) -> None:
        """Cut off what was not confirmed, and write no more to that file: after a failed flush
        nobody knows what the disk has."""
        if file := self._files.get(name):
            with suppress(OSError):
                os.ftruncate(file.descriptor, file.size)
            self._close(name, ".left")

    def _close(self, name: str, suffix: str = ".log") -> None:
        file = self._files.pop(name)
        if file.size and suffix == ".log":
            try:
                _append(file.descriptor, _framed(_HELD.pack(file.records, file.weight), END))
            except OSError:  # it may be torn now, behind records that are safe
                suffix = ".left"
        # Where even that fails the file keeps its name, and is found without its writer.
        with suppress(OSError):
            if file.size:
                file.path.rename(file.path.with_suffix(suffix))
            else:
                file.path.unlink()
        with suppress(OSError):
            os.close(file.descriptor)


@cache
def _writer(root: Path, process: int) -> Writer:
    return Writer(root)


def writer() -> Writer:
    """Return the writer of this process."""
    return _writer(folder(), os.getpid())


def folder() -> Path:
    """Return where the logs of this process lie: beside its files."""
    return beside(files.folder())


def beside(store: Path) -> Path:
    """Return where the logs lie that belong to a store of files."""
    return store.with_name("intake")


def names() -> list[str]:
    """Return the names that have anything to be worked on."""
    root = folder()
    return sorted({path.parent.name for path in root.glob("*/*")})


def whole(name: str) -> list[Path]:
    """Return the files of a name that will not grow, in order; those of dead writers with them."""
    found = []
    for path in _listed(name):
        if path.suffix == ".open":
            path = _adopted(path)
        if path.suffix in (".log", ".left"):
            found.append(path)
    return found


def damaged(name: str) -> list[Path]:
    """Return the files of a name that were set aside."""
    return [path for path in _listed(name) if path.suffix == ".damaged"]


def unread(name: str) -> list[Path]:
    """Return the files of a name that are not set aside, growing ones included, in order."""
    return [path for path in _listed(name) if path.suffix in _UNREAD]


def begun_ms(path: Path) -> int:
    """Return when a file was begun, in milliseconds since 1970."""
    digits = path.name[:20]
    return int(digits) // 1_000_000 if digits.isdecimal() else 0


def held(path: Path) -> Held | None:
    """Return what a file holds; None where it was not closed by its writer: it is to be read.

    (The end of a file that was left is what its sender wrote there.)
    """
    if path.suffix != ".log":
        return None
    try:
        with path.open("rb") as file:
            file.seek(-_END_BYTES, os.SEEK_END)
            end = _record_at(file.read(), 0, END)
    except OSError:  # it is shorter, or was worked on meanwhile
        return None
    return None if end is None else Held(*_HELD.unpack(end))


def first(path: Path) -> bytes | None:
    """Return the first record of a file, of which no more is read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD.size)
            length = _HEAD.unpack(head)[1] if len(head) == _HEAD.size else 0
            return _record_at(head + file.read(min(length, FILE_BYTES + MOST_WAITING)), 0)
    except FileNotFoundError:  # it was worked on meanwhile
        return None


def records(path: Path, *, mention: Sequence[bytes] = ()) -> tuple[bytes, ...]:
    """Return the records of a file of `unread`, growing or not; none once it was worked on.

    `mention`: none either where the file has none of these bytes, which is found out quickly.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = _renamed(path) if path.suffix == ".open" else b""
    if mention and not any(one in content for one in mention):
        return ()
    return parse(content, may_be_torn=True).records


def copies(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what the logs below a folder hold: the place of a copy, and its bytes.

    A copy may end in the midst of a record that was never answered for: `.left` is its name. What
    is taken up meanwhile is left out; whoever dumps the database afterwards has it there.
    """
    for path in sorted(root.glob("*/*")):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            content = _renamed(path)
        if content and path.suffix in _UNREAD:
            path = path.with_suffix(".left")
        elif path.suffix != ".damaged":
            continue
        yield path.relative_to(root).as_posix(), content


def read(path: Path) -> Read:
    """Return the records of a file of `whole`."""
    return parse(path.read_bytes(), may_be_torn=path.suffix == ".left")


def discard(path: Path) -> None:
    """Remove a file whose records are kept elsewhere."""
    path.unlink(missing_ok=True)


def set_aside(path: Path) -> None:
    """Keep a damaged file for a person to look at."""
    path.rename(path.with_suffix(".damaged"))


def parse(content: bytes, *, may_be_torn: bool) -> Read:
    """Return the records of a file's bytes."""
    found: list[bytes] = []
    place, is_damaged = 0, False
    while place < len(content):
        record = _record_at(content, place)
        if record is not None:
            found.append(record)
            place += _HEAD.size + len(record)
            continue
        if len(content) - place <= _END_BYTES and content.startswith(END, place):
            break  # torn or not: the records are whole
        later = _next_record(content, place + 1)
        is_whole = _record_at(content, len(content) - _END_BYTES, END) is not None
        is_damaged |= later is not None or not may_be_torn or is_whole
        place = len(content) if later is None else later
    return Read(tuple(found), is_damaged)


def _append(descriptor: int, content: bytes) -> None:
    """Have bytes at the end of a file on the disk."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fdatasync(descriptor)


def _framed(record: bytes, magic: bytes = MAGIC) -> bytes:
    return _HEAD.pack(magic, len(record), zlib.crc32(record)) + record


def _record_at(content: bytes, place: int, wanted: bytes = MAGIC) -> bytes | None:
    if place < 0 or len(content) - place < _HEAD.size:
        return None
    magic, length, check = _HEAD.unpack_from(content, place)
    start = place + _HEAD.size
    record = content[start : start + length]
    is_sound = magic == wanted and len(record) == length and zlib.crc32(record) == check
    return record if is_sound else None


def _next_record(content: bytes, start: int) -> int | None:
    while (start := content.find(MAGIC, start)) >= 0:
        if _record_at(content, start) is not None:
            return start
        start += 1
    return None


def _listed(name: str) -> list[Path]:
    try:
        return sorted((folder() / name).iterdir())
    except FileNotFoundError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # it was worked on meanwhile


def _adopted(path: Path) -> Path:
    """Give a file whose writer is dead the name of such files; one in use stays as it is."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return path  # closed meanwhile; the next look finds it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left = path.with_suffix(".left")
        path.rename(left)
    except (BlockingIOError, FileNotFoundError):
        return path
    else:
        return left
    finally:
        os.close(descriptor)


def _renamed(path: Path) -> bytes:
    """Read a file that was closed between the look into its folder and the reading."""
    for suffix in (".log", ".left"):
        try:
            return path.with_suffix(suffix).read_bytes()
        except FileNotFoundError:
            continue
    return b""
