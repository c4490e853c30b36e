"""Invoices: listed, read, explained, approved. The pages call the same services."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Query
from pydantic import Field

from kvit.core.bridge import by_cause
from kvit.core.money import exponent, parse_decimal, round_fraction
from kvit.invoicing import queries, services
from kvit.invoicing.queries import InvoiceFilter, InvoiceRow
from kvit.invoicing.rows import LineInfo
from kvit.parties import queries as parties
from kvit.web import explaining, why
from kvit.web.api.core import Router, operation
from kvit.web.api.schemas import (
    Day,
    Input,
    Listed,
    Money,
    Number,
    Paging,
    Reason,
    Schema,
    Text,
    listed,
    number_text,
)
from kvit.web.paper import paper_of
from kvit.web.tags import lang

TAG = ("Счета", "Invoices")
router = Router()
MOST = 500  # documents decided in one request
Tab = Literal["drafts", "issued", "corrected", "void", "corrections", "all"]
Order = Literal["-day", "day", "-total", "total", "-period", "period"]
MOST_MINOR = 2**63 - 1  # what the database's column holds


class InvoiceQuery(Paging):
    """What the list is narrowed to. Sums are in the currency asked for, or the company's own."""

    tab: Tab = "all"
    order: Order = "-day"
    number: Text = ""
    customer: Text = Field("", description="The customer's code.")
    kind: Literal["", "invoice", "credit_note", "debit_note", "void"] = ""
    period: Day | None = Field(None, description="First day of the billing period.")
    issued_from: Day | None = None
    issued_to: Day | None = None
    least: Number | None = None
    most: Number | None = None
    currency: str = Field("", pattern=r"^([A-Z]{3})?$")
    reason: Text = Field("", description="A part of a correction's basis.")
    author: Text = Field("", description="Who made it: user:<id>, key:<id>, cli:<name>.")

    def filter(self) -> InvoiceFilter:
        own = self.currency or parties.tenant().row.currency
        customers = None
        if self.customer:
            found = parties.customers_by_code([self.customer])
            customers = {one.id for one in found.values()}
        return InvoiceFilter(
            tab=self.tab,
            number=self.number,
            customers=customers,
            kind=self.kind,
            period_from=self.period,
            period_to=self.period,
            issued_from=self.issued_from,
            issued_to=self.issued_to,
            least_minor=_bound(self.least, own),
            most_minor=_bound(self.most, own),
            currency=self.currency,
            reason=self.reason,
            author=self.author,
        )


class InvoiceOut(Schema):
    """A document. `left` is its total with everything that was issued to correct it."""

    id: UUID
    kind: str
    state: str
    waits_for: str
    number: str
    customer: str
    seller: str
    period_start: date
    period_end: date = Field(description="The day after the last.")
    issued_on: date | None
    net: Money
    vat: Money
    total: Money
    left: Money
    corrects: UUID | None
    corrects_number: str
    reason: str


class LineOut(Schema):
    """A line; `unit_text` is of the meter."""

    position: int
    name: str
    subscription: str
    price: str
    starts_on: date
    ends_on: date
    units: str
    unit: str
    vat_rate: str | None
    net: Money
    vat: Money
    total: Money


class WholeInvoiceOut(InvoiceOut):
    """With its lines and the documents of its family, the original first."""

    lines: list[LineOut]
    family: list[InvoiceOut]


class TabOut(Schema):
    """How many documents a tab has under the filter, and Σ by currency."""

    tab: str
    count: int
    sums: list[Money]


class TabsOut(Schema):
    """All tabs; the others add up to "all"."""

    tabs: list[TabOut]


class StepOut(Schema):
    """One cause's share of one line's difference."""

    cause: str
    line: str
    amount: Money
    units_before: str
    units_now: str


class DifferenceOut(Schema):
    """An invoice beside the payer's one before it; `steps` sum to `difference`."""

    previous: UUID | None
    previous_number: str
    previous_total: Money | None
    difference: Money
    causes: dict[str, Money]
    steps: list[StepOut]


class TreeOut(Schema):
    """The tree behind a line, computed again: docs/reference/cli.md, `kvit explain --json`."""

    tree: dict[str, Any]
    agrees: bool


class UsageDayOut(Schema):
    """A local day's events behind a line; `quantity` where the aggregation adds up."""

    day: date
    events: int
    quantity: str | None


class UsageDaysOut(Schema):
    """The usage behind a line by day, and what the price was asked for."""

    meter: str
    unit: str
    aggregation: str
    zone: str
    events: int
    quantity: str | None
    units: str
    days: list[UsageDayOut]


class DraftsIn(Input):
    """Drafts by id: all of them are decided, or none."""

    ids: list[UUID] = Field(min_length=1, max_length=MOST)


class ApproveIn(DraftsIn):
    """Which drafts, and the date that they shall bear; today where none is given."""

    issue_on: Day | None = None


class RefuseIn(DraftsIn):
    """Which drafts, and why."""

    reason: Reason


class DecidedOut(Schema):
    """The documents that were decided."""

    ids: list[UUID]


@operation(router, "GET", "/invoices", right="invoices.read", response=Listed[InvoiceOut])
def list_invoices(request: HttpRequest, query: Query[InvoiceQuery]) -> Any:
    """Documents by tab, filter and order; `count` is of the whole filter."""
    found = queries.listed(query.filter(), order=query.order, after=query.after, limit=query.limit)
    names = codes_of(found.rows)
    return listed(found, lambda row: shown(row, names))


@operation(router, "GET", "/invoice-totals", right="invoices.read", response=TabsOut)
def sum_invoices(request: HttpRequest, query: Query[InvoiceQuery]) -> TabsOut:
    """How many documents each tab has under the filter, and Σ by currency."""
    found = queries.totals(query.filter())
    return TabsOut(
        tabs=[
            TabOut(
                tab=tab, count=total.count,
                sums=[Money.of(minor, currency) for currency, minor in total.sums.items()],
            )
            for tab, total in found.items()
        ]
    )  # fmt: skip


@operation(router, "GET", "/invoices/{invoice}", right="invoices.read", response=WholeInvoiceOut)
def read_invoice(request: HttpRequest, invoice: UUID) -> WholeInvoiceOut:
    """One document with its lines and its family."""
    family = queries.family_of(invoice)
    row = next((one for one in family if one.id == invoice), None) or row_of(invoice)
    names = codes_of(family)
    info = queries.info_of(invoice)
    assert info is not None
    return WholeInvoiceOut(
        **shown(row, names).model_dump(),
        lines=[_line(line, row.currency) for line in info.lines],
        family=[shown(one, names) for one in family],
    )


@operation(
    router, "GET", "/invoices/{invoice}/difference", right="invoices.read", response=DifferenceOut
)
def compare_invoice(request: HttpRequest, invoice: UUID) -> DifferenceOut:
    """Why the sum is not that of the payer's invoice before it, by cause; the steps add up."""
    row = row_of(invoice)
    found = queries.bridge_of(invoice)
    if found is None:
        return DifferenceOut(
            previous=None, previous_number="", previous_total=None,
            difference=Money.of(0, row.currency), causes={}, steps=[],
        )  # fmt: skip
    return DifferenceOut(
        previous=found.previous_id,
        previous_number=found.previous_number,
        previous_total=Money.of(found.previous_minor, row.currency),
        difference=Money.of(row.total_minor - found.previous_minor, row.currency),
        causes={
            cause: Money.of(minor, row.currency) for cause, minor in by_cause(found.steps).items()
        },
        steps=[
            StepOut(
                cause=one.cause, line=one.name, amount=Money.of(one.minor, row.currency),
                units_before=number_text(one.units_before), units_now=number_text(one.units_now),
            )
            for one in found.steps
        ],
    )  # fmt: skip


@operation(
    router, "GET", "/invoices/{invoice}/lines/{line}/why", right="invoices.read", response=TreeOut
)
def explain_invoice_line(request: HttpRequest, invoice: UUID, line: int) -> TreeOut:
    """The line computed again, from its events to its VAT, beside what was charged."""
    infos = queries.by_ids([invoice])
    if not infos:
        raise Http404
    found = explaining.Found(request.principal.tenant, "", infos[0], line)
    try:
        tree = explaining.tree(found, events=3, lang=lang())
    except explaining.NoSuchLine:
        raise Http404 from None
    return TreeOut(tree=tree, agrees=tree["agrees"])


@operation(
    router, "GET", "/invoices/{invoice}/lines/{line}/usage", right="invoices.read",
    response=UsageDaysOut,
)  # fmt: skip
def read_line_usage(request: HttpRequest, invoice: UUID, line: int) -> UsageDaysOut:
    """The usage behind a line, by the customer's local day."""
    charge = why.charge_of_line(invoice, line)
    if charge is None:
        raise Http404
    days = why.days_of(charge)
    return UsageDaysOut(
        meter=days.meter,
        unit=days.unit,
        aggregation=days.aggregation,
        zone=days.zone,
        events=days.events,
        quantity=None if days.quantity is None else number_text(days.quantity),
        units=number_text(days.units),
        days=[
            UsageDayOut(
                day=row.day, events=row.events,
                quantity=None if row.quantity is None else number_text(row.quantity),
            )
            for row in days.rows
        ],
    )  # fmt: skip


@operation(router, "GET", "/invoices/{invoice}/papers/{kind}", right="invoices.read", personal=True,
           extra={"responses": {200: {"content": {"application/pdf": {
               "schema": {"type": "string", "format": "binary"}}}}}})  # fmt: skip
def read_invoice_pdf(
    request: HttpRequest,
    invoice: UUID,
    kind: Literal["invoice", "act", "credit_note", "debit_note", "reversal"],
) -> HttpResponse:
    """The printed document: always the same bytes."""
    found = paper_of(invoice, kind, actor=request.principal.actor, now=request.now)
    if found is None:
        raise Http404
    return HttpResponse(found.content, content_type="application/pdf")


@operation(router, "POST", "/drafts/approve", right="invoices.approve", response=DecidedOut)
def approve_drafts(request: HttpRequest, body: ApproveIn) -> DecidedOut:
    """Issue drafts: they get their numbers and stand in the books. All, or none."""
    done = services.approve(
        body.ids, approver=request.principal.actor, now=request.now, issue_on=body.issue_on
    )
    return DecidedOut(ids=done)


@operation(router, "POST", "/drafts/refuse", right="invoices.approve", response=DecidedOut)
def refuse_drafts(request: HttpRequest, body: RefuseIn) -> DecidedOut:
    """Drop drafts: the next run bills their charges anew. All, or none."""
    done = services.refuse(
        body.ids, reason=body.reason, actor=request.principal.actor, now=request.now
    )
    return DecidedOut(ids=done)


def _bound(amount: str | None, currency: str) -> int | None:
    """Return a bound of the filter; one past what a sum can be bounds as much."""
    if amount is None:
        return None
    minor = round_fraction(parse_decimal(amount) * 10 ** exponent(currency))
    return max(-MOST_MINOR, min(minor, MOST_MINOR))


def row_of(invoice: UUID) -> InvoiceRow:
    row = queries.rows_of([invoice]).get(invoice)
    if row is None:
        raise Http404
    return row


def codes_of(rows: Any) -> dict[UUID, str]:
    """Return the codes of the customers and sellers of these documents."""
    people = parties.customers_by_id({row.customer_id for row in rows})
    names = {key: one.row.code for key, one in people.items()}
    return names | {one.id: one.row.code for one in parties.sellers().values()}


def shown(row: InvoiceRow, names: dict[UUID, str]) -> InvoiceOut:
    return InvoiceOut(
        id=row.id,
        kind=row.kind,
        state=row.state,
        waits_for=row.waits_for,
        number=row.number,
        customer=names[row.customer_id],
        seller=names[row.seller_id],
        period_start=row.period_start,
        period_end=row.period_end,
        issued_on=row.issued_on,
        net=Money.of(row.net_minor, row.currency),
        vat=Money.of(row.vat_minor, row.currency),
        total=Money.of(row.total_minor, row.currency),
        left=Money.of(row.left_minor, row.currency),
        corrects=row.corrects_id,
        corrects_number=row.corrects_number,
        reason=row.reason,
    )


def _line(line: LineInfo, currency: str) -> LineOut:
    return LineOut(
        position=line.position,
        name=line.name,
        subscription=line.subscription,
        price=line.price,
        starts_on=line.starts_on,
        ends_on=line.ends_on,
        units=number_text(line.units),
        unit=line.unit,
        vat_rate=None if line.vat_rate is None else number_text(line.vat_rate),
        net=Money.of(line.net_minor, currency),
        vat=Money.of(line.vat_minor, currency),
        total=Money.of(line.total_minor, currency),
    )
