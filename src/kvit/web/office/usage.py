"""Usage: where an event ended, lists of what came, waits, disputes and refusals; decisions."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.catalog import queries as catalog
from kvit.core.periods import instant_of, local_date
from kvit.core.wording import say
from kvit.insight import overview as insight
from kvit.integrations.port import REMEDIES
from kvit.metering import queries, services
from kvit.metering.queries import DaySum, EventFilter
from kvit.platform.paging import Page, keyset
from kvit.rating import queries as rating
from kvit.web import fates, lists
from kvit.web.columns import Column, Listing, Part, field_of
from kvit.web.forms import DateField, FilterForm
from kvit.web.office.links import subscription_address
from kvit.web.own import own_subjects
from kvit.web.routes import action, page
from kvit.web.tags import lang

SUBJECTS = {
    "subscription": gettext_lazy("Subscription"),
    "customer": gettext_lazy("Customer"),
}
EVENTS = Listing(
    "usage-events",
    (
        Column("time", gettext_lazy("Time of the event"), sort="time", falls_first=True,
               of=lambda one: one["row"].time),
        Column("received", gettext_lazy("Received"), sort="received", falls_first=True,
               of=lambda one: one["row"].received_at),
        Column("subject", gettext_lazy("Whose"), of=lambda one: one["row"].subject),
        Column("meter", gettext_lazy("Meter"), of=lambda one: one["meter"]),
        Column("value", gettext_lazy("Value"), kind="num", of=lambda one: _value(one["row"])),
        Column("event", gettext_lazy("Event and source"), parts=(
            Part(gettext_lazy("Event"), lambda one: one["row"].event_id),
            Part(gettext_lazy("Source"), lambda one: one["row"].source),
        )),
        Column("kind", gettext_lazy("Kind"), is_usual=False,
               of=lambda one: SUBJECTS[one["row"].subject_kind]),
        Column("origin", gettext_lazy("From where"), of=lambda one: one["row"].origin,
               is_usual=False),
        Column("undone", gettext_lazy("Undone because"), is_usual=False,
               of=lambda one: one["row"].retraction_reason),
    ),
    order="-received",
)  # fmt: skip
WAITING = Listing(
    "usage-waiting",
    (
        Column("reason", gettext_lazy("Why it waits"), of=lambda one: one["why"]),
        Column("subject", gettext_lazy("Whose"), of=lambda one: one["row"].subject),
        Column("meter", gettext_lazy("Meter"), of=lambda one: one["meter"]),
        Column("events", gettext_lazy("Events"), kind="num", of=lambda one: one["row"].events),
        Column("period", gettext_lazy("From and to"), parts=(
            Part(gettext_lazy("From day"), lambda one: one["first"]),
            Part(gettext_lazy("To day"), lambda one: one["last"]),
        )),
        Column("remedy", gettext_lazy("What to do"), of=lambda one: one["remedy"]),
    ),
)  # fmt: skip
CONFLICTS = Listing(
    "usage-conflicts",
    (
        Column("event", gettext_lazy("Event and source"), parts=(
            Part(gettext_lazy("Event"), lambda one: one["row"]["event_id"]),
            Part(gettext_lazy("Source"), lambda one: one["row"]["source"]),
        )),
        Column("accepted", gettext_lazy("Accepted"),
               of=lambda one: one["accepted"] and _value(one["accepted"])),
        Column("disputed", gettext_lazy("In dispute"), parts=(
            Part(gettext_lazy("In dispute"),
                 lambda one: one["row"]["text"] if one["row"]["value"] is None
                 else Fraction(one["row"]["value"])),
            Part(gettext_lazy("Whose"), lambda one: one["row"]["subject"]),
            Part(gettext_lazy("Meter"), lambda one: one["row"]["meter"]),
            Part(gettext_lazy("Time of the event"), lambda one: one["row"]["time"]),
        )),
        Column("decide", gettext_lazy("Decision")),
    ),
)  # fmt: skip
REJECTED = Listing(
    "usage-rejected",
    (
        Column("row", gettext_lazy("Source and row"), parts=(
            Part(gettext_lazy("Source"), lambda one: one["row"]["source"]),
            Part(gettext_lazy("Row"), lambda one: one["row"]["row"]),
            Part(gettext_lazy("Event"), lambda one: one["row"]["event_id"]),
        )),
        Column("fault", gettext_lazy("What is wrong"), of=lambda one: one["message"]),
        Column("remedy", gettext_lazy("What to do"), of=lambda one: one["remedy"]),
        Column("raw", gettext_lazy("How it began"), of=lambda one: one["row"]["raw"]),
    ),
)  # fmt: skip
INTAKES = Listing(
    "usage-intakes",
    (
        Column("received", gettext_lazy("Received"), of=lambda one: one["row"].received_at),
        Column("source", gettext_lazy("Source"), of=lambda one: one["row"].source),
        *(
            Column(code, title, kind="num", of=field_of(code))
            for code, title in (
                ("accepted", gettext_lazy("Accepted")), ("repeated", gettext_lazy("Repeats")),
                ("conflicting", gettext_lazy("In dispute")),
                ("rejected", gettext_lazy("Rejected")),
            )
        ),
    ),
)  # fmt: skip
TABS = {
    "events": gettext_lazy("Events"),
    "waiting": gettext_lazy("Waiting"),
    "late": gettext_lazy("Came late"),
    "conflicts": gettext_lazy("In dispute"),
    "rejected": gettext_lazy("Rejected"),
    "retracted": gettext_lazy("Undone"),
    "intakes": gettext_lazy("Intakes"),
}
EVENT_TABS = ("events", "retracted", "late")
CHART_DAYS = 31


class UsageFilter(FilterForm):
    """One field finds an event by its id; the others narrow the list."""

    event = forms.CharField(
        label=gettext_lazy("Where is my event: its id"), max_length=200,
        widget=forms.TextInput(attrs={"type": "search"}),
    )  # fmt: skip
    subject = forms.CharField(label=gettext_lazy("Subscription or customer"), max_length=200)
    meter = forms.ChoiceField(label=gettext_lazy("Meter"))
    source = forms.ChoiceField(label=gettext_lazy("Source"))
    since = DateField(label=gettext_lazy("From day"))
    to = DateField(label=gettext_lazy("To day"))
    tab = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        meters = [(code, meter.name or code) for code, meter in catalog.meters().items()]
        sources = [(one, one) for one in queries.sources()]
        for name, choices in (("meter", meters), ("source", sources)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", _("Any")), *choices]

    def filter(self, zone: str, *, retracted: bool) -> EventFilter:
        """Return what was asked; a code may be a subscription's or a customer's."""
        asked = self.asked()
        code = asked.get("subject", "").strip()
        since, to = asked.get("since"), asked.get("to")
        return EventFilter(
            subject=code,
            meter=asked.get("meter", ""),
            source=asked.get("source", ""),
            since=instant_of(since, zone) if since else None,
            until=instant_of(to + timedelta(days=1), zone) if to else None,
            retracted=retracted,
            among=own_subjects(),
        )


@page("usage/stand/", name="usage-stand", right="usage.read")
def usage_stand(request: HttpRequest) -> HttpResponse:
    """Where all usage stands: for htmx itself alone, else a page of it."""
    is_part = request.headers.get("HX-Request") == "true"
    template = "stand.html" if is_part else "stand_page.html"
    return render(request, f"office/usage/{template}", {"stand": fates.summed(queries.counts())})


@page("usage/", name="usage", right="usage.read", reach="branch")
def usage(request: HttpRequest) -> HttpResponse:
    form = UsageFilter(request.GET)
    asked = form.asked()
    tab = asked.get("tab", "events")
    tabs = _tabs(request)
    tab = tab if tab in tabs else "events"
    zone = request.principal.tenant.row.zone
    listing, fetch = _LISTS[tab](request, form, zone)
    is_whole = not request.principal.branches
    counters = _counters() if is_whole else {}
    return lists.listed(
        request,
        "office/usage/list.html",
        listing=listing,
        page=fetch(request.GET.get("after", ""), lists.SHOWN),
        form=form,
        order=lists.order_of(request, listing),
        export=reverse("office:usage-export"),
        tab=tab,
        tabs=[
            {"code": code, "title": title, "count": counters.get(code), "here": code == tab}
            for code, title in tabs.items()
        ],
        row=f"office/usage/row_{'events' if tab in EVENT_TABS else tab}.html",
        intakes=queries.intake_sums() if is_whole else None,
        **_fates(asked.get("event", "").strip(), zone),
        **_chart(form, zone),
    )


@page("usage/export/", name="usage-export", right="usage.read", reach="branch")
def export(request: HttpRequest) -> HttpResponseBase:
    """The rows of the tab and the filter."""
    form = UsageFilter(request.GET)
    tab = form.asked().get("tab", "events")
    tab = tab if tab in _tabs(request) else "events"
    listing, fetch = _LISTS[tab](request, form, request.principal.tenant.row.zone)
    return lists.exported_all(
        request, listing, fetch, name="usage" if tab == "events" else f"usage-{tab}"
    )


def _tabs(request: HttpRequest) -> dict[str, Any]:
    """A member of a branch sees what is theirs: of what was not accepted nobody knows whose."""
    known = EVENT_TABS if request.principal.branches else TABS
    return {code: title for code, title in TABS.items() if code in known}


def _counters() -> dict[str, int]:
    counts = queries.counts()
    return {
        "events": counts.accepted - counts.retracted, "conflicts": counts.conflicts_open,
        "rejected": counts.rejected_open, "retracted": counts.retracted,
    }  # fmt: skip


@action("usage/conflicts/<uuid:conflict>/", name="usage-decide", right="usage.write",
        operation="decide_usage_conflict")  # fmt: skip
def decide(request: HttpRequest, conflict: UUID) -> HttpResponse:
    """Say which of two contents is the event."""
    services.resolve_conflict(
        conflict,
        outcome=request.POST.get("outcome", ""),
        reason=request.POST.get("reason", ""),
        actor=request.principal.actor,
        now=request.now,
    )
    messages.success(request, _("Decided. The next bill run takes it into account."))
    return redirect(f"{reverse('office:usage')}?tab=conflicts")


@action("usage/retract/", name="usage-retract", right="usage.write",
        operation="retract_usage_events")  # fmt: skip
def retract(request: HttpRequest) -> HttpResponse:
    """Undo an event: it stays in sight, and counts for nothing from now on."""
    source, event = request.POST.get("source", ""), request.POST.get("event", "")
    services.retract(
        [(source, event)],
        reason=request.POST.get("reason", ""),
        actor=request.principal.actor,
        now=request.now,
    )
    messages.success(request, _("The event is undone. The next bill run takes it into account."))
    return redirect(f"{reverse('office:usage')}?{_query(event=event)}")


_Tab = tuple[Listing, lists.Fetch]


def _events(request: HttpRequest, form: UsageFilter, zone: str) -> _Tab:
    tab = request.GET.get("tab")
    wanted = form.filter(zone, retracted=tab == "retracted")
    wanted = _late(wanted) if tab == "late" else wanted
    order: Any = lists.order_of(request, EVENTS)

    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        found = queries.events(wanted, order=order, after=after, limit=limit)
        return found.of(
            lambda row: {
                "row": row,
                "meter": _meter(row.meter),
                "url": subscription_address(row.subject)
                if row.subject_kind == "subscription" else "",
            }
        )  # fmt: skip

    return EVENTS, fetch


def _meter(code: str) -> str:
    """Return what people call a meter; its code where nobody knows it."""
    known = catalog.meters().get(code)
    return (known.name if known else "") or code


def _late(wanted: EventFilter) -> EventFilter:
    """The same of what came after its period was billed; before the first run there is none."""
    billed = insight.billed_up_to()
    if billed is None:
        return replace(wanted, after_version=queries.latest_version())
    until = min(wanted.until, billed.until) if wanted.until else billed.until
    return replace(wanted, until=until, after_version=billed.version)


def _waiting(request: HttpRequest, form: UsageFilter, zone: str) -> _Tab:
    def fetch(_after: str, _limit: int) -> Page[dict[str, Any]]:
        rows = [
            {
                "row": one,
                "meter": _meter(one.meter),
                "why": fates.waiting_text(one, lang()),
                "remedy": say(fates.WORDS, f"do_{one.reason}", lang())
                if f"do_{one.reason}" in fates.WORDS else say(REMEDIES, one.reason, lang()),
                "first": local_date(one.since, zone),
                "last": local_date(one.until - timedelta(microseconds=1), zone),
            }
            for one in rating.waiting_by_reason()
        ]  # fmt: skip
        return Page(tuple(rows), None, len(rows))

    return WAITING, fetch


def _conflicts(request: HttpRequest, form: UsageFilter, zone: str) -> _Tab:
    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        found: Page[dict[str, Any]] = keyset(
            queries.conflicts(), order=("-id",), after=after, limit=limit
        )
        known = queries.last_views([row["event_id"] for row in found.rows])
        return found.of(
            lambda row: {
                "row": row | {"meter": _meter(row["meter"])},
                "accepted": (accepted := known.get((row["source"], row["event_id"]))),
                "meter": _meter(accepted.meter) if accepted else "",
            }
        )

    return CONFLICTS, fetch


def _rejected(request: HttpRequest, form: UsageFilter, zone: str) -> _Tab:
    def shown(row: dict[str, Any]) -> dict[str, Any]:
        fault = fates.fault_of(row)
        return {"row": row, "message": fault.message(lang()), "remedy": fault.remedy(lang())}

    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        return keyset(queries.rejections(), order=("-id",), after=after, limit=limit).of(shown)

    return REJECTED, fetch


def _intakes(request: HttpRequest, form: UsageFilter, zone: str) -> _Tab:
    source = form.asked().get("source", "")

    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        found = queries.listed_batches(source=source, after=after, limit=limit)
        return found.of(lambda row: {"row": row})

    return INTAKES, fetch


_LISTS = {
    "events": _events,
    "waiting": _waiting,
    "conflicts": _conflicts,
    "rejected": _rejected,
    "retracted": _events,
    "late": _events,
    "intakes": _intakes,
}


def _fates(event_id: str, zone: str) -> dict[str, Any]:
    """The way of the event that was asked for; or words that nobody sent it."""
    if not event_id:
        return {"fates": (), "never": ""}
    try:
        return {"fates": fates.fates_of(event_id, zone=zone, lang=lang()), "never": ""}
    except fates.EventNeverSeen as error:
        return {"fates": (), "never": error.text(lang())}


def _chart(form: UsageFilter, zone: str) -> dict[str, Any]:
    """Σ by day of the meter that was chosen: of the days asked for, or of its last month."""
    asked = form.asked()
    meter = asked.get("meter", "")
    if not meter:
        return {"days": None}
    wanted = form.filter(zone, retracted=False)
    until = wanted.until or _after_last(wanted)
    if until is None:
        return {"days": (), "chart": None}
    last = local_date(until - timedelta(microseconds=1), zone)
    since = wanted.since or instant_of(last - timedelta(days=CHART_DAYS - 1), zone)
    subject = (wanted.subject_kind, wanted.subject) if wanted.subject else None
    days = queries.by_day(
        meter, zone=zone, since=since, until=until, subject=subject, among=wanted.among
    )
    if days is None:
        return {"days": None, "is_too_much": True}
    return {"days": days, "chart": _drawn(days), "meter": catalog.meters().get(meter)}


def _after_last(wanted: EventFilter) -> Any:
    rows = queries.events(wanted, order="-time" if wanted.subject else "-received", limit=1).rows
    return rows[0].time + timedelta(microseconds=1) if rows else None


def _drawn(days: list[DaySum]) -> dict[str, Any]:
    return {
        "xAxis": {"type": "category", "data": [_short(one.day) for one in days]},
        "yAxis": {"type": "value"},
        # Pixels only: the table under it has the exact figures.
        "series": [{
            "type": "bar",
            "data": [float(one.value if one.value is not None else one.events) for one in days],
        }],
    }  # fmt: skip


def _short(day: date) -> str:
    return f"{day:%d.%m}"


def _query(**given: str) -> str:
    from urllib.parse import urlencode

    return urlencode(given)


def _value(row: Any) -> Any:
    return row.text if row.value is None else Fraction(row.value)
