"""Simulations: what is to be rated again, and the sums that rating brings, chunk by chunk.

Rating computes (`kvit.rating.simulation`); here its pins and its sums are kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from django.db import transaction

from kvit.catalog import queries
from kvit.catalog.models import Draft, SimulatedSum, Simulation
from kvit.catalog.rows import SimulatedPayer, SimulationInfo
from kvit.core.periods import Period
from kvit.core.wording import Words
from kvit.platform import audit
from kvit.platform.bulk import copy_in
from kvit.platform.failures import Failure

MOST = 5
KEPT_PROBLEMS = 100
WORDS: Words = {
    "simulation_unknown": (
        "Такого расчёта нет. Начните его из черновика.",
        "There is no such simulation. Begin one from a draft.",
    ),
    "simulation_of_nothing": (
        "Выберите от одного до {most} черновиков, в каждом должно быть хоть одно изменение.",
        "Choose one to {most} drafts, each with at least one change.",
    ),
}


class SimulationRefused(Failure):
    """There is nothing to simulate."""

    words = WORDS


@transaction.atomic
def open_simulation(
    draft_ids: Sequence[UUID],
    *,
    period: Period,
    usage_version: int,
    whole: int,
    actor: str,
    now: datetime,
    moves: Mapping[UUID, tuple[str, str]] = MappingProxyType({}),
) -> SimulationInfo:
    """Pin what is rated again: usage, catalogue and the drafts as they are now.

    Raises:
        SimulationRefused: no drafts, too many, an unknown or an empty one.
    """
    known = {row.pk: row for row in Draft.objects.filter(pk__in=draft_ids)}
    drafts = [known[key] for key in dict.fromkeys(draft_ids) if key in known]
    if not 1 <= len(drafts) <= MOST or not all(any(row.content.values()) for row in drafts):
        raise SimulationRefused("simulation_of_nothing", most=MOST)
    row = Simulation.objects.create(
        period_start=period.start,
        period_end=period.end,
        usage_version=usage_version,
        catalogue_revision=queries.latest_revision(),
        scenarios=[
            {
                "draft": str(one.pk),
                "title": one.title,
                "version": one.version,
                "content": one.content,
                "move": moves.get(one.pk),
            }
            for one in drafts
        ],
        whole=whole,
        author=actor,
        started_at=now,
    )
    audit.record(
        action="catalog.simulation.started",
        object_type="catalog.simulation",
        object_id=str(row.pk),
        after={"period": str(period), "drafts": [str(one.pk) for one in drafts]},
        actor=actor,
        now=now,
    )
    return queries.simulation_of(row)


def hold_simulation(simulation_id: UUID) -> SimulationInfo:
    """Return a simulation and hold it until the transaction ends: two workers take turns.

    Raises:
        SimulationRefused: there is none.
    """
    row = Simulation.objects.select_for_update().filter(pk=simulation_id).first()
    if row is None:
        raise SimulationRefused("simulation_unknown")
    return queries.simulation_of(row)


def add_simulated(
    simulation_id: UUID,
    sums: Iterable[SimulatedPayer],
    *,
    done: int,
    rated_until: UUID,
    problems: Sequence[Sequence[object]],
) -> None:
    """Add a chunk's sums to those of the same payers, in the caller's transaction."""
    copy_in(
        SimulatedSum,
        ("simulation_id", "scenario", "payer_id", "currency", "charged_minor", "before_minor",
         "after_minor", "difference_minor"),
        ((simulation_id, *one) for one in sums),
        on_conflict="(tenant_id, simulation_id, scenario, payer_id, currency) DO UPDATE SET"
        " charged_minor = catalog_simulatedsum.charged_minor + excluded.charged_minor,"
        " before_minor = catalog_simulatedsum.before_minor + excluded.before_minor,"
        " after_minor = catalog_simulatedsum.after_minor + excluded.after_minor,"
        " difference_minor = catalog_simulatedsum.difference_minor + excluded.difference_minor",
    )  # fmt: skip
    row = Simulation.objects.get(pk=simulation_id)
    row.done, row.rated_until = row.done + done, rated_until
    row.problems = [*row.problems, *(list(one) for one in problems)][:KEPT_PROBLEMS]
    row.save(update_fields=["done", "rated_until", "problems"])


@transaction.atomic
def finish_simulation(simulation_id: UUID, *, now: datetime) -> None:
    """Say that all is rated."""
    Simulation.objects.filter(pk=simulation_id, status="waiting").update(
        status="done", finished_at=now
    )
