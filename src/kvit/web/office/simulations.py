"""Simulations: a billed month rated again with drafts; who pays more, who pays less."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.catalog import queries
from kvit.catalog.rows import Outcome, SimulationInfo
from kvit.core.money import exponent
from kvit.core.periods import BadPeriod, Period, parse_billing_period
from kvit.platform.tenancy import tenant_scope
from kvit.rating import simulation as rating_simulation
from kvit.web import composing, lists
from kvit.web.authorship import actor_text
from kvit.web.lists import Column
from kvit.web.office.links import customers, people
from kvit.web.refusals import refused
from kvit.web.routes import action, page
from kvit.web.tags import lang

COLUMNS = (
    Column("customer", gettext_lazy("Customer")),
    Column("charged", gettext_lazy("Was charged"), kind="num"),
    Column("before", gettext_lazy("Before"), kind="num"),
    Column("after", gettext_lazy("After"), kind="num"),
    Column("difference", gettext_lazy("Difference"), kind="num", sort="difference",
           falls_first=True),
)  # fmt: skip
SIDES = {
    "all": gettext_lazy("Everybody"),
    "dearer": gettext_lazy("Pay more"),
    "cheaper": gettext_lazy("Pay less"),
    "same": gettext_lazy("Pay the same"),
}
EXPORTED = 1_000


@action(
    "catalogue/simulations/new/", name="simulation-new", right="catalogue.read",
    operation="start_simulation",
)  # fmt: skip
def new(request: HttpRequest) -> HttpResponse:
    """Begin: a small company is rated at once, a large one by a worker."""
    drafts = [UUID(one) for one in request.POST.getlist("draft") if _is_id(one)]
    try:
        period = _period(request)
    except BadPeriod:
        return refused(request, _("Choose a month, such as 2026-10."))
    move = (request.POST.get("move_from", ""), request.POST.get("move_to", ""))
    moves = {drafts[0]: move} if drafts and all(move) else {}
    info = rating_simulation.begin(
        drafts, period=period, actor=request.principal.actor, now=request.now, moves=moves
    )
    composing.start_simulation(info, request.now)
    return redirect("office:simulation", info.id)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _period(request: HttpRequest) -> Period:
    text = request.POST.get("period", "")
    return parse_billing_period(text) if text else composing.last_month(request.now)


@page("catalogue/simulations/", name="simulations", right="catalogue.read")
def simulations(request: HttpRequest) -> HttpResponse:
    found = queries.simulations(after=request.GET.get("after", ""))
    names = people(one.author for one in found.rows)
    columns = (
        Column("period", _("Month")), Column("drafts", _("Drafts")), Column("who", _("Who, when")),
        Column("state", _("State")),
    )  # fmt: skip
    return lists.listed(
        request, "office/catalogue/simulations.html", columns=columns,
        page=found.of(lambda one: {"one": one, "who": actor_text(one.author, names, lang())}),
        drafts=queries.drafts().rows, month=composing.last_month(request.now),
        plans=sorted(queries.catalogue().plans),
    )  # fmt: skip


@page("catalogue/simulations/<uuid:simulation>/", name="simulation", right="catalogue.read")
def simulation(request: HttpRequest, simulation: UUID) -> HttpResponse:
    info = _info(simulation)
    if info.status != "done":
        is_part = request.headers.get("HX-Target") == "progress"
        template = "progress" if is_part else "waiting"
        return render(request, f"office/catalogue/simulation_{template}.html", {"simulation": info})
    scenario, side = _asked(request, info)
    order = lists.order_of(request, COLUMNS, "-difference")
    found = queries.simulated(
        simulation, scenario, side=side, sort=order, after=request.GET.get("after", "")
    )
    who = customers(one.payer_id for one in found.rows)
    outcomes = queries.outcomes(simulation)
    names = people([info.author])
    return lists.listed(
        request, "office/catalogue/simulation.html", columns=COLUMNS,
        page=found.of(lambda one: {"one": one, "who": who.get(one.payer_id)}),
        order=order, simulation=info, scenario=scenario, side=side, sides=SIDES,
        outcomes=[{"one": one, "title": info.scenarios[one.scenario].title} for one in outcomes],
        totals=[one for one in outcomes if one.scenario == scenario],
        problems=[
            {"subscription": one[1], "price": one[2], "text": one[4 if lang() == "ru" else 5]}
            for one in info.problems if one[0] == scenario
        ],
        author=actor_text(info.author, names, lang()),
        chart=_chart(info, outcomes),
    )  # fmt: skip


def _info(simulation: UUID) -> SimulationInfo:
    info = queries.simulation(simulation)
    if info is None:
        raise Http404
    return info


def _asked(request: HttpRequest, info: SimulationInfo) -> tuple[int, str]:
    text, side = request.GET.get("scenario", "0"), request.GET.get("side", "all")
    scenario = int(text) if text.isdecimal() and int(text) < len(info.scenarios) else 0
    return scenario, side if side in SIDES else "all"


def _chart(info: SimulationInfo, outcomes: list[Outcome]) -> dict[str, Any] | None:
    """Before and after of each scenario, side by side; floats are pixels."""
    first = outcomes[0].currency if outcomes else ""
    shown = [one for one in outcomes if one.currency == first]
    if not shown:
        return None
    names = [info.scenarios[one.scenario].title for one in shown]
    major = 10 ** exponent(first)
    return {
        "xAxis": {"type": "value", "min": 0},
        "yAxis": {"type": "category", "data": names, "inverse": True},
        "series": [
            {"type": "bar", "name": str(_("Before")),
             "data": [one.before_minor / major for one in shown]},
            {"type": "bar", "name": str(_("After")),
             "data": [one.after_minor / major for one in shown]},
        ],
    }  # fmt: skip


@page(
    "catalogue/simulations/<uuid:simulation>/export/", name="simulation-export",
    right="catalogue.read",
)  # fmt: skip
def export(request: HttpRequest, simulation: UUID) -> HttpResponseBase:
    info = _info(simulation)
    scenario, side = _asked(request, info)
    heads = [_("Customer code"), _("Customer"), _("Currency"), _("Was charged"), _("Before"),
             _("After"), _("Difference")]  # fmt: skip
    tenant = request.principal.tenant.id

    def rows() -> Iterator[tuple[Any, ...]]:
        after: str | None = ""
        while after is not None:
            with tenant_scope(tenant, switch=True):  # the scope of the request is over by now
                found = queries.simulated(
                    simulation, scenario, side=side, after=after, limit=EXPORTED
                )
                who = customers(one.payer_id for one in found.rows)
            for one in found.rows:
                sums = (one.charged_minor, one.before_minor, one.after_minor, one.difference_minor)
                known = who.get(one.payer_id)
                yield (
                    known.code if known else "", known.name if known else "", one.currency,
                    *(lists.plain_sum(minor, one.currency) for minor in sums),
                )  # fmt: skip
            after = found.next

    return lists.exported(request, f"simulation-{scenario + 1}", heads, rows())
