"""Overview: what needs me now, whether the figures agree, how the month goes.

Tiles that are dear to count come by requests of their own, and each is counted anew when its facts
change (`kvit.web.live`); without JavaScript a tile is a page.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kvit.catalog import queries as catalog
from kvit.core.money import exponent
from kvit.core.periods import Period, add_months
from kvit.core.units import unit_after
from kvit.core.wording import period_text
from kvit.insight import overview as insight
from kvit.insight.overview import DAY, Attention, Figures
from kvit.parties import queries as parties
from kvit.parties.rows import CustomerAsked
from kvit.web.office.customers import today
from kvit.web.routes import page
from kvit.web.tags import lang

VERBS = {
    "drafts": "invoices", "failed_run": "run", "conflicts": "usage", "rejected": "usage",
    "waiting": "usage", "late": "usage", "unsigned": "signed-log",
}  # fmt: skip
ICONS = {
    "drafts": "hourglass", "failed_run": "alert-triangle", "conflicts": "alert-triangle",
    "rejected": "file-alert", "waiting": "clock-pause", "late": "hourglass",
    "unsigned": "alert-triangle",
}  # fmt: skip
QUERIES = {
    "drafts": {"tab": "drafts"}, "conflicts": {"tab": "conflicts"}, "rejected": {"tab": "rejected"},
    "waiting": {"tab": "waiting"}, "late": {"tab": "late"},
}  # fmt: skip


@page("", name="overview", right="invoices.read")
def overview(request: HttpRequest) -> HttpResponse:
    context = _attention(request) | _figures(request)
    if not context["figures"].subscriptions and not context["figures"].billed_before:
        context["steps"] = _first_steps()
    return render(request, "office/overview/page.html", context)


@page("overview/<slug:tile>/", name="overview-tile", right="invoices.read")
def overview_tile(request: HttpRequest, tile: str) -> HttpResponse:
    """One tile: for htmx itself alone, else a page of it."""
    if tile not in _TILES:
        raise Http404
    right, template, made = _TILES[tile]
    if right not in request.principal.rights:
        raise Http404
    is_part = request.headers.get("HX-Request") == "true"
    context = made(request) | {"tile": f"office/overview/{template}"}
    whole = "tile.html" if is_part else "tile_page.html"
    return render(request, f"office/overview/{whole}", context)


def _attention(request: HttpRequest) -> dict[str, Any]:
    found = insight.attention(request.now)
    return {"attention": [_told(one, request.now) for one in found], "at": request.now}


def _waiting(request: HttpRequest) -> dict[str, Any]:
    found = [insight.usage_that_waits(request.now), insight.late_usage()]
    return {"waiting": [_told(one, request.now) for one in found if one]}


def _figures(request: HttpRequest) -> dict[str, Any]:
    found = insight.figures(today=today(request), now=request.now)
    return {
        "figures": found,
        "issued": _beside(found),
        "this_door": _issued_door(found.this_since, found.today),
        "last_door": _issued_door(found.last_since, found.last_until - DAY),
        "billed_period": Period(add_months(found.this_since, -1), found.this_since),
        "billed_door": _issued_door(add_months(found.this_since, -1), found.this_since - DAY),
    }


def _owed(request: HttpRequest) -> dict[str, Any]:
    return {"owed": insight.owed(today(request)), "on": today(request)}


def _agreement(request: HttpRequest) -> dict[str, Any]:
    found = insight.agreement()
    return {
        "agreement": found,
        "agrees": all(not one.difference_minor for one in found),
        "at": request.now,
    }


def _months(request: HttpRequest) -> dict[str, Any]:
    """The bars of the company's own currency; the table below has every currency."""
    day = today(request)
    found = insight.by_month(day)
    currency = request.principal.tenant.row.currency
    own = {one.month: one for one in found if one.currency == currency}
    months = [add_months(day.replace(day=1), back) for back in range(1 - insight.MONTHS, 1)]
    unit = 10 ** exponent(currency)
    chart = {
        "xAxis": {"type": "category", "data": [f"{one:%m.%Y}" for one in months]},
        "yAxis": {"type": "value", "min": 0 if _all_positive(own.values()) else None},
        "series": [
            {
                "name": _("Issued"),
                "type": "bar",
                "data": [own[one].total_minor / unit if one in own else 0 for one in months],
            }
        ],
    }
    rows = [
        {"one": one, "title": period_text(Period(one.month, add_months(one.month, 1)), lang()),
         "door": _issued_door(one.month, add_months(one.month, 1) - DAY)}
        for one in reversed(found)
    ]  # fmt: skip
    return {"months": rows, "chart": chart, "finding": _month_finding(own, months)}


def _plans(request: HttpRequest) -> dict[str, Any]:
    period, found = insight.by_plan(today(request))
    names = catalog.plan_names()
    currency = request.principal.tenant.row.currency
    own = [one for one in found if one.currency == currency]
    unit = 10 ** exponent(currency)
    titles = [names.get(one.plan, one.plan) or _("corrections and other") for one in own]
    chart = {
        "xAxis": {"type": "value"},
        "yAxis": {"type": "category", "data": titles[:8][::-1]},
        "series": [
            {"name": _("Before VAT"), "type": "bar",
             "data": [one.net_minor / unit for one in own[:8]][::-1]}
        ],
    }  # fmt: skip
    rows = [
        {"one": one, "title": names.get(one.plan, one.plan) or _("corrections and other"),
         "door": _door("subscriptions", {"plan": one.plan}) if one.plan else ""}
        for one in found
    ]  # fmt: skip
    return {"plans": rows, "chart": chart, "period": period}


_TILES: Mapping[str, tuple[str, str, Callable[[HttpRequest], dict[str, Any]]]] = {
    "attention": ("invoices.read", "attention.html", _attention),
    "figures": ("invoices.read", "figures.html", _figures),
    "waiting": ("usage.read", "waiting.html", _waiting),
    "owed": ("books.read", "owed.html", _owed),
    "agreement": ("books.read", "agreement.html", _agreement),
    "months": ("invoices.read", "months.html", _months),
    "plans": ("invoices.read", "plans.html", _plans),
}


def _told(one: Attention, now: datetime) -> dict[str, Any]:
    """Say what waits: the count with its noun, the money, the age, and where to go."""
    return {
        "icon": ICONS[one.cause],
        "title": _title(one),
        "sums": list(one.sums.items()),
        "age": _age(one.oldest, now),
        "url": _door(VERBS[one.cause], QUERIES.get(one.cause, {}), key=one.key),
        "is_bad": one.cause in ("failed_run", "unsigned"),
        "quantities": list(_quantities(one)),
        "hint": _late_hint() if one.cause == "late" else "",
    }


def _quantities(one: Attention) -> Iterator[tuple[Fraction, str]]:
    """The quantity of each meter, with its unit or name."""
    known = catalog.meters() if one.quantities else {}
    for meter, value in one.quantities.items():
        named = known.get(meter)
        exact = Fraction(value)
        yield exact, (unit_after(exact, named.unit) or named.name) if named else meter


def _late_hint() -> str:
    """What becomes of late usage: the company's policy says."""
    if parties.tenant().row.late_events == "correction":
        return _("The next bill run makes a correcting document. Nothing is to be done.")
    return _("The next bill run adds the difference to the next bill. Nothing is to be done.")


def _title(one: Attention) -> str:
    count = {"count": one.count}
    match one.cause:
        case "drafts":
            said = ngettext(
                "%(count)s draft waits for a decision", "%(count)s drafts wait for a decision",
                one.count,
            ) % count  # fmt: skip
            unusual = one.detail.get("outlier", 0)
            if unusual:
                more = ngettext(
                    "%(count)s with an unusual sum", "%(count)s with unusual sums", unusual
                ) % {"count": unusual}
                return f"{said}, {more}"
            return said
        case "failed_run":
            return ngettext(
                "%(count)s bill run failed", "%(count)s bill runs failed", one.count
            ) % count  # fmt: skip
        case "conflicts":
            return ngettext(
                "%(count)s event in dispute", "%(count)s events in dispute", one.count
            ) % count  # fmt: skip
        case "rejected":
            return ngettext(
                "%(count)s row of usage rejected", "%(count)s rows of usage rejected", one.count
            ) % count  # fmt: skip
        case "late":
            return ngettext(
                "%(count)s event came after its period was billed",
                "%(count)s events came after their period was billed",
                one.count,
            ) % count  # fmt: skip
        case "waiting":
            events = sum(one.detail.values())
            return ngettext(
                "%(count)s event of usage is billed by nobody",
                "%(count)s events of usage are billed by nobody",
                events,
            ) % {"count": events}
        case "unsigned":
            return ngettext(
                "A signed log is not signed on", "The signed logs are not signed on", one.count
            )


def _age(oldest: datetime | None, now: datetime) -> str:
    if oldest is None:
        return ""
    days = (now - oldest).days
    if days < 1:
        return _("since today")
    return ngettext("the oldest %(count)s day", "the oldest %(count)s days", days) % {"count": days}


def _beside(found: Figures) -> list[dict[str, Any]]:
    """This month and the same days of the last, a row a currency."""
    last = {one.currency: one for one in found.last_month}
    this = {one.currency: one for one in found.this_month}
    return [
        {
            "currency": currency,
            "this": this[currency].total_minor if currency in this else 0,
            "count": this[currency].count if currency in this else 0,
            "last": last[currency].total_minor if currency in last else 0,
        }
        for currency in sorted({*this, *last})
    ]


def _month_finding(own: Mapping[Any, Any], months: list[Any]) -> str:
    """The sentence above the bars: the best of the months."""
    if not own:
        return _("Nothing was issued in 13 months")
    best = max(own.values(), key=lambda one: one.total_minor)
    period = period_text(Period(best.month, add_months(best.month, 1)), lang())
    return _("The largest month is %(month)s") % {"month": period}


def _all_positive(rows: Any) -> bool:
    return all(one.total_minor >= 0 for one in rows)


def _issued_door(since: Any, to: Any) -> str:
    return _door("invoices", {"issued_from": since.isoformat(), "issued_to": to.isoformat()})


def _door(name: str, asked: Mapping[str, str], *, key: str = "") -> str:
    try:
        address = reverse(f"office:{name}", args=[key] if key else [])
    except NoReverseMatch:  # that area is not part of this installation
        return ""
    return f"{address}?{urlencode(asked)}" if asked else address


def _first_steps() -> list[dict[str, Any]]:
    """What a new company does first, with what is done already."""
    has_plans = bool(catalog.catalogue().plans)
    has_customers = bool(parties.customers_page(CustomerAsked(), limit=1).rows)
    return [
        {"title": _("Compose a plan"), "done": has_plans, "url": _door("catalogue", {})},
        {"title": _("Add a customer"), "done": has_customers, "url": _door("customers", {})},
        {"title": _("Make a dry run"), "done": False, "url": _door("runs", {})},
    ]
