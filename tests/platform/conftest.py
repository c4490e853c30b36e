"""Two tenants beside each other, each with a seller and a customer."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pytest

from kvit.parties import models
from kvit.parties.rows import CustomerRow, SellerRow, TenantRow
from kvit.parties.services import apply_customers, apply_sellers, create_tenant
from kvit.platform.tenancy import tenant_scope


@dataclass(frozen=True, slots=True)
class House:
    """A tenant and what it has."""

    tenant: UUID
    seller: UUID
    customer: UUID


@pytest.fixture
def ours(db: None, now: datetime) -> House:
    return make_house("ours", now)


@pytest.fixture
def theirs(db: None, now: datetime) -> House:
    return make_house("theirs", now)


def make_house(code: str, now: datetime) -> House:
    made = create_tenant(
        TenantRow(code, code.title(), currency="RUB", zone="Europe/Moscow"),
        actor="cli:test",
        now=now,
    )
    with tenant_scope(made.id):
        apply_sellers([SellerRow("main", f"Seller of {code}")], actor="t", now=now, reason="")
        apply_customers([CustomerRow("c1", f"Customer of {code}")], actor="t", now=now, reason="")
        return House(made.id, models.Seller.objects.get().id, models.Customer.objects.get().id)
