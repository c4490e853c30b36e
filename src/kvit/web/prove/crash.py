"""R2: killed at every statement and commit boundary, each flow ends as if it never was.

A flow is run once to the end, and its boundaries are counted. Then for each of them: the database
as it stood before, a process that dies there by SIGKILL, and a look at all that stands. The
invariants are asked of it (what is committed must hold by itself), then the same flow is begun
again, and every business row is compared with the run that was never killed. Two boundaries
between which nothing was committed leave the same state, row by row; it is gone on from once.

Every life begins without a connection, since the statements of connecting are boundaries as well:
PostgreSQL 15 of Debian is asked for another time zone than its own, the embedded one is not.
"""

import os
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError

from kvit.platform.failures import Failure
from kvit.web.prove.ground import Ground, close, forget
from kvit.web.prove.killing import Boundaries, steady_ids
from kvit.web.prove.outcome import Outcome, Part, gathered, spread
from kvit.web.prove.rewound import Rewound

CHUNK = 60  # boundaries of one job
FIRST_LIFE, NEXT_LIFE = 1, 2  # of ids: the killed process and the one after it


@dataclass(frozen=True, slots=True)
class _Calm:
    """A flow that was never killed: what it leaves, and the boundaries it passes."""

    flow: str
    database: str
    wanted: Any
    known: frozenset[str]
    kinds: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    ground: Ground
    flow: str
    seed: int


@dataclass(frozen=True, slots=True)
class _Job:
    ground: Ground
    calm: _Calm
    places: range


def prove(
    *, seed: int, size: int, ground: Ground, only: Sequence[str] = (), last: int | None = None
) -> Outcome:
    """Kill the first `size` flows at every boundary. The seed draws some of the usage.

    Args:
        only: these flows; `size` is not asked.
        last: so many boundaries before the end of a flow, where a planted bug is looked for.
    """
    from kvit.web.prove.flows import FLOWS

    names = only or [one.name for one in FLOWS[:size]]
    ground.migrated()  # before the processes part: what one of them makes, another does not know
    calms = spread(_calm, [_Name(ground, name, seed) for name in names])
    ground.made |= {_template(calm.flow, seed): calm.database for calm in calms}
    jobs = [
        _Job(ground, calm, range(at, min(at + CHUNK, len(calm.kinds) + 1)))
        for calm in calms
        for at in range(_first(calm, last), len(calm.kinds) + 1, CHUNK)
    ]
    whole = Part()
    for calm in calms:
        whole.figures[f"boundaries of {calm.flow}"] = len(calm.kinds)
        whole.violations += [f"{calm.flow}, never killed: {one}" for one in calm.faults]
    return gathered("crash", [whole, *spread(_kill_some, jobs)], seed=seed, size=size)


def _first(calm: _Calm, last: int | None) -> int:
    return 1 if last is None else max(1, len(calm.kinds) + 1 - last)


def _calm(one: _Name) -> _Calm:
    """Run a flow to its end."""
    from kvit.web.prove import company, dump, flows

    flow = _named(one.flow)
    name = _template(one.flow, one.seed)
    database = one.ground.template(name, lambda: flows.fill(flow, one.seed))
    with one.ground.copy(database):
        with _scope():
            known = dump.ids()
        close()
        with Boundaries() as seen, steady_ids(FIRST_LIFE):
            flows.run(flow)
        with _scope():
            wanted = dump.rows(known)
        return _Calm(one.flow, database, wanted, known, tuple(seen.kinds), tuple(company.broken()))


def _template(flow: str, seed: int) -> str:
    return f"flow_{flow.replace(' ', '_')}_{seed}"


def _kill_some(job: _Job) -> Part:
    """Kill at each of the boundaries. A state that was gone on from is not gone on from again."""
    part, known = Part(), set[str]()
    copy = _Copy(job.ground, job.calm.database)
    try:
        for place in job.places:
            copy.renew()
            faults = _kill(copy, job.calm, place, known, part)
            part.violations += [
                f"{job.calm.flow}, killed at boundary {place} ({job.calm.kinds[place - 1]}): {one}"
                for one in faults
            ]
            if part.is_enough:
                break
    finally:
        copy.drop()
    return part


def _kill(copy: "_Copy", calm: _Calm, place: int, known: set[str], part: Part) -> list[str]:
    """Kill at one boundary, look at what stands, begin again, compare."""
    from kvit.web.prove import company, dump, flows

    flow = _named(calm.flow)
    child = os.fork()
    if child == 0:
        _die(flow, place, calm.kinds)
    _, status = os.waitpid(child, 0)
    part.figures["killed"] += 1
    if not os.WIFSIGNALED(status):
        copy.is_clean = False
        return [f"ended by itself, status {os.waitstatus_to_exitcode(status)}"]
    with _scope():
        state = dump.fingerprint()
    copy.is_clean = state == copy.first
    if state in known:
        return []
    known.add(state)
    part.figures["gone on from"] += 1
    copy.is_clean = False
    # What is committed must hold by itself, before anybody tries again.
    faults = [f"before the next try {one}" for one in company.broken()]
    try:
        with steady_ids(NEXT_LIFE):
            flows.run(flow)
    except (DatabaseError, Failure) as error:
        return [*faults, f"it cannot be begun again: {type(error).__name__} {error}"[:300]]
    with _scope():
        faults += dump.difference(dump.rows(calm.known), calm.wanted)
        faults += company.gaps()
    return faults


class _Copy:
    """A copy of a database for one try after the other: put back once something stands in it."""

    def __init__(self, ground: Ground, template: str) -> None:
        from kvit.web.prove import dump

        self._stack = ExitStack()
        access = self._stack.enter_context(ground.copy(template))
        superuser = self._stack.enter_context(ground.superuser(access.database))
        self._rewound = Rewound(superuser)
        with _scope():
            self.first = dump.fingerprint()
        self.is_clean = True

    def renew(self) -> None:
        if not self.is_clean:
            self._rewound.back()

    def drop(self) -> None:
        self._stack.close()


def _die(flow: Any, place: int, kinds: Sequence[str]) -> None:
    """Run the flow in a child that does not come back; what it shares with us is left alone."""
    from kvit.web.prove import flows

    status = 1
    shared = forget()
    try:
        with Boundaries(at=place, like=kinds), steady_ids(FIRST_LIFE):
            flows.run(flow)
        status = 0
    finally:
        if status:
            traceback.print_exc()
            assert shared is not None
        os._exit(status)


def _named(name: str) -> Any:
    from kvit.web.prove.flows import FLOWS

    return next(one for one in FLOWS if one.name == name)


def _scope() -> Any:
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    return tenant_scope(company.tenant().id)
