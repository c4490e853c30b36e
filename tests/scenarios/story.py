"""A company's life told in a test: what happens when, what is billed, what becomes known.

    story.at("2026-10-01").subscribe("a-1", "alfa", "pro")
    story.at("2026-10-16").change("a-1", "plan", "max")
    story.expect("subscriptions.subscription.opened", "subscriptions.subscription.amended")
    assert story.bill("2026-10") == ["alfa fee 01.10…16.10 4 838.71", …]

Every step moves the clock and ends with the invariants: books, usage, documents, numbers. A bill is
run twice, and the second run must find nothing. The seller is without VAT: a line is its charge.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from kvit.catalog import services as catalog
from kvit.core.catalogue import Meter, PlanTerms, PriceTerms
from kvit.core.periods import instant_of, local_date, parse_billing_period
from kvit.core.pricing import parse_price
from kvit.invoicing import queries as invoicing
from kvit.invoicing import services as invoicing_services
from kvit.invoicing.rows import InvoiceInfo, RunReport, RunRequest
from kvit.ledger import queries as ledger
from kvit.ledger import services as ledger_services
from kvit.metering import queries as metering
from kvit.metering import services as metering_services
from kvit.metering.rows import EventIn
from kvit.parties import queries as parties
from kvit.parties import services as parties_services
from kvit.parties.rows import CustomerRow, SellerRow, TenantRow
from kvit.platform.models import EventLog
from kvit.rating.models import Charge
from kvit.subscriptions import services as subscriptions
from kvit.subscriptions.rows import NewAmendment, NewSubscription

ZONE = "Europe/Moscow"
ACTOR = "user:story"


class Story:
    """One company without VAT, its clock, and everything that is done to it."""

    def __init__(self, *, late_events: str = "open_period", code: str = "acme") -> None:
        self.now = datetime(2026, 9, 1, tzinfo=UTC)
        self.used = 0
        self.heard = 0
        row = TenantRow(code, "ООО «Акме»", "RUB", ZONE, late_events=late_events)
        parties_services.change_tenant(row, actor=ACTOR, now=self.now, reason="story")
        seller = SellerRow("main", "ООО «Акме»", vat="none")
        parties_services.apply_sellers([seller], actor=ACTOR, now=self.now, reason="story")
        ledger_services.ensure_chart(parties.sellers()["main"].id, actor=ACTOR, now=self.now)
        self.heard = EventLog.objects.count()

    # --- what is sold -------------------------------------------------------------------------

    def sell(self, *things: Meter | PlanTerms | PriceTerms) -> "Story":
        """Publish meters, plans and prices."""
        stated = catalog.CatalogueIn(
            meters=tuple(one for one in things if isinstance(one, Meter)),
            plans=tuple(one for one in things if isinstance(one, PlanTerms)),
            prices=tuple(catalog.PriceIn(one) for one in things if isinstance(one, PriceTerms)),
        )
        catalog.publish(stated, actor=ACTOR, now=self.now)
        self.heard = EventLog.objects.count()
        return self

    def customers(self, *codes: str, zone: str = ZONE, payer: str = "") -> "Story":
        rows = [CustomerRow(code, f"ООО «{code}»", zone=zone, payer=payer) for code in codes]
        parties_services.apply_customers(rows, actor=ACTOR, now=self.now, reason="story")
        self.heard = EventLog.objects.count()
        return self

    # --- what happens -------------------------------------------------------------------------

    def at(self, when: str) -> "Story":
        """Move the clock: to a day's first moment in Moscow, or to a time there."""
        self.now = moment(when)
        return self

    def subscribe(
        self,
        code: str,
        customer: str,
        plan: str,
        *,
        start: str = "",
        end: str = "",
        zone: str = ZONE,
        quantity: int = 1,
        terms: Mapping[str, object] | None = None,
    ) -> "Story":
        first = date.fromisoformat(start) if start else local_date(self.now, ZONE)
        row = NewSubscription(
            code,
            self._customer(customer),
            plan,
            zone,
            first,
            end=date.fromisoformat(end) if end else None,
            quantity=Fraction(quantity),
            terms=terms or {},
        )
        subscriptions.open_many([row], actor=ACTOR, now=self.now)
        return self._checked()

    def change(self, code: str, change: str, value: object = None, *, since: str = "") -> "Story":
        """Amend a subscription from now, or from `since`, on."""
        return self.changes((code, change, value, since))

    def changes(self, *told: tuple[str, str, object, str]) -> "Story":
        """Amend in one set: (subscription, change, value, since)."""
        rows = []
        for code, change, value, since in told:
            if change == "transfer":
                value = str(self._customer(str(value)))
            at = moment(since) if since else self.now
            rows.append(NewAmendment(code, at, change, value, "story"))
        subscriptions.amend_many(rows, actor=ACTOR, now=self.now)
        return self._checked()

    def use(
        self,
        subject: str,
        meter: str,
        value: object,
        *,
        on: str = "",
        kind: str = "subscription",
        event: str = "",
        **dimensions: str,
    ) -> "Story":
        """Take one event in, of now or of `on`."""
        self.used += 1
        one = EventIn(
            event or f"e{self.used:06}",
            kind,
            subject,
            meter,
            moment(on) if on else self.now,
            Decimal(str(value)),
            dimensions=dimensions,
        )
        metering_services.ingest([one], source="story", actor=ACTOR, now=self.now)
        return self._checked()

    def retract(self, event: str) -> "Story":
        """Undo an event."""
        metering_services.retract([("story", event)], reason="story", actor=ACTOR, now=self.now)
        return self._checked()

    # --- what is billed -----------------------------------------------------------------------

    def bill(self, month: str, **said: Any) -> list[str]:
        """Bill a period and return its new lines; a second run at once must find nothing."""
        before = {one.id for one in self._documents(month)}
        self.report = self.run(month, **said)
        after = self._documents(month)
        count = Charge.objects.count()
        again = self.run(month, **said)
        assert (again.issued, again.drafts, again.rated.charges) == ([], [], 0)
        assert again.rated.differences == 0
        assert Charge.objects.count() == count
        assert [one.id for one in self._documents(month)] == [one.id for one in after]
        self.new = [one for one in after if one.id not in before]
        self._checked()
        return [text for one in self.new for text in self._lines(one)]

    def run(self, month: str, **said: Any) -> RunReport:
        """Run a period's bill once, and look at nothing."""
        window = parse_billing_period(month)
        clock = max(self.now, window.end_instant(ZONE))
        request = RunRequest(window, clock, issue_on=window.end - timedelta(days=1), **said)
        return invoicing_services.run(request, actor=ACTOR, now=clock)

    def charged(self, code: str) -> int:
        """All that a subscription was ever charged, in kopecks."""
        rows = Charge.objects.filter(subscription_code=code)
        return sum(rows.values_list("amount_minor", flat=True))

    def expect(self, *topics: str) -> "Story":
        """Exactly these facts were told since the last time, in this order; `*n` repeats one."""
        told = list(EventLog.objects.order_by("id").values_list("topic", flat=True))[self.heard :]
        self.heard += len(told)
        wanted = [
            name
            for one in topics
            for name, _, n in [one.partition("*")]
            for _ in range(int(n or 1))
        ]
        assert told == wanted
        return self

    # --- what is always true ------------------------------------------------------------------

    def _checked(self) -> "Story":
        assert list(ledger.problems()) == []
        assert list(metering.problems()) == []
        numbers: dict[tuple[UUID, str], list[str]] = defaultdict(list)
        for one in self._all_documents():
            assert one.total_minor == one.net_minor + one.vat_minor
            assert one.net_minor == sum(line.net_minor for line in one.lines)
            assert one.vat_minor == sum(line.vat_minor for line in one.lines)
            if one.status == "issued":
                numbers[one.seller_id, one.number[:4]].append(one.number)
        for many in numbers.values():
            counted = sorted(int(number.rpartition("-")[2]) for number in many)
            assert counted == list(range(1, len(counted) + 1))
        lined = [line.charge_id for one in self._all_documents() for line in one.lines]
        assert len(lined) == len(set(lined)), "a charge on two lines"
        return self

    def _documents(self, month: str) -> list[InvoiceInfo]:
        return invoicing.of_period(parse_billing_period(month).start)

    def _all_documents(self) -> list[InvoiceInfo]:
        months = set(Charge.objects.values_list("billed_in", flat=True))
        return [one for month in sorted(months) for one in invoicing.of_period(month)]

    def _lines(self, one: InvoiceInfo) -> list[str]:
        customer = parties.customers_by_id([one.customer_id])[one.customer_id].row.code
        kind = "" if one.kind == "invoice" else f" {one.kind}"
        return [
            f"{customer}{kind} {line.price} {line.starts_on:%d.%m}…{line.ends_on:%d.%m} "
            f"{Decimal(line.net_minor) / 100:.2f}"
            for line in one.lines
        ]

    def _customer(self, code: str) -> UUID:
        return parties.customers_by_code([code])[code].id


def moment(when: str) -> datetime:
    if "T" in when:
        return instant_of(datetime.fromisoformat(when), ZONE)
    return instant_of(date.fromisoformat(when), ZONE)


def price(plan: str, code: str, document: Mapping[str, object], **said: Any) -> PriceTerms:
    said.setdefault("prorate", "none" if said.get("meter") else "days")
    return PriceTerms(plan, code, code, parse_price(document), **said)
