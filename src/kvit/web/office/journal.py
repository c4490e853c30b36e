"""The journal: who did what, when, from which device, from what to what, and why."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.core.wording import say
from kvit.parties import queries as parties
from kvit.platform import audit_log
from kvit.platform.audit_log import AuditFilter
from kvit.platform.paging import Page
from kvit.web import lists
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part
from kvit.web.forms import DateField, FilterForm
from kvit.web.journal_words import GROUPS
from kvit.web.office.links import people
from kvit.web.routes import page
from kvit.web.tags import lang

LISTING = Listing(
    "journal",
    (
        Column("at", gettext_lazy("When"), of=lambda one: one["row"].recorded_at),
        Column("actor", gettext_lazy("Who"), of=lambda one: one["who"]),
        Column("action", gettext_lazy("What"), of=lambda one: one["row"].action),
        Column("object", gettext_lazy("With what"), parts=(
            Part(gettext_lazy("Kind"), lambda one: one["row"].object_type),
            Part(gettext_lazy("Object"), lambda one: one["row"].object_id),
        )),
        Column("change", gettext_lazy("Was → is"), parts=(
            Part(gettext_lazy("Was"), lambda one: _written(one["row"].before)),
            Part(gettext_lazy("Is"), lambda one: _written(one["row"].after)),
        )),
        Column("reason", gettext_lazy("Why"), of=lambda one: one["row"].reason),
        Column("origin", gettext_lazy("From where"), of=lambda one: one["row"].origin),
    ),
)  # fmt: skip


class JournalFilter(FilterForm):
    """What is looked for."""

    action = forms.ChoiceField(label=gettext_lazy("What"))
    actor = forms.ChoiceField(label=gettext_lazy("Who"))
    since = DateField(label=gettext_lazy("From day"))
    until = DateField(label=gettext_lazy("To day"))
    object_id = forms.CharField(label=gettext_lazy("Of the object"), max_length=300)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = ((f"user:{one.user_id}", one.name or one.email) for one in parties.members())
        groups = ((start, say(GROUPS, start, lang())) for start in GROUPS)
        choices = {"actor": [("", _("Everybody")), *people],
                   "action": [("", _("Everything")), *groups]}  # fmt: skip
        for name, offered in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = offered

    def filter(self, zone: ZoneInfo) -> AuditFilter:
        """Return what was asked for; days are the company's."""
        asked = self.asked()
        since, until = asked.pop("since", None), asked.pop("until", None)
        return AuditFilter(
            **asked,
            since=datetime.combine(since, time.min, zone) if since else None,
            until=datetime.combine(until + timedelta(days=1), time.min, zone) if until else None,
        )


@page("journal/", name="journal", right="audit.read")
def journal(request: HttpRequest) -> HttpResponse:
    form = JournalFilter(request.GET)
    fetch = _fetch(form.filter(_zone(request)))
    return lists.listed(
        request,
        "office/settings/journal.html",
        listing=LISTING,
        page=fetch(request.GET.get("after", ""), lists.SHOWN),
        form=form,
        export=reverse("office:journal-export"),
    )


@page("journal/export/", name="journal-export", right="audit.read")
def export(request: HttpRequest) -> HttpResponseBase:
    """The journal of the filter as a table, streamed."""
    fetch = _fetch(JournalFilter(request.GET).filter(_zone(request)))
    return lists.exported_all(request, LISTING, fetch, name="journal")


def _fetch(asked: AuditFilter) -> lists.Fetch:
    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        found = audit_log.entries(asked, after=after, limit=limit)
        names = people(one.actor for one in found.rows)
        return found.of(lambda one: {"row": one, "who": actor_text(one.actor, names, lang())})

    return fetch


def _written(image: Any) -> str:
    return "" if image is None else msgspec.json.encode(image).decode()


def _zone(request: HttpRequest) -> ZoneInfo:
    return ZoneInfo(request.principal.tenant.row.zone)
