"""How many statements a chunk costs must not depend on how many rows it has.

Everything is done twice, for companies of two sizes that differ in nothing else; rows beyond
`bulk.FEW` go by COPY, so both sizes are above it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kvit.catalog import services as catalog
from kvit.core.catalogue import Meter, PlanTerms, PriceTerms
from kvit.core.periods import Period, instant_of
from kvit.core.pricing import parse_price
from kvit.invoicing import queries as invoicing
from kvit.invoicing import services
from kvit.invoicing.rows import DraftLine, RunReport, RunRequest
from kvit.invoicing.services import _draft
from kvit.ledger import services as ledger
from kvit.metering import services as metering
from kvit.metering.rows import EventIn
from kvit.parties import queries as parties
from kvit.parties import services as parties_services
from kvit.parties.rows import CustomerRow, SellerRow, TenantRow
from kvit.platform import bulk
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import tenant_scope
from kvit.rating import queries as rating
from kvit.rating import services as rating_services
from kvit.subscriptions import services as subscriptions
from kvit.subscriptions.rows import NewAmendment, NewSubscription

ZONE, ACTOR = "Europe/Moscow", "user:7"
OCTOBER = Period(date(2026, 10, 1), date(2026, 11, 1))
NOVEMBER = Period(date(2026, 11, 1), date(2026, 12, 1))
BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
MANY = 3_000
SIZES = (bulk.FEW + 6, 2 * bulk.FEW + 12)


@dataclass
class Load:
    """A company of `size` customers with a subscription each; `counts` by what was done."""

    size: int
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def codes(self) -> range:
        return range(self.size)

    def found(self, late_events: str) -> None:
        row = TenantRow(f"load{self.size}", "ООО", "RUB", ZONE, late_events=late_events)
        parties_services.change_tenant(row, actor=ACTOR, now=BEGIN, reason="test")
        seller = [SellerRow("main", "ООО", vat="auto")]
        parties_services.apply_sellers(seller, actor=ACTOR, now=BEGIN, reason="test")
        ledger.ensure_chart(parties.sellers()["main"].id, actor=ACTOR, now=BEGIN)
        prices = (
            PriceTerms("pro", "fee", "", parse_price({"model": "flat", "amount": "1000"}),
                       prorate="days"),
            PriceTerms("pro", "calls", "", parse_price({"model": "per_unit", "unit": "0.1"}),
                       meter="calls"),
            PriceTerms("lite", "base", "", parse_price({"model": "flat", "amount": "300"}),
                       prorate="days"),
        )  # fmt: skip
        stated = catalog.CatalogueIn(
            meters=(Meter("calls", "", "", "sum"),),
            plans=(PlanTerms("pro", ""), PlanTerms("lite", "")),
            prices=tuple(map(catalog.PriceIn, prices)),
        )
        catalog.publish(stated, actor=ACTOR, now=BEGIN)
        customers = [CustomerRow(f"c{n}", f"ООО {n}") for n in self.codes]
        parties_services.apply_customers(customers, actor=ACTOR, now=BEGIN, reason="test")
        ids = {code: one.id for code, one in parties.customers().items()}
        opened = [
            NewSubscription(f"s{n}", ids[f"c{n}"], "pro", ZONE, OCTOBER.start) for n in self.codes
        ]
        subscriptions.open_many(opened, actor=ACTOR, now=BEGIN)

    def use(self, day: date) -> None:
        events = [
            EventIn(f"{day}/{n}", "subscription", f"s{n}", "calls", instant_of(day, ZONE),
                    Decimal(100))
            for n in self.codes
        ]  # fmt: skip
        metering.ingest(events, source="test", actor=ACTOR, now=BEGIN)

    def amend(self, change: str, value: object, day: date) -> None:
        at = instant_of(day, ZONE)
        rows = [NewAmendment(f"s{n}", at, change, value, "test") for n in self.codes]
        subscriptions.amend_many(rows, actor=ACTOR, now=BEGIN)

    def bill(self, window: Period) -> RunReport:
        clock = window.end_instant(ZONE)
        request = RunRequest(
            window, clock, issue_on=window.end - timedelta(days=1), chunk=self.size
        )
        return services.run(request, actor=ACTOR, now=clock)

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        with CaptureQueriesContext(connection) as seen:
            yield
        self.counts[name] = len(seen)


@pytest.fixture
def twice(db: Any) -> Callable[[str, Callable[[Load], None]], list[dict[str, int]]]:
    """Do something for a company of either size; return the counts of each."""

    def twice(late_events: str, act: Callable[[Load], None]) -> list[dict[str, int]]:
        found = []
        for size in SIZES:
            row = TenantRow(f"load{size}", "ООО", "RUB", ZONE)
            tenant = parties_services.create_tenant(row, actor=ACTOR, now=BEGIN)
            with tenant_scope(tenant.id):
                load = Load(size)
                load.found(late_events)
                act(load)
                found.append(load.counts)
        return found

    return twice


def first_month(load: Load) -> None:
    load.use(date(2026, 10, 10))
    with load.counted("first"):
        report = load.bill(OCTOBER)
    assert (len(report.issued), report.rated.charges) == (load.size, 2 * load.size)
    with load.counted("again"):
        assert load.bill(OCTOBER).issued == []
    with load.counted("read back"):
        assert len(invoicing.of_period(OCTOBER.start)) == load.size
    until = OCTOBER.end_instant(ZONE)
    with load.counted("waiting"):
        assert rating.waiting_events(until) == 0
    with load.counted("unbilled"):
        assert rating.unbilled_before(OCTOBER) == ()


def late_month(load: Load) -> None:
    """All that a run meets seldom, in every row of a chunk: late usage, fees taken back."""
    load.use(date(2026, 10, 10))
    load.bill(OCTOBER)
    load.use(date(2026, 10, 20))
    load.amend("plan", "lite", date(2026, 10, 1))
    load.amend("plan", "pro", date(2026, 10, 18))
    load.use(date(2026, 11, 10))
    with load.counted("late"):
        report = load.bill(NOVEMBER)
    assert report.rated.differences >= 2 * load.size
    with load.counted("waiting"):
        rating.waiting_events(NOVEMBER.end_instant(ZONE))
    with load.counted("unbilled"):
        rating.unbilled_before(NOVEMBER)


@pytest.mark.parametrize(
    ("late_events", "act"),
    [("open_period", first_month), ("open_period", late_month), ("correction", late_month)],
)
def test_a_chunk_costs_the_same_however_many_rows_it_has(
    twice: Any, late_events: str, act: Callable[[Load], None]
) -> None:
    few, many = twice(late_events, act)
    assert few == many
    assert all(count < 200 for count in many.values()), many


def write_drafts(count: int) -> None:
    """Write drafts of one line each, as a chunk does."""
    line = DraftLine(
        charge_id=None, subscription_id=None, subscription_code="s", price_code="fee", name="Плата",
        unit="", starts_on=OCTOBER.start, ends_on=OCTOBER.end, vat_on=OCTOBER.start,
        units=Decimal(1), gross_minor=100, amount_minor=100, discounts=[], basis="net",
        vat_code="none",
    )  # fmt: skip
    group = _draft.Group(uuid7(), uuid7(), "RUB", "", None)
    drafts = [
        _draft.make(group, [line], window=OCTOBER, vat_rounding="document") for _ in range(count)
    ]
    _draft.write(drafts, actor=ACTOR, now=BEGIN)


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize("analysed", ["never", "while empty", "after a dry run"])
def test_a_line_is_checked_against_its_own_invoice_alone(
    analysed: str, owner: psycopg.Connection[Any]
) -> None:
    """A session plans the check of a foreign key once; planned on a small table, or by what
    autovacuum knew of an empty one, it read every invoice of the tenant for every line."""
    if analysed == "after a dry run":
        with suppress(ZeroDivisionError), transaction.atomic():
            write_drafts(MANY)
            raise ZeroDivisionError
    if analysed != "never":
        owner.execute("ANALYZE invoicing_invoice, invoicing_invoiceline")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        before = rows_read(cursor)
        for count in (100, MANY, MANY):
            write_drafts(count)
        assert rows_read(cursor) - before < 20 * MANY


def rows_read(cursor: Any) -> int:
    cursor.execute(
        "SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_xact_user_tables"
        " WHERE relname = 'invoicing_invoice'"
    )
    (read,) = cursor.fetchone()
    return int(read)


def test_rating_a_chunk_takes_a_few_statements(twice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = rating_services.rate_many
    seen: list[int] = []

    def counting(ids: Any, run: Any) -> Any:
        with CaptureQueriesContext(connection) as captured:
            result = real(ids, run)
        seen.append(len(captured))
        return result

    monkeypatch.setattr(rating_services, "rate_many", counting)

    def act(load: Load) -> None:
        load.use(date(2026, 10, 10))
        load.bill(OCTOBER)

    twice("open_period", act)
    assert len(seen) == len(SIZES)
    assert len(set(seen)) == 1
    assert seen[0] < 40
