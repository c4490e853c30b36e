"""R3: the proofs themselves are proved. Each planted bug must be caught by the proof that is named.

For every mutant: plant it, run its proof until anything is violated, at a small size at most; the
same proof without it must hold, once for each proof, race and flow that is named. The last ones
take longer than all before them, two of them in processes of an installation of its own: only where
more are asked for than by default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from kvit.web.prove import outcome
from kvit.web.prove.ground import Ground
from kvit.web.prove.outcome import Outcome, Part, gathered, spread
from kvit.web.prove.planted import MUTANTS, Mutant, attribute

SIZES = {"dates": 6_800, "rounding": 3_000, "simulate": 5_760}  # one job of each
# With a planted bug: it ends at the first violation. Some bugs need a zone that is not at UTC, or
# one world of twenty.
MOST = {"dates": 68_000, "rounding": 30_000, "simulate": 86_400}
LONGEST = ("roles", "failover", "crash", "race", "simulate", "rounding", "dates")
ROUNDS = 4  # of a race
TRIES = 12  # of a race with a planted bug, at most: threads meet by chance, and not each time
PATIENCE_S = 40.0  # with what processes leave undone
# The last boundaries of a flow: bugs are planted before its commits.
BOUNDARIES = {
    "bill run": 6, "amendment": 17, "bulk": 18, "sealing": 6, "releasing": 14, "approval": 14,
    "signing": 100,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Job:
    """The mutants that one proof catches: a process plants them one after the other."""

    ground: Ground
    seed: int
    caught_by: str
    names: tuple[str, ...]


def prove(*, seed: int, size: int, ground: Ground, only: Sequence[str] = ()) -> Outcome:
    """Try the first `size` mutants."""
    planted = [one for one in known().values() if not only or one.name in only][:size]
    ground.migrated()  # before the processes part: what one of them makes, another does not know
    jobs = [
        _Job(ground, seed, proof, tuple(one.name for one in planted if one.caught_by == proof))
        for proof in dict.fromkeys(one.caught_by for one in planted)
    ]
    # Those that take longest come first; a server that is lost is mostly waited for.
    jobs.sort(key=lambda one: LONGEST.index(one.caught_by.partition(" ")[0]))
    return gathered("mutants", spread(_try, jobs, more=1), seed=seed, size=size)


def _try(job: _Job) -> Part:
    part, before = Part(), set(job.ground.made.values())
    for fault in _violations(job.caught_by, job.seed, job.ground, SIZES)[:1]:
        part.violations.append(f"{job.caught_by} is violated with nothing planted: {fault}")
    part.figures["proofs that hold without"] += 1
    for mutant in (MUTANTS[name] for name in job.names):
        part.figures["mutants"] += 1
        if _is_caught(mutant, job.seed, job.ground):
            part.figures["caught"] += 1
        else:
            part.violations.append(f"“{mutant.name}” ({mutant.origin}) went by {mutant.caught_by}")
    made = {name: at for name, at in job.ground.made.items() if at not in before}
    job.ground.drop(*made.values())
    for name in made:
        del job.ground.made[name]
    return part


def known() -> dict[str, Mutant]:
    """Return all mutants by name."""
    for name in ("arithmetic", "services", "slowly"):
        import_module(f"kvit.web.prove.planted.{name}")
    return MUTANTS


def _is_caught(mutant: Mutant, seed: int, ground: Ground) -> bool:
    """Whether its proof sees it: a violation, or a core that contradicts itself and says so."""
    tries = TRIES if mutant.caught_by.startswith("race ") else 1
    with mutant.plant(), attribute(outcome, "TOLD", 1):
        return any(
            _violations(mutant.caught_by, seed + n, ground, MOST, mutant.name) for n in range(tries)
        )


def _violations(
    caught_by: str, seed: int, ground: Ground, sizes: Mapping[str, int], planted: str = ""
) -> Sequence[str]:
    from kvit.web.prove import crash, failover, race, roles

    name, _, what = caught_by.partition(" ")
    if name == "race":
        return race.prove(seed=seed, size=ROUNDS, ground=ground, only=[what]).violations
    if name == "crash":
        tried = crash.prove(seed=seed, size=0, ground=ground, only=[what], last=BOUNDARIES[what])
        return tried.violations
    if name == "failover":
        return failover.prove(seed=seed, size=1).violations
    if name == "roles":
        tried = roles.prove(seed=seed, size=2, planted=planted, patience_s=PATIENCE_S)
        return tried.violations
    proof = import_module(f"kvit.web.prove.{name}")
    found: Outcome = proof.prove(seed=seed, size=sizes[name])
    return found.violations
