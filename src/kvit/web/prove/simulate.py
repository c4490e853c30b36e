"""R1: the core's arithmetic and the services' decisions, in worlds in which everything goes wrong.

See `simulated`. Worlds are independent of each other and seeded; a violation names its world, and
`--seed` with it replays that world alone: the same seed gives the same trace.
"""

from collections import Counter
from dataclasses import dataclass

from kvit.web.prove.outcome import Outcome, Part, gathered, spread
from kvit.web.prove.simulated import work
from kvit.web.prove.simulated.faults import KINDS
from kvit.web.prove.simulated.world import MONTHS, SUBSCRIBERS, World

A_WORLD = SUBSCRIBERS * MONTHS  # billing-months, about
CHUNK = 20  # worlds of a job
LEAST = 20  # times that each kind of fault is to fire, where there is room for it
ROOM = 100_000  # billing-months


@dataclass(frozen=True, slots=True)
class _Job:
    seed: int
    first: int
    count: int


def prove(*, seed: int, size: int) -> Outcome:
    """Live through about `size` billing-months."""
    worlds = -(-size // A_WORLD)
    jobs = [_Job(seed, at, min(CHUNK, worlds - at)) for at in range(0, worlds, CHUNK)]
    outcome = gathered("simulate", spread(_live, jobs), seed=seed, size=size)
    fired = Counter({kind: outcome.figures.pop(kind, 0) for kind in KINDS})
    outcome.figures["faults"] = fired.total()
    outcome.figures["kinds of faults"] = len(+fired)
    rarest, count = min(fired.items(), key=lambda one: one[1])
    outcome.figures[f"the rarest, {rarest}"] = count
    if size >= ROOM and count < LEAST:
        outcome.violations.append(f"the fault “{rarest}” fired {count} times only")
    return outcome


def _live(job: _Job) -> Part:
    part, prices = Part(), work.catalogue()
    for place in range(job.first, job.first + job.count):
        world = World(f"{job.seed}/{place}", prices)
        part.figures["billing-months"] += world.live()
        part.figures["worlds"] += 1
        part.figures["steps"] += world.steps
        part.figures["commits"] += world.store.commits
        part.figures["documents"] += len(world.store.table("document"))
        part.figures.update(world.faults.fired)
        part.violations += [f"world {place} of seed {job.seed}: {one}" for one in world.violations]
        part.trace += world.digest.hexdigest()[:16]
        if part.violations:
            break
    return part
