"""What is kept of the invoices that were corrected is what the corrections say, in every fate."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kvit.invoicing import queries, services
from kvit.invoicing.models import Corrected, Invoice
from kvit.invoicing.queries import InvoiceFilter
from kvit.parties.rows import SellerRow
from kvit.parties.services import apply_sellers
from tests.invoicing.company import ACTOR, BEGIN, LATER, invoice

pytestmark = pytest.mark.usefixtures("billed")
KEPT = {"corrected_by_day", "corrected_by_total", "corrected_by_period"}


def kept() -> dict[UUID, tuple[str, int]]:
    assert [one.code for one in queries.problems()] == []
    rows = Corrected.objects.values_list("invoice_id", "tab", "taken_minor")
    return {key: (tab, minor) for key, tab, minor in rows}


def credit(key: UUID, minor: int) -> UUID:
    return services.credit(key, {1: minor}, reason="Простой", author=ACTOR, now=LATER)


def test_it_follows_credit_debit_and_void() -> None:
    north, south = invoice("north").id, invoice("south").id
    assert kept() == {}
    credit(north, 30_000)
    assert kept() == {north: ("corrected", -36_600)}
    services.debit(north, {1: 10_000}, reason="Доплата", author=ACTOR, now=LATER)
    assert kept() == {north: ("corrected", -24_400)}
    services.void(south, reason="Ошибка", author=ACTOR, now=LATER)
    assert kept() == {north: ("corrected", -24_400), south: ("void", -122_000)}
    services.void(north, reason="Ошибка", author=ACTOR, now=LATER)
    assert kept() == {north: ("void", -244_000), south: ("void", -122_000)}


def test_a_correction_counts_when_it_is_issued() -> None:
    seller = SellerRow("main", "ООО «Акме»", approval=True)
    apply_sellers([seller], actor=ACTOR, now=BEGIN, reason="test")
    north = invoice("north").id
    one, other = credit(north, 30_000), credit(north, 20_000)
    assert kept() == {}
    services.approve([one], approver="user:8", now=LATER)
    assert kept() == {north: ("corrected", -36_600)}
    services.refuse([other], reason="Лишний", actor="user:8", now=LATER)
    assert kept() == {north: ("corrected", -36_600)}


def test_corrections_of_one_statement_are_kept_of_each_original() -> None:
    north, south = invoice("north").id, invoice("south").id
    seller = SellerRow("main", "ООО «Акме»", approval=True)
    apply_sellers([seller], actor=ACTOR, now=BEGIN, reason="test")
    drafts = [credit(north, 30_000), credit(south, 10_000), credit(north, 5_000)]
    services.approve(drafts, approver="user:8", now=LATER)
    assert kept() == {north: ("corrected", -42_700), south: ("corrected", -12_200)}


def test_what_differs_is_named() -> None:
    north = invoice("north").id
    credit(north, 30_000)
    row = Corrected.objects.get()
    Corrected.objects.update(taken_minor=-1)
    [found] = queries.problems()
    assert found == (
        "invoicing_corrected_not_the_documents",
        f"invoice:{north}",
        "corrected -36600; corrected -1 kept",
        1,
    )
    Corrected.objects.all().delete()
    [found] = queries.problems()
    assert found.detail == "corrected -36600; nothing kept"
    row.save(force_insert=True)
    Corrected.objects.update(day=BEGIN.date())
    [found] = queries.problems()
    assert found.detail == "corrected -36600; corrected -36600 kept"
    Corrected.objects.update(day=row.day)


@pytest.mark.parametrize("order", list(queries.ORDERS))
@pytest.mark.parametrize("tab", ["corrected", "void"])
def test_their_tabs_are_paged_in_every_order_off_an_index(tab: Any, order: str) -> None:
    for one in (invoice("north").id, invoice("south").id):
        if tab == "void":
            services.void(one, reason="Ошибка", author=ACTOR, now=LATER)
        else:
            credit(one, 100)
    wanted = InvoiceFilter(tab=tab)
    whole = queries.listed(wanted, order=order)
    names = [name.replace("day", "issued_on") for name in queries.ORDERS[order]]
    expected = Invoice.objects.filter(corrects_id=None).order_by(*names)
    assert [row.id for row in whole.rows] == list(expected.values_list("pk", flat=True))
    first = queries.listed(wanted, order=order, limit=1)
    with CaptureQueriesContext(connection) as seen:
        second = queries.listed(wanted, order=order, after=first.next or "", limit=1)
    assert first.rows + second.rows == whole.rows
    assert (first.count, second.count, second.next) == (2, 2, None)
    [asked] = [one["sql"] for one in seen if "LIMIT 2" in one["sql"]]
    with connection.cursor() as cursor:
        for other in ("seqscan", "bitmapscan", "sort"):  # of so few rows each would do
            cursor.execute(f"SET LOCAL enable_{other} = off")
        cursor.execute(f"EXPLAIN {asked}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert any(name in plan for name in KEPT), plan
    assert "Sort" not in plan, plan
