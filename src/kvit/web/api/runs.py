"""Bill runs: ordered, watched, stopped, approved."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest
from ninja import Query
from pydantic import Field

from kvit.invoicing import queries, services
from kvit.invoicing.queries import RunInfo, RunSummary
from kvit.parties import queries as parties
from kvit.web.api.core import Router, operation
from kvit.web.api.schemas import Day, Input, Listed, Moment, Money, Paging, Schema, listed
from kvit.web.tags import lang

TAG = ("Расчётные запуски", "Bill runs")
router = Router()
MOST = 10_000  # drafts left aside in one request


class StartIn(Input):
    """A billing month, named by its first day, and what to do: "dry" issues nothing."""

    period: Day
    action: Literal["bill", "dry"] = "dry"
    issue_on: Day | None = Field(None, description="Of the documents; else the period's last day.")


class ApprovePeriodIn(Input):
    """A billing month, and the drafts of it that stay aside."""

    period: Day
    left_out: list[UUID] = Field([], max_length=MOST)
    issue_on: Day | None = None


class CurrencyOut(Schema):
    """Invoices of the period in one currency beside those of the period before; the causes add up
    to the difference."""

    documents: int
    total: Money
    before: Money
    causes: dict[str, Money]


class ExampleOut(Schema):
    """One of those whom an exception is about."""

    customer: str | None
    subscription: str
    document: UUID | None
    before: Money | None
    now: Money | None
    detail: str


class ExceptionOut(Schema):
    """What needs a person: how many, and the first few."""

    cause: str
    count: int
    sums: list[Money]
    examples: list[ExampleOut]


class SummaryOut(Schema):
    """What a run brought."""

    previous: date | None
    issued: int
    drafts: int
    charges: int
    differences: int
    put_off: int
    currencies: list[CurrencyOut]
    exceptions: list[ExceptionOut]


class BranchSumsOut(Schema):
    """Documents of the period, as they stand now, of the branch of who asks."""

    issued: int
    drafts: int
    total: Money


class RunOut(Schema):
    """A run. `done` of `whole` are of the stage that it is at.

    A member of a branch is told `own` in place of the summary, which is about everybody.
    """

    id: UUID
    action: str
    status: str = Field(pattern="^(queued|running|done|failed|stopped)$")
    period_start: date
    period_end: date
    author: str
    ordered_at: Moment
    stage: str
    done: int
    whole: int
    finished_at: Moment | None
    fault: str
    summary: SummaryOut | None
    own: list[BranchSumsOut] | None


@operation(router, "GET", "/runs", right="runs.read", reach="branch", response=Listed[RunOut])
def list_runs(request: HttpRequest, page: Query[Paging]) -> Any:
    """Runs that were ordered, the latest first."""
    found = queries.runs(after=page.after, limit=page.limit)
    return listed(found, _shown)


@operation(router, "POST", "/runs", right="runs.start", status=202, response=RunOut)
def start_run(request: HttpRequest, body: StartIn) -> RunOut:
    """Leave a worker a bill run of a month; `GET /runs/{run}` tells how far it is."""
    key = services.order_run(
        body.period, action=body.action, author=request.principal.actor, now=request.now,
        issue_on=body.issue_on,
    )  # fmt: skip
    return _shown(_info(key))


@operation(router, "GET", "/runs/{run}", right="runs.read", reach="branch", response=RunOut)
def read_run(request: HttpRequest, run: UUID) -> RunOut:
    """One run, with what it brought once it is over."""
    return _shown(_info(run))


@operation(router, "POST", "/runs/{run}/stop", right="runs.start", status=202, response=RunOut)
def stop_run(request: HttpRequest, run: UUID) -> RunOut:
    """Ask a run to stop after the part that it is at; what is done stays done."""
    _info(run)
    services.stop(run, actor=request.principal.actor, now=request.now)
    return _shown(_info(run))


@operation(
    router,
    "POST",
    "/run-approvals",
    right="invoices.approve",
    reach="whole",
    status=202,
    response=RunOut,
)
def approve_period(request: HttpRequest, body: ApprovePeriodIn) -> RunOut:
    """Leave a worker the approval of a month's drafts, but those that stay aside."""
    key = services.order_run(
        body.period, action="approve", author=request.principal.actor, now=request.now,
        issue_on=body.issue_on, left_out=body.left_out,
    )  # fmt: skip
    return _shown(_info(key))


def _info(run: UUID) -> RunInfo:
    info = queries.run_info(run)
    if info is None:
        raise Http404
    return info


def _shown(info: RunInfo) -> RunOut:
    return RunOut(
        id=info.id,
        action=info.action,
        status=info.status,
        period_start=info.period_start,
        period_end=info.period_end,
        author=info.author,
        ordered_at=info.ordered_at,
        stage=info.stage,
        done=info.done,
        whole=info.whole,
        finished_at=info.finished_at,
        fault=services.OrderRefused(info.fault).text(lang()) if info.fault else "",
        summary=None if info.summary is None else _summary(info.summary),
        own=None
        if info.own is None
        else [
            BranchSumsOut(
                issued=one.issued,
                drafts=one.drafts,
                total=Money.of(one.total_minor, one.currency),
            )
            for one in info.own
        ],
    )


def _summary(found: RunSummary) -> SummaryOut:
    asked = {one.customer_id for group in found.exceptions for one in group.examples}
    people = parties.customers_by_id(key for key in asked if key is not None)
    codes = {key: one.row.code for key, one in people.items()}
    return SummaryOut(
        previous=found.previous,
        issued=found.issued,
        drafts=found.drafts,
        charges=found.charges,
        differences=found.differences,
        put_off=found.put_off,
        currencies=[
            CurrencyOut(
                documents=one.documents,
                total=Money.of(one.total_minor, one.currency),
                before=Money.of(one.before_minor, one.currency),
                causes={
                    cause: Money.of(minor, one.currency) for cause, minor in one.causes.items()
                },
            )
            for one in found.currencies
        ],
        exceptions=[
            ExceptionOut(
                cause=group.cause,
                count=group.count,
                sums=[Money.of(minor, currency) for currency, minor in group.sums.items()],
                examples=[
                    ExampleOut(
                        customer=codes.get(one.customer_id) if one.customer_id else None,
                        subscription=one.subscription,
                        document=one.document_id,
                        before=_money(one.before_minor, one.currency),
                        now=_money(one.now_minor, one.currency),
                        detail=one.detail_en if lang() == "en" else one.detail_ru,
                    )
                    for one in group.examples
                ],
            )
            for group in found.exceptions
        ],
    )


def _money(minor: int | None, currency: str) -> Money | None:
    return None if minor is None else Money.of(minor, currency)
