"""Lists of a large company are read off indexes: no page walks or sorts a whole table.

Twenty thousand documents are written by the statements of the benchmark, and each statement that a
page asks is explained: a large table is never read from end to end, and nothing but a page, or what
a filter leaves of a table, is sorted. No page asks more of them than of fifty.
"""

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from psycopg import sql

from kvit.invoicing.models import Invoice
from kvit.ledger import services as ledger
from kvit.parties import queries as parties
from kvit.parties import services
from kvit.parties.rows import SellerRow, Tenant
from tests.web.conftest import Office

FILLED = Path(__file__).resolve().parents[2] / "bench" / "filled.py"
DOCUMENTS, FEW, CUSTOMERS, STORY = 20_000, 60, 4_000, 2_000
KIND = 2  # statements for rows of a kind that the few lack
LARGE = {
    "invoicing_invoice", "invoicing_invoiceline", "ledger_posting", "parties_customer",
    "parties_customernote", "parties_searchkey",
}  # fmt: skip
SORTED = 1_500  # rows: more than a page with what belongs to it, less than any large table
LISTS = (
    "invoices/", "invoices/?sort=-total", "invoices/?sort=day", "invoices/?sort=-period",
    "invoices/?tab=issued", "invoices/?tab=drafts", "invoices/?tab=void", "invoices/?tab=corrected",
    "invoices/?q=2026-0000017", "invoices/?q=c50", "corrections/",
    "customers/", "customers/?sort=-code", "customers/?q=7700000017", "customers/?segment=vip",
    "ledger/osv/", "ledger/accounts/62.01/card/", "ledger/receivables/", "ledger/postings/",
    "search/?q=2026-0000017", "search/?q=24,40", "search/?q=7700000017",
    "overview/owed/", "overview/agreement/", "overview/months/", "",
    "subscriptions/", "catalogue/", "journal/", "usage/", "runs/",
)  # fmt: skip
CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
# Of a first screen; three of them are who it is and by which right, and one the views that are kept
# of a list.
STATEMENTS = 12
MORE = {
    "customers/": 13, "customers/?q=7700000017": 14, "customers/?segment=vip": 13,
    "invoices/?q=c50": 14, "invoices/?q=2026-0000017": 13, "invoice": 13, "why": 13,
    "customer": 15, "next-bill": 48, "story": 13,
}  # fmt: skip


@dataclass(frozen=True)
class Company:
    """Who looks, and how the company grows to so many documents."""

    client: Client
    grow: Callable[[int], None]


@pytest.fixture
def company(
    tenant: Tenant, office: Office, now: datetime, owner: psycopg.Connection[Any]
) -> Iterator[Company]:
    """A company of four thousand customers, as its owner sees it."""
    spec = importlib.util.spec_from_file_location("filled", FILLED)
    assert spec is not None
    assert spec.loader is not None
    filled = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(filled)
    services.apply_sellers([SellerRow("main", "Main")], actor="cli:test", now=now, reason="")
    [seller] = parties.sellers().values()
    ledger.ensure_chart(seller.id, actor="cli:test", now=now)

    def grow(documents: int) -> None:
        filled.fill(tenant.id, invoices=documents, customers=CUSTOMERS, now=now, story=STORY)
        for table in filled.TABLES:
            owner.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))

    with connection.cursor() as cursor:
        # So few customers fit into a hundred pages, and an older planner would walk them.
        cursor.execute("SET random_page_cost = 1.1")
    yield Company(office("owner"), grow)
    with connection.cursor() as cursor:
        cursor.execute("RESET random_page_cost")


@pytest.mark.django_db(transaction=True)
def test_pages_read_indexes_of_large_tables_by_few_statements(company: Company) -> None:
    company.grow(FEW)
    before = {name: len(asked) for name, asked in _asked(company.client)}
    company.grow(DOCUMENTS)
    faults = []
    for name, asked in _asked(company.client):
        most = MORE.get(name, STATEMENTS)
        if len(asked) > min(most, before[name] + KIND):
            faults.append(f"{name}: {len(asked)} statements, {before[name]} of few, {most} allowed")
        for one in asked:
            if any(table in one for table in LARGE):
                faults += [f"{name}: {fault}" for fault in _faults(one)]
    assert not faults, "\n".join(faults)


def _asked(client: Client) -> Iterator[tuple[str, list[str]]]:
    """Yield what each page asks when what is kept for a process is kept."""
    row = Invoice.objects.filter(kind="invoice", status="issued").order_by("-total_minor")[0]
    cards = {
        "invoice": f"invoices/{row.pk}/",
        "why": f"invoices/{row.pk}/lines/1/why/",
        "customer": f"customers/{row.customer_id}/",
        "next-bill": f"customers/{row.customer_id}/next-bill/",
        "story": f"customers/{row.customer_id}/story/",
        "balance": f"customers/{row.customer_id}/balance/",
    }
    for name, path in [*((path, path) for path in LISTS), *cards.items()]:
        client.get(f"/office/{path}")
        with CaptureQueriesContext(connection) as caught:
            assert client.get(f"/office/{path}").status_code == 200, path
        told = [one["sql"] for one in caught.captured_queries]
        yield name, [one for one in told if not one.startswith(CONTROL)]


def _faults(asked: str) -> list[str]:
    if not asked.lstrip().startswith(("SELECT", "WITH")) or "FOR UPDATE" in asked:
        return []
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + asked)
        [[plan]] = cursor.fetchall()
    found = plan if isinstance(plan, list) else json.loads(plan)
    return [f"{fault} in {asked[:400]}" for fault in _walked(found[0]["Plan"])]


def _walked(node: dict[str, Any]) -> Iterator[str]:
    kind = node["Node Type"]
    if kind == "Limit" and node["Plan Rows"] > SORTED:
        return  # the count of a list, which ends at ten thousand
    if kind == "Seq Scan" and node["Relation Name"] in LARGE:
        yield f"{node['Relation Name']} is walked"
    below = node.get("Plans", ())
    if kind == "Sort" and below[0]["Plan Rows"] > SORTED:
        yield f"{below[0]['Plan Rows']} rows are sorted"
    for one in below:
        yield from _walked(one)
