"""The company that proofs bill: fees in arrears and in advance, usage by tiers, a discount.

    pro    fee 1 000.00 a month by days; calls 0.10 each, above 1 000 0.07; users (most) at 50.00
    pre    fee 1 200.00 a month in advance

Customers `c-0`, `c-1`, … have a subscription each, every third of `pre`, every fifth 10 % off.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from kvit.catalog import services as catalog
from kvit.core.catalogue import Meter, PlanTerms, PriceTerms
from kvit.core.periods import Period, add_months, instant_of
from kvit.core.pricing import parse_price
from kvit.invoicing import services as invoicing
from kvit.invoicing.rows import RunReport, RunRequest, Scope
from kvit.ledger import services as ledger
from kvit.metering import services as metering
from kvit.metering.rows import EventIn
from kvit.parties import queries as parties
from kvit.parties import services as parties_services
from kvit.parties.rows import CustomerRow, SellerRow, Tenant, TenantRow
from kvit.subscriptions import services as subscriptions
from kvit.subscriptions.rows import NewAmendment, NewSubscription

ZONE = "Europe/Moscow"
ACTOR = "cli:prove"
OCTOBER = Period(date(2026, 10, 1), date(2026, 11, 1))
NOVEMBER = Period(date(2026, 11, 1), date(2026, 12, 1))
BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
AGAIN = 4
TURN = 12  # months that a subscription lasts where they follow each other
DRAWN_FROM = 1_000  # the places of events that a seed draws
LATER = datetime(2026, 11, 10, 9, tzinfo=UTC)  # the day of corrections
CALLS = {
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit": "0.10"}, {"up_to": None, "unit": "0.07"}],
}


def tenant() -> Tenant:
    """Return the company; the only one in the database of a proof."""
    return parties.tenants()[0]


def make(
    customers: int,
    *,
    approval: bool = False,
    events: int = 2,
    chance: Random | None = None,
    in_turn: bool = False,
) -> None:
    """Make the company with so many customers, `events` calls for each in October; with a chance,
    it draws up to three events more for each.

    Args:
        in_turn: their subscriptions follow each other from November on, a year each (`whose`).
    """
    from kvit.platform.tenancy import tenant_scope

    row = TenantRow("acme", "ООО «Акме»", "RUB", ZONE)
    made = parties_services.create_tenant(row, actor=ACTOR, now=BEGIN)
    with tenant_scope(made.id):
        seller = SellerRow("main", "ООО «Акме»", approval=approval)
        parties_services.apply_sellers([seller], actor=ACTOR, now=BEGIN, reason="proof")
        ledger.ensure_chart(seller_id(), actor=ACTOR, now=BEGIN)
        catalog.publish(_catalogue(), actor=ACTOR, now=BEGIN)
        codes = [f"c-{n}" for n in range(customers)]
        rows = [CustomerRow(code, f"ООО «{code}»") for code in codes]
        parties_services.apply_customers(rows, actor=ACTOR, now=BEGIN, reason="proof")
        ids = {code: one.id for code, one in parties.customers_by_code(codes).items()}
        open_ = _of_a_year if in_turn else _subscription
        subscriptions.open_many(
            [open_(n, ids[code]) for n, code in enumerate(codes)], actor=ACTOR, now=BEGIN
        )
        used = [event(n, k) for n in range(customers) for k in range(events)]
        used += [] if chance is None else _drawn(customers, chance)
        if used:
            metering.ingest(used, source="meter", actor=ACTOR, now=BEGIN)


def event(customer: int, place: int, value: int = 0, day: int = 0) -> EventIn:
    """A call or a level of a customer, the same each time it is told."""
    at = instant_of(date(2026, 10, day or 1 + (customer + 7 * place) % 28), ZONE)
    meter = "users" if place % 4 == 3 else "calls"
    amount = Decimal(value or (place + 1) * (3 if meter == "users" else 307) + customer)
    return EventIn(
        f"e-{customer}-{place}", "subscription", f"s-{customer}", meter,
        at + timedelta(hours=12, seconds=place), amount,
    )  # fmt: skip


def _drawn(customers: int, chance: Random) -> list[EventIn]:
    """Draw usage at places of a customer that no flow tells."""
    return [
        event(n, DRAWN_FROM + k, value=chance.randrange(1, 2_000), day=chance.randrange(1, 29))
        for n in range(customers)
        for k in range(chance.randrange(4))
    ]


def amendment(customer: int, day: date, change: str, value: object = None) -> NewAmendment:
    return NewAmendment(f"s-{customer}", instant_of(day, ZONE), change, value, "proof")


def bill(window: Period = OCTOBER, *, chunk: int = 2, run_id: UUID | None = None) -> RunReport:
    clock = window.end_instant(ZONE)
    request = RunRequest(
        window, clock, issue_on=window.end - timedelta(days=1), chunk=chunk, run_id=run_id
    )
    return invoicing.run(request, actor=ACTOR, now=clock)


def bill_some(payers: Iterable[UUID], subscriptions_: Iterable[UUID]) -> RunReport:
    """Bill October for some payers only."""
    clock = OCTOBER.end_instant(ZONE)
    only = Scope(frozenset(payers), frozenset(subscriptions_))
    request = RunRequest(OCTOBER, clock, issue_on=OCTOBER.end - timedelta(days=1), only=only)
    return invoicing.run(request, actor=ACTOR, now=clock)


def seller_id() -> UUID:
    return parties.sellers()["main"].id


def month(place: int) -> Period:
    """Return the month that begins so many months after October 2026."""
    start = add_months(OCTOBER.start, place)
    return Period(start, add_months(start, 1))


def whose(place: int) -> int:
    """Return the customer whose turn the month is that begins so many months after October."""
    return (place - 1) // TURN


def ask(words: str, **params: object) -> list[tuple[Any, ...]]:
    """Read rows of the company; its row-level security chooses them."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(words, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def number(words: str, **params: object) -> int:
    """Read one figure; nothing is nought."""
    return int(ask(words, **params)[0][0] or 0)


def gaps() -> list[str]:
    """Return the series of documents whose numbers do not go 1, 2, 3 … up to their counter."""
    found = ask("""
        SELECT s.key, s.last, count(i.number), coalesce(max(i.number), 0),
               count(DISTINCT i.number)
        FROM invoicing_numberseries s LEFT JOIN invoicing_invoice i
          ON i.tenant_id = s.tenant_id AND i.seller_id = s.seller_id AND i.series = s.key
        GROUP BY s.key, s.last
        HAVING NOT (count(i.number) = s.last AND coalesce(max(i.number), 0) = s.last
                    AND count(DISTINCT i.number) = s.last)""")
    return [
        f"series {key}: last {last}, {n} documents up to {top}" for key, last, n, top, _ in found
    ]


def broken() -> Sequence[str]:
    """Return what `kvit verify` finds in the company; a few of its charges are computed again."""
    from kvit.web import invariants

    report = invariants.verify_tenant(tenant(), sample=AGAIN, seed="proof", progress=_silent)
    return [f"{one.code} {one.row}: {one.detail}" for one in report.broken]


def _silent(done: int, whole: int) -> None:
    """Show nothing."""


def _catalogue() -> catalog.CatalogueIn:
    return catalog.CatalogueIn(
        meters=(
            Meter("calls", "Вызовы", "вызов", "sum"),
            Meter("users", "Люди", "чел.", "max"),
        ),
        plans=(PlanTerms("pro", "Профи"), PlanTerms("pre", "Вперёд")),
        prices=(
            _price("pro", "fee", {"model": "flat", "amount": "1000"}),
            _price("pro", "calls", CALLS, meter="calls", prorate="none"),
            _price("pro", "users", {"model": "per_unit", "unit": "50"}, meter="users",
                   prorate="none"),
            _price("pre", "fee", {"model": "flat", "amount": "1200"}, when="advance"),
        ),
    )  # fmt: skip


def _price(plan: str, code: str, definition: dict[str, Any], **more: Any) -> catalog.PriceIn:
    return catalog.PriceIn(PriceTerms(plan, code, code, parse_price(definition), **more))


def _subscription(place: int, customer: UUID) -> NewSubscription:
    plan = "pre" if place % 3 == 2 else "pro"
    terms = {"discount": {"code": "ten", "percent": "10"}} if place % 5 == 4 else {}
    return NewSubscription(f"s-{place}", customer, plan, ZONE, OCTOBER.start, terms=terms)


def _of_a_year(place: int, customer: UUID) -> NewSubscription:
    first = 1 + place * TURN
    start, end = month(first).start, month(first + TURN).start
    return NewSubscription(f"s-{place}", customer, "pro", ZONE, start, end)
