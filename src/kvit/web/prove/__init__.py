"""Proofs: each a module with `prove(seed=…, size=…) -> Outcome`, seeded and replayable.

They look for one thing each that must never happen, and are themselves tried by planted bugs
(`mutants`): a proof that catches nothing is not a proof.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from kvit.web.prove.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Proof:
    """A line of `kvit prove --help`; its module is named after it."""

    name: str
    size: int  # by default, in `unit`
    unit: tuple[str, str]  # Russian, English
    russian: str
    english: str
    database: bool = False  # whether it needs a PostgreSQL of its own


PROOFS = (
    Proof("dates", 4_000_000, ("границ периодов", "period boundaries"),
          "периоды стыкуются во всех зонах", "periods tile in all zones"),
    Proof("rounding", 1_000_000, ("расчётов", "computations"),
          "части складываются в целое", "parts add up to the whole"),
)  # fmt: skip


def named(name: str) -> Proof:
    """Return the proof of that name."""
    return next(one for one in PROOFS if one.name == name)


def prove(proof: Proof, *, seed: int, size: int) -> Outcome:
    """Run a proof; those with a database run on the one that `prove.ground` has made."""
    module = import_module(f"kvit.web.prove.{proof.name}")
    return cast(Callable[..., Outcome], module.prove)(seed=seed, size=size)
