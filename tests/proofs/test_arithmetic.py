"""The proofs of the arithmetic, at a size for every day: nothing violated, and replayable."""

from dataclasses import asdict

import pytest

from kvit.web.prove import dates, rounding
from kvit.web.prove.outcome import Outcome


def test_periods_tile_in_some_zones() -> None:
    outcome = dates.prove(seed=7, size=40_000)
    assert outcome.violations == []
    assert outcome.figures["zones"] == 6
    # 31 days, two ways of forty years, six intervals; 28 periods in a row, and the forty years.
    assert outcome.figures["cases"] == 6 * 33 * 6
    assert outcome.figures["boundaries"] == 6 * (31 * 6 * 28 + 2 * (40 * 3 + 480 + 160 + 80))


def test_parts_add_up() -> None:
    outcome = rounding.prove(seed=7, size=12_000)
    assert outcome.violations == []
    assert sum(outcome.figures.values()) == 12_000
    assert set(outcome.figures) == {
        "allocate", "prorate", "tax", "document", "credit", "post", "read",
    }  # fmt: skip


@pytest.mark.parametrize("proof", [dates, rounding])
def test_the_same_seed_does_the_same_again(proof: object) -> None:
    def run(seed: int) -> Outcome:
        outcome: Outcome = proof.prove(seed=seed, size=1_500)  # type: ignore[attr-defined]
        return outcome

    assert asdict(run(3)) == asdict(run(3))
    assert run(3).trace != run(4).trace
