"""Simulations: a billed month rated again by drafts; who pays more, who pays less."""

from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.catalog import queries
from kvit.catalog.rows import SimulationInfo
from kvit.core.periods import parse_billing_period
from kvit.parties import queries as parties
from kvit.rating import simulation as rating
from kvit.web.api.core import Router, operation
from kvit.web.api.problems import ApiRefused
from kvit.web.api.schemas import Code, Day, Input, Listed, Moment, Money, Paging, Schema, listed

TAG = ("Симуляции цен", "Simulations of prices")
AT_ONCE = 500  # subscriptions: what is rated while the caller waits
router = Router()


class SimulationIn(Input):
    """Which drafts over which billed month; `move` supposes that one plan were another."""

    drafts: list[UUID] = Field(min_length=1, max_length=5)
    period: Day = Field(description="A day of the month.", examples=["2026-10-01"])
    move_from: Code | None = None
    move_to: Code | None = None


class ScenarioOut(Schema):
    """A draft as it stood when the simulation began."""

    draft: UUID
    title: str
    version: int


class OutcomeOut(Schema):
    """A scenario as a whole: sums before tax, and how many payers pay more and less."""

    scenario: int
    charged: Money
    before: Money
    after: Money
    difference: Money
    payers: int
    dearer: int
    dearer_by: Money
    cheaper: int
    cheaper_by: Money


class SimulationOut(Schema):
    """How far it is; `outcomes` are whole once it is done."""

    id: UUID
    status: Literal["waiting", "done"]
    start: Day
    end: Day
    done: int
    whole: int
    scenarios: list[ScenarioOut]
    author: str
    started_at: Moment
    finished_at: Moment | None


class WholeSimulationOut(SimulationOut):
    """With its outcomes."""

    outcomes: list[OutcomeOut]


class SimulatedOut(Schema):
    """What a payer was charged, would be charged by the catalogue, and by the scenario."""

    customer: str
    charged: Money
    before: Money
    after: Money
    difference: Money


class SimulatedQuery(Paging):
    """Of which scenario, which payers."""

    scenario: int = Field(0, ge=0, le=4)
    side: Literal["all", "dearer", "cheaper", "same"] = "all"
    order: Literal["-difference", "difference"] = "-difference"


@operation(router, "GET", "/simulations", right="catalogue.read", response=Listed[SimulationOut])
def list_simulations(request: HttpRequest, page: Query[Paging]) -> Any:
    """The latest first."""
    found = queries.simulations(after=page.after, limit=page.limit)
    return listed(found, lambda one: SimulationOut(**_plain(one)))


@operation(
    router, "POST", "/simulations", right="catalogue.read", status=201,
    response=WholeSimulationOut,
)  # fmt: skip
def start_simulation(request: HttpRequest, body: SimulationIn) -> WholeSimulationOut:
    """A small company is rated at once, a large one by a worker. Nothing is changed."""
    moves = {}
    if body.move_from and body.move_to:
        moves = {body.drafts[0]: (body.move_from, body.move_to)}
    info = rating.begin(
        body.drafts,
        period=parse_billing_period(f"{body.period:%Y-%m}"),
        actor=request.principal.actor,
        now=request.now,
        moves=moves,
    )
    if info.whole <= AT_ONCE:
        rating.simulate(info.id, now=request.now)
    else:
        rating.simulate_later.defer(simulation=str(info.id), key=str(info.id))
    return _whole(info.id)


@operation(
    router, "GET", "/simulations/{simulation}", right="catalogue.read",
    response=WholeSimulationOut,
)  # fmt: skip
def read_simulation(request: HttpRequest, simulation: UUID) -> WholeSimulationOut:
    """How far it is, and its sums."""
    return _whole(simulation)


@operation(
    router, "GET", "/simulations/{simulation}/payers", right="catalogue.read",
    response=Listed[SimulatedOut],
)  # fmt: skip
def list_simulated_payers(
    request: HttpRequest, simulation: UUID, query: Query[SimulatedQuery]
) -> Any:
    """By what they pay more or less."""
    _whole(simulation)
    page = queries.simulated(
        simulation, query.scenario, side=query.side, sort=query.order, after=query.after
    )
    codes = parties.customers_by_id({one.payer_id for one in page.rows})
    return listed(
        page,
        lambda one: SimulatedOut(
            customer=codes[one.payer_id].row.code,
            charged=Money.of(one.charged_minor, one.currency),
            before=Money.of(one.before_minor, one.currency),
            after=Money.of(one.after_minor, one.currency),
            difference=Money.of(one.difference_minor, one.currency),
        ),
    )


def _whole(simulation: UUID) -> WholeSimulationOut:
    found = queries.simulation(simulation)
    if found is None:
        raise ApiRefused("not_found", status=404)
    return WholeSimulationOut(
        **_plain(found),
        outcomes=[
            OutcomeOut(
                scenario=one.scenario,
                charged=Money.of(one.charged_minor, one.currency),
                before=Money.of(one.before_minor, one.currency),
                after=Money.of(one.after_minor, one.currency),
                difference=Money.of(one.difference_minor, one.currency),
                payers=one.payers,
                dearer=one.dearer,
                dearer_by=Money.of(one.dearer_minor, one.currency),
                cheaper=one.cheaper,
                cheaper_by=Money.of(one.cheaper_minor, one.currency),
            )
            for one in queries.outcomes(simulation)
        ],
    )


def _plain(info: SimulationInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "status": info.status,
        "start": info.period.start,
        "end": info.period.end,
        "done": info.done,
        "whole": info.whole,
        "scenarios": [
            ScenarioOut(draft=one.draft, title=one.title, version=one.version)
            for one in info.scenarios
        ],
        "author": info.author,
        "started_at": info.started_at,
        "finished_at": info.finished_at,
    }
