"""What needs a person now, and how the month goes."""

from typing import Any

from django.http import HttpRequest

from kvit.core.periods import local_date
from kvit.insight import overview as insight
from kvit.web.api.core import Router, operation
from kvit.web.api.schemas import Day, Moment, Money, Schema

TAG = ("Обзор", "Overview")
router = Router()


class AttentionOut(Schema):
    """Something that waits for a person; `detail` counts the kinds within."""

    cause: str
    count: int
    sums: list[Money]
    oldest: Moment | None
    detail: dict[str, int]


class AgreementOut(Schema):
    """What was issued beside what is posted for it."""

    issued: Money
    posted: Money
    difference: Money


class MonthOut(Schema):
    """What bears a date of the month, corrections taken off."""

    month: Day
    documents: int
    net: Money
    total: Money


class PlanOut(Schema):
    """What of a month is of one plan, before VAT; an empty plan is corrections."""

    plan: str
    net: Money


class OverviewOut(Schema):
    """The overview at a moment of the company's clock."""

    at: Moment
    attention: list[AttentionOut]
    issued_this_month: list[Money]
    issued_same_days_last_month: list[Money]
    next_period_since: Day
    next_period_until: Day
    subscriptions_to_bill: int


class BooksOut(Schema):
    """Whether documents and books agree, and what customers owe."""

    at: Moment
    agreement: list[AgreementOut]
    owed: list[Money]


class RevenueOut(Schema):
    """Thirteen months, and the last one by plan."""

    months: list[MonthOut]
    plans_since: Day
    plans_until: Day
    plans: list[PlanOut]


@operation(router, "GET", "/overview", right="invoices.read", response=OverviewOut)
def read_overview(request: HttpRequest) -> OverviewOut:
    """What waits, with count, sum and the oldest; the month beside the same days of the last."""
    today = local_date(request.now, request.principal.tenant.row.zone)
    found = insight.figures(today=today, now=request.now)
    late = insight.late_usage()
    waits: list[Any] = [*insight.attention(request.now), *([late] if late else [])]
    return OverviewOut(
        at=request.now,
        attention=[
            AttentionOut(
                cause=one.cause,
                count=one.count,
                sums=[Money.of(minor, currency) for currency, minor in one.sums.items()],
                oldest=one.oldest,
                detail=dict(one.detail),
            )
            for one in waits
        ],
        issued_this_month=[Money.of(one.total_minor, one.currency) for one in found.this_month],
        issued_same_days_last_month=[
            Money.of(one.total_minor, one.currency) for one in found.last_month
        ],
        next_period_since=found.next_period.start,
        next_period_until=found.next_period.end,
        subscriptions_to_bill=found.subscriptions,
    )


@operation(router, "GET", "/overview/books", right="books.read", response=BooksOut)
def read_agreement(request: HttpRequest) -> BooksOut:
    """A difference that is not nought is a fault of ours: `kvit verify` names its place."""
    today = local_date(request.now, request.principal.tenant.row.zone)
    return BooksOut(
        at=request.now,
        agreement=[
            AgreementOut(
                issued=Money.of(one.issued_minor, one.currency),
                posted=Money.of(one.posted_minor, one.currency),
                difference=Money.of(one.difference_minor, one.currency),
            )
            for one in insight.agreement()
        ],
        owed=[Money.of(minor, currency) for currency, minor in insight.owed(today).items()],
    )


@operation(router, "GET", "/overview/revenue", right="invoices.read", response=RevenueOut)
def read_revenue(request: HttpRequest) -> RevenueOut:
    """What was issued by month, and by plan."""
    today = local_date(request.now, request.principal.tenant.row.zone)
    period, plans = insight.by_plan(today)
    return RevenueOut(
        months=[
            MonthOut(
                month=one.month,
                documents=one.count,
                net=Money.of(one.net_minor, one.currency),
                total=Money.of(one.total_minor, one.currency),
            )
            for one in insight.by_month(today)
        ],
        plans_since=period.start,
        plans_until=period.end,
        plans=[PlanOut(plan=one.plan, net=Money.of(one.net_minor, one.currency)) for one in plans],
    )
