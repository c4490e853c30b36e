"""A transparency log on the disk, in the form of C2SP tlog-tiles: auditors of that form read it.

    <folder>/checkpoint           the newest signed checkpoint
             checkpoints/<size>   every one that was ever signed
             tile/<L>/<N>         hashes of a level, 256 a tile; <N>.p/<W>: a tile that has only W
             tile/entries/<N>     the entries themselves, each behind its length (16 bits)
             grown                how far it was written, and what the writer notes beside

Entries are written first, then `grown`, then the checkpoint: what a crash leaves beyond `grown` is
written anew, and no checkpoint speaks of what is not on the disk. One writer at a time (`writing`).
"""

import fcntl
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvit.core.transparency import (
    HASH_BYTES,
    Checkpoint,
    Frontier,
    Perfect,
    folded,
    leaf_hash,
    read_checkpoint,
    tree_hash,
)
from kvit.platform import files
from kvit.platform.failures import Failure
from kvit.platform.signed_notes import NoteUnusable, Signer, opened

WIDTH = 256  # hashes of a full tile
LEVELS = 8  # of the tree that a tile spans
SIZE_DIGITS = 12  # of a size as a path: paths of one length stand in the order of their sizes
_LENGTH = struct.Struct(">H")
WORDS = {
    "tlog_damaged": (
        "Журнал в папке {folder} повреждён: {name}. Восстановите папку из копии.",
        "The log in the folder {folder} is damaged: {name}. Restore the folder from a copy.",
    ),
    "tlog_key_changed": (
        "Журнал {origin} подписан не тем ключом, что в файле secret-key папки данных: файл заменили"
        " или потеряли. Новое не подписывается. Верните прежний secret-key из копии и перезапустите"
        " Kvit; если копии нет, начните журнал заново: kvit books seal --anew (журнал действий: ещё"
        " и --journal). Прежний останется рядом.",
        "The log {origin} was signed by another key than that of the file secret-key in the data"
        " folder: the file was replaced or lost. Nothing new is signed. Put the former secret-key"
        " back from a copy and restart Kvit; if there is none, begin the log anew: kvit books seal"
        " --anew (the journal of actions: --journal as well). The former log stays beside it.",
    ),
}


class LogDamaged(Failure):
    """A file of the log is missing or is not what it must be; nothing was written."""

    words = WORDS


class KeyChanged(LogDamaged):
    """What the log signed before is not signed by the key of today; nothing was written."""


@dataclass(frozen=True, slots=True)
class Grown:
    """How far a log was written. `notes`: what its writer keeps for the next time."""

    frontier: Frontier
    notes: Mapping[str, Any]


class Log:
    """One log. `signer` is its key, and the key's name its origin."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self.folder = folder
        self.signer = signer

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer while the block lasts; whoever else wants to, waits."""
        descriptor = self._locked()
        try:
            yield
        finally:
            os.close(descriptor)

    def _locked(self) -> int:
        lock = self.folder / "lock"
        while True:
            files.make_folder(self.folder)
            try:
                descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:  # the folder was put aside since it was made
                continue
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Whoever waited may hold the lock of a log that was put aside meanwhile.
            with suppress(FileNotFoundError):
                if os.path.samestat(lock.stat(), os.fstat(descriptor)):
                    return descriptor
            os.close(descriptor)

    def put_aside(self, *, beside: Path | None, mark: str) -> Path:
        """Rename the log's folder and what was kept of it in `beside`; for whoever is `writing`.

        The next writer begins another log. Returns where the former one is.
        """
        kept = [] if beside is None else [beside / self.signer.name]
        for one in (*kept, self.folder):
            if one.exists():
                one.rename(one.with_name(f"{one.name}.{mark}"))
        return self.folder.with_name(f"{self.folder.name}.{mark}")

    def grown(self) -> Grown:
        """Return how far the log was written; an empty one where it was never begun.

        Raises:
            LogDamaged: it is behind a checkpoint that was signed.
        """
        signed = self.head()
        try:
            said = json.loads((self.folder / "grown").read_text(encoding="ascii"))
            peaks = [bytes.fromhex(one) for one in said["peaks"]]
            found = Grown(Frontier(int(said["size"]), peaks), said["notes"])
        except FileNotFoundError:
            found = Grown(Frontier(0, []), {})
        except (ValueError, LookupError, TypeError):
            raise self._damaged("grown") from None
        if signed is not None and not (
            found.frontier.size > signed.size or found.frontier.root == signed.root
        ):
            raise self._damaged("grown")
        return found

    def head(self) -> Checkpoint | None:
        """Return the newest checkpoint, its signature checked; None where nothing was signed.

        Raises:
            KeyChanged: it is not signed by this log's key.
            LogDamaged: it is no checkpoint.
        """
        note = self.note()
        return None if note is None else self._own(note)

    def note(self) -> str | None:
        """Return the newest checkpoint as it was signed."""
        try:
            return _read(self.folder / "checkpoint")
        except FileNotFoundError:
            return None

    def read(self, note: str) -> Checkpoint:
        """Return what a note of this log's key says, wherever it was kept.

        Raises:
            NoteUnusable: it is not signed by this log's key.
            LogDamaged: it is no checkpoint.
        """
        try:
            return read_checkpoint(opened(note, self.signer.verifier))
        except ValueError:
            raise self._damaged("checkpoint") from None

    def _own(self, note: str) -> Checkpoint:
        try:
            return self.read(note)
        except NoteUnusable as error:
            if error.code != "note_of_another_key":  # it bears our key and was changed
                raise self._damaged("checkpoint") from None
            raise KeyChanged("tlog_key_changed", origin=self.signer.name) from None

    def signed(self) -> Iterator[Checkpoint]:
        """Yield every checkpoint that was ever signed, in order; errors as of `head`."""
        for path in _kept(self.folder / "checkpoints"):
            yield self._own(_read(path))

    def begins_with(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint of this log, wherever it was kept, says what the log still says."""
        size = checkpoint.size
        if self.signer.name != checkpoint.origin or size > self.grown().frontier.size:
            return False
        return size == 0 or tree_hash(0, size, self.perfect(size)) == checkpoint.root

    def append(self, entries: Sequence[bytes], *, notes: Mapping[str, Any]) -> Frontier:
        """Write entries behind those that are there; for whoever is `writing`.

        Raises:
            LogDamaged: what they are to follow is not there.
        """
        frontier = self.grown().frontier
        if entries:
            touched: set[Path] = set()
            leaves = [leaf_hash(one) for one in entries]
            self._bundle(frontier.size, entries, touched)
            self._extend(0, frontier.size, leaves, touched)
            for leaf in leaves:
                frontier.add(leaf)
            for one in sorted(touched, reverse=True):
                files.sync(one)
        said = {"size": frontier.size, "peaks": [one.hex() for one in frontier.peaks]}
        text = json.dumps({**said, "notes": notes})
        self._write(self.folder / "grown", text.encode(), set())
        files.sync(self.folder)
        return frontier

    def publish(self, *, beside: Path | None = None) -> str:
        """Sign how far the log was written and return the note; nothing new is not signed again.

        Args:
            beside: a folder elsewhere that gets every note too, and gets it first: whoever can
                change this log must not be able to change that one.

        Raises:
            LogDamaged: the log has not what its last checkpoint in `beside` says. A folder that was
                lost is begun anew, and nothing is signed that contradicts what others hold.
        """
        frontier, note = self.grown().frontier, self.note()
        if note is None or self._own(note).size != frontier.size:
            text = Checkpoint(self.signer.name, frontier.size, frontier.root).text
            note = self.signer.sign(text)
            place = Path(_numbered(frontier.size, digits=SIZE_DIGITS))
            kept = [self.folder / "checkpoints" / place]
            if beside is not None:
                self.check(beside)
                kept.insert(0, beside / self.signer.name / place)
            for path in kept:
                files.make_folder(path.parent)
                self._write(path, note.encode(), set())
                files.sync(path.parent)
            self._write(self.folder / "checkpoint", note.encode(), set())
            files.sync(self.folder)
        return note

    def bundles(self, size: int) -> Iterator[tuple[list[bytes], bytes]]:
        """Yield the first `size` entries, up to 256 at a time, each with the tile of their hashes.

        Raises:
            LogDamaged: a file is missing or too short.
        """
        for number in range(-(-size // WIDTH)):
            entries = self.bundle(number, size)
            yield entries, self._tile(0, number, len(entries))

    def bundle(self, number: int, size: int) -> list[bytes]:
        """Return a bundle of the first `size` entries; errors as of `bundles`."""
        return self._entries(number, min(WIDTH, size - number * WIDTH))

    def entry(self, index: int, size: int) -> bytes:
        """Return an entry of the first `size`; errors as of `bundles`."""
        return self.bundle(index // WIDTH, size)[index % WIDTH]

    def misfits(self, size: int) -> Iterator[str]:
        """Yield the tiles above the leaves that are not what the tiles below them say.

        Raises:
            LogDamaged: a file is missing or too short.
        """
        level = 0
        while size := size // WIDTH:
            for number in range(-(-size // WIDTH)):
                width = min(WIDTH, size - number * WIDTH)
                below = range(number * WIDTH, number * WIDTH + width)
                found = b"".join(folded(_hashes(self._tile(level, one, WIDTH))) for one in below)
                if found != self._tile(level + 1, number, width):
                    yield f"tile/{level + 1}/{number}"
            level += 1

    def perfect(self, size: int) -> Perfect:
        """Return the hashes of perfect subtrees of the first `size` entries, read from tiles."""

        def hash_of(level: int, index: int) -> bytes:
            floor, height = divmod(level, LEVELS)
            first, count = index << height, 1 << height
            tile = first // WIDTH
            width = min(WIDTH, (size >> (LEVELS * floor)) - tile * WIDTH)
            body = self._tile(floor, tile, width)
            at = first % WIDTH
            return folded(_hashes(body)[at : at + count])

        return hash_of

    def check(self, beside: Path) -> None:
        """Compare with the last checkpoint that was kept beside.

        Raises:
            LogDamaged: the log has not what it says. KeyChanged: another key signed it.
        """
        for path in _kept(beside / self.signer.name)[-1:]:
            if not self.begins_with(self._own(_read(path))):
                raise self._damaged(str(path))

    def _extend(self, level: int, size: int, hashes: list[bytes], touched: set[Path]) -> None:
        """Append hashes of a level; what becomes a full tile is one hash of the level above."""
        above: list[bytes] = []
        first, at = size // WIDTH, size
        while hashes:
            tile, width = divmod(at, WIDTH)
            more, hashes = hashes[: WIDTH - width], hashes[WIDTH - width :]
            body = (self._tile(level, tile, width) if width else b"") + b"".join(more)
            self._put(f"tile/{level}", tile, body, len(body) // HASH_BYTES, touched)
            at += len(more)
            if len(body) == WIDTH * HASH_BYTES:
                above.append(folded(_hashes(body)))
        if above:
            self._extend(level + 1, first, above, touched)

    def _bundle(self, size: int, entries: Sequence[bytes], touched: set[Path]) -> None:
        tile, width = divmod(size, WIDTH)
        body = _framed(self._entries(tile, width)) if width else b""
        at = 0
        while at < len(entries):
            more = entries[at : at + WIDTH - width]
            self._put("tile/entries", tile, body + _framed(more), width + len(more), touched)
            at += len(more)
            tile, width, body = tile + 1, 0, b""

    def _put(self, place: str, tile: int, body: bytes, width: int, touched: set[Path]) -> None:
        """Write a tile; a full one takes the place of those that had only begun."""
        whole = self.folder / place / _numbered(tile)
        begun = whole.with_name(f"{whole.name}.p")
        self._write(whole if width == WIDTH else begun / str(width), body, touched)
        if width == WIDTH and begun.is_dir():
            for one in begun.iterdir():
                one.unlink()
            begun.rmdir()
            touched.discard(begun)

    def _write(self, path: Path, body: bytes, touched: set[Path]) -> None:
        touched.update(one for one in path.parents if one.is_relative_to(self.folder))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write_whole(path, body)

    def _tile(self, level: int, tile: int, width: int) -> bytes:
        body = self._stored(f"tile/{level}", tile, width)
        if len(body) < width * HASH_BYTES:
            raise self._damaged(f"tile/{level}/{tile}")
        return body[: width * HASH_BYTES]

    def _entries(self, tile: int, width: int) -> list[bytes]:
        """Return the first `width` entries of a bundle, which may have grown since."""
        body = self._stored("tile/entries", tile, width)
        found, at = [], 0
        while at + _LENGTH.size <= len(body):
            [length] = _LENGTH.unpack_from(body, at)
            at += _LENGTH.size + length
            found.append(body[at - length : at])
        if at != len(body) or len(found) < width:
            raise self._damaged(f"tile/entries/{tile}")
        return found[:width]

    def _stored(self, place: str, tile: int, width: int) -> bytes:
        """Return a tile of so many hashes or more: what it grew to begins with what it was."""
        whole = self.folder / place / _numbered(tile)
        begun = whole.with_name(f"{whole.name}.p")
        widths = sorted(int(one.name) for one in begun.glob("[0-9]*") if one.name.isdigit())
        for path in (*(begun / str(one) for one in widths if one >= width), whole):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                continue
        raise self._damaged(f"{place}/{tile}")

    def _damaged(self, name: str) -> LogDamaged:
        return LogDamaged("tlog_damaged", folder=self.folder, name=name)


def _framed(entries: Iterable[bytes]) -> bytes:
    return b"".join(_LENGTH.pack(len(one)) + one for one in entries)


def _hashes(body: bytes) -> list[bytes]:
    return [body[at : at + HASH_BYTES] for at in range(0, len(body), HASH_BYTES)]


def _read(path: Path) -> str:
    """Return a note; bytes that are no text are none that a key has signed."""
    return path.read_bytes().decode(errors="replace")


def _kept(root: Path) -> list[Path]:
    """Return the notes in a folder, in the order of their sizes."""
    paths = [one for one in root.rglob("*") if one.name.isdigit() and one.is_file()]
    return sorted(paths, key=lambda one: one.relative_to(root).as_posix())


def _numbered(number: int, *, digits: int = 3) -> str:
    """Return a number as a path, three digits a part: 1234067 is x001/x234/067."""
    text = str(number)
    text = text.zfill(max(digits, -(-len(text) // 3) * 3))
    *front, last = (text[at : at + 3] for at in range(0, len(text), 3))
    return "/".join([*(f"x{one}" for one in front), last])
