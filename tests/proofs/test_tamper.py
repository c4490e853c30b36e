"""What the owner of the database changes is pointed at."""

from typing import Any

import pytest

from kvit.platform.row_log import RowLog
from kvit.web.prove import tamper
from kvit.web.prove.ground import Ground


@pytest.fixture
def files_apart(file_store: Any) -> None:
    """The log of the proof lies in files of its own."""


@pytest.mark.usefixtures("files_apart")
def test_every_change_is_named_and_no_other(ground: Ground) -> None:
    outcome = tamper.prove(seed=1, size=8, ground=ground, few=1000, files=8)
    assert outcome.violations == []
    figures = {name: outcome.figures[name] for name in ("postings", "files", "gone")}
    assert figures == {"postings": 2000 + 1000, "files": 8, "gone": 2}
    assert (outcome.figures["not_as_signed"], outcome.figures["slipped_in"]) == (6, 2)


@pytest.mark.usefixtures("files_apart")
def test_an_audit_that_forgets_to_count_is_caught(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RowLog, "_slipped_in", lambda self, numbers, settled: iter(()))
    outcome = tamper.prove(seed=1, size=4, ground=ground, few=500, files=1)
    assert [one.split(":")[0] for one in outcome.violations] == ["not found"]
