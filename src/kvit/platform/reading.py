"""A page reads in one transaction, and asks for the same thing once.

    with reading():                 # around a view that changes nothing
        ...

    @asked_once
    def sellers() -> dict[str, Seller]: ...

Without it every statement would be a transaction of its own, which hears its tenant anew: four
round trips for one. What `asked_once` keeps ends with the reading; outside of one, and in a dry run
within one, nothing is kept, but for what no dry run changes (`steady`). Answers are shared by all
who ask within a reading: they are looked at and never changed. It is for what does not depend on
who looks (their branches, masks).

    with steadily():                # around a service that changes nothing of what is `steady`
        ...

There what is `steady` is asked once as well, and nothing else: a service reads what it writes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import connection, transaction

from kvit.platform.db.base import current_tenant

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Reading:
    depth: int  # of savepoints: a dry run is deeper
    answers: dict[Any, Any] = field(default_factory=dict)


_NEVER = -1  # of savepoints: what is asked there is no plain reading at any depth
_reading: ContextVar[_Reading | None] = ContextVar("reading", default=None)


@contextmanager
def reading() -> Iterator[None]:
    """Read inside one transaction, remembering what `asked_once` was asked; within another one, as
    a part of it."""
    if is_plain():
        yield
        return
    with transaction.atomic():
        token = _reading.set(_Reading(len(connection.savepoint_ids)))
        try:
            yield
        finally:
            _reading.reset(token)


@contextmanager
def steadily() -> Iterator[None]:
    """Inside the caller's transaction, remember what is `steady`, as the reading around it does."""
    if _reading.get() is not None:
        yield
        return
    token = _reading.set(_Reading(_NEVER))
    try:
        yield
    finally:
        _reading.reset(token)


def is_plain() -> bool:
    """Whether what is read now is what stands: inside a reading, and in no dry run within it."""
    now = _reading.get()
    return now is not None and len(connection.savepoint_ids) == now.depth


def asked_once(ask: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Let a query answer from memory when it is asked again in one reading for the same tenant."""
    return _once(ask, is_steady=False)


def steady(ask: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The same of what no dry run changes: it answers from memory within one too."""
    return _once(ask, is_steady=True)


def _once(ask: Callable[Given, Answer], *, is_steady: bool) -> Callable[Given, Answer]:
    @wraps(ask)
    def answer(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        now = _reading.get()
        if now is None or not (is_steady or is_plain()):
            return ask(*args, **kwargs)
        key = (current_tenant.get(), answer, args, *sorted(kwargs.items()))
        if key not in now.answers:
            now.answers[key] = ask(*args, **kwargs)
        found: Answer = now.answers[key]
        return found

    return answer


def remember(ask: Callable[[], Answer], found: Answer) -> None:
    """Let a reading know already what `ask`, which is asked once, would find."""
    now = _reading.get()
    if now is not None:
        now.answers[current_tenant.get(), ask, ()] = found
