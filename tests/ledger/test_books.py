"""The books: postings of issued documents, and reports that stay the same whenever asked."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvit.core.bookkeeping import InvoiceFact, Share, invoice_entries, reverse
from kvit.ledger import queries, services
from kvit.ledger.models import Account, Posting
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow
from kvit.platform.tenancy import current_tenant_id, tenant_scope

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
IVAN, OLGA = uuid7(), uuid7()


def issue(
    seller: UUID, now: datetime, *, customer: UUID = IVAN, on: date = LAST, **shares: Any
) -> list[services.PostingIn]:
    """Post an invoice of one share, 10 000.00 and VAT 2 200.00 earned on 31 October unless said."""
    share = Share(**{"net_minor": 1_000_000, "vat_minor": 220_000, "earned_on": LAST} | shares)
    rows = services.postings_of(
        invoice_entries(InvoiceFact("RUB", on, (share,))),
        seller_id=seller,
        customer_id=customer,
        source=f"invoice:{uuid7()}",
    )
    services.post_many(rows, now=now)
    return rows


def sums(seller: UUID, since: date, until: date, known: datetime | None = None) -> dict[str, Any]:
    found = queries.trial_balance(seller, since=since, until=until, as_recorded_by=known)
    return {
        row.account: (row.opening_minor, row.debit_minor, row.credit_minor, row.closing_minor)
        for row in found
    }


def test_trial_balance_of_a_month_with_an_advance_invoice(seller: UUID, now: datetime) -> None:
    issue(seller, now)
    issue(seller, now, customer=OLGA, earned_on=date(2026, 11, 30))
    assert sums(seller, FIRST, NOVEMBER) == {
        "62.01": (0, 2_440_000, 0, 2_440_000),
        "68.02": (0, 0, 220_000, -220_000),
        "90.01": (0, 0, 1_220_000, -1_220_000),
        "90.03": (0, 220_000, 0, 220_000),
        "98.01": (0, 0, 1_220_000, -1_220_000),
    }
    assert sums(seller, NOVEMBER, DECEMBER) == {
        "62.01": (2_440_000, 0, 0, 2_440_000),
        "68.02": (-220_000, 0, 220_000, -440_000),
        "90.01": (-1_220_000, 0, 1_220_000, -2_440_000),
        "90.03": (220_000, 220_000, 0, 440_000),
        "98.01": (-1_220_000, 1_220_000, 0, 0),
    }
    names = {row.account: (row.name, row.kind) for row in queries.trial_balance(
        seller, since=FIRST, until=NOVEMBER)}  # fmt: skip
    assert names["62.01"] == ("Расчёты с покупателями и заказчиками", "asset")


def test_a_report_of_the_past_comes_out_the_same_after_a_correction(
    seller: UUID, now: datetime
) -> None:
    issue(seller, now)
    issue(seller, now, customer=OLGA)
    before = queries.receivables_by_customer(seller, on=LAST)
    later = now + timedelta(days=3)
    issue(seller, later, net_minor=-100_000, vat_minor=-22_000)  # counts for October, learned later

    assert queries.receivables_by_customer(seller, on=LAST, as_recorded_by=now) == before
    assert {r.customer_id: r.balance_minor for r in before} == {IVAN: 1_220_000, OLGA: 1_220_000}
    after = queries.receivables_by_customer(seller, on=LAST)
    assert {r.customer_id: r.balance_minor for r in after} == {IVAN: 1_098_000, OLGA: 1_220_000}
    assert queries.receivables_by_customer(seller, on=LAST - timedelta(days=1)) == []


def test_a_voided_invoice_leaves_no_receivable(seller: UUID, now: datetime) -> None:
    issue(seller, now)
    fact = InvoiceFact("RUB", LAST, (Share(1_000_000, 220_000, LAST),))
    undone = services.postings_of(
        reverse(invoice_entries(fact), effective_on=NOVEMBER),
        seller_id=seller,
        customer_id=IVAN,
        source=f"void:{uuid7()}",
    )
    services.post_many(undone, now=now)
    assert queries.receivables_by_customer(seller, on=NOVEMBER) == []
    assert set(queries.balances(seller, on=NOVEMBER).values()) == {0}


def test_account_card_runs_a_balance_within_each_currency(seller: UUID, now: datetime) -> None:
    issue(seller, now, on=date(2026, 9, 30), earned_on=date(2026, 9, 30))
    [sale, _] = issue(seller, now)
    issue(seller, now, customer=OLGA)
    yen = sale._replace(currency="JPY", amount_minor=500, source="invoice:yen")
    services.post_many([yen], now=now)

    card = queries.account_card(seller, "62.01", since=FIRST, until=NOVEMBER)
    assert [(line.currency, line.debit_minor, line.balance_minor) for line in card] == [
        ("RUB", 1_220_000, 2_440_000),
        ("RUB", 1_220_000, 3_660_000),
        ("JPY", 500, 500),
    ]
    assert (card[0].against, card[0].source, card[0].line) == ("90.01", sale.source, 1)
    mine = queries.account_card(seller, "62.01", since=FIRST, until=NOVEMBER, customer_id=OLGA)
    assert [(line.customer_id, line.balance_minor) for line in mine] == [(OLGA, 1_220_000)]


def test_an_advance_received_lowers_what_is_owed(seller: UUID, now: datetime) -> None:
    [sale, _] = issue(seller, now)
    advance = sale._replace(
        debit="bank", credit="advance", amount_minor=200_000, source="payment:1", line=1
    )
    services.post_many([advance], now=now)
    [owed] = queries.receivables_by_customer(seller, on=LAST)
    assert owed == queries.Receivable(IVAN, "RUB", 1_020_000)


def test_the_chart_is_given_once_and_recorded_once(seller: UUID, now: datetime) -> None:
    assert services.ensure_chart(seller, actor="user:7", now=now) == 0
    codes = Account.objects.filter(seller_id=seller).order_by("code").values_list("code", flat=True)
    assert list(codes) == [
        "51", "62.01", "62.02", "68.02", "76.АВ", "90.01", "90.03", "91.01", "91.02", "98.01",
    ]  # fmt: skip
    [row] = AuditRow.objects.filter(action="ledger.chart.opened")
    assert (row.object_id, row.after) == (str(seller), {"accounts_added": 10})


def test_an_account_that_the_chart_has_not_is_refused_and_nothing_posted(
    seller: UUID, now: datetime
) -> None:
    [sale, vat] = issue(seller, now)
    rows = [sale._replace(source="x"), vat._replace(source="x", debit="44")]
    with pytest.raises(services.UnknownAccount, match="44"):
        services.post_many(rows, now=now)
    assert Posting.objects.count() == 2


def test_a_source_is_posted_once(seller: UUID, now: datetime) -> None:
    rows = issue(seller, now)
    for again in (rows, [rows[0]._replace(line=3)]):  # the same, and a pair slipped in later
        with pytest.raises(services.AlreadyPosted):
            services.post_many(again, now=now)
    assert Posting.objects.count() == 2


@pytest.mark.once
def test_whether_a_source_is_posted_is_looked_up_and_not_read_through(
    seller: UUID, now: datetime
) -> None:
    """By plans alone: over books of a million documents the other way took as long as posting."""
    [sale, _] = issue(seller, now)
    sources = [f"invoice:{uuid7()}" for _ in range(3_000)]
    services.post_many([sale._replace(source=one) for one in sources], now=now)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {services._POSTED}", [sources[:100], current_tenant_id()])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Only Scan using posting_once_per_source on ledger_posting" in plan
    assert "Seq Scan" not in plan


def test_nothing_is_posted_for_nothing(seller: UUID, now: datetime) -> None:
    assert services.post_many([], now=now) == 0
    assert queries.trial_balance(seller, since=FIRST, until=NOVEMBER) == []


@pytest.mark.parametrize(
    "change", [{"amount_minor": 0}, {"amount_minor": -1}, {"credit": "62.01"}, {"line": 0}]
)
def test_the_database_refuses_a_posting_that_moves_nothing(
    seller: UUID, now: datetime, change: dict[str, Any]
) -> None:
    [sale, _] = issue(seller, now)
    with pytest.raises(IntegrityError), transaction.atomic():
        services.post_many([sale._replace(source="x", **change)], now=now)
    assert Posting.objects.count() == 2


def test_postings_are_never_changed(seller: UUID, now: datetime) -> None:
    issue(seller, now)
    for act in (
        lambda: Posting.objects.update(amount_minor=1),
        lambda: Posting.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()
    assert sorted(Posting.objects.values_list("amount_minor", flat=True)) == [220_000, 1_220_000]


def test_tenants_keep_their_own_books(seller: UUID, now: datetime) -> None:
    issue(seller, now)
    with tenant_scope(uuid7(), switch=True):
        assert queries.trial_balance(seller, since=FIRST, until=NOVEMBER) == []
        assert (Posting.objects.count(), Account.objects.count()) == (0, 0)
        with pytest.raises(services.UnknownAccount):
            issue(seller, now)
    assert Posting.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_verify_names_the_row_that_an_owner_slipped_in(
    owner: psycopg.Connection[Any], now: datetime
) -> None:
    seller = uuid7()
    with tenant_scope(uuid7()) as tenant:
        services.ensure_chart(seller, actor="user:7", now=now)
        [sale, _] = issue(seller, now)
        assert list(queries.problems()) == []
        owner.execute(
            "INSERT INTO ledger_posting (tenant_id, seller_id, debit, credit, amount_minor,"
            " currency, source, line, effective_on, recorded_at)"
            " VALUES (%s, %s, '62.01', '90.01', 5, 'RUB', %s, 7, %s, %s)",
            [tenant, seller, sale.source, LAST, datetime(2027, 1, 1, tzinfo=UTC)],
        )
        assert {(p.code, p.row) for p in queries.problems()} == {
            ("ledger_source_lines_broken", sale.source),
            ("ledger_source_recorded_twice", sale.source),
        }
        assert {p.code for p in queries.problems()} <= set(queries.WORDS)


minor = st.integers(-(10**9), 10**9)
days = st.integers(0, 90).map(lambda n: FIRST + timedelta(days=n))
documents = st.lists(st.tuples(minor, minor, days, days), max_size=8)


@given(documents, days)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_report_of_any_day_balances(
    tenant: UUID, now: datetime, drawn: list[tuple[int, int, date, date]], day: date
) -> None:
    seller = uuid7()
    services.ensure_chart(seller, actor="user:7", now=now)
    expected = 0
    for net, vat, on, earned in drawn:
        issue(seller, now, on=on, net_minor=net, vat_minor=vat, earned_on=earned)
        expected += net + vat if on <= day else 0

    rows = queries.trial_balance(seller, since=FIRST, until=day + timedelta(days=1))
    assert sum(row.debit_minor for row in rows) == sum(row.credit_minor for row in rows)
    assert sum(row.closing_minor for row in rows) == 0
    assert sum(r.balance_minor for r in queries.receivables_by_customer(seller, on=day)) == expected
    folded = queries.balances(seller, on=day)
    assert {(r.account, r.currency): r.closing_minor for r in rows} == folded
    assert list(queries.problems()) == []
