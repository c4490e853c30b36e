"""A company folder of its own for each scenario, and a store of files beside it."""

from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.company import Company


@pytest.fixture
def company(tmp_path: Path, file_store: Path, db: Any) -> Company:
    return Company(tmp_path / "company")
