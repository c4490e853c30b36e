"""The planted bugs are many, and some of each kind are caught here every day."""

from kvit.web.prove import mutants
from kvit.web.prove.ground import Ground

TRIED = (
    "end counted from the clamped start",
    "days begin at midnight in UTC",
    "float rounding",
    "each share rounded for itself",
    "a credit above its line",
    "float parse",
    "billed anew, nothing subtracted",
    "one series for all years",
    "a coupon without a lock",
)


def test_planted_bugs_are_caught(ground: Ground) -> None:
    outcome = mutants.prove(seed=1, size=99, ground=ground, only=TRIED)
    assert outcome.violations == []
    assert outcome.figures["caught"] == outcome.figures["mutants"] == len(TRIED)


def test_twenty_bugs_are_planted_at_least_each_with_an_origin() -> None:
    assert len(mutants.known()) >= 20
    assert [one.name for one in mutants.known().values() if not one.origin] == []
