"""Reads of simulations: how far they are, their sums as a whole and by payer."""

from typing import Any
from uuid import UUID

from django.db.models import Count, Q, Sum

from kvit.catalog.models import SimulatedSum, Simulation
from kvit.catalog.rows import Outcome, Scenario, SimulatedPayer, SimulationInfo
from kvit.core.periods import Period
from kvit.platform.paging import LIMIT, Page, keyset

SIDES = ("all", "dearer", "cheaper", "same")
SIMULATED_SORTS = {
    "-difference": ("-difference_minor", "-id"),
    "difference": ("difference_minor", "id"),
}


def simulation(simulation_id: UUID) -> SimulationInfo | None:
    """Return a simulation."""
    row = Simulation.objects.filter(pk=simulation_id).first()
    return None if row is None else simulation_of(row)


def simulations(*, after: str = "", limit: int = LIMIT) -> Page[SimulationInfo]:
    """Return simulations, the latest first."""
    page = keyset(Simulation.objects.all(), order=("-started_at", "id"), after=after, limit=limit)
    return page.of(simulation_of)


def simulated_with(draft_id: UUID) -> SimulationInfo | None:
    """Return the latest simulation of a draft."""
    rows = Simulation.objects.filter(scenarios__contains=[{"draft": str(draft_id)}])
    row = rows.order_by("-started_at", "-id").first()
    return None if row is None else simulation_of(row)


def outcomes(simulation_id: UUID) -> list[Outcome]:
    """Return the sums of each scenario and currency."""
    rows = (
        SimulatedSum.objects.filter(simulation_id=simulation_id)
        .values("scenario", "currency")
        .annotate(
            charged=Sum("charged_minor"),
            before=Sum("before_minor"),
            after=Sum("after_minor"),
            difference=Sum("difference_minor"),
            payers=Count("id"),
            dearer=Count("id", filter=Q(difference_minor__gt=0)),
            dearer_sum=Sum("difference_minor", filter=Q(difference_minor__gt=0), default=0),
            cheaper=Count("id", filter=Q(difference_minor__lt=0)),
            cheaper_sum=Sum("difference_minor", filter=Q(difference_minor__lt=0), default=0),
        )
        .order_by("scenario", "currency")
    )
    return [
        Outcome(
            scenario=row["scenario"],
            currency=row["currency"],
            charged_minor=int(row["charged"]),
            before_minor=int(row["before"]),
            after_minor=int(row["after"]),
            difference_minor=int(row["difference"]),
            payers=row["payers"],
            dearer=row["dearer"],
            dearer_minor=int(row["dearer_sum"]),
            cheaper=row["cheaper"],
            cheaper_minor=int(row["cheaper_sum"]),
        )
        for row in rows
    ]


def simulated(
    simulation_id: UUID,
    scenario: int,
    *,
    side: str = "all",
    sort: str = "-difference",
    after: str = "",
    limit: int = LIMIT,
) -> Page[SimulatedPayer]:
    """Return the payers of a scenario; `side` is one of SIDES."""
    rows = SimulatedSum.objects.filter(simulation_id=simulation_id, scenario=scenario)
    if side == "dearer":
        rows = rows.filter(difference_minor__gt=0)
    elif side == "cheaper":
        rows = rows.filter(difference_minor__lt=0)
    elif side == "same":
        rows = rows.filter(difference_minor=0)
    order = SIMULATED_SORTS.get(sort, SIMULATED_SORTS["-difference"])
    return keyset(rows, order=order, after=after, limit=limit).of(_payer)


def simulation_of(row: Any) -> SimulationInfo:
    """Read a stored simulation."""
    return SimulationInfo(
        id=row.pk,
        period=Period(row.period_start, row.period_end),
        usage_version=row.usage_version,
        catalogue_revision=row.catalogue_revision,
        scenarios=tuple(
            Scenario(
                UUID(one["draft"]),
                one["title"],
                one["version"],
                one["content"],
                tuple(one["move"]) if one.get("move") else None,
            )
            for one in row.scenarios
        ),
        status=row.status,
        done=row.done,
        whole=row.whole,
        rated_until=row.rated_until,
        problems=tuple(tuple(one) for one in row.problems),
        author=row.author,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _payer(row: Any) -> SimulatedPayer:
    return SimulatedPayer(
        row.scenario,
        row.payer_id,
        row.currency,
        row.charged_minor,
        row.before_minor,
        row.after_minor,
        row.difference_minor,
    )
