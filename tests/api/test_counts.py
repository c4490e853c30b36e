"""How many statements a list takes does not depend on its rows."""

from datetime import date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kvit.catalog.rows import CatalogueIn
from kvit.catalog.services import publish
from kvit.core.catalogue import PlanTerms
from kvit.parties.rows import CustomerRow, Tenant
from kvit.parties.services import apply_customers
from kvit.subscriptions.rows import NewSubscription
from kvit.subscriptions.services import open_many
from tests.api.conftest import Caller, Callers


def fill(count: int, now: datetime) -> None:
    from kvit.parties.queries import customers_by_code

    codes = [f"c{i:03}" for i in range(count)]
    rows = [CustomerRow(code, f"Customer {code}") for code in codes]
    apply_customers(rows, actor="t", now=now, reason="")
    publish(CatalogueIn(plans=(PlanTerms("pro", "Pro"),)), actor="t", now=now)
    known = customers_by_code(codes)
    subscriptions = [
        NewSubscription(f"S-{code}", known[code].id, "pro", "Europe/Moscow", date(2026, 10, 1))
        for code in codes
    ]
    open_many(subscriptions, actor="t", now=now)


def statements(crm: Caller, path: str, limit: int) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        answer = crm.get(path, limit=limit)
    assert (answer.status, len(answer.json["data"])) == (200, limit)
    return len(seen)


@pytest.mark.parametrize("path", ["/customers", "/subscriptions"])
def test_a_longer_page_takes_no_more_statements(
    api: Callers, tenant: Tenant, now: datetime, path: str
) -> None:
    fill(60, now)
    crm = api()
    statements(crm, path, 1)  # the first use of a key is noted
    assert statements(crm, path, 2) == statements(crm, path, 60)
