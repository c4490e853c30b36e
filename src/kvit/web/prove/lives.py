"""Workers that are killed while they are at work, each of them, and counted.

A worker tells by a pipe when it begins something and when it has ended it. It is killed within the
time that such work takes, from its beginning on; one that was quicker is spared until it begins the
next. What a killed one told last is read from its pipe after its death: so it is known of every
kill whether it met work in progress, and those that did not are not counted among the wanted.
"""

import os
import random
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from kvit.web.prove.ground import close
from kvit.web.prove.outcome import Part

LATEST = 1.2  # of what such work takes: so far into it a worker is killed
FIRST_S = 0.02  # what it takes, as long as none was seen
PAUSE_S = 0.05  # before one that found nothing to do is followed by another
BEGUN, ENDED = b"b", b"e"
_pipe: list[int] = []  # of a worker: where it tells what it is at


@dataclass(slots=True)
class _Life:
    """A worker: since when it is at something, and when it is to die."""

    pid: int
    began_at: float | None = None
    dies_at: float | None = None


@dataclass(slots=True)
class Lives:
    """The workers that live, by the reading ends of their pipes.

    Args:
        kills: wanted, each of one that is at work.
        over: so many beginnings they are spread; none is spared where it is nought.
        at_once: workers.
    """

    chance: random.Random
    part: Part
    kills: int
    over: int = 0
    at_once: int = 6
    met: int = 0  # kills of workers at work
    begun: int = 0
    _alive: dict[int, _Life] = field(default_factory=dict)
    _took: list[float] = field(default_factory=list)
    _guessed_s: float = FIRST_S
    _next_at: float = 0.0  # that a worker is started

    def kill(self, is_done: Callable[[], bool]) -> None:
        """Kill as many as are wanted, and let the others end by themselves. Fewer are a violation:
        the work was done before."""
        try:
            while self.met < self.kills:
                while len(self._alive) < self.at_once and time.monotonic() >= self._next_at:
                    self._start()
                if self._hear():
                    self._next_at = time.monotonic() + PAUSE_S
                    if is_done():
                        break
                for told in self._due()[: self.kills - self.met]:
                    self._kill(told)
        except BaseException:
            for one in self._alive.values():
                os.kill(one.pid, signal.SIGKILL)
            raise
        finally:
            for told in list(self._alive):
                self._bury(told)
        if self.met < self.kills:
            self.part.violations.append(
                f"all was done when {self.met} of {self.kills} workers were killed"
            )

    def _due(self) -> list[int]:
        """Return whose moment has come."""
        now = time.monotonic()
        return [
            told
            for told, one in self._alive.items()
            if one.dies_at is not None and one.dies_at <= now
        ]

    def _start(self) -> None:
        """Start a worker like `kvit run worker --once`."""
        close()
        told, telling = os.pipe()
        pid = os.fork()
        if pid == 0:
            _pipe.append(telling)
            work()
        os.close(telling)
        self._alive[told] = _Life(pid)

    def _hear(self) -> bool:
        """Listen until somebody is to die or to be started; return whether one ended by itself."""
        moments = [one.dies_at for one in self._alive.values() if one.dies_at is not None]
        if len(self._alive) < self.at_once:
            moments.append(self._next_at)
        patience = max(0.0, min(moments) - time.monotonic()) if moments else None
        ended = False
        for told in select.select(list(self._alive), [], [], patience)[0]:
            words = os.read(told, 100)
            self._note(self._alive[told], words)
            if not words:
                self._bury(told)
                ended = True
        return ended

    def _note(self, life: _Life, words: bytes) -> None:
        now = time.monotonic()
        for word in (words[at : at + 1] for at in range(len(words))):
            if word == BEGUN:
                self.begun += 1
                life.began_at = now
                if self.met * self.over <= self.begun * self.kills or not self.over:
                    life.dies_at = now + self.chance.uniform(0, LATEST) * self._takes_s()
            elif life.began_at is not None:
                self._took.append(now - life.began_at)
                life.began_at = life.dies_at = None

    def _takes_s(self) -> float:
        """How long such work takes: what was seen, or a guess that grows while none was ended."""
        return median(self._took) if self._took else self._guessed_s

    def _kill(self, told: int) -> None:
        life = self._alive[told]
        os.kill(life.pid, signal.SIGKILL)
        os.waitpid(life.pid, 0)
        self._note(life, os.read(told, 100))  # what it told before it died
        if life.began_at is None:
            self.part.figures["killed after their work"] += 1
        else:
            self.met += 1
            self._guessed_s = max(self._guessed_s, 2 * (time.monotonic() - life.began_at))
        os.close(told)
        del self._alive[told]

    def _bury(self, told: int) -> None:
        os.waitpid(self._alive[told].pid, 0)
        os.close(told)
        del self._alive[told]


def work() -> None:
    """Work in a child that does not come back."""
    status = 1
    try:
        from kvit.platform import jobs

        jobs.work_once()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def tell(what: bytes) -> None:
    """Tell whoever may kill this process; one that works in peace tells nobody."""
    if _pipe:
        os.write(_pipe[0], what)


def in_peace(workers: int) -> None:
    """Let workers do what is left, as long as there is anything."""
    close()
    pids = []
    for _ in range(workers):
        pid = os.fork()
        if pid == 0:
            _pipe.clear()
            work()
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    from kvit.platform import jobs

    jobs.work_once()  # what the last of them left
