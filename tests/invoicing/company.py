"""A company in roubles and Moscow's time that the tests of invoicing bill.

    pro    fee 1 000.00 a month by days, in arrears; calls at 0.10 each
    pre    fee 1 200.00 a month, in advance
    north  pays for itself; subscription n-1 of pro, 10 000 calls in October
    south  pays for itself; subscription s-1 of pro, no calls

October of north costs 1 000.00 + 1 000.00 net, 440.00 VAT, 2 440.00 in all.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from kvit.catalog import services as catalog
from kvit.core.catalogue import Meter, PlanTerms, PriceTerms
from kvit.core.periods import Period, instant_of
from kvit.core.pricing import parse_price
from kvit.invoicing import queries, services
from kvit.invoicing.rows import InvoiceInfo, RunReport, RunRequest
from kvit.ledger import services as ledger
from kvit.metering import services as metering
from kvit.metering.rows import EventIn
from kvit.parties import queries as parties
from kvit.parties import services as parties_services
from kvit.parties.rows import CustomerRow, SellerRow, TenantRow
from kvit.subscriptions import services as subscriptions
from kvit.subscriptions.rows import NewAmendment, NewSubscription

PER_CALL = {"model": "per_unit", "unit": "0.10"}
ZONE = "Europe/Moscow"
ACTOR = "user:7"
OCTOBER = Period(date(2026, 10, 1), date(2026, 11, 1))
NOVEMBER = Period(date(2026, 11, 1), date(2026, 12, 1))
DECEMBER = Period(date(2026, 12, 1), date(2027, 1, 1))
BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
LATER = datetime(2026, 11, 10, 9, tzinfo=UTC)  # the day on which corrections are made


def found(*, approval: bool = False, late_events: str = "open_period", code: str = "acme") -> None:
    """Make the company, in the scope of its tenant."""
    row = TenantRow(code, "ООО «Акме»", "RUB", ZONE, late_events=late_events)
    parties_services.change_tenant(row, actor=ACTOR, now=BEGIN, reason="test")
    seller = SellerRow("main", "ООО «Акме»", approval=approval)
    parties_services.apply_sellers([seller], actor=ACTOR, now=BEGIN, reason="test")
    ledger.ensure_chart(seller_id(), actor=ACTOR, now=BEGIN)
    catalog.publish(
        catalog.CatalogueIn(
            meters=(Meter("calls", "Вызовы", "вызов", "sum"),),
            plans=(PlanTerms("pro", "Профи"), PlanTerms("pre", "Вперёд")),
            prices=(
                _price("pro", "fee", {"model": "flat", "amount": "1000"}),
                _price("pro", "calls", PER_CALL, meter="calls", prorate="none"),
                _price("pre", "fee", {"model": "flat", "amount": "1200"}, when="advance"),
            ),
        ),
        actor=ACTOR,
        now=BEGIN,
    )
    customers = [CustomerRow("north", "ООО «Север»"), CustomerRow("south", "ООО «Юг»")]
    parties_services.apply_customers(customers, actor=ACTOR, now=BEGIN, reason="test")
    subscribe("n-1", "north", "pro")
    subscribe("s-1", "south", "pro")
    use("n-1", 10_000, date(2026, 10, 10))


def _price(plan: str, code: str, definition: dict[str, Any], **more: Any) -> catalog.PriceIn:
    return catalog.PriceIn(PriceTerms(plan, code, code, parse_price(definition), **more))


def subscribe(code: str, customer: str, plan: str, start: date = OCTOBER.start) -> None:
    subscriptions.open_many(
        [NewSubscription(code, customer_id(customer), plan, ZONE, start)], actor=ACTOR, now=BEGIN
    )


def use(subscription: str, calls: int, day: date, *, now: datetime = BEGIN) -> None:
    """Take in one event at noon."""
    at = instant_of(day, ZONE) + timedelta(hours=12)
    event = EventIn(
        f"{subscription}/{day}/{calls}", "subscription", subscription, "calls", at, Decimal(calls)
    )
    metering.ingest([event], source="test", actor=ACTOR, now=now)


def amendment(subscription: str, day: date, change: str, value: object = None) -> NewAmendment:
    return NewAmendment(subscription, instant_of(day, ZONE), change, value, "test")


def amend(subscription: str, day: date, change: str, value: object = None) -> None:
    rows = [amendment(subscription, day, change, value)]
    subscriptions.amend_many(rows, actor=ACTOR, now=LATER)


def bill(window: Period = OCTOBER) -> RunReport:
    clock = window.end_instant(ZONE)
    request = RunRequest(window, clock, issue_on=window.end - timedelta(days=1))
    return services.run(request, actor=ACTOR, now=clock)


def customer_id(code: str) -> UUID:
    return parties.customers_by_code([code])[code].id


def seller_id() -> UUID:
    return parties.sellers()["main"].id


def documents(customer: str, window: Period = OCTOBER) -> list[InvoiceInfo]:
    """Return what a customer got in a billing period, in order of making."""
    mine = customer_id(customer)
    return sorted(
        (one for one in queries.of_period(window.start) if one.customer_id == mine),
        key=lambda one: one.id,
    )


def invoice(customer: str = "north", window: Period = OCTOBER) -> InvoiceInfo:
    return documents(customer, window)[0]


def sums(info: InvoiceInfo) -> tuple[str, int, int, int]:
    return info.kind, info.net_minor, info.vat_minor, info.total_minor


def lines(info: InvoiceInfo) -> list[tuple[str, int, int]]:
    return [(line.price, line.net_minor, line.vat_minor) for line in info.lines]
