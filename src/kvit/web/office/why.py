"""«Почему?»: a sum opened level by level, each computed again as it is shown.

line → usage by day → events of a day → raw record. With a browser that runs scripts the levels
open in the drawer; without one, or by a link that was sent, as pages of their own.
"""

from datetime import date
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from kvit.invoicing import queries
from kvit.rating.explain import explain
from kvit.web import explaining, why
from kvit.web.lists import exported
from kvit.web.routes import page
from kvit.web.tags import lang


@page("invoices/<uuid:invoice>/lines/<int:line>/why/", name="invoice-why", right="invoices.read")
def line_why(request: HttpRequest, invoice: UUID, line: int) -> HttpResponse:
    """Level 1: the line, computed again; sentences with numbers in them."""
    found = _found(request, invoice, line)
    try:
        tree = explaining.tree(found, events=0, lang=lang())
    except explaining.NoSuchLine:
        raise Http404 from None
    [opened] = tree["lines"]
    [info] = [one for one in found.info.lines if one.position == line]
    return _level(
        request, "line", found,
        line=opened, info=info, tree=tree, currency=found.info.currency,
        days_url=reverse("office:invoice-why-days", kwargs={"invoice": invoice, "line": line}),
        is_again="again" in request.GET,
    )  # fmt: skip


@page("invoices/<uuid:invoice>/lines/<int:line>/why/days/", name="invoice-why-days",
      right="invoices.read")  # fmt: skip
def days_why(request: HttpRequest, invoice: UUID, line: int) -> HttpResponse:
    """Level 2: the usage behind the line, by day."""
    document = _found(request, invoice, line)
    days = why.days_of(_charge(document))
    chart = {
        "xAxis": {"type": "category", "data": [f"{row.day:%d.%m}" for row in days.rows]},
        "yAxis": {"type": "value"},
        # Pixels only: the table beside it has the exact figures.
        "series": [{
            "type": "bar",
            "data": [float(row.events if row.quantity is None else row.quantity)
                     for row in days.rows],
        }],
    }  # fmt: skip
    return _level(request, "days", document, days=days, chart=chart)


@page("invoices/<uuid:invoice>/lines/<int:line>/why/days/<str:day>/", name="invoice-why-events",
      right="invoices.read")  # fmt: skip
def events_why(request: HttpRequest, invoice: UUID, line: int, day: str) -> HttpResponse:
    """Level 3: the events of a day."""
    try:
        wanted, skip = date.fromisoformat(day), int(request.GET.get("skip", "0"))
    except ValueError:
        raise Http404 from None
    document = _found(request, invoice, line)
    found = why.events_of(_charge(document), wanted, skip=max(0, skip))
    return _level(request, "events", document, found=found, day=wanted)


@page("invoices/<uuid:invoice>/lines/<int:line>/why/export/", name="invoice-why-export",
      right="invoices.read")  # fmt: skip
def export_why(request: HttpRequest, invoice: UUID, line: int) -> HttpResponseBase:
    """Every event behind the line: what the sum was measured from."""
    found = explain(_charge(_found(request, invoice, line)))
    heads = (_("Time"), _("Event"), _("Value"), _("Dimensions"))
    rows = (
        (
            one.time,
            one.id,
            one.value,
            "; ".join(f"{name}={value}" for name, value in one.dimensions),
        )
        for one in found.events
    )
    return exported(request, "events", heads, rows)


@page("invoices/<uuid:invoice>/lines/<int:line>/why/record/", name="invoice-why-record",
      right="invoices.read")  # fmt: skip
def record_why(request: HttpRequest, invoice: UUID, line: int) -> HttpResponse:
    """Level 4: one event as it came."""
    document = _found(request, invoice, line)
    source, event_id = request.GET.get("source", ""), request.GET.get("event", "")
    views = why.record_of(source, event_id)
    if not views:
        raise Http404
    day = request.GET.get("day", "")
    return _level(request, "record", document, views=views, day=_day(day), event_id=event_id)


def _found(request: HttpRequest, invoice: UUID, line: int) -> explaining.Found:
    infos = queries.by_ids([invoice])
    if not infos or line not in [one.position for one in infos[0].lines]:
        raise Http404
    return explaining.Found(request.principal.tenant, "", infos[0], line)


def _charge(found: explaining.Found) -> UUID:
    [line] = [one for one in found.info.lines if one.position == found.line]
    if line.charge_id is None:
        raise Http404
    return line.charge_id


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _level(
    request: HttpRequest, level: str, document: explaining.Found, **context: Any
) -> HttpResponse:
    here = {"invoice": document.info.id, "line": document.line}
    crumbs = [(_("Line"), reverse("office:invoice-why", kwargs=here))]
    if level in ("days", "events", "record"):
        crumbs.append((_("By day"), reverse("office:invoice-why-days", kwargs=here)))
    day = context.get("day")
    if level in ("events", "record") and day is not None:
        address = reverse("office:invoice-why-events", kwargs={**here, "day": day.isoformat()})
        crumbs.append((f"{day:%d.%m.%Y}", address))
    if level == "record":
        crumbs.append((_("Record"), ""))
    is_drawer = request.headers.get("HX-Target") == "drawer"
    template = "office/why/drawer.html" if is_drawer else "office/why/page.html"
    return render(
        request,
        template,
        {
            **context,
            "level": f"office/why/{level}.html",
            "crumbs": crumbs,
            "invoice": document.info,
            "position": document.line,
            "is_drawer": is_drawer,
        },
    )
