"""R6: what happens at one moment happens once. The races are named in `races`.

Each has a copy of the company for itself. A round's calls are let go by a barrier, in eight threads
with a connection each; then its check is asked, and after the last round every invariant. In every
second round each hand waits for as long as the seed has drawn for it, a few milliseconds at most,
so that the calls meet at other places than their first statements. Threads have no replay beyond.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from importlib import import_module
from math import ceil
from threading import Barrier
from typing import Any

from kvit.web.prove.ground import Ground
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered, spread
from kvit.web.prove.races import HANDS, RACES, Call, Race

MODULES = ("usage", "runs", "papers", "keys")  # what takes longest first
PATIENCE_S = 60
LONGEST_S = 0.008  # that a hand waits


@dataclass(frozen=True, slots=True)
class _Job:
    ground: Ground
    name: str
    database: str
    rounds: int
    seed: int


def prove(*, seed: int, size: int, ground: Ground, only: Sequence[str] = ()) -> Outcome:
    """Run `size` rounds of each race; of a heavy one that many where it is named, else fewer."""
    races = known()
    chosen = [races[name] for name in only or races]
    ground.migrated()  # before the processes part: what one of them makes, another does not know
    worlds = sorted({one.template for one in chosen})
    made = dict(
        zip(worlds, spread(_template, [(ground, one, size) for one in worlds]), strict=True)
    )
    ground.made |= {f"{name}_{size}": database for name, database in made.items()}
    jobs = [
        _Job(ground, one.name, made[one.template], size if only else ceil(size / one.weight), seed)
        for one in chosen
    ]
    return gathered("race", spread(_prove_one, jobs, more=1), seed=seed, size=size)


def known() -> dict[str, Race]:
    """Return all races by name."""
    for name in MODULES:
        import_module(f"kvit.web.prove.races.{name}")
    return RACES


def _template(asked: tuple[Ground, str, int]) -> str:
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company
    from kvit.web.prove.races import runs

    ground, name, rounds = asked

    def fill() -> None:
        if name == "one":
            company.make(1, events=0)
            return
        if name == "in_turn":
            months = rounds * runs.MONTHS + 1
            company.make(company.whose(months) + 1, events=0, in_turn=True)
            return
        # Some customers have another plan or a discount: enough of them have neither.
        customers = rounds * HANDS + 1 if name == "drafts" else rounds * 2 + 4
        company.make(customers, approval=name == "drafts", events=0)
        with tenant_scope(company.tenant().id):
            company.bill(chunk=500)

    made = ground.template(f"{name}_{rounds}", fill)
    ground.look_at(made)
    return made


def _prove_one(job: _Job) -> Part:
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    part, race = Part(), known()[job.name]
    chance = chance_of(job.seed, job.name)
    with job.ground.copy(job.database), ThreadPoolExecutor(HANDS) as hands:
        with tenant_scope(company.tenant().id):
            for place in range(job.rounds):
                round_ = race.begin(place)
                apart = LONGEST_S * (place % 2)
                waits = [chance.uniform(0, apart) for _ in round_.calls]
                answers = _at_once(hands, round_.calls, waits)
                part.violations += [
                    f"{job.name}, round {place}: {one}" for one in round_.check(answers)
                ]
                part.figures["rounds"] += 1
                part.figures["calls"] += len(answers)
                if part.is_enough:
                    break
            _at_once(hands, [_close] * HANDS, [0.0] * HANDS)
            part.violations += [f"{job.name}: {one}" for one in company.gaps()]
        part.violations += [f"{job.name}: {one}" for one in company.broken()]
    part.figures["races"] = 1
    return part


def _at_once(hands: ThreadPoolExecutor, calls: Sequence[Call], waits: Sequence[float]) -> list[Any]:
    from django.db import connection

    barrier = Barrier(len(calls))

    def one(call: Call, wait: float) -> Any:
        connection.ensure_connection()
        barrier.wait(PATIENCE_S)
        time.sleep(wait)
        return call()

    futures = [
        hands.submit(copy_context().run, one, call, wait)
        for call, wait in zip(calls, waits, strict=True)
    ]
    # What a call raised is its answer: the round's check judges it.
    return [one.exception(PATIENCE_S) or one.result() for one in futures]


def _close() -> None:
    from django.db import connection

    connection.close()
