"""What the catalogue states beside plans: calendars, and a card with its history of each object."""

from datetime import date
from typing import Any, get_args

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from kvit.catalog import queries
from kvit.core.periods import local_date
from kvit.core.statements import Kind
from kvit.parties import queries as parties
from kvit.web.authorship import actor_text
from kvit.web.office._diffs import differences
from kvit.web.office.composer import TITLES
from kvit.web.office.links import people
from kvit.web.routes import page
from kvit.web.tags import lang

LISTS = {"meter": "meters", "discount": "discounts", "coupon": "discounts", "calendar": "calendars"}


@page("catalogue/calendars/", name="calendars", right="catalogue.read")
def calendars(request: HttpRequest) -> HttpResponse:
    """Holidays that prices by the hour ask about."""
    today = local_date(request.now, parties.tenant().row.zone)
    rows = [_calendar(code, days, today) for code, days in queries.days_of_calendars().items()]
    rows.sort(key=lambda one: str(one["code"]))
    return render(request, "office/catalogue/calendars.html", {"calendars": rows})


def _calendar(code: str, days: dict[date, str], today: date) -> dict[str, Any]:
    holidays = [day for day, kind in days.items() if kind == "holiday"]
    return {
        "code": code,
        "holidays": len(holidays),
        "working": len(days) - len(holidays),
        "next": min((day for day in holidays if day >= today), default=None),
    }


@page("catalogue/stated/<slug:kind>/<path:key>/", name="stated", right="catalogue.read")
def stated(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """What stands of an object, and who stated it when and why."""
    if kind not in LISTS or kind not in get_args(Kind):
        raise Http404
    today = local_date(request.now, parties.tenant().row.zone)
    name: tuple[Kind, str] = (kind, key)  # type: ignore[assignment]
    coming = [one.effective_from for one in queries.discounts() if one.code == key]
    days = [today, *(coming if kind == "discount" else ())]
    standing = (queries.stands([name], day).get(name) for day in days)
    document = next((one for one in standing if one is not None), None)
    if document is None:
        raise Http404
    history = queries.stated_history(*name)
    names = people(one.author for one in history)
    return render(
        request,
        "office/catalogue/stated.html",
        {
            "kind": kind,
            "key": key,
            "title": TITLES[kind],
            "name": document.get("name", key),
            "here": LISTS[kind],
            "fields": differences(None, document, kind, lang()),
            "coupon": queries.coupon_infos().get(key) if kind == "coupon" else None,
            "today": today,
            "history": [
                {"version": one, "author": actor_text(one.author, names, lang()),
                 "changes": differences(one.before, one.document, kind, lang())}
                for one in history
            ],
        },
    )  # fmt: skip
