"""Requests that come while others are worked on share the next turn: one flush, one transaction.

    turns = Turns(work, threads, at_once=1)
    answer = await turns.answer(asked)         # on the event loop; `work` is called in a thread

Nobody waits for others who come alone. Those who were answered together may come again together:
for so many the next turn waits, a little.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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


class _Waiting(NamedTuple):
    asked: Asked
    answer: "asyncio.Future[bytes | None]"


Work = Callable[[Sequence[Asked]], list[bytes | None]]
"""Answers requests; None is for one that is to be answered elsewhere, as are all if it raises."""


class Turns:
    """The requests of one caller that can share work; `at_once`: turns beside each other."""

    def __init__(self, work: Work, threads: ThreadPoolExecutor, *, at_once: int) -> None:
        self._work, self._threads, self._at_once = work, threads, at_once
        self._waiting: list[_Waiting] = []
        self._working = 0
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them weakly
        self._gathered: asyncio.Future[None] | None = None  # done when enough wait
        self._enough = 0

    async def answer(self, asked: Asked) -> bytes | None:
        """Return the answer of the turn that a request got."""
        loop = asyncio.get_running_loop()
        one = _Waiting(asked, loop.create_future())
        self._waiting.append(one)
        if self._gathered is not None and len(self._waiting) >= self._enough:
            self._go_on()
        if not self._working or self._is_worth_another():
            self._working += 1
            task = loop.create_task(self._take_turns())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await one.answer

    def _is_worth_another(self) -> bool:
        """Whether so much waits that a further turn begins beside those under way."""
        return self._working < self._at_once and _bytes_of(self._waiting) >= ENOUGH_BYTES

    async def _take_turns(self) -> None:
        """Work on what waits, as much at a time as has come, until nothing does."""
        loop = asyncio.get_running_loop()
        while mine := self._next():
            told = loop.run_in_executor(self._threads, self._work, [one.asked for one in mine])
            await asyncio.wait([told])
            if error := told.exception():
                _log.warning("%s requests are tried one by one: %s", len(mine), error)
            answers = [None] * len(mine) if error else told.result()
            for one, answer in zip(mine, answers, strict=True):
                if not one.answer.done():  # its caller may have gone
                    one.answer.set_result(answer)
            if len(mine) > 1 and _bytes_of(mine) < ENOUGH_BYTES:
                await self._gather(len(mine))
        self._working -= 1

    def _next(self) -> list[_Waiting]:
        """Return the requests of the next turn."""
        waiting, size = self._waiting, 0
        for count, one in enumerate(waiting):
            size += len(one.asked.body)
            if count and size > TOGETHER_BYTES:
                self._waiting = waiting[count:]
                return waiting[:count]
        self._waiting = []
        return waiting

    async def _gather(self, number: int) -> None:
        """Wait a little for as many as were answered together, beside those who wait already."""
        if self._gathered is not None:  # another turn is at it
            return
        loop = asyncio.get_running_loop()
        self._gathered, self._enough = loop.create_future(), number + len(self._waiting)
        timer = loop.call_later(LINGER_S, self._go_on)
        await self._gathered
        timer.cancel()

    def _go_on(self) -> None:
        if self._gathered is not None:
            self._gathered.set_result(None)
            self._gathered = None


def _bytes_of(waiting: Sequence[_Waiting]) -> int:
    return sum(len(one.asked.body) for one in waiting)
