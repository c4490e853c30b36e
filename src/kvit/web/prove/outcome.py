"""What a proof found, and its work spread over the cores.

The work is cut into chunks by the size alone, each with a chance of its own; so the number of cores
changes neither what is tried nor the trace.
"""

import gc
import hashlib
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeVar

from kvit.web.unwinding import end_with_parent, unwind_when_told

TOLD = 20  # violations that are told; the first one of them is what counts
Job = TypeVar("Job")
Done = TypeVar("Done")


@dataclass(slots=True)
class Part:
    """What one chunk of a proof did."""

    figures: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    trace: str = ""

    @property
    def is_enough(self) -> bool:
        """Whether so much is wrong that nothing more is learned."""
        return len(self.violations) >= TOLD


@dataclass(slots=True)
class Outcome:
    """What a proof did and what it found: nothing, if all is well."""

    proof: str
    seed: int
    size: int
    figures: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    # A hash of what was done: the same seed and size, the same trace. Empty where threads and
    # processes meet by chance: there the seed only chooses what they do.
    trace: str = ""
    seconds: float = 0.0
    left_out: str = ""  # why nothing was tried: a code of the words of `kvit prove`

    @property
    def holds(self) -> bool:
        return not self.violations


def gathered(proof: str, parts: Sequence[Part], *, seed: int, size: int) -> Outcome:
    """Add the chunks of a proof up, in their order."""
    figures: Counter[str] = Counter()
    for part in parts:
        figures.update(part.figures)
    told = (one for part in parts for one in part.violations)
    traces = "".join(part.trace for part in parts)
    trace = hashlib.sha256(traces.encode()).hexdigest()[:16] if traces else ""
    return Outcome(proof, seed, size, dict(figures), list(islice(told, TOLD)), trace)


def spread(work: Callable[[Job], Done], jobs: Sequence[Job], *, more: int = 0) -> list[Done]:
    """Do the jobs, each in one of as many processes as there are cores; in order of the jobs.

    What comes after a part in which so much is wrong that nothing more is learned is left out.

    Args:
        more: processes, where some of the jobs wait for something else than a core.
    """
    processes = min(len(os.sched_getaffinity(0)) + more, len(jobs))
    is_one_of_them = multiprocessing.current_process().daemon  # of an outer spread
    if processes < 2 or is_one_of_them:
        return _until_enough(map(work, jobs))
    # Forked: what a mutant has changed in this process is changed in the children as well.
    with multiprocessing.get_context("fork").Pool(processes, _settle) as pool:
        return _until_enough(pool.imap(partial(_call, work), jobs, chunksize=1))


def _until_enough(found: Iterable[Done]) -> list[Done]:
    done = []
    for one in found:
        done.append(one)
        if isinstance(one, Part) and one.is_enough:
            break
    return done


def _settle() -> None:
    """Leave Ctrl+C, and a signal to all of us, to the parent, which ends us; and end with it."""
    os.setpgrp()
    end_with_parent()
    # Cycles are looked for a hundred times less often: what a proof makes is freed without that.
    gc.freeze()
    gc.set_threshold(70_000)


def _call(work: Callable[[Job], Done], one: Job) -> Done:
    """Do a job: told to end, its servers and folders go on the way out. Between two jobs a worker
    just dies: it may be about to wait for the queue, and who waits already would not be told."""
    unwind_when_told()
    try:
        return work(one)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def chance_of(seed: int, *names: object) -> random.Random:
    """Return the chance of one place: the same seed and place, the same draws."""
    return random.Random(f"{seed}/{'/'.join(map(str, names))}")
