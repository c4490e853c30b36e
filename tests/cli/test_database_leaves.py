"""A database that stops in mid-command is a failure that is said, not a traceback."""

from collections.abc import Callable

import pytest
from django.db import OperationalError

from tests.scenarios.company import Company


def test_a_database_that_leaves_is_said_in_words(
    company: Company,
    kvit: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kvit.invoicing import services

    def gone(*_: object, **__: object) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(services, "run", gone)
    status, out, told = kvit("bill", company.path, "--period", "2026-10")
    assert (status, out) == (1, "")
    assert "the connection is closed" in told
    assert "ещё раз" in told
    assert "Traceback" not in told
