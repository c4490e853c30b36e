"""Named races: what eight hands do at one moment, and what must be true afterwards.

    @race("double_issue", template="drafts")
    def double_issue(place: int) -> Round:
        ...
        return Round([call] * HANDS, lambda answers: …)

A round is prepared alone, its calls are let go together by a barrier, each in a thread and a
connection of its own, and its check is asked alone again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

HANDS = 8
Call = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Round:
    """The calls of one round, and its check: what is wrong, by their answers and the database.

    An answer is what the call returned, or the exception that it raised.
    """

    calls: Sequence[Call]
    check: Callable[[Sequence[Any]], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Race:
    name: str
    template: str  # of the company: one, in_turn, drafts, issued
    begin: Callable[[int], Round]
    weight: int = 1  # so many times fewer rounds, where all races are run


RACES: dict[str, Race] = {}


def race(
    name: str, *, template: str, weight: int = 1
) -> Callable[[Callable[[int], Round]], Callable[[int], Round]]:
    """Enter a race under its name; with a `weight` if a round of it costs several of the others',
    or tries together what two others try apart."""

    def enter(begin: Callable[[int], Round]) -> Callable[[int], Round]:
        RACES[name] = Race(name, template, begin, weight)
        return begin

    return enter


def said(answer: Any) -> str:
    """Say in a word how a call ended: "done", the code of a refusal, or the exception."""
    if not isinstance(answer, Exception):
        return "done"
    code = getattr(answer, "code", None)
    return code if isinstance(code, str) else f"{type(answer).__name__}: {answer}"[:200]


def told(answers: Sequence[Any], **wanted: int) -> Iterable[str]:
    """Complain unless the calls ended so many times in these ways, and in no other."""
    found: dict[str, int] = {}
    for answer in answers:
        found[said(answer)] = found.get(said(answer), 0) + 1
    if found != {code: count for code, count in wanted.items() if count}:
        yield f"ended as {found}, not {wanted}"


def among(answers: Sequence[Any], *codes: str) -> Iterable[str]:
    """Complain of every call that ended in none of these ways."""
    return [f"ended as {said(one)}" for one in answers if said(one) not in codes]


def same(what: str, found: object, wanted: object) -> Iterable[str]:
    """Complain where a figure is not the wanted one."""
    return [] if found == wanted else [f"{what} is {found}, not {wanted}"]
