"""A tenant in scope, and one way to write an event."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from kvit.platform.ids import uuid7


@pytest.fixture
def tenant(db: Any) -> Iterator[UUID]:
    from kvit.platform.tenancy import tenant_scope

    with tenant_scope(uuid7()) as tenant_id:
        yield tenant_id
