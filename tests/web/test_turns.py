"""Requests share turns, wait for nobody in vain, and a turn that fails answers none of them."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from kvit.web import turns
from kvit.web.turns import Asked, Turns


class Work:
    """Echoes bodies; remembers what came together."""

    def __init__(self) -> None:
        self.seen: list[list[bytes]] = []

    def __call__(self, asked: Sequence[Asked]) -> list[bytes | None]:
        self.seen.append([one.body for one in asked])
        if b"fail" in self.seen[-1]:
            raise OSError("the disk is gone")
        time.sleep(0.002)
        return [None if one.body == b"odd" else one.body.upper() for one in asked]


def ask(made: Turns, body: bytes) -> "asyncio.Future[bytes | None]":
    return made.answer(Asked(body, "", {}, "ru"))


def test_who_comes_while_a_turn_lasts_shares_the_next_one() -> None:
    work = Work()

    async def walk() -> None:
        with ThreadPoolExecutor(2) as threads:
            made = Turns(work, threads, at_once=1)
            first = ask(made, b"a")
            await asyncio.sleep(0)
            rest = [ask(made, body) for body in (b"b", b"odd", b"c")]
            assert await asyncio.gather(first, *rest) == [b"A", b"B", None, b"C"]

    asyncio.run(walk())
    assert work.seen == [[b"a"], [b"b", b"odd", b"c"]]


def test_a_turn_that_fails_answers_nobody_and_the_next_one_is_taken() -> None:
    work = Work()

    async def walk() -> None:
        with ThreadPoolExecutor(2) as threads:
            made = Turns(work, threads, at_once=1)
            failed = [ask(made, b"fail"), ask(made, b"beside")]
            assert await asyncio.gather(*failed) == [None, None]
            assert await ask(made, b"again") == b"AGAIN"

    asyncio.run(walk())


def test_a_turn_that_gets_no_thread_answers_nobody_and_leaves_nobody_waiting() -> None:
    work = Work()

    async def walk() -> None:
        with ThreadPoolExecutor(1) as ended:
            pass
        made = Turns(work, ended, at_once=1)
        async with asyncio.timeout(30):
            assert await asyncio.gather(ask(made, b"a"), ask(made, b"b")) == [None, None]
            assert await ask(made, b"c") is None

    asyncio.run(walk())
    assert work.seen == []


def test_who_was_answered_together_is_waited_for_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three come again one after the other: one turn. One of them stays away: the others go on."""
    work = Work()
    monkeypatch.setattr(turns, "LINGER_S", 60)

    async def walk() -> None:
        with ThreadPoolExecutor(2) as threads:
            made = Turns(work, threads, at_once=1)
            await asyncio.gather(*[ask(made, body) for body in (b"a", b"b", b"c")])
            monkeypatch.setattr(turns, "LINGER_S", 0.05)  # for those who come after
            late = [ask(made, b"d")]
            for body in (b"e", b"f"):
                await asyncio.sleep(0.01)
                late.append(ask(made, body))
            async with asyncio.timeout(30):  # as soon as there are as many
                await asyncio.gather(*late)
                await asyncio.gather(ask(made, b"g"), ask(made, b"h"))

    asyncio.run(walk())
    assert work.seen == [[b"a", b"b", b"c"], [b"d", b"e", b"f"], [b"g", b"h"]]


def test_where_half_is_enough_the_other_half_is_waited_for_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four were answered: two that come again go on. Who waits by then counts among them."""
    work = Work()
    monkeypatch.setattr(turns, "LINGER_S", 60)

    async def walk() -> None:
        with ThreadPoolExecutor(2) as threads:
            made = Turns(work, threads, at_once=1, share=2)
            await asyncio.gather(*[ask(made, body) for body in (b"a", b"b", b"c", b"d")])
            first = ask(made, b"e")
            await asyncio.sleep(0.02)
            assert len(work.seen) == 1
            second = ask(made, b"f")
            await asyncio.sleep(0)  # their turn has begun
            late = ask(made, b"g")
            async with asyncio.timeout(30):
                await asyncio.gather(first, second)
                await asyncio.gather(late, ask(made, b"h"))

    asyncio.run(walk())
    assert work.seen == [[b"a", b"b", b"c", b"d"], [b"e", b"f"], [b"g", b"h"]]


def test_many_bytes_are_parted_and_worked_on_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    monkeypatch.setattr(turns, "TOGETHER_BYTES", 100)
    monkeypatch.setattr(turns, "ENOUGH_BYTES", 60)

    async def walk() -> None:
        with ThreadPoolExecutor(2) as threads:
            made = Turns(work, threads, at_once=2)
            bodies = [bytes([65 + n]) * 60 for n in range(4)]
            told = await asyncio.gather(*[ask(made, body) for body in bodies])
            assert told == bodies

    asyncio.run(walk())
    assert sorted(map(len, work.seen)) == [1, 1, 1, 1]
