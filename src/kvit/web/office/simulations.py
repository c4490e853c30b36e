"""Simulations: a billed month rated again with drafts; who pays more, who pays less."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.catalog import queries
from kvit.catalog.rows import Outcome, SimulationInfo
from kvit.core.money import exponent
from kvit.core.periods import BadPeriod, Period, parse_billing_period
from kvit.platform.paging import Page
from kvit.rating import simulation as rating_simulation
from kvit.web import composing, lists
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part, Sum
from kvit.web.forms import whole
from kvit.web.office.links import customers, people
from kvit.web.refusals import refused
from kvit.web.routes import action, page
from kvit.web.states import word as state_word
from kvit.web.tags import lang

LISTING = Listing(
    "simulations",
    (
        Column("period", gettext_lazy("Month"), of=lambda one: one["one"].period.start),
        Column("drafts", gettext_lazy("Drafts"),
               of=lambda one: "; ".join(draft.title for draft in one["one"].scenarios)),
        Column("who", gettext_lazy("Who, when"), parts=(
            Part(gettext_lazy("Who"), lambda one: one["who"]),
            Part(gettext_lazy("When"), lambda one: one["one"].started_at),
        )),
        Column("state", gettext_lazy("State"), of=lambda one: state_word(
            "done" if one["one"].status == "done" else "running")),
    ),
)  # fmt: skip


def _sum(code: str) -> Callable[[dict[str, Any]], Sum]:
    return lambda item: Sum(getattr(item["one"], f"{code}_minor"), item["one"].currency)


PAYERS = Listing(
    "simulation",
    (
        Column("customer", gettext_lazy("Customer"), parts=(
            Part(gettext_lazy("Customer code"), lambda one: one["who"] and one["who"].code),
            Part(gettext_lazy("Customer"), lambda one: one["who"] and one["who"].name),
            Part(gettext_lazy("Currency"), lambda one: one["one"].currency),
        )),
        *(
            Column(code, title, kind="num", sort="difference" if code == "difference" else "",
                   falls_first=True,
                   of=_sum(code))
            for code, title in (
                ("charged", gettext_lazy("Was charged")), ("before", gettext_lazy("Before")),
                ("after", gettext_lazy("After")), ("difference", gettext_lazy("Difference")),
            )
        ),
    ),
    order="-difference",
)  # fmt: skip
SIDES = {
    "all": gettext_lazy("Everybody"),
    "dearer": gettext_lazy("Pay more"),
    "cheaper": gettext_lazy("Pay less"),
    "same": gettext_lazy("Pay the same"),
}


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
    return lists.listed(
        request, "office/catalogue/simulations.html", listing=LISTING,
        page=_simulations(request.GET.get("after", ""), lists.SHOWN),
        export=reverse("office:simulations-export"),
        drafts=queries.drafts().rows, month=composing.last_month(request.now),
        plans=sorted(queries.catalogue().plans),
    )  # fmt: skip


@page("catalogue/simulations/export/", name="simulations-export", right="catalogue.read")
def simulations_export(request: HttpRequest) -> HttpResponseBase:
    """All simulations."""
    return lists.exported_all(request, LISTING, _simulations, name="simulations")


def _simulations(after: str, limit: int) -> Page[dict[str, Any]]:
    found = queries.simulations(after=after, limit=limit)
    names = people(one.author for one in found.rows)
    return found.of(lambda one: {"one": one, "who": actor_text(one.author, names, lang())})


@page("catalogue/simulations/<uuid:simulation>/", name="simulation", right="catalogue.read")
def simulation(request: HttpRequest, simulation: UUID) -> HttpResponse:
    info = _info(simulation)
    if info.status != "done":
        is_part = request.headers.get("HX-Target") == "progress"
        template = "progress" if is_part else "waiting"
        return render(request, f"office/catalogue/simulation_{template}.html", {"simulation": info})
    scenario, side = _asked(request, info)
    order = lists.order_of(request, PAYERS)
    fetch = _payers(info, scenario, side, order)
    outcomes = queries.outcomes(simulation)
    names = people([info.author])
    return lists.listed(
        request, "office/catalogue/simulation.html", listing=PAYERS,
        page=fetch(request.GET.get("after", ""), lists.SHOWN),
        export=reverse("office:simulation-export", args=[simulation]),
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
    scenario, side = whole(request.GET.get("scenario", "")), request.GET.get("side", "all")
    return scenario if scenario < len(info.scenarios) else 0, side if side in SIDES else "all"


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
    fetch = _payers(info, scenario, side, lists.order_of(request, PAYERS))
    return lists.exported_all(request, PAYERS, fetch, name=f"simulation-{scenario + 1}")


def _payers(info: SimulationInfo, scenario: int, side: str, order: str) -> lists.Fetch:
    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        found = queries.simulated(
            info.id, scenario, side=side, sort=order, after=after, limit=limit
        )
        who = customers(one.payer_id for one in found.rows)
        return found.of(lambda one: {"one": one, "who": who.get(one.payer_id)})

    return fetch
