"""A company folder for the tests of its reader."""

from pathlib import Path

import pytest

from tests.adapters.sample import Company


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """A small sound company that a test breaks in one place."""
    return Company(tmp_path / "company")
