"""Stored bytes, known by their SHA-256: a reprint is the same file.

A file is never overwritten: equal bytes have the same name. It is written beside its place,
flushed to the disk and renamed, so that no half of a file is ever found under its hash.

A file lies here before the row that names it is committed. One whose row never came is dropped by
`drop_unnamed` after a time: to put the same bytes again makes their file young.
"""

import hashlib
import os
import re
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from kvit.platform.failures import Failure

WORDS = {
    "file_missing": (
        "Файла {digest} нет в хранилище {folder}.",
        "The file {digest} is not in the store {folder}.",
    ),
    "file_damaged": (
        "Файл {digest} в хранилище {folder} повреждён: его содержимое не совпадает с хешем.",
        "The file {digest} in the store {folder} is damaged: its content does not match its hash.",
    ),
}
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class FileUnusable(Failure):
    """The store does not have the file, or not as it was put."""

    words = WORDS


class ForeignStore(Exception):
    """So many files have no row that the rows are hardly those of this store."""


class NoStore(Exception):
    """This process was not told where its files lie."""


_folder: list[Path] = []
_made: set[Path] = set()  # folders whose names are on the disk


def use(folder: Path) -> None:
    """Remember the store of this process; called once, at its start."""
    _folder[:] = [folder]


def put(content: bytes) -> str:
    """Store the bytes and return their SHA-256 in hexadecimal; on return they are on the disk."""
    digest = hashlib.sha256(content).hexdigest()
    path = path_of(digest)
    make_folder(path.parent)
    if _is_kept(path, digest):
        sync(path.parent)  # whoever put it may have died before its name was safe
        return digest
    write_whole(path, content)
    sync(path.parent)
    return digest


def get(digest: str) -> bytes:
    """Return the bytes of a hash, after comparing them with it.

    Raises:
        FileUnusable: there is no such file, or its bytes have changed.
    """
    try:
        content = path_of(digest).read_bytes()
    except FileNotFoundError:
        raise FileUnusable("file_missing", digest=digest, folder=folder()) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise FileUnusable("file_damaged", digest=digest, folder=folder())
    return content


def check(digest: str) -> None:
    """Compare the bytes of a hash with it.

    Raises:
        FileUnusable: there is no such file, or its bytes have changed.
    """
    try:
        with path_of(digest).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise FileUnusable("file_missing", digest=digest, folder=folder()) from None
    if found != digest:
        raise FileUnusable("file_damaged", digest=digest, folder=folder())


def drop_unnamed(named: Collection[str], *, before: datetime) -> int:
    """Drop files that nothing names and nobody has put since a moment; return how many.

    Args:
        named: the hashes that any row names, of whatever tenant.
        before: so long ago that whoever put a file then has committed its row, or never will.

    Raises:
        ForeignStore: there are more of them than are named; none is dropped.
    """
    found = [path for path in folder().glob("??/*") if path.name not in named]
    if len(found) > len(named):
        raise ForeignStore(f"{len(found)} files of {folder()} have no row, {len(named)} have one")
    return sum(_drop(path, before) for path in found)


def path_of(digest: str) -> Path:
    """Return where a file of this hash lies, or would lie."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"not a SHA-256 in hexadecimal: {digest!r}")
    return folder() / digest[:2] / digest


def folder() -> Path:
    """Return the store of this process.

    Raises:
        NoStore: it was not told.
    """
    if not _folder:
        raise NoStore("kvit.platform.files.use() was not called")
    return _folder[0]


def _is_kept(path: Path, digest: str) -> bool:
    """Whether the file is there and whole; if so, it is young from now on."""
    try:
        is_whole = hashlib.sha256(path.read_bytes()).hexdigest() == digest
        if is_whole:
            os.utime(path)
    except FileNotFoundError:  # at any moment it may be dropped
        return False
    return is_whole


def _drop(path: Path, before: datetime) -> bool:
    aside = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        if path.stat().st_mtime >= before.timestamp():
            return False
        path.rename(aside)
    except FileNotFoundError:  # a part that has got its name
        return False
    # Out of reach now. Whoever put it in the meantime has made it young, and gets it back.
    if aside.stat().st_mtime >= before.timestamp():
        aside.rename(path)
        return False
    aside.unlink()
    return True


def make_folder(folder: Path) -> None:
    """Make a folder of the data folder, and those above it; their names are on the disk then.

    A process sees to each of them once: one that stands may be of somebody who died before that.
    """
    root = _folder[0].parent
    if folder in _made and folder.is_dir():
        return
    if root in folder.parent.parents:
        make_folder(folder.parent)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync(folder.parent)
    _made.add(folder)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it, and let it take the place of whatever stands there:
    nobody finds a half. That its folder names it is on the disk after `sync` of that."""
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)  # a disk that is full would fill with what is tried again


def sync(folder: Path) -> None:
    """See to it that what a folder names is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
