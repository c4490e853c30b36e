"""The races that are named, each let go a few times."""

import pytest

from kvit.web.prove import race
from kvit.web.prove.ground import Ground
from kvit.web.prove.races import HANDS

TRIED = ("double_issue", "change_against_run", "idempotency_key", "test_clock", "credit_limit")


def test_twelve_races_are_named_at_least() -> None:
    assert len(race.known()) >= 12
    assert set(TRIED) <= set(race.known())


@pytest.mark.slow
def test_what_happens_at_one_moment_happens_once(ground: Ground) -> None:
    outcome = race.prove(seed=1, size=2, ground=ground, only=TRIED)
    assert outcome.violations == []
    # Two runs beside four changes; all the others are calls of eight hands.
    assert outcome.figures == {"races": 5, "rounds": 10, "calls": 8 * HANDS + 2 * 6}
