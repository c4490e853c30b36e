"""Proofs: each a module with `prove(seed=…, size=…) -> Outcome`, seeded and replayable.

They look for one thing each that must never happen, and are themselves tried by planted bugs
(`mutants`): a proof that catches nothing is not a proof.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from kvit.web.prove.outcome import Outcome

if TYPE_CHECKING:
    from kvit.web.prove.ground import Ground


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
    Proof("simulate", 500_000, ("месяцев подписки", "billing-months"),
          "что бы ни ломалось, итог один", "whatever fails, the sums are the same"),
    Proof("race", 50, ("раундов каждой гонки", "rounds of each race"),
          "что случилось одновременно, случилось один раз",
          "what happens at one moment happens once", database=True),
    Proof("crash", 7, ("процессов", "flows"),
          "убитое в любом месте заканчивается так же",
          "killed anywhere, it ends the same", database=True),
    Proof("kill", 200, ("убитых исполнителей", "workers killed"),
          "исполнителей и PostgreSQL убивают, подтверждённое остаётся",
          "workers and PostgreSQL are killed, what was acknowledged stays", database=True),
    Proof("roles", 6, ("завершённых процессов", "processes ended"),
          "любую роль останавливают и убивают, остальные идут дальше, итог один",
          "any role is stopped or killed, the others go on, the sums are the same", database=True),
    Proof("failover", 3, ("потерянных серверов", "servers lost"),
          "сервер потерян, подтверждённое есть на резервном",
          "a server is lost, what was acknowledged stands on its standby", database=True),
    Proof("tamper", 200, ("подменённых проводок", "postings tampered with"),
          "что изменит владелец базы, названо поимённо",
          "what the owner of the database changes is pointed at", database=True),
    Proof("upgrade", 600, ("плательщиков", "payers"),
          "прежняя версия работает рядом с этой, итог один",
          "the former version works beside this one, the sums are the same", database=True),
    Proof("mutants", 39, ("подсаженных ошибок", "planted bugs"),
          "доказательства ловят подсаженные ошибки", "the proofs catch planted bugs",
          database=True),
)  # fmt: skip


def named(name: str) -> Proof:
    """Return the proof of that name."""
    return next(one for one in PROOFS if one.name == name)


def prove(
    proof: Proof,
    *,
    seed: int,
    size: int,
    ground: "Ground | None" = None,
    more: Mapping[str, object] = MappingProxyType({}),
) -> Outcome:
    """Run a proof; one with a database on the ground that is given, or on one made for it."""
    if not proof.database:
        return _run(proof, seed=seed, size=size)
    if ground is not None:
        return _run(proof, seed=seed, size=size, ground=ground, **more)
    from kvit.web.prove.ground import opened

    # Before the proof's module: models may be imported once Django is set up.
    with opened() as made:
        return _run(proof, seed=seed, size=size, ground=made, **more)


def _run(proof: Proof, **given: object) -> Outcome:
    module = import_module(f"kvit.web.prove.{proof.name}")
    return cast(Callable[..., Outcome], module.prove)(**given)
