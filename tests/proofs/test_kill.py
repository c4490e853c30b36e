"""A few workers killed, and a server."""

import pytest

from kvit.web.prove import kill, power
from kvit.web.prove.ground import Ground


@pytest.mark.slow
def test_killed_workers_lose_and_double_nothing(ground: Ground) -> None:
    part = kill.kill_workers(ground, seed=1, kills=3)
    assert part.violations == []
    assert (part.figures["workers killed at a job"], part.figures["invoices"]) == (3, 30)
    assert part.figures["jobs taken up from the dead"] >= 3
    assert (part.figures["jobs"], part.figures["of them twice"]) == (4, 1)
    assert part.figures["killed at a part of a shared run"] == 1


@pytest.mark.slow
@pytest.mark.embedded
def test_a_killed_server_loses_nothing_that_was_acknowledged(ground: Ground) -> None:
    part = power.kill_servers(seed=1, kills=1)
    assert part.violations == []
    assert part.figures["server kills"] == 1
