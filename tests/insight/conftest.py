"""The company of invoicing's tests: north and south, October issued."""

import pytest

from kvit.parties.rows import Tenant
from tests.invoicing import company


@pytest.fixture
def acme(tenant: Tenant) -> Tenant:
    company.found()
    return tenant


@pytest.fixture
def billed(acme: Tenant) -> Tenant:
    """October is issued: numbers 1 (north) and 2 (south)."""
    company.bill()
    return acme
