"""What goes wrong in a world: each kind is switched on by a draw, and then fires by a draw.

As in FoundationDB's simulation: a world in which everything fails always tries less than worlds in
which some things fail often.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

# Kind → how often it fires where it may, in a world that has it.
KINDS = {
    "crash": 0.004,  # a process dies between two steps; its transaction is rolled back
    "crash after commit": 0.01,  # it dies when everything is done, and nobody was told
    "pause": 0.01,  # it stops for many steps, its locks held
    "partial write": 0.01,  # the store takes half of a commit, fails, and takes all of it back
    "commit unknown": 0.02,  # the connection breaks at the commit, which went through or did not
    "disk full": 0.002,  # this commit and some that follow are refused, until space is freed
    "failover": 0.0005,  # every connection is lost at one moment; what was acknowledged stands
    "chosen as victim": 0.01,  # the store rolls a transaction back to resolve a deadlock
    "lost request": 0.06,
    "lost answer": 0.06,
    "duplicate": 0.06,
    "reorder": 0.3,  # of the messages of a month
    "delay": 0.04,  # a message comes a month late or later
    "clock forward": 0.1,  # the run believes that it is a later moment of the month
    "clock back": 0.06,  # it believes that the month is not over
    "other zone": 0.1,  # instants are told in another zone than before
    "two runs": 0.1,  # of one month, at one moment
    "redelivery": 0.06,  # a job that was done is delivered again
    "run skipped": 0.08,  # the scheduler sleeps over a month
    "upgrade": 0.02,  # in mid-run, workers are replaced by ones with another chunk
    "change in the run": 0.5,  # changes and usage come while the run is at it
    "backdated change": 0.3,  # of the changes
}
ACTIVE = 0.6
OF_STEPS = ("failover", "crash", "pause", "chosen as victim")  # at most one of them at a step


@dataclass(slots=True)
class Faults:
    """The faults of one world; `fired` counts them."""

    chance: Random
    active: frozenset[str] = frozenset()
    fired: Counter[str] = field(default_factory=Counter)

    _of_steps: list[tuple[float, str]] = field(default_factory=list)  # up to which draw each fires

    def __post_init__(self) -> None:
        self.active = frozenset(kind for kind in KINDS if self.chance.random() < ACTIVE)
        whole = 0.0
        for kind in OF_STEPS:
            if kind in self.active:
                whole += KINDS[kind]
                self._of_steps.append((whole, kind))

    def of_step(self) -> str | None:
        """Draw what goes wrong at a step, if anything; it counts once it is `met`."""
        drawn = self.chance.random()
        if not self._of_steps or drawn >= self._of_steps[-1][0]:
            return None
        return next(kind for until, kind in self._of_steps if drawn < until)

    def met(self, kind: str) -> None:
        self.fired[kind] += 1

    def fires(self, kind: str) -> bool:
        if kind not in self.active or self.chance.random() >= KINDS[kind]:
            return False
        self.fired[kind] += 1
        return True

    def stop(self) -> None:
        """From here on nothing fails."""
        self.active = frozenset()
        self._of_steps = []
