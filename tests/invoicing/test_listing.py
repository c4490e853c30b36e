"""The list of documents: tabs, sums of the whole filter, filters, orders, pages; the bridge."""

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kvit.core.bridge import by_cause
from kvit.invoicing import _bridge, queries, services
from kvit.invoicing.models import Invoice
from kvit.invoicing.queries import InvoiceFilter, TabTotal
from tests.invoicing.company import (
    ACTOR,
    LATER,
    NOVEMBER,
    OCTOBER,
    amend,
    bill,
    customer_id,
    documents,
    invoice,
    seller_id,
    use,
)

pytestmark = pytest.mark.usefixtures("billed")


def numbers(**wanted: Any) -> list[str]:
    order = wanted.pop("order", "-day")
    return [one.number for one in queries.listed(InvoiceFilter(**wanted), order=order).rows]


def correct(**more: Any) -> None:
    services.credit(
        invoice("north").id, {1: 30_000}, reason="Простой", author=ACTOR, now=LATER, **more
    )
    services.void(invoice("south").id, reason="Ошибка", author=ACTOR, now=LATER)


def test_every_document_is_on_one_tab_and_the_tabs_sum_to_all() -> None:
    correct()
    bill(NOVEMBER)
    on = {tab: numbers(tab=tab) for tab in queries.TABS}
    assert on == {
        "drafts": [],
        "issued": ["2026-00006", "2026-00005"],
        "corrected": ["2026-00001"],
        "void": ["2026-00002"],
        "corrections": ["2026-00004", "2026-00003"],
        "all": [f"2026-0000{n}" for n in (6, 5, 4, 3, 2, 1)],
    }
    sums = queries.totals(InvoiceFilter(tab="void", number=""))
    assert sums == {
        "drafts": TabTotal(0, {}),
        "issued": TabTotal(2, {"RUB": 244_000}),
        "corrected": TabTotal(1, {"RUB": 244_000}),
        "void": TabTotal(1, {"RUB": 122_000}),
        "corrections": TabTotal(2, {"RUB": -158_600}),
        "all": TabTotal(6, {"RUB": 451_400}),
    }
    assert Invoice.objects.count() == sums["all"].count


def test_a_row_says_what_is_left_of_it_and_what_it_corrects() -> None:
    correct()
    rows = {row.number: row for row in queries.listed(InvoiceFilter()).rows}
    assert [
        (row.number, row.state, row.left_minor, row.corrects_number)
        for row in sorted(rows.values(), key=lambda row: row.number)
    ] == [
        ("2026-00001", "corrected", 207_400, ""),
        ("2026-00002", "void", 0, ""),
        ("2026-00003", "issued", -36_600, "2026-00001"),
        ("2026-00004", "issued", -122_000, "2026-00002"),
    ]
    assert rows["2026-00003"].reason == "Простой"
    family = queries.family_of(rows["2026-00003"].id)
    assert [one.number for one in family] == ["2026-00001", "2026-00003"]


def test_filters_narrow_the_rows_and_the_sums_alike() -> None:
    correct()
    north = customer_id("north")
    for wanted, expected in [
        ({"customers": {north}}, ["2026-00003", "2026-00001"]),
        ({"customers": set()}, []),
        ({"number": "2026-00002"}, ["2026-00002"]),
        ({"number": "3"}, ["2026-00003"]),
        ({"number": "2026-3"}, []),
        ({"kind": "credit_note"}, ["2026-00003"]),
        ({"least_minor": 122_000}, ["2026-00002", "2026-00001"]),
        ({"most_minor": -36_600}, ["2026-00004", "2026-00003"]),
        ({"issued_from": date(2026, 11, 10)}, ["2026-00004", "2026-00003"]),
        ({"issued_to": date(2026, 10, 31)}, ["2026-00002", "2026-00001"]),
        ({"period_from": NOVEMBER.start}, []),
        ({"period_to": OCTOBER.start, "seller": seller_id(), "currency": "RUB"},
         ["2026-00004", "2026-00003", "2026-00002", "2026-00001"]),
        ({"currency": "USD"}, []),
    ]:  # fmt: skip
        assert numbers(**wanted) == expected, wanted
        total = queries.totals(InvoiceFilter(**wanted))["all"]  # type: ignore[arg-type]
        assert total.count == len(expected), wanted


@pytest.mark.parametrize("order", list(queries.ORDERS))
def test_pages_of_two_go_through_all_in_every_order(order: str) -> None:
    correct()
    bill(NOVEMBER)
    whole = [row.id for row in queries.listed(InvoiceFilter(), order=order).rows]
    seen: list[Any] = []
    after: str | None = ""
    while after is not None:
        page = queries.listed(InvoiceFilter(), order=order, after=after, limit=2)
        assert page.count == 6
        seen += [row.id for row in page.rows]
        after = page.next
    assert seen == whole


@pytest.mark.parametrize("order", list(queries.ORDERS))
def test_a_page_is_read_from_where_the_one_before_ended(order: str) -> None:
    correct()
    after = queries.listed(InvoiceFilter(), order=order, limit=1).next
    assert after
    with CaptureQueriesContext(connection) as seen:
        queries.listed(InvoiceFilter(), order=order, after=after, limit=1)
    [asked] = [one["sql"] for one in seen if "LIMIT 2" in one["sql"]]
    with connection.cursor() as cursor:
        for other in ("seqscan", "bitmapscan", "sort"):  # of so few rows each would do
            cursor.execute(f"SET LOCAL enable_{other} = off")
        cursor.execute(f"EXPLAIN {asked}")
        plan = [line for (line,) in cursor.fetchall()]
    assert any("Index Cond" in one and ("<=" in one or ">=" in one) for one in plan), plan


@pytest.mark.usefixtures("billed")
def test_a_page_costs_the_same_however_many_rows_it_has() -> None:
    counts = []
    for limit in (1, 50):
        correct() if limit == 50 else None
        with CaptureQueriesContext(connection) as seen:
            queries.listed(InvoiceFilter(), limit=limit)
            queries.totals(InvoiceFilter())
        counts.append(len(seen))
    assert counts[1] <= counts[0] + 1  # the numbers of what is corrected


def test_the_bridge_adds_up_and_names_its_causes() -> None:
    use("n-1", 500, date(2026, 10, 12), now=LATER)  # late: recalculated in November
    use("n-1", 12_000, date(2026, 11, 5), now=LATER)
    bill(NOVEMBER)
    this = invoice("north", NOVEMBER)
    found = queries.bridge_of(this.id)
    assert found is not None
    assert (found.previous_number, found.previous_minor) == ("2026-00001", 244_000)
    assert by_cause(found.steps) == {"volume": 24_400, "recalculated": 6_100}
    assert sum(step.minor for step in found.steps) == this.total_minor - found.previous_minor


def test_a_first_bill_and_a_correction_have_no_bridge() -> None:
    correct()
    assert queries.bridge_of(invoice("north").id) is None
    assert queries.bridge_of(documents("north")[1].id) is None


def test_a_void_bill_is_not_what_the_next_is_compared_with() -> None:
    correct()
    bill(NOVEMBER)
    assert queries.bridge_of(invoice("south", NOVEMBER).id) is None


def test_a_period_is_compared_payer_by_payer_with_the_one_before() -> None:
    amend("s-1", date(2026, 11, 1), "cancel")
    use("n-1", 9_000, date(2026, 11, 5), now=LATER)
    bill(NOVEMBER)
    assert queries.period_before(NOVEMBER.start) == OCTOBER.start
    assert queries.period_before(OCTOBER.start) is None
    found = {
        one.customer_id: (one.before_minor, one.now_minor, dict(one.causes))
        for one in queries.compared(NOVEMBER.start, OCTOBER.start)
    }
    assert found == {
        customer_id("north"): (244_000, 231_800, {"volume": -12_200}),
        customer_id("south"): (122_000, 0, {"gone": -122_000}),
    }


def test_who_is_wholly_new_is_told_as_if_every_line_were_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use("n-1", 9_000, date(2026, 10, 5), now=LATER)  # late: north's next bill puts October right
    bill(NOVEMBER)
    quickly = [list(queries.compared(month, None)) for month in (OCTOBER.start, NOVEMBER.start)]
    monkeypatch.setattr(_bridge, "_wholly_new", lambda bills, before: set())
    slowly = [list(queries.compared(month, None)) for month in (OCTOBER.start, NOVEMBER.start)]
    assert quickly == slowly
    assert {cause for many in slowly for one in many for cause in one.causes} == {
        "new",
        "recalculated",
    }
