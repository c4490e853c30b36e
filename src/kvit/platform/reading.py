"""A page reads in one transaction, and asks for the same thing once.

    with reading():                 # around a view that changes nothing
        ...

    @asked_once
    def sellers() -> dict[str, Seller]: ...

Without it every statement would be a transaction of its own, which hears its tenant anew: four
round trips for one. What `asked_once` keeps ends with the reading; outside of one nothing is kept.
Answers are shared by all who ask within a reading: they are looked at and never changed. It is for
what does not depend on who looks (their branches, masks) and what a dry run does not touch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction

from kvit.platform.db.base import current_tenant

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
_answers: ContextVar[dict[Any, Any] | None] = ContextVar("answers", default=None)


@contextmanager
def reading() -> Iterator[None]:
    """Read inside one transaction, remembering what `asked_once` was asked."""
    token = _answers.set({})
    try:
        with transaction.atomic():
            yield
    finally:
        _answers.reset(token)


def asked_once(ask: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Let a query answer from memory when it is asked again in one reading for the same tenant."""

    @wraps(ask)
    def answer(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        known = _answers.get()
        if known is None:
            return ask(*args, **kwargs)
        key = (current_tenant.get(), answer, args, *sorted(kwargs.items()))
        if key not in known:
            known[key] = ask(*args, **kwargs)
        found: Answer = known[key]
        return found

    return answer


def remember(ask: Callable[[], Answer], found: Answer) -> None:
    """Let a reading know already what `ask`, which is asked once, would find."""
    known = _answers.get()
    if known is not None:
        known[current_tenant.get(), ask, ()] = found
