"""Bill runs: ordered, watched to the end, read in a screen, approved."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.core.periods import Period, add_months, local_date
from kvit.core.wording import period_text
from kvit.invoicing import queries, services
from kvit.invoicing.queries import InvoiceFilter, RunInfo
from kvit.platform.paging import Page
from kvit.web import lists
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part, Sum
from kvit.web.forms import DateField, OfficeForm
from kvit.web.office.invoices import CAUSES
from kvit.web.office.links import customers, people, subscription_address
from kvit.web.routes import action, page
from kvit.web.states import word as state_word
from kvit.web.tags import lang

ACTIONS = {
    "bill": gettext_lazy("Bill run"),
    "dry": gettext_lazy("Dry run"),
    "approve": gettext_lazy("Approval"),
}
DAY = timedelta(days=1)
LISTING = Listing(
    "runs",
    (
        Column("run", gettext_lazy("Run"), of=lambda one: one["title"],
               parts=(Part(gettext_lazy("Ordered"), lambda one: one["run"].ordered_at),)),
        Column("period", gettext_lazy("Period"), parts=(
            Part(gettext_lazy("Period from"), lambda one: one["run"].period_start),
            Part(gettext_lazy("Period to"), lambda one: one["run"].period_end - DAY),
        )),
        Column("issued", gettext_lazy("Issued"), kind="num", of=lambda one: one["issued"]),
        Column("drafts", gettext_lazy("Drafts"), kind="num", of=lambda one: one["drafts"]),
        Column("total", gettext_lazy("Total"), kind="num", of=lambda one: _of_first(one, 0),
               parts=(Part(gettext_lazy("Currency"),
                           lambda one: one["sums"][0][2] if one["sums"] else ""),)),
        Column("difference", gettext_lazy("To the last period"), kind="num",
               of=lambda one: _of_first(one, 1)),
        Column("author", gettext_lazy("Who"), of=lambda one: one["author"]),
        Column("state", gettext_lazy("State"), of=lambda one: state_word(one["state"])),
        Column("charges", gettext_lazy("Charges"), kind="num", is_usual=False,
               of=lambda one: one["run"].charges),
        Column("finished", gettext_lazy("Finished"), is_usual=False,
               of=lambda one: one["run"].finished_at),
    ),
)  # fmt: skip
STATES = {"queued": "waiting", "failed": "faulty"}  # others are called as they are
STAGES = (
    ("rating", gettext_lazy("Charging")),
    ("invoicing", gettext_lazy("Documents")),
    ("approving", gettext_lazy("Approval")),
    ("comparing", gettext_lazy("Check")),
)
EXCEPTIONS = {
    "not_priced": gettext_lazy("Not charged: the price waits for a fault to be mended"),
    "unpriced_usage": gettext_lazy("Usage that no price of the plan asks for"),
    "waits_outlier": gettext_lazy("The sum is far from what the customer usually gets"),
    "waits_approval": gettext_lazy("Waits for approval: the seller approves each document"),
    "waits_limit": gettext_lazy("Waits for approval: above the author's limit"),
    "grew": gettext_lazy("Grew more than three times"),
    "no_bill": gettext_lazy("Billed last period, nothing now"),
    "no_usage": gettext_lazy("Used something last period, nothing of it now"),
    "no_requisites": gettext_lazy("No INN for the documents"),
    "unknown_meter": gettext_lazy("Usage of a meter that the catalogue has not"),
    "unknown_subscription": gettext_lazy("Usage of an unknown subscription"),
    "unknown_customer": gettext_lazy("Usage of an unknown customer"),
    "usage_ambiguous": gettext_lazy("Usage that fits more than one subscription, or none"),
    "usage_outside": gettext_lazy("Usage at a time when the subscription does not serve"),
}
SERIOUS = frozenset({"not_priced", "waits_outlier"})
MONTHS = 13  # that may be chosen
BY_COMMAND = 20


class StartForm(OfficeForm):
    """Which month, what to do, which date the documents shall bear."""

    period = forms.ChoiceField(label=gettext_lazy("Billing period"))
    issue_on = DateField(
        label=gettext_lazy("Date of the documents"),
        required=False,
        help_text=gettext_lazy("Empty: the last day of the period."),
    )

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["period"]
        assert isinstance(field, forms.ChoiceField)
        first = today.replace(day=1)
        months = [add_months(first, -back) for back in range(MONTHS)]
        field.choices = [
            (one.isoformat(), period_text(Period(one, add_months(one, 1)), lang()))
            for one in months
        ]


@page("runs/", name="runs", right="runs.read", reach="branch")
def runs(request: HttpRequest) -> HttpResponse:
    by_command = queries.runs_by_command(BY_COMMAND)
    present = services.open_window(request.now).start
    form = StartForm(today=_today(request), initial={"period": present.isoformat()})
    return lists.listed(
        request,
        "office/runs/list.html",
        listing=LISTING,
        page=_fetch(request.GET.get("after", ""), lists.SHOWN),
        export=reverse("office:runs-export"),
        start=form,
        people=people(one.author for one in by_command),
        by_command=[_row(one) for one in by_command],
    )


@page("runs/export/", name="runs-export", right="runs.read", reach="branch")
def export(request: HttpRequest) -> HttpResponseBase:
    """All runs; what came out in each currency is a row."""
    return lists.exported_all(request, LISTING, _fetch, name="runs", each=_each_currency)


def _fetch(after: str, limit: int) -> Page[dict[str, Any]]:
    found = queries.runs(after=after, limit=limit)
    names = people(one.author for one in found.rows)
    return found.of(lambda one: _row(one) | {"author": actor_text(one.author, names, lang())})


def _each_currency(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for sums in item["sums"] or [None]:
        yield item | {"sums": [sums] if sums else []}


def _of_first(item: dict[str, Any], place: int) -> Sum | None:
    """The total, or the difference, of a row of the file."""
    sums = item["sums"]
    return Sum(sums[0][place], sums[0][2]) if sums and sums[0][place] is not None else None


@action("runs/start/", name="run-start", right="runs.start", operation="start_run")
def start(request: HttpRequest) -> HttpResponse:
    form = StartForm(request.POST, today=_today(request))
    if not form.is_valid():
        messages.error(request, _("Choose the period and a date like 2026-11-30."))
        return redirect("office:runs")
    key = services.order_run(
        date.fromisoformat(form.cleaned_data["period"]),
        action="bill" if request.POST.get("way") == "bill" else "dry",
        author=request.principal.actor,
        now=request.now,
        issue_on=form.cleaned_data["issue_on"],
    )
    return redirect("office:run", run=key)


@page("runs/<uuid:run>/", name="run", right="runs.read", reach="branch")
def run(request: HttpRequest, run: UUID) -> HttpResponse:
    info = _info(run)
    return render(request, "office/runs/card.html", _context(request, info))


@page("runs/<uuid:run>/progress/", name="run-progress", right="runs.read", reach="branch")
def progress(request: HttpRequest, run: UUID) -> HttpResponse:
    """How far it is: asked for when a worker tells; when it is over the whole page is read anew."""
    info = _info(run)
    answer = render(request, "office/runs/progress.html", _context(request, info))
    if info.status not in ("queued", "running"):
        answer["HX-Refresh"] = "true"
    return answer


@action("runs/<uuid:run>/stop/", name="run-stop", right="runs.start", operation="stop_run")
def stop(request: HttpRequest, run: UUID) -> HttpResponse:
    services.stop(run, actor=request.principal.actor, now=request.now)
    messages.success(request, _("The run stops after the part that it is at. What is done stays."))
    return redirect("office:run", run=run)


@action("runs/<uuid:run>/approve/", name="run-approve", right="invoices.approve", reach="whole",
        operation="approve_period")  # fmt: skip
def approve(request: HttpRequest, run: UUID) -> HttpResponse:
    """Issue the period's drafts but those that were ticked to be left aside."""
    info = _info(run)
    left_out = [UUID(one) for one in request.POST.getlist("left_out")]
    key = services.order_run(
        info.period_start, action="approve", author=request.principal.actor, now=request.now,
        left_out=left_out,
    )  # fmt: skip
    return redirect("office:run", run=key)


def _info(run: UUID) -> RunInfo:
    info = queries.run_info(run)
    if info is None:
        raise Http404
    return info


def _today(request: HttpRequest) -> date:
    return local_date(request.now, request.principal.tenant.row.zone)


def _row(info: RunInfo) -> dict[str, Any]:
    summary = info.summary
    return {
        "run": info,
        "title": ACTIONS[info.action],
        "state": STATES.get(info.status, info.status),
        "issued": summary.issued if summary else _added(info, "issued"),
        "drafts": summary.drafts if summary else _added(info, "drafts"),
        "sums": [
            (one.total_minor, one.total_minor - one.before_minor, one.currency)
            for one in (summary.currencies if summary else ())
        ]
        or [(one.total_minor, None, one.currency) for one in info.own or ()],
    }


def _added(info: RunInfo, name: str) -> int | None:
    """Documents of the branch of who asks, of all currencies; None where it is not about one."""
    return None if info.own is None else sum(getattr(one, name) for one in info.own)


def _context(request: HttpRequest, info: RunInfo) -> dict[str, Any]:
    summary = info.summary
    drafts = queries.listed(
        InvoiceFilter(tab="drafts", period_from=info.period_start, period_to=info.period_start),
        order="-total",
    )
    asked = {row.customer_id for row in drafts.rows}
    if summary:
        asked |= {
            one.customer_id for group in summary.exceptions for one in group.examples
            if one.customer_id
        } | {one.customer_id for one in summary.sample}  # fmt: skip
    return {
        "info": info,
        "title": ACTIONS[info.action],
        "state": STATES.get(info.status, info.status),
        "fault": services.OrderRefused(info.fault).text(lang()) if info.fault else "",
        "is_under_way": info.status in ("queued", "running"),
        "stages": _stages(info),
        "percent": info.done * 100 // info.whole if info.whole else 0,
        "summary": summary,
        "currencies": _currencies(info),
        "exceptions": _exceptions(info),
        "who": customers(asked),
        "sample": summary.sample if summary else (),
        "is_dry": info.action == "dry",
        "is_over": info.period_end <= _today(request),
        "people": people([info.author, info.stop_asked_by]),
        "drafts": drafts,
        "draft_totals": queries.drafts_of(info.period_start),
        "draft_count": sum(one.count for one in queries.drafts_of(info.period_start)),
    }


def _stages(info: RunInfo) -> list[dict[str, Any]]:
    wanted = ("approving", "comparing") if info.action == "approve" else (
        "rating", "invoicing", "comparing",
    )  # fmt: skip
    names = [code for code, _title in STAGES if code in wanted]
    at = names.index(info.stage) if info.stage in names else -1
    return [
        {
            "title": title,
            "is_done": info.status == "done" or names.index(code) < at,
            "is_here": code == info.stage and info.status == "running",
            "done": info.done if code == info.stage else None,
            "whole": info.whole if code == info.stage else None,
        }
        for code, title in STAGES
        if code in wanted
    ]


def _currencies(info: RunInfo) -> list[dict[str, Any]]:
    if info.summary is None:
        return []
    return [
        {
            "sums": one,
            "difference": one.total_minor - one.before_minor,
            "causes": [(CAUSES[cause], minor) for cause, minor in one.causes.items()],
        }
        for one in info.summary.currencies
    ]


def _exceptions(info: RunInfo) -> list[dict[str, Any]]:
    if info.summary is None:
        return []
    found = []
    for group in info.summary.exceptions:
        examples = [
            {
                "example": one,
                "detail": one.detail_en if lang() == "en" else one.detail_ru,
                "subscription_url": subscription_address(one.subscription)
                if one.subscription
                else "",
            }
            for one in group.examples
        ]
        found.append(
            {
                "group": group,
                "title": EXCEPTIONS[group.cause],
                "examples": examples,
                "is_serious": group.cause in SERIOUS,
                "is_usage": not any(one.customer_id for one in group.examples),
                "more": group.count - len(group.examples)
                if any(one.customer_id for one in group.examples)
                else 0,
            }
        )
    return found
