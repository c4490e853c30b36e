"""SIGKILL at the k-th boundary of a process: before a statement, before and after a commit.

    with Boundaries(at=17) as seen:      dies there, as a worker does whose machine loses power
        act()
    seen.kinds                           what the boundaries were, when it was not killed

Everything goes through psycopg in the end, Django's statements and COPY as well, so it is caught
there. Between two statements a process changes nothing in the database: these are all the places.
What it does to files below a folder is caught in `os`: with a `Disk`, each of these calls is a
boundary too, and what was not flushed by then may be lost with the process.
"""

import hashlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from kvit.web.prove.disk import KILLED, Disk, Loss

STATEMENT, COMMIT, COMMITTED, FLUSHED = "statement", "commit", "committed", "flushed"
FLUSHES, CHANGES = ("fsync", "fdatasync"), ("write", "ftruncate")  # calls of `os` by descriptor
MOVES, NAMES = ("rename", "replace"), ("unlink", "rmdir", "mkdir")  # and by path
STRAYED = 3


@contextmanager
def steady_ids(life: int) -> Iterator[None]:
    """Let this process draw the same ids each time it lives this life; another life, others."""
    from kvit.platform import ids

    told = ids.__dict__
    before = {name: told[name] for name in ("os", "time", "_last_ms", "_counter")}
    told.update(os=_Steady(life), time=_Steady(life), _last_ms=0, _counter=0)
    try:
        yield
    finally:
        told.update(before)


class _Steady:
    """What `ids` asks of `os` and of `time`."""

    def __init__(self, life: int) -> None:
        self._life, self._drawn = life, 0

    def urandom(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_128(f"{self._life}/{self._drawn}".encode()).digest(size)

    def time_ns(self) -> int:
        return (2_000_000_000_000 + self._life) * 1_000_000


@dataclass(slots=True)
class Boundaries(AbstractContextManager["Boundaries"]):
    """Counts the boundaries of this process while it is entered; `at` is the one it dies at.

    `like` are the kinds that another life of it passed: where this one passes another, the two do
    not do the same, and the place says nothing; it ends with the status `STRAYED`.
    """

    at: int | None = None
    like: Sequence[str] = ()
    disk: Disk | None = None
    loss: Loss = KILLED
    at_rest: Callable[[], None] | None = None  # called after each commit
    dying: Callable[[], None] | None = None  # called at the place of death
    kinds: list[str] = field(default_factory=list)
    _undo: list[Callable[[], None]] = field(default_factory=list)

    def __enter__(self) -> "Boundaries":
        for owner, name in (
            (psycopg.Cursor, "execute"),
            (psycopg.Cursor, "executemany"),
            (psycopg.ServerCursor, "execute"),
            (psycopg.ServerCursor, "fetchmany"),
        ):
            self._wrap(owner, name, self._statement)
        self._wrap(psycopg.Cursor, "copy", self._copy)
        self._wrap(psycopg.Connection, "commit", self._commit)
        for name in (*FLUSHES, *CHANGES, *MOVES, *NAMES) if self.disk is not None else ():
            self._wrap_file(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._undo:
            self._undo.pop()()

    def meet(self, kind: str) -> None:
        """Pass a boundary, or die at it."""
        self.kinds.append(kind)
        if self.like and [kind] != [*self.like[len(self.kinds) - 1 : len(self.kinds)]]:
            os._exit(STRAYED)
        if len(self.kinds) == self.at:
            self.die()

    def die(self) -> None:
        """Die here, and lose what the disk loses."""
        self.__exit__(None, None, None)
        if self.dying is not None:
            self.dying()
        if self.disk is not None:
            self.disk.cut(self.loss)
        os.kill(os.getpid(), signal.SIGKILL)

    def _wrap(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        before = owner.__dict__.get(name)
        inner = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return around(inner, *args, **kwargs)

        setattr(owner, name, wrapped)
        if before is None:
            self._undo.append(lambda: delattr(owner, name))
        else:
            self._undo.append(lambda: setattr(owner, name, before))

    def _wrap_file(self, name: str) -> None:
        inner, disk = getattr(os, name), self.disk
        assert disk is not None

        def wrapped(target: Any, *args: Any, **kwargs: Any) -> Any:
            opened = name in FLUSHES or name in CHANGES
            path = Path(os.readlink(f"/proc/self/fd/{target}") if opened else target)
            if not disk.holds(path):
                return inner(target, *args, **kwargs)
            self.meet(name)
            answer = inner(target, *args, **kwargs)
            if name in FLUSHES:
                disk.flushed(path)
                self.meet(FLUSHED)  # safe, and nobody was told
            elif name in MOVES:
                disk.moved(path, Path(args[0]))
            elif name == "mkdir":
                disk.made(path)
            elif name in NAMES:
                disk.gone(path)
            return answer

        setattr(os, name, wrapped)
        self._undo.append(lambda: setattr(os, name, inner))

    def _statement(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.meet(STATEMENT)
        return inner(*args, **kwargs)

    @contextmanager
    def _copy(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        self.meet(STATEMENT)
        with inner(*args, **kwargs) as copy:
            yield copy
            self.meet(STATEMENT)  # all rows are sent, and nothing ends the statement

    def _commit(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.meet(COMMIT)
        answer = inner(*args, **kwargs)
        self.meet(COMMITTED)  # done, and nobody was told
        if self.at_rest is not None:
            self.at_rest()
        return answer
