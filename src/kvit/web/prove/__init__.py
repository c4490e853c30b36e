"""Proofs: each a module with `prove(seed=…, size=…) -> Outcome`, seeded and replayable.

They look for one thing each that must never happen, and are themselves tried by planted bugs
(`mutants`): a proof that catches nothing is not a proof.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Literal, cast

from kvit.web.prove.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Proof:
    """A line of `kvit prove --help`; its module is named after it."""

    name: str
    size: int  # by default, in `unit`
    unit: tuple[str, str]  # Russian, English
    russian: str
    english: str
    # Nothing; a server to make databases on; Django alone, because it starts servers of its own.
    needs: Literal["nothing", "ground", "django"] = "nothing"


PROOFS = (
    Proof("dates", 4_000_000, ("границ периодов", "period boundaries"),
          "периоды стыкуются во всех зонах", "periods tile in all zones"),
    Proof("rounding", 1_000_000, ("расчётов", "computations"),
          "части складываются в целое", "parts add up to the whole"),
    Proof("simulate", 500_000, ("месяцев подписки", "billing-months"),
          "что бы ни ломалось, итог один", "whatever fails, the sums are the same"),
    Proof("race", 50, ("раундов каждой гонки", "rounds of each race"),
          "что случилось одновременно, случилось один раз",
          "what happens at one moment happens once", needs="ground"),
    Proof("crash", 7, ("процессов", "flows"),
          "убитое в любом месте заканчивается так же",
          "killed anywhere, it ends the same", needs="ground"),
    Proof("kill", 200, ("убитых исполнителей", "workers killed"),
          "исполнителей и PostgreSQL убивают, подтверждённое остаётся",
          "workers and PostgreSQL are killed, what was acknowledged stays", needs="ground"),
    Proof("roles", 6, ("завершённых процессов", "processes ended"),
          "любую роль останавливают и убивают, остальные идут дальше, итог один",
          "any role is stopped or killed, the others go on, the sums are the same", needs="django"),
    Proof("failover", 3, ("потерянных серверов", "servers lost"),
          "сервер потерян, подтверждённое есть на резервном",
          "a server is lost, what was acknowledged stands on its standby", needs="django"),
    Proof("tamper", 200, ("подменённых проводок", "postings tampered with"),
          "что изменит владелец базы, названо поимённо",
          "what the owner of the database changes is pointed at", needs="ground"),
    Proof("upgrade", 600, ("плательщиков", "payers"),
          "прежняя версия работает рядом с этой, итог один",
          "the former version works beside this one, the sums are the same", needs="ground"),
    Proof("mutants", 39, ("подсаженных ошибок", "planted bugs"),
          "доказательства ловят подсаженные ошибки", "the proofs catch planted bugs",
          needs="ground"),
)  # fmt: skip


def named(name: str) -> Proof:
    """Return the proof of that name."""
    return next(one for one in PROOFS if one.name == name)


def prove(
    proof: Proof, *, seed: int, size: int, more: Mapping[str, object] = MappingProxyType({})
) -> Outcome:
    """Run a proof, on what it needs."""
    if proof.needs == "nothing":
        return _run(proof, seed=seed, size=size)
    from kvit.web.prove.ground import opened, without_server

    # Before the proof's module: models may be imported once Django is set up.
    if proof.needs == "django":
        with without_server():
            return _run(proof, seed=seed, size=size)
    with opened() as ground:
        return _run(proof, seed=seed, size=size, ground=ground, **more)


def _run(proof: Proof, **given: object) -> Outcome:
    module = import_module(f"kvit.web.prove.{proof.name}")
    return cast(Callable[..., Outcome], module.prove)(**given)
