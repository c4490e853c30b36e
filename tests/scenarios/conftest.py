"""A company folder of its own for each scenario, and a store of files beside it.

Whatever a scenario did, every invariant holds afterwards.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.company import Company, broken


@pytest.fixture
def company(tmp_path: Path, file_store: Path, db: Any) -> Iterator[Company]:
    yield Company(tmp_path / "company")
    assert broken() == []
