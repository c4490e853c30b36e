"""The overview's figures are those of the lists behind their doors."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kvit.core.periods import Period
from kvit.insight import overview
from kvit.insight.overview import Agreement, Attention
from kvit.invoicing import queries as invoicing
from kvit.invoicing import services
from kvit.invoicing.queries import InvoiceFilter, Issued, MonthIssued, PlanIssued
from kvit.ledger import queries as ledger
from kvit.metering import queries as metering
from kvit.metering import services as metering_services
from kvit.metering.rows import EventIn
from tests.invoicing import company
from tests.invoicing.company import ACTOR, LATER, NOVEMBER, OCTOBER, bill, invoice, use

TODAY = date(2026, 11, 10)
pytestmark = pytest.mark.usefixtures("acme")


def test_nothing_waits_where_all_is_done() -> None:
    bill()
    assert overview.attention(LATER) == []
    assert overview.usage_that_waits(LATER) is None
    assert overview.agreement() == [Agreement("RUB", 366_000, 366_000)]


def test_drafts_wait_with_their_sum_and_age() -> None:
    company.parties_services.apply_sellers(
        [company.SellerRow("main", "ООО «Акме»", approval=True)],
        actor=ACTOR, now=LATER, reason="test",
    )  # fmt: skip
    bill()
    clock = OCTOBER.end_instant(company.ZONE)
    [found] = overview.attention(LATER)
    assert found == Attention("drafts", 2, {"RUB": 366_000}, clock, {"approval": 2})
    behind = invoicing.totals(InvoiceFilter(tab="drafts"))["drafts"]
    assert (behind.count, behind.sums) == (found.count, found.sums)
    assert overview.agreement() == []  # nothing is issued


def test_usage_that_needs_a_person_is_counted_as_its_lists_count_it() -> None:
    at = datetime(2026, 10, 5, 9, tzinfo=UTC)
    row = EventIn("e1", "subscription", "n-1", "calls", at, company.Decimal(5))
    for value in (5, 6):  # the second says something else under the same id
        metering_services.ingest(
            [row._replace(value=company.Decimal(value))], source="crm", actor=ACTOR, now=LATER
        )
    use("nobody", 3, date(2026, 10, 7), now=LATER)
    causes = {one.cause: one for one in overview.attention(LATER)}
    assert set(causes) == {"conflicts"}
    assert (causes["conflicts"].count, causes["conflicts"].oldest) == (1, LATER)
    assert metering.conflicts().count() == 1
    waits = overview.usage_that_waits(LATER)
    assert waits is not None
    assert (waits.count, waits.detail) == (1, {"unknown_subscription": 1})


def test_the_month_so_far_stands_beside_the_same_days_of_the_last() -> None:
    bill()
    bill(NOVEMBER)
    services.credit(invoice("north").id, {1: 30_000}, reason="Простой", author=ACTOR, now=LATER)
    found = overview.figures(today=TODAY, now=LATER)
    assert list(found.this_month) == [Issued("RUB", 1, -36_600)]  # November bears its last day
    assert (found.last_since, found.last_until) == (date(2026, 10, 1), date(2026, 10, 11))
    assert list(found.last_month) == []
    assert list(found.billed_before) == [Issued("RUB", 2, 366_000)]
    whole = overview.figures(today=date(2026, 11, 30), now=LATER)
    behind = invoicing.totals(
        InvoiceFilter(issued_from=whole.this_since, issued_to=whole.today)
    )["all"]  # fmt: skip
    assert list(whole.this_month) == [Issued("RUB", behind.count, behind.sums["RUB"])]
    assert whole.next_period == Period(date(2026, 12, 1), date(2027, 1, 1))
    assert whole.subscriptions == 2
    assert overview.owed(TODAY) == {"RUB": 329_400}
    assert overview.owed(TODAY) == ledger.owed_in_all(None, on=TODAY)
    assert [one.difference_minor for one in overview.agreement()] == [0]


def test_months_and_plans_add_up_to_the_documents() -> None:
    bill()
    bill(NOVEMBER)
    today = date(2026, 11, 30)
    assert overview.by_month(today) == [
        MonthIssued(date(2026, 10, 1), "RUB", 2, 300_000, 366_000),
        MonthIssued(date(2026, 11, 1), "RUB", 2, 200_000, 244_000),
    ]
    period, plans = overview.by_plan(today)
    assert period == OCTOBER
    assert plans == [PlanIssued("pro", "RUB", 300_000)]
    assert overview.by_month(date(2028, 1, 31)) == []


def test_the_first_days_of_a_month_are_compared_with_as_many_of_the_last() -> None:
    found = overview.figures(today=date(2026, 3, 31), now=LATER + timedelta(days=1))
    assert (found.last_since, found.last_until) == (date(2026, 2, 1), date(2026, 3, 1))
