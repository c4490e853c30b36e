"""A tenant in scope and a seller with the Russian chart."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from kvit.platform.ids import uuid7


@pytest.fixture
def tenant(db: Any) -> Iterator[UUID]:
    from kvit.platform.tenancy import tenant_scope

    with tenant_scope(uuid7()) as tenant_id:
        yield tenant_id


@pytest.fixture
def seller(tenant: UUID, now: datetime) -> UUID:
    from kvit.ledger import services

    seller_id = uuid7()
    services.ensure_chart(seller_id, actor="user:7", now=now)
    return seller_id
