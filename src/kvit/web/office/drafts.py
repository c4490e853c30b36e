"""Drafts: what is about to change, beside what stands; who is met; published or given up."""

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.catalog import queries, services
from kvit.catalog.rows import DraftInfo
from kvit.core import statements
from kvit.core.periods import local_date
from kvit.parties import queries as parties
from kvit.platform.paging import Page
from kvit.subscriptions import queries as subscriptions
from kvit.web import composing, lists
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part
from kvit.web.forms import DateField, OfficeForm, whole
from kvit.web.office._diffs import differences
from kvit.web.office.composer import TITLES
from kvit.web.office.links import customers, people, subscription_address
from kvit.web.refusals import refused
from kvit.web.routes import action, on_denial, page
from kvit.web.states import word as state_word
from kvit.web.tags import lang

LISTING = Listing(
    "drafts",
    (
        Column("title", gettext_lazy("Draft"), of=lambda one: one["draft"].title),
        Column("effective", gettext_lazy("Holds from"), of=lambda one: one["draft"].effective_from),
        Column("objects", gettext_lazy("Changes"), kind="num", of=lambda one: one["objects"]),
        Column("changed", gettext_lazy("Last edited"), of=lambda one: one["draft"].changed_at,
               parts=(Part(gettext_lazy("Who"), lambda one: one["who"]),)),
        Column("state", gettext_lazy("State"), of=lambda one: state_word(one["state"])),
        Column("begun", gettext_lazy("Begun"), of=lambda one: one["draft"].created_at,
               is_usual=False),
        Column("version", gettext_lazy("Edits"), kind="num", is_usual=False,
               of=lambda one: one["draft"].version),
        Column("revision", gettext_lazy("Catalogue revision"), kind="num", is_usual=False,
               of=lambda one: one["draft"].published_revision),
    ),
)  # fmt: skip
STATES = {"open": "draft", "published": "published", "discarded": "void"}
SHOWN_STAYING = 50


class DraftForm(OfficeForm):
    """A draft's title and the day from which it holds."""

    title = forms.CharField(label=gettext_lazy("What changes"), max_length=200)
    effective_from = DateField(label=gettext_lazy("Holds from"))


@page("catalogue/drafts/", name="drafts", right="catalogue.read")
def drafts(request: HttpRequest) -> HttpResponse:
    return lists.listed(
        request, "office/catalogue/drafts.html", listing=LISTING,
        page=_fetch(request)(request.GET.get("after", ""), lists.SHOWN),
        export=reverse("office:drafts-export"), status=_status(request),
        form_new=_new_form(request),
    )  # fmt: skip


@page("catalogue/drafts/export/", name="drafts-export", right="catalogue.read")
def export(request: HttpRequest) -> HttpResponseBase:
    """The drafts of the tab."""
    return lists.exported_all(request, LISTING, _fetch(request), name="drafts")


def _status(request: HttpRequest) -> str:
    return request.GET.get("status", "open")


def _fetch(request: HttpRequest) -> lists.Fetch:
    status = _status(request)

    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        found = queries.drafts(status=status, after=after, limit=limit)
        names = people(one.changed_by for one in found.rows)
        return found.of(
            lambda one: {
                "draft": one, "state": STATES[one.status], "who": names.get(one.changed_by, ""),
                "objects": sum(map(len, one.content.values())),
            }
        )  # fmt: skip

    return fetch


def _new_form(request: HttpRequest) -> DraftForm:
    return DraftForm(initial={"effective_from": _tomorrow(request)}, auto_id="new_%s")


def _first_day(request: HttpRequest) -> date:
    """Tomorrow; today for a coupon or a meter that stands, for its change holds at once."""
    kind, key = request.POST.get("kind"), request.POST.get("key", "")
    standing: Collection[str] = ()
    if kind == "coupon":
        standing = queries.coupons()
    elif kind == "meter":
        standing = queries.meters()
    return _tomorrow(request) - timedelta(days=int(key in standing))


def _tomorrow(request: HttpRequest) -> date:
    return local_date(request.now, parties.tenant().row.zone) + timedelta(days=1)


@action(
    "catalogue/drafts/new/", name="draft-new", right="catalogue.write", operation="open_draft"
)  # fmt: skip
def new(request: HttpRequest) -> HttpResponse:
    """Begin a draft; of a price that stands, go on to its composer."""
    form = DraftForm(request.POST)
    title, kind = request.POST.get("title", ""), request.POST.get("kind", "")
    if kind and kind not in statements.KINDS:
        raise Http404
    day = form.cleaned_data["effective_from"] if form.is_valid() else _first_day(request)
    info = services.open_draft(
        title or _("Change of the catalogue"), effective_from=day,
        actor=request.principal.actor, now=request.now,
    )  # fmt: skip
    if kind:
        query = QueryDict(mutable=True)
        for name in ("key", "plan"):
            if value := request.POST.get(name):
                query[name] = value
        address = reverse("office:draft-object", args=[info.id, kind])
        return redirect(f"{address}?{query.urlencode()}" if query else address)
    return redirect("office:draft", info.id)


@page("catalogue/drafts/<uuid:draft>/", name="draft", right="catalogue.read")
def draft(request: HttpRequest, draft: UUID) -> HttpResponse:
    info = _info(draft)
    simulation = queries.simulated_with(draft)
    names = people([info.author, info.changed_by])
    return render(
        request,
        "office/catalogue/draft.html",
        {
            "draft": info,
            "state": STATES[info.status],
            "author": actor_text(info.author, names, lang()),
            "changed_by": actor_text(info.changed_by, names, lang()),
            "form": DraftForm(
                initial={"title": info.title, "effective_from": info.effective_from}
            ),
            "kinds": [
                {"kind": kind, "title": title} for kind, title in TITLES.items()
            ],
            **_changes(draft),
            "problems": list(_problems(info, request.now)) if info.status == "open" else [],
            "simulation": simulation,
            "outcomes": queries.outcomes(simulation.id) if simulation else [],
            "scenario": _scenario(simulation, draft),
            "is_fresh": _is_fresh(simulation, info),
        },
    )  # fmt: skip


def _info(draft: UUID) -> DraftInfo:
    info = queries.draft(draft)
    if info is None:
        raise Http404
    return info


def _changes(draft: UUID) -> dict[str, Any]:
    changes = queries.changes_of(draft)
    return {
        "changes": [
            {
                "change": one,
                "title": TITLES[one.kind],
                "name": one.after.get("name", one.key),
                "fields": differences(one.stands, one.after, one.kind, lang()),
                "examples": len(one.after.get("examples", ())),  # type: ignore[arg-type]
            }
            for one in changes
        ],
        "conflict": any(one.conflict for one in changes),
        "can_simulate": any(one.kind != "coupon" for one in changes),
    }


def _problems(info: DraftInfo, now: datetime) -> Iterator[str]:
    """Say what would keep the draft from being published, before anybody tries."""
    stated = queries.stated_in(info.content, info.effective_from)
    for missing in services.missing_in(stated, queries.catalogue()):
        yield missing.text(lang())
    for misdated in services.misdated_in(stated, info.effective_from, now):
        yield misdated.text(lang())
    currency = parties.tenant().row.currency
    for price in stated.prices:
        for failure in services.example_failures(price, currency):
            yield failure.text(lang())


def _scenario(simulation: Any, draft: UUID) -> int:
    if simulation is None:
        return 0
    return next((n for n, one in enumerate(simulation.scenarios) if one.draft == draft), 0)


def _is_fresh(simulation: Any, info: DraftInfo) -> bool:
    """Whether the last simulation was of the draft as it is now, or as it was published."""
    if simulation is None:
        return False
    one = simulation.scenarios[_scenario(simulation, info.id)]
    return bool(one.content == info.content)


@action(
    "catalogue/drafts/<uuid:draft>/rename/", name="draft-rename", right="catalogue.write",
    operation="change_draft",
)  # fmt: skip
def rename(request: HttpRequest, draft: UUID) -> HttpResponse:
    form = DraftForm(request.POST)
    if not form.is_valid():
        return refused(request, _("Give the draft a title and a day: 01.12.2026."))
    services.rename(
        draft, title=form.cleaned_data["title"],
        effective_from=form.cleaned_data["effective_from"], expected=_expected(request),
        actor=request.principal.actor, now=request.now,
    )  # fmt: skip
    return redirect("office:draft", draft)


@action(
    "catalogue/drafts/<uuid:draft>/take-out/", name="draft-take-out", right="catalogue.write",
    operation="take_out_of_draft",
)  # fmt: skip
def take_out(request: HttpRequest, draft: UUID) -> HttpResponse:
    kind, _colon, key = request.POST.get("object", "").partition(":")
    if kind not in TITLES:
        raise Http404
    services.take_out(
        draft, kind, key,
        expected=_expected(request), actor=request.principal.actor, now=request.now,
    )  # fmt: skip
    messages.success(request, _("Taken out: it stays as it stands."))
    return redirect("office:draft", draft)


@action(
    "catalogue/drafts/<uuid:draft>/settle/", name="draft-settle", right="catalogue.write",
    operation="settle_draft",
)  # fmt: skip
def settle(request: HttpRequest, draft: UUID) -> HttpResponse:
    services.settle(
        draft, expected=_expected(request), actor=request.principal.actor, now=request.now
    )
    messages.success(request, _("Confirmed: the draft replaces what was published meanwhile."))
    return redirect("office:draft", draft)


@action(
    "catalogue/drafts/<uuid:draft>/discard/", name="draft-discard", right="catalogue.write",
    operation="discard_draft",
)  # fmt: skip
def discard(request: HttpRequest, draft: UUID) -> HttpResponse:
    services.discard(
        draft, expected=_expected(request), actor=request.principal.actor, now=request.now,
        reason=request.POST.get("reason", ""),
    )  # fmt: skip
    messages.success(request, _("The draft is given up; it can still be read."))
    return redirect("office:drafts")


def _note_denied(request: HttpRequest, draft: UUID) -> None:
    """An attempt without the right is kept with what it would have made of what stands."""
    if queries.draft(draft) is not None:
        services.refuse_publication(draft, actor=request.principal.actor, now=request.now)


@on_denial(_note_denied)
@action(
    "catalogue/drafts/<uuid:draft>/publish/", name="draft-publish", right="catalogue.publish",
    operation="publish_draft", form=True,
)  # fmt: skip
def publish(request: HttpRequest, draft: UUID) -> HttpResponse:
    """Show whom the draft meets; by POST, publish it."""
    info = _info(draft)
    if request.method == "POST":
        revision = services.publish_draft(
            draft, expected=_expected(request), actor=request.principal.actor, now=request.now,
            reason=request.POST.get("reason", ""),
        )  # fmt: skip
        words = {"revision": revision}
        messages.success(request, _("Published as revision %(revision)s.") % words)
        return redirect("office:draft", draft)
    met = composing.audience_of(info)
    simulation = queries.simulated_with(draft)
    scenario = _scenario(simulation, draft)
    today = local_date(request.now, parties.tenant().row.zone)
    return render(
        request,
        "office/catalogue/publish.html",
        {
            "draft": info,
            **_changes(draft),
            "problems": list(_problems(info, request.now)) if info.status == "open" else [],
            "met": met,
            "staying": list(_staying(met)),
            "more_staying": max(0, len(met.stays) - SHOWN_STAYING),
            "simulation": simulation,
            "outcomes": [
                one for one in (queries.outcomes(simulation.id) if simulation else ())
                if one.scenario == scenario
            ],
            "scenario": scenario,
            "is_fresh": _is_fresh(simulation, info),
            "is_past": info.effective_from < today,
        },
    )  # fmt: skip


def _staying(met: composing.Audience) -> Iterator[dict[str, Any]]:
    shown = dict(met.stays[:SHOWN_STAYING])
    infos = subscriptions.by_ids(shown)
    who = customers(one.customer_id for one in infos.values())
    for key, why in shown.items():
        one = infos[key]
        yield {
            "code": one.code, "url": subscription_address(one.code), "why": why,
            "customer": who.get(one.customer_id),
        }  # fmt: skip


def _expected(request: HttpRequest) -> int:
    return whole(request.POST.get("version", ""))
