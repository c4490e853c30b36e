"""SIGKILL at the k-th boundary of a process: before a statement, before and after a commit.

    with Boundaries(at=17) as seen:      dies there, as a worker does whose machine loses power
        act()
    seen.kinds                           what the boundaries were, when it was not killed

Everything goes through psycopg in the end, Django's statements and COPY as well, so it is caught
there. Between two statements a process changes nothing in the database: these are all the places.
"""

import hashlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import psycopg

STATEMENT, COMMIT, COMMITTED = "statement", "commit", "committed"
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
        return answer
