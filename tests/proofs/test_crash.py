"""Three of the flows, killed at each of their boundaries, one of them with its disk.

What leaves the database is sealed first, so that flow has the boundaries of sealing too; the way
back is killed in tests/metering/test_released.py.
"""

import pytest

from kvit.web.prove import crash
from kvit.web.prove.ground import Ground


@pytest.mark.slow
@pytest.mark.once
def test_killed_at_any_boundary_a_flow_ends_as_if_never_killed(ground: Ground) -> None:
    flows = ("amendment", "intake", "releasing")
    outcome = crash.prove(seed=1, size=0, ground=ground, only=flows)
    assert outcome.violations == []
    boundaries = [n for name, n in outcome.figures.items() if name.startswith("boundaries")]
    powerless = outcome.figures["of them with a loss of power"]
    assert outcome.figures["killed"] == sum(boundaries) + powerless > 100
    assert powerless > 20
