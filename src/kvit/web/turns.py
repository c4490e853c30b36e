"""Requests that come while others are worked on share the next turn: one flush, one transaction.

    turns = Turns(work, threads, at_once=1)
    answer = await turns.answer(asked)         # on the event loop; `work` is called in a thread

Nobody waits for others who come alone. Those who were answered together may come again together:
for so many, or a share of them, the next turn waits, a little.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

TOGETHER_BYTES = 512 * 2**10  # of bodies that share a turn, if there are several
ENOUGH_BYTES = 96 * 2**10  # for which one more turn begins before the last has ended
LINGER_S = 0.003  # at most, until those who were answered together have come again

_log = logging.getLogger("kvit.lane")


class Asked(NamedTuple):
    """What a request brings."""

    body: bytes
    encoding: str
    query: Mapping[str, str]
    language: str


_Waiting = tuple[Asked, "asyncio.Future[bytes | None]"]
Work = Callable[[Sequence[Asked]], list[bytes | None]]
"""Answers requests; None is for one that is to be answered elsewhere, as are all if it raises."""


class Turns:
    """The requests of one caller that can share work; `at_once`: turns beside each other.

    `share`: a turn waits for one in so many of those who may come. All of them are fewest turns;
    where a turn leaves the processor to others, as a flush does, half of them are read meanwhile.

    A turn goes by callbacks: a task of its own, woken for each of its steps, would cost as much
    as a few of its requests.
    """

    def __init__(
        self, work: Work, threads: ThreadPoolExecutor, *, at_once: int, share: int = 1
    ) -> None:
        self._work, self._threads = work, threads
        self._at_once, self._share = at_once, share
        self._waiting: list[_Waiting] = []
        self._working = 0
        self._gathering: asyncio.TimerHandle | None = None  # of the turn that waits for `_enough`
        self._enough = 0

    def answer(self, asked: Asked) -> "asyncio.Future[bytes | None]":
        """Return what will be the answer of the turn that a request gets."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes | None] = loop.create_future()
        self._waiting.append((asked, answer))
        if self._gathering is not None and len(self._waiting) >= self._enough:
            self._go_on(loop)
        if not self._working or self._is_worth_another():
            self._working += 1
            loop.call_soon(self._take_turn, loop)
        return answer

    def _is_worth_another(self) -> bool:
        """Whether so much waits that a further turn begins beside those under way."""
        return self._working < self._at_once and _bytes_of(self._waiting) >= ENOUGH_BYTES

    def _take_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have a thread work on what waits, as much as has come; where nothing has, end."""
        mine = self._next()
        if not mine:
            self._working -= 1
            return
        told: Future[list[bytes | None]] = Future()
        try:
            told = self._threads.submit(self._work, [asked for asked, _ in mine])
        except RuntimeError as error:  # the system has no more threads, or the process ends
            told.set_exception(error)
        told.add_done_callback(
            lambda told: loop.call_soon_threadsafe(self._answer, loop, mine, told)
        )

    def _answer(
        self,
        loop: asyncio.AbstractEventLoop,
        mine: Sequence[_Waiting],
        told: "Future[list[bytes | None]]",
    ) -> None:
        if error := told.exception():
            _log.warning("%s requests are tried one by one: %s", len(mine), error)
        answers = [None] * len(mine) if error else told.result()
        for (_, future), answer in zip(mine, answers, strict=True):
            if not future.done():  # its caller may have gone
                future.set_result(answer)
        # As many as were answered together may come again, beside those who wait already.
        enough = -(-(len(mine) + len(self._waiting)) // self._share)
        may_gather = len(mine) > 1 and self._gathering is None and _bytes_of(mine) < ENOUGH_BYTES
        if may_gather and len(self._waiting) < enough:
            self._enough = enough
            self._gathering = loop.call_later(LINGER_S, self._go_on, loop)
        else:
            self._take_turn(loop)

    def _next(self) -> list[_Waiting]:
        """Return the requests of the next turn."""
        waiting, size = self._waiting, 0
        for count, (asked, _) in enumerate(waiting):
            size += len(asked.body)
            if count and size > TOGETHER_BYTES:
                self._waiting = waiting[count:]
                return waiting[:count]
        self._waiting = []
        return waiting

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait no longer: those who have come by now share the next turn."""
        assert self._gathering is not None
        self._gathering.cancel()
        self._gathering = None
        loop.call_soon(self._take_turn, loop)


def _bytes_of(waiting: Sequence[_Waiting]) -> int:
    return sum(len(asked.body) for asked, _ in waiting)
