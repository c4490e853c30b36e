"""Pages by the key of the last row: every row once, in order, from cursors nobody can bend."""

import base64
from collections import Counter
from datetime import UTC, datetime

import pytest

from kvit.ledger.models import Posting
from kvit.parties.customers import apply_customers
from kvit.parties.models import Customer
from kvit.parties.rows import CustomerRow, Tenant
from kvit.platform.paging import CursorUnreadable, cursor_of, keyset, moment_of, read_cursor


@pytest.fixture
def customers(tenant: Tenant, now: datetime) -> None:
    rows = [
        CustomerRow(f"c{n:03}", f"Клиент {n % 3}", segment="vip" if n % 2 else "")
        for n in range(25)
    ]
    apply_customers(rows, actor="cli:test", now=now, reason="")


def walk(order: tuple[str, ...], limit: int) -> list[str]:
    codes: list[str] = []
    after = ""
    while True:
        page = keyset(Customer.objects.all(), order=order, after=after, limit=limit)
        codes += [one.code for one in page.rows]
        if page.next is None:
            return codes
        after = page.next


@pytest.mark.parametrize("order", [("code",), ("-code",), ("name", "-code"), ("-name", "code")])
@pytest.mark.parametrize("limit", [1, 7, 25, 26])
def test_every_row_is_seen_once_and_in_order(
    customers: None, order: tuple[str, ...], limit: int
) -> None:
    whole = list(Customer.objects.order_by(*order).values_list("code", flat=True))
    assert walk(order, limit) == whole
    assert Counter(whole).most_common(1)[0][1] == 1


def test_values_rows_and_related_columns_page_as_well(customers: None) -> None:
    rows = Customer.objects.values("code", "name")
    first = keyset(rows, order=("-name", "code"), limit=10)
    second = keyset(rows, order=("-name", "code"), after=first.next or "", limit=15)
    assert [len(first.rows), len(second.rows), second.next] == [10, 15, None]
    assert len({row["code"] for row in (*first.rows, *second.rows)}) == 25


def test_the_count_is_of_the_whole_filter(customers: None) -> None:
    page = keyset(Customer.objects.filter(segment="vip"), order=("code",), limit=5)
    assert (len(page.rows), page.count) == (5, 12)


def test_a_cursor_of_another_order_is_refused(customers: None) -> None:
    first = keyset(Customer.objects.all(), order=("name", "code"), limit=5)
    assert first.next is not None
    with pytest.raises(CursorUnreadable):
        keyset(Customer.objects.all(), order=("-name", "code"), after=first.next)


@pytest.mark.parametrize(
    "cursor",
    ["x", "%%%", "bm90IGpzb24=", base64.urlsafe_b64encode(b'["code"]').decode(),
     base64.urlsafe_b64encode(b'["code","a\\u0000b"]').decode(), "ё"],
)  # fmt: skip
def test_a_bent_cursor_is_refused(customers: None, cursor: str) -> None:
    with pytest.raises(CursorUnreadable):
        keyset(Customer.objects.all(), order=("code",), after=cursor)


@pytest.mark.parametrize("value", ["NaN", "1e999999999", "soon"])
def test_a_value_that_is_none_of_its_column_is_refused(tenant: Tenant, value: str) -> None:
    cursor = base64.urlsafe_b64encode(f'["amount_minor","{value}"]'.encode()).decode()
    with pytest.raises(CursorUnreadable):
        keyset(Posting.objects.all(), order=("amount_minor",), after=cursor)


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-29", "2026-11-29T00:00:00"],
)
def test_a_moment_that_the_years_do_not_hold_or_no_zone_places_is_refused(
    tenant: Tenant, moment: str
) -> None:
    cursor = base64.urlsafe_b64encode(f'["recorded_at","{moment}"]'.encode()).decode()
    with pytest.raises(CursorUnreadable):
        keyset(Posting.objects.all(), order=("recorded_at",), after=cursor)
    with pytest.raises(CursorUnreadable):
        read_cursor("timeline", cursor_of("timeline", moment), moment_of)
    whole = cursor_of("timeline", "2026-11-29T03:00:00+03:00")
    assert read_cursor("timeline", whole, moment_of) == (datetime(2026, 11, 29, tzinfo=UTC),)
