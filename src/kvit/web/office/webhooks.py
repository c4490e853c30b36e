"""Webhooks: where facts are sent, what was answered, and sending anything once more."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.integrations import queries, services
from kvit.integrations.rows import NewEndpoint
from kvit.platform import events, settings
from kvit.platform.failures import Failure
from kvit.platform.paging import Page, keyset
from kvit.platform.revisions import Stale, revision_of
from kvit.web import lists
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part
from kvit.web.forms import FilterForm, OfficeForm
from kvit.web.office.editing import Meanwhile
from kvit.web.office.links import people
from kvit.web.routes import action, page
from kvit.web.states import word as state_word
from kvit.web.tags import lang

RIGHT = "webhooks.write"
LISTING = Listing(
    "webhooks",
    (
        Column("url", gettext_lazy("Address"), of=lambda one: one["row"].url,
               parts=(Part(gettext_lazy("What for"), lambda one: one["row"].description),)),
        Column("topics", gettext_lazy("Hears"),
               of=lambda one: ", ".join(one["row"].topics) or gettext_lazy("all events")),
        Column("made", gettext_lazy("Made"), of=lambda one: one["row"].made_at,
               parts=(Part(gettext_lazy("Who"), lambda one: one["author"]),)),
        Column("state", gettext_lazy("State"), of=lambda one: state_word(one["look"])),
        Column("failures", gettext_lazy("Failures in a row"), kind="num", is_usual=False,
               of=lambda one: one["row"].failures),
    ),
)  # fmt: skip
SENT = Listing(
    "deliveries",
    (
        Column("made", gettext_lazy("Time"), of=lambda one: one["row"].made_at,
               parts=(Part(gettext_lazy("Message"), lambda one: one["row"].message),)),
        Column("topic", gettext_lazy("Event"), of=lambda one: one["row"].topic),
        Column("tries", gettext_lazy("Tries"), kind="num", of=lambda one: one["row"].tries),
        Column("due", gettext_lazy("Sent next"), of=lambda one: one["row"].due_at),
        Column("state", gettext_lazy("State"), of=lambda one: state_word(one["look"])),
        Column("done", gettext_lazy("Answered"), of=lambda one: one["row"].done_at,
               is_usual=False),
    ),
)  # fmt: skip
ENDS = {"active": "listening", "paused": "paused-endpoint", "disabled": "failed"}
LOOKS = {"waiting": "retry", "delivered": "delivered", "failed": "failed"}
OVERLAP_H = (1, 24, 168)
REPLAY_H = (1, 24, 168, 720)


class WebhookForm(OfficeForm):
    """Where to send what."""

    url = forms.URLField(
        label=gettext_lazy("Address"), max_length=2000, assume_scheme="https",
        help_text=gettext_lazy("https only; we do not follow redirects or call private networks."),
    )  # fmt: skip
    description = forms.CharField(label=gettext_lazy("What for"), max_length=500, required=False)
    topics = forms.MultipleChoiceField(
        label=gettext_lazy("Which events; none chosen: all"), required=False,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["topics"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, name) for name in sorted(events.topics())]

    def said(self, value: str | list[str]) -> str:
        """A value as it is compared with another."""
        return value if isinstance(value, str) else ", ".join(value)


class SentFilter(FilterForm):
    """What of an address's deliveries is shown."""

    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        choices=(
            ("", gettext_lazy("Any")),
            ("waiting", gettext_lazy("Will be tried again")),
            ("delivered", gettext_lazy("Delivered")),
            ("failed", gettext_lazy("Not delivered")),
        ),
    )
    topic = forms.CharField(label=gettext_lazy("Event"), max_length=80)


@page("webhooks/", name="webhooks", right=RIGHT)
def webhooks(request: HttpRequest) -> HttpResponse:
    return _listed(request, WebhookForm())


@action(
    "webhooks/new/", name="webhook-create", right=RIGHT, operation="create_webhook", recent=True
)
def create(request: HttpRequest) -> HttpResponse:
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return _listed(request, form, status=422)
    try:
        made = services.create_webhook(**_wanted(form), **_by(request))
    except Failure as error:
        form.add_error("url", error.text(lang()))
        return _listed(request, form, status=422)
    return _secret(request, made)


@page("webhooks/<uuid:webhook>/", name="webhook", right=RIGHT)
def webhook(request: HttpRequest, webhook: UUID) -> HttpResponse:
    return _card(request, webhook)


@action(
    "webhooks/<uuid:webhook>/edit/", name="webhook-edit", right=RIGHT, operation="change_webhook",
    recent=True,
)  # fmt: skip
def edit(request: HttpRequest, webhook: UUID) -> HttpResponse:
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return _card(request, webhook, form, status=422)
    try:
        services.change_webhook(
            webhook, seen=request.POST.get("seen"), **_wanted(form), **_by(request)
        )
    except queries.WebhookNotFound:
        raise Http404 from None
    except Stale as error:
        rows = [
            {"label": form.fields[name].label, "before": form.said(stands),
             "after": form.said(form.cleaned_data[name])}
            for name, stands in error.stands.items()
            if stands != form.cleaned_data[name]
        ]  # fmt: skip
        return _card(request, webhook, form, meanwhile=Meanwhile(error, rows), status=409)
    except Failure as error:
        form.add_error("url", error.text(lang()))
        return _card(request, webhook, form, status=422)
    messages.success(request, _("Saved: what waits goes to the new address."))
    return redirect("office:webhook", webhook=webhook)


@action("webhooks/<uuid:webhook>/pause/", name="webhook-pause", right=RIGHT,
        operation="pause_webhook")  # fmt: skip
def pause(request: HttpRequest, webhook: UUID) -> HttpResponse:
    with _known():
        services.pause_webhook(webhook, **_by(request))
    messages.success(request, _("Paused: what happens is kept and sent when you resume."))
    return redirect("office:webhook", webhook=webhook)


@action("webhooks/<uuid:webhook>/resume/", name="webhook-resume", right=RIGHT,
        operation="resume_webhook")  # fmt: skip
def resume(request: HttpRequest, webhook: UUID) -> HttpResponse:
    with _known():
        services.resume_webhook(webhook, **_by(request))
    messages.success(request, _("Sending again, beginning with what waits."))
    return redirect("office:webhook", webhook=webhook)


@action("webhooks/<uuid:webhook>/test/", name="webhook-test", right=RIGHT,
        operation="test_webhook")  # fmt: skip
def test(request: HttpRequest, webhook: UUID) -> HttpResponse:
    with _known():
        sent = services.try_webhook(webhook, actor=request.principal.actor, now=request.now)
    return redirect("office:webhook-delivery", delivery=sent.id)


@action("webhooks/<uuid:webhook>/replay/", name="webhook-replay", right=RIGHT,
        operation="replay_webhook")  # fmt: skip
def replay(request: HttpRequest, webhook: UUID) -> HttpResponse:
    hours = _chosen(request, "hours", REPLAY_H)
    since = datetime.now(UTC) - timedelta(hours=hours)
    with _known():
        services.replay_webhook(webhook, since=since, topics=(), **_by(request))
    messages.success(request, _("On its way: the ids stay, so a receiver knows repeats."))
    return redirect("office:webhook", webhook=webhook)


@action("webhooks/<uuid:webhook>/rotate/", name="webhook-rotate", right=RIGHT,
        operation="rotate_webhook_secret", recent=True)  # fmt: skip
def rotate(request: HttpRequest, webhook: UUID) -> HttpResponse:
    overlap = timedelta(hours=_chosen(request, "hours", OVERLAP_H))
    with _known():
        made = services.rotate_webhook_secret(webhook, overlap=overlap, **_by(request))
    return _secret(request, made)


@action("webhooks/<uuid:webhook>/remove/", name="webhook-remove", right=RIGHT,
        operation="remove_webhook", recent=True)  # fmt: skip
def remove(request: HttpRequest, webhook: UUID) -> HttpResponse:
    with _known():
        services.remove_webhook(webhook, **_by(request))
    messages.success(request, _("Removed: nothing more is sent there."))
    return redirect("office:webhooks")


@page("webhooks/deliveries/<uuid:delivery>/", name="webhook-delivery", right=RIGHT)
def delivery(request: HttpRequest, delivery: UUID) -> HttpResponse:
    with _known():
        row = queries.delivery_by_id(delivery)
        target = queries.webhook_by_id(row.endpoint)
    words = {
        "row": row,
        "target": target,
        "look": LOOKS[row.state],
        "attempts": queries.attempts(delivery),
    }
    return render(request, "office/webhooks/delivery.html", words)


@action("webhooks/deliveries/<uuid:delivery>/resend/", name="webhook-resend", right=RIGHT,
        operation="resend_delivery")  # fmt: skip
def resend(request: HttpRequest, delivery: UUID) -> HttpResponse:
    with _known():
        services.resend(delivery, **_by(request))
    messages.success(request, _("On its way once more, under the same id."))
    return redirect("office:webhook-delivery", delivery=delivery)


def _listed(request: HttpRequest, form: WebhookForm, *, status: int = 200) -> HttpResponse:
    answer = lists.listed(
        request, "office/webhooks/list.html", listing=LISTING,
        page=_webhooks(request.GET.get("after", ""), lists.SHOWN),
        export=reverse("office:webhooks-export"), webhook_form=form,
    )  # fmt: skip
    answer.status_code = status
    return answer


@page("webhooks/export/", name="webhooks-export", right=RIGHT)
def export(request: HttpRequest) -> HttpResponseBase:
    """All addresses."""
    return lists.exported_all(request, LISTING, _webhooks, name="webhooks")


def _webhooks(after: str, limit: int) -> Page[dict[str, Any]]:
    found = keyset(queries.webhooks(), order=("-made_at", "-id"), after=after, limit=limit).of(
        queries.webhook_row
    )
    names = people(one.made_by for one in found.rows)
    return found.of(
        lambda one: {
            "row": one, "author": actor_text(one.made_by, names, lang()), "look": ENDS[one.state]
        }
    )  # fmt: skip


def _card(
    request: HttpRequest, webhook: UUID, form: WebhookForm | None = None, *, status: int = 200,
    meanwhile: Meanwhile | None = None,
) -> HttpResponse:  # fmt: skip
    with _known():
        row = queries.webhook_by_id(webhook)
    filters = SentFilter(request.GET)
    initial = {"url": row.url, "description": row.description, "topics": row.topics}
    answer = lists.listed(
        request, "office/webhooks/card.html", listing=SENT, form=filters, row=row,
        page=_sent(webhook, filters)(request.GET.get("after", ""), lists.SHOWN),
        export=reverse("office:webhook-sent-export", args=[webhook]),
        webhook_form=form or WebhookForm(initial=initial), people=people([row.made_by]),
        seen=revision_of(services.standing_of(row)), meanwhile=meanwhile,
        overlaps=OVERLAP_H, spans=REPLAY_H,
    )  # fmt: skip
    answer.status_code = status
    return answer


@page("webhooks/<uuid:webhook>/export/", name="webhook-sent-export", right=RIGHT)
def sent_export(request: HttpRequest, webhook: UUID) -> HttpResponseBase:
    """The deliveries of the filter."""
    with _known():
        queries.webhook_by_id(webhook)
    fetch = _sent(webhook, SentFilter(request.GET))
    return lists.exported_all(request, SENT, fetch, name="deliveries")


def _sent(webhook: UUID, filters: SentFilter) -> lists.Fetch:
    asked = filters.asked()
    state, topic = asked.get("state", ""), asked.get("topic", "")

    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        rows = queries.deliveries(webhook, state=state, topic=topic)
        found = keyset(rows, order=("-made_at", "-id"), after=after, limit=limit)
        return found.of(queries.delivery_row).of(lambda one: {"row": one, "look": LOOKS[one.state]})

    return fetch


def _secret(request: HttpRequest, made: NewEndpoint) -> HttpResponse:
    return render(request, "office/webhooks/made.html", {"made": made})


def _wanted(form: WebhookForm) -> dict[str, Any]:
    return form.cleaned_data | {"allow_http": settings.load().webhooks_allow_private}


def _by(request: HttpRequest) -> dict[str, Any]:
    reason = request.POST.get("reason", "").strip()[:500]
    return {"actor": request.principal.actor, "now": request.now, "reason": reason}


def _chosen(request: HttpRequest, name: str, known: tuple[int, ...]) -> int:
    text = request.POST.get(name, "")
    return int(text) if text in map(str, known) else known[1]


@contextmanager
def _known() -> Iterator[None]:
    """What is not of this company is not found, whoever asks."""
    try:
        yield
    except queries.WebhookNotFound:
        raise Http404 from None
