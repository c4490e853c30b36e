"""The books a page at a time give the same figures as whole, and add up on every page."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kvit.core.bookkeeping import InvoiceFact, Share, invoice_entries
from kvit.ledger import queries, services
from kvit.ledger.models import Claim
from kvit.ledger.queries import Asked
from kvit.ledger.rows import CustomerTurnover, PostingsAsked, Turnover
from kvit.platform.ids import uuid7
from kvit.platform.paging import CursorUnreadable

OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)
FIRM, IVAN, OLGA = sorted(uuid7() for _ in range(3))


@pytest.fixture
def books(seller: UUID, now: datetime) -> UUID:
    """Firm: 100 and 50 in October, 20 in November. Ivan: 30 in November, an advance of 45. Olga:
    7 dollars. VAT 22 % on top."""
    issue(seller, FIRM, 100, date(2026, 10, 10), now)
    issue(seller, FIRM, 50, date(2026, 10, 10), now)
    issue(seller, FIRM, 20, date(2026, 11, 5), now)
    issue(seller, IVAN, 30, date(2026, 11, 6), now)
    issue(seller, OLGA, 7, date(2026, 11, 7), now, currency="USD")
    advance = services.PostingIn(
        seller, "bank", "advance", IVAN, 4_500, "RUB", "payment:1", 1, date(2026, 11, 8)
    )
    services.post_many([advance], now=now)
    return seller


def issue(
    seller: UUID, customer: UUID, net: int, on: date, now: datetime, currency: str = "RUB"
) -> None:
    fact = InvoiceFact(currency, on, (Share(net * 100, net * 22, on),))
    rows = services.postings_of(
        invoice_entries(fact), seller_id=seller, customer_id=customer, source=f"invoice:{uuid7()}"
    )
    services.post_many(rows, now=now)


def lines(asked: Asked, limit: int = 50) -> list[tuple[Any, ...]]:
    found, after = [], ""
    while True:
        page = queries.card_page(asked, after=after, limit=limit)
        found += [
            (one.effective_on.day, one.account, one.debit_minor, one.credit_minor,
             one.balance_minor) for one in page.lines
        ]  # fmt: skip
        if page.next is None:
            assert page.count == len(found)
            return found
        after = page.next


def test_a_card_runs_on_over_its_pages(books: UUID) -> None:
    asked = Asked(books, NOVEMBER, DECEMBER, account="62.01")
    whole = [
        (5, "62.01", 2_440, 0, 20_740),
        (6, "62.01", 3_660, 0, 24_400),
        (7, "62.01", 854, 0, 854),
    ]
    assert lines(asked) == lines(asked, limit=1) == lines(asked, limit=2) == whole
    card = queries.card_page(asked, limit=1)
    assert card.sums == {
        "RUB": Turnover(18_300, 6_100, 0, 24_400),
        "USD": Turnover(0, 854, 0, 854),
    }
    old = queries.account_card(books, "62.01", since=NOVEMBER, until=DECEMBER)
    assert [line.balance_minor for line in old] == [row[4] for row in whole]


def test_every_movement_of_a_customer_ends_in_what_is_owed(books: UUID) -> None:
    asked = Asked(None, date(1, 1, 1), DECEMBER, customer=IVAN)
    assert lines(asked, limit=1) == [
        (6, "62.01", 3_660, 0, 3_660),
        (8, "62.02", 0, 4_500, -840),
    ]
    assert queries.owed_by([IVAN, FIRM, OLGA], on=DECEMBER) == {
        FIRM: {"RUB": 20_740},
        IVAN: {"RUB": -840},
        OLGA: {"USD": 854},
    }
    assert queries.owed_by([IVAN], on=date(2026, 11, 5)) == {}
    assert queries.owed_in_all(None, on=DECEMBER) == {"RUB": 19_900, "USD": 854}
    two = Claim.objects.filter(customer_id__in=[IVAN, OLGA]).values("customer_id")
    assert queries.owed_in_all(two, on=DECEMBER) == {"RUB": -840, "USD": 854}
    owing = queries.owing_ids(on=DECEMBER).values_list("customer_id", flat=True)
    assert set(owing) == {FIRM, OLGA}


def test_an_account_by_customer_adds_up_to_the_account(books: UUID) -> None:
    asked = Asked(books, NOVEMBER, DECEMBER, account="62.01")
    expected = [
        CustomerTurnover(FIRM, "RUB", 18_300, 2_440, 0, 20_740),
        CustomerTurnover(IVAN, "RUB", 0, 3_660, 0, 3_660),
        CustomerTurnover(OLGA, "USD", 0, 854, 0, 854),
    ]
    first = queries.customers_page(asked, limit=2)
    rest = queries.customers_page(asked, limit=2, after=first.next or "")
    assert [*first.rows, *rest.rows] == expected
    assert (first.count, rest.count, rest.next) == (3, 3, None)
    [of_account] = [
        row for row in queries.trial_balance(books, since=NOVEMBER, until=DECEMBER)
        if (row.account, row.currency) == ("62.01", "RUB")
    ]  # fmt: skip
    assert first.sums["RUB"] == Turnover(
        of_account.opening_minor, of_account.debit_minor, of_account.credit_minor,
        of_account.closing_minor,
    )  # fmt: skip


def test_receivables_of_a_past_day_leave_out_who_owes_nothing(books: UUID) -> None:
    def owed(on: date) -> list[tuple[UUID | None, int]]:
        end = on + timedelta(days=1)
        rows = queries.customers_page(Asked(books, end, end)).rows
        return [(one.customer_id, one.closing_minor) for one in rows]

    assert owed(date(2026, 10, 9)) == []
    assert owed(date(2026, 10, 10)) == [(FIRM, 18_300)]
    assert owed(date(2026, 11, 8)) == [(FIRM, 20_740), (OLGA, 854), (IVAN, -840)]
    known = {
        one.customer_id: one.balance_minor
        for one in queries.receivables_by_customer(books, on=date(2026, 11, 8))
    }
    assert dict(owed(date(2026, 11, 8))) == known


def test_a_report_as_known_earlier_comes_out_as_it_did(books: UUID, now: datetime) -> None:
    before = Asked(books, NOVEMBER, DECEMBER, account="62.01", known=now)
    was = lines(before)
    issue(books, FIRM, 1, date(2026, 11, 1), now + timedelta(days=30))
    assert lines(before) == was
    assert len(lines(Asked(books, NOVEMBER, DECEMBER, account="62.01"))) == len(was) + 1


@pytest.mark.parametrize(
    ("wanted", "count", "sums"),
    [
        ({}, 11, {"RUB": 24_400 + 4_400 + 4_500, "USD": 854 + 154}),
        ({"account": "62.02"}, 1, {"RUB": 4_500}),
        ({"customer": OLGA}, 2, {"USD": 1_008}),
        ({"source": "payment:1"}, 1, {"RUB": 4_500}),
        ({"since": date(2026, 11, 5), "until": date(2026, 11, 5)}, 2, {"RUB": 2_880}),
        ({"least_minor": 12_200}, 1, {"RUB": 12_200}),
        ({"most_minor": 154}, 1, {"USD": 154}),
    ],
)
def test_the_journal_is_narrowed_with_its_sums(
    books: UUID, wanted: dict[str, Any], count: int, sums: dict[str, int]
) -> None:
    seen, after = 0, ""
    while True:
        page, totals = queries.postings_page(PostingsAsked(**wanted), after=after, limit=2)
        seen += len(page.rows)
        assert (page.count, totals) == (count, sums)
        if page.next is None:
            break
        after = page.next
    assert seen == count


def test_postings_of_a_document_come_in_order(books: UUID) -> None:
    page, _ = queries.postings_page(PostingsAsked(customer=OLGA))
    rows = queries.postings_of({page.rows[0].source})
    assert [(row.line, row.debit, row.credit, row.amount_minor) for row in rows] == [
        (1, "62.01", "90.01", 854),
        (2, "90.03", "68.02", 154),
    ]


def test_a_cursor_of_another_list_is_refused(books: UUID) -> None:
    asked = Asked(books, NOVEMBER, DECEMBER, account="62.01")
    cursor = queries.customers_page(asked, limit=1).next or ""
    for wrong in (cursor, "x", "bnVsbA=="):
        with pytest.raises(CursorUnreadable):
            queries.card_page(asked, after=wrong)


def test_a_page_takes_few_statements(books: UUID) -> None:
    with CaptureQueriesContext(connection) as seen:
        queries.card_page(Asked(books, OCTOBER, DECEMBER, account="62.01"))
        queries.customers_page(Asked(books, OCTOBER, DECEMBER, account="62.01"))
    assert len(seen) == 7
