"""Some worlds of the simulation: nothing violated, replayable, and every kind of fault tried."""

from dataclasses import asdict

from kvit.web.prove import simulate
from kvit.web.prove.simulated.faults import KINDS


def test_whatever_fails_the_sums_are_those_of_the_oracle() -> None:
    outcome = simulate.prove(seed=5, size=6_000)
    assert outcome.violations == []
    assert outcome.figures["billing-months"] >= 5_000
    assert outcome.figures["kinds of faults"] == len(KINDS) >= 15
    assert outcome.figures["faults"] > 300


def test_the_same_seed_gives_the_same_trace() -> None:
    def run(seed: int) -> dict[str, object]:
        return asdict(simulate.prove(seed=seed, size=600))

    assert run(3) == run(3)
    assert run(3)["trace"] != run(4)["trace"]
