"""The planted bugs are many, and some of each kind are caught here every day."""

from pathlib import Path

import pytest

from kvit.web.prove import mutants, named
from kvit.web.prove.ground import Ground

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.once
def test_planted_bugs_are_caught(ground: Ground) -> None:
    outcome = mutants.prove(seed=1, size=99, ground=ground, only=TRIED)
    assert outcome.violations == []
    assert outcome.figures["caught"] == outcome.figures["mutants"] == len(TRIED)


def test_twenty_bugs_are_planted_at_least_and_the_page_lists_each_with_its_origin() -> None:
    page = (ROOT / "docs/explanation/reliability.md").read_text()
    planted = mutants.known().values()
    assert len(planted) >= 20
    rows = [f"| {one.name} | {one.origin} | `{one.caught_by}` |" for one in planted]
    assert [row for row in rows if row not in page] == []


def test_those_that_take_long_come_last_and_are_asked_for() -> None:
    planted = [one.caught_by for one in mutants.known().values()]
    usual = named("mutants").size
    assert planted[usual:] == ["crash signing", "crash signing", "roles", "roles"]
    assert not {"crash signing", "roles"} & {*planted[:usual]}
