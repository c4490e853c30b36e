"""The journal: who did what, when, from which device, from what to what, and why."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.core.wording import say
from kvit.parties import queries as parties
from kvit.platform import audit_log
from kvit.platform.audit_log import AuditFilter, Entry
from kvit.platform.tenancy import tenant_scope
from kvit.web import lists
from kvit.web.authorship import actor_text
from kvit.web.forms import DateField, FilterForm
from kvit.web.journal_words import GROUPS
from kvit.web.lists import Column
from kvit.web.office.links import people
from kvit.web.routes import page
from kvit.web.tags import lang

COLUMNS = (
    Column("at", gettext_lazy("When")),
    Column("actor", gettext_lazy("Who")),
    Column("action", gettext_lazy("What")),
    Column("object", gettext_lazy("With what")),
    Column("change", gettext_lazy("Was → is")),
    Column("reason", gettext_lazy("Why")),
    Column("origin", gettext_lazy("From where")),
)


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
    found = audit_log.entries(form.filter(_zone(request)), after=request.GET.get("after", ""))
    return lists.listed(
        request,
        "office/settings/journal.html",
        columns=COLUMNS,
        page=found,
        form=form,
        people=people(one.actor for one in found.rows),
    )


@page("journal/export/", name="journal-export", right="audit.read")
def export(request: HttpRequest) -> HttpResponseBase:
    """The journal of the filter as a table, streamed."""
    asked = JournalFilter(request.GET).filter(_zone(request))
    heads = (_("When"), _("Who"), _("What"), _("Kind"), _("Object"), _("Was"), _("Is"), _("Why"),
             _("From where"))  # fmt: skip
    rows = _lines(request.principal.tenant.id, asked, _zone(request))
    return lists.exported(request, "journal", heads, rows)


def _lines(tenant_id: Any, asked: AuditFilter, zone: ZoneInfo) -> Iterator[tuple[Any, ...]]:
    chunks = audit_log.every_entry(asked)
    while True:
        # The middleware has left the scope by the time a streamed body is made.
        with tenant_scope(tenant_id, switch=True):
            chunk = next(chunks, None)
            names = people(one.actor for one in chunk or ())
        if chunk is None:
            return
        yield from (_line(one, names, zone) for one in chunk)


def _line(one: Entry, names: dict[str, str], zone: ZoneInfo) -> tuple[Any, ...]:
    return (
        one.recorded_at.astimezone(zone).replace(tzinfo=None, microsecond=0),
        actor_text(one.actor, names, lang()),
        one.action,
        one.object_type,
        one.object_id,
        "" if one.before is None else msgspec.json.encode(one.before).decode(),
        "" if one.after is None else msgspec.json.encode(one.after).decode(),
        one.reason,
        one.origin,
    )


def _zone(request: HttpRequest) -> ZoneInfo:
    return ZoneInfo(request.principal.tenant.row.zone)
