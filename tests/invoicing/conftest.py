"""The company of `company.py`, in a tenant's scope; committed for tests with threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest

from kvit.parties.rows import Tenant
from tests.invoicing import company


def broken() -> list[object]:
    """Return every row that breaks an invariant, as `kvit verify` would name it."""
    from kvit.invoicing import queries as invoicing
    from kvit.ledger import queries as ledger
    from kvit.rating import queries as rating
    from kvit.subscriptions import queries as subscriptions

    found = (one.problems() for one in (invoicing, ledger, rating, subscriptions))
    return [problem for problems in found for problem in problems]


@pytest.fixture
def whole(tenant: Tenant) -> Iterator[Tenant]:
    """A tenant whose books and documents must hold together when the test is over."""
    yield tenant
    assert broken() == []


@pytest.fixture
def acme(whole: Tenant) -> Tenant:
    company.found()
    return whole


@pytest.fixture
def billed(acme: Tenant) -> Tenant:
    """October is issued: numbers 1 (north) and 2 (south)."""
    company.bill()
    return acme


@pytest.fixture
def at_once(transactional_db: None, now: datetime) -> Iterator[Callable[..., list[Any]]]:
    """Run calls at the same moment, each in a thread and connection of its own.

    Returns what each gave, or the exception that it raised. What the test did before is committed.
    """
    from django.db import connection

    from kvit.parties.rows import TenantRow
    from kvit.parties.services import create_tenant
    from kvit.platform.tenancy import tenant_scope

    row = TenantRow("acme", "ООО «Акме»", currency="RUB", zone="Europe/Moscow")
    tenant = create_tenant(row, actor="cli:test", now=now)

    def run(*calls: Callable[[], Any]) -> list[Any]:
        barrier = Barrier(len(calls))

        def one(call: Callable[[], Any]) -> Any:
            with tenant_scope(tenant.id):
                connection.ensure_connection()
                barrier.wait(60)
                try:
                    return call()
                except Exception as error:  # noqa: BLE001 - the test judges it
                    return error
                finally:
                    connection.close()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(one, calls))

    with tenant_scope(tenant.id):
        yield run
        assert broken() == []
