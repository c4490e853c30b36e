"""R2: killed at every statement, commit and flush, each flow ends as if it never was.

A flow is run once to the end, and its boundaries are counted. Then it is walked (`walking`): at
each of its boundaries a process dies there by SIGKILL. All that stands is looked at: the invariants
are asked of it (what is committed must hold by itself), then the same flow is begun again, and
every business row is compared with the run that was never killed. Deaths that leave the same state,
row by row and file by file, are gone on from once.

Where a flow writes files, a death is tried four times: the process alone is killed; the power
fails, and nothing that was not flushed is there; a half of that is there; of the names that were
not flushed the last one is there, and none before it (`disk`).
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from django.db import DatabaseError

from kvit.platform.failures import Failure
from kvit.web.prove.disk import KILLED, Disk, Tree, put_back, read
from kvit.web.prove.ground import Ground, close
from kvit.web.prove.killing import Boundaries, steady_ids
from kvit.web.prove.outcome import Outcome, Part, gathered, spread
from kvit.web.prove.rewound import Prints, Rewound
from kvit.web.prove.walking import FIRST_LIFE, Death, Walk

CHUNK = 100  # boundaries of one job
BROKEN = (ArithmeticError, AssertionError, LookupError, OSError, TypeError, ValueError)
NEXT_LIFE = 2  # of ids: the process that comes after the killed one


@dataclass(frozen=True, slots=True)
class _Calm:
    """A flow that was never killed: what it leaves, and the boundaries it passes."""

    flow: str
    database: str
    store: Tree
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
    ground.stores |= {calm.database: calm.store for calm in calms}
    jobs = [
        _Job(ground, calm, range(at, min(at + CHUNK, len(calm.kinds) + 1)))
        for calm in calms
        for at in range(_first(calm, last), len(calm.kinds) + 1, CHUNK)
    ]
    jobs.sort(key=lambda one: -len(one.calm.kinds))  # the small ones fill what is left in the end
    whole = Part()
    for calm in calms:
        whole.figures[f"boundaries of {calm.flow}"] = len(calm.kinds)
        whole.violations += [f"{calm.flow}, never killed: {one}" for one in calm.faults]
    killed = [] if whole.is_enough else spread(_kill_some, jobs)
    return gathered("crash", [whole, *killed], seed=seed, size=size)


def _first(calm: _Calm, last: int | None) -> int:
    return 1 if last is None else max(1, len(calm.kinds) + 1 - last)


def _calm(one: _Name) -> _Calm:
    """Run a flow to its end."""
    from kvit.web.prove import company, dump, flows

    flow, ground = flows.named(one.flow), one.ground
    with _stored({}) as root:
        database = ground.template(
            _template(one.flow, one.seed), lambda: flows.fill(flow, one.seed)
        )
        if database not in ground.stores:
            ground.stores[database] = read(root)
    with ground.copy(database), _stored(ground.stores[database]) as root:
        with _scope():
            known = dump.ids()
        close()
        disk = Disk(root / STORE) if flow.writes_files else None
        with Boundaries(disk=disk) as seen, steady_ids(FIRST_LIFE):
            flows.run(flow)
        with _scope():
            wanted = dump.rows(known, without=flow.apart)
        faults = tuple(company.broken())
    store = ground.stores[database]
    return _Calm(one.flow, database, store, wanted, known, tuple(seen.kinds), faults)


def _template(flow: str, seed: int) -> str:
    return f"flow_{flow.replace(' ', '_')}_{seed}"


STORE, CLIENT = "store", "client"  # what a flow's own disk holds, and what its clients remember


@contextmanager
def _stored(tree: Tree) -> Iterator[Path]:
    """Let this process keep its files, as they stand in a tree, in a folder that goes away."""
    from kvit.platform import files

    before = files.folder()
    with tempfile.TemporaryDirectory(prefix="kvit-crash-") as made:
        root = Path(made)
        put_back(root, tree or {STORE: None, CLIENT: None})
        files.use(root / STORE / "files")
        import_module("kvit.metering._sealed")._opened.cache_clear()  # files of the same name
        try:
            yield root
        finally:
            files.use(before)


def _kill_some(job: _Job) -> Part:
    """Kill at each of the boundaries. A state that was gone on from is not gone on from again."""
    from kvit.web.prove import flows

    part, calm, flow = Part(), job.calm, flows.named(job.calm.flow)
    with (
        job.ground.copy(calm.database) as access,
        job.ground.superuser(access.database) as superuser,
        _stored(calm.store) as root,
        Walk(flow, calm.kinds, job.places, root / STORE if flow.writes_files else None) as walk,
    ):
        states = _States(Rewound(superuser), root)
        for met in walk:
            if not isinstance(met, Death):  # at rest, after a commit of its own
                states.remember(is_known=met > 0)
                continue
            part.figures["killed"] += 1
            if met.loss != KILLED:
                part.figures["of them with a loss of power"] += 1
            part.violations += [
                f"{calm.flow}, killed at boundary {met.place} ({calm.kinds[met.place - 1]}),"
                f" {met.loss}: {one}"
                for one in (met.strayed or _gone_on(calm, states, part))
            ]
            if met.strayed:
                states.back()
            if part.is_enough:
                break
        part.violations += [f"{calm.flow}: {one}" for one in walk.faults]
    return part


class _States:
    """What stands in the database and in the store; which of it was gone on from."""

    def __init__(self, rewound: Rewound, root: Path) -> None:
        self._rewound, self._root = rewound, root
        self._tree: Tree = {}
        self._known: list[object] = []

    def remember(self, *, is_known: bool) -> None:
        """What stands now is what `back` brings; the death after its commit was gone on from."""
        self._tree = read(self._root)
        prints = self._rewound.remember()
        if is_known:
            self._known.append(_state(prints, self._tree))

    def is_new(self) -> bool:
        """Whether nothing was gone on from what stands; what was is put back at once."""
        prints, tree = self._rewound.read(), read(self._root)
        state = _state(prints, tree)
        if state not in self._known:
            self._known.append(state)
            return True
        self._back(prints, tree)
        return False

    def back(self) -> None:
        self._back(self._rewound.read(), read(self._root))

    def _back(self, prints: Prints, tree: Tree) -> None:
        self._rewound.back(prints)
        if tree != self._tree:
            put_back(self._root, self._tree)


def _state(prints: Prints, tree: Tree) -> object:
    """Return what matters of all that stands: files without their names, which are of chance."""
    rows = {table: matters for table, (_, matters) in prints.items()}
    return rows, Counter(
        (Path(path).parent, Path(path).suffix, content) for path, content in tree.items()
    )


def _gone_on(calm: _Calm, states: _States, part: Part) -> list[str]:
    """Look at what stands, begin again, compare."""
    from kvit.web.prove import company, dump, flows

    if not states.is_new():
        return []
    part.figures["gone on from"] += 1
    flow = flows.named(calm.flow)
    # What is committed must hold by itself, before anybody tries again.
    faults = [f"before the next try {one}" for one in company.broken()]
    try:
        with steady_ids(NEXT_LIFE):
            flows.run(flow)
    except (*BROKEN, DatabaseError, Failure) as error:
        states.back()
        return [*faults, f"it cannot be begun again: {type(error).__name__} {error}"[:300]]
    with _scope():
        faults += dump.difference(dump.rows(calm.known, without=flow.apart), calm.wanted)
        faults += company.gaps()
    faults += company.broken() if flow.writes_files else []
    states.back()
    return faults


def _scope() -> Any:
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    return tenant_scope(company.tenant().id)
