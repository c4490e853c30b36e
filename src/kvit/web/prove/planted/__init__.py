"""Bugs of the kinds that billing systems ship, planted in the running proof and nowhere else.

    @mutant("float rounding", origin="Lago #3174 …", caught_by="rounding")
    def float_rounding() -> Planting:
        return swapped(money.round_fraction, lambda …)

A planting changes names of loaded modules inside a `with` block, in the proof's own process and its
forked children. No line of Kvit knows of it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

Planting = AbstractContextManager[Any]


@dataclass(frozen=True, slots=True)
class Mutant:
    """`caught_by` is a proof, with the race or the flow of it that is tried."""

    name: str
    origin: str
    caught_by: str
    plant: Callable[[], Planting]


MUTANTS: dict[str, Mutant] = {}


def mutant(
    name: str, *, origin: str, caught_by: str
) -> Callable[[Callable[[], Planting]], Callable[[], Planting]]:
    """Enter a mutant under its name."""

    def enter(plant: Callable[[], Planting]) -> Callable[[], Planting]:
        MUTANTS[name] = Mutant(name, origin, caught_by, plant)
        return plant

    return enter


@contextmanager
def swapped(original: object, replacement: object) -> Iterator[None]:
    """Put a function in the place of another one, wherever a module of Kvit has its name."""
    places = [
        (module, name)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("kvit.")
        for name, value in list(vars(module).items())
        if value is original
    ]
    for module, name in places:
        setattr(module, name, replacement)
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, original)


@contextmanager
def method(owner: type, name: str, replacement: object) -> Iterator[None]:
    """Put a method in the place of a class's own."""
    before = owner.__dict__[name]
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put a value in the place of a module's own."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
