"""A billed month rated again with drafts: beside what was charged, and without changing it."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from kvit.catalog import queries as catalog
from kvit.catalog import services as catalog_services
from kvit.catalog.rows import DraftInfo, SimulatedPayer, SimulationInfo
from kvit.core import statements
from kvit.invoicing.models import Invoice
from kvit.ledger.models import Posting
from kvit.rating import simulation
from kvit.rating.models import Charge, RatedPeriod
from tests.invoicing.company import (
    ACTOR,
    LATER,
    NOVEMBER,
    OCTOBER,
    amend,
    bill,
    customer_id,
    subscribe,
    use,
)

CALLS = {"plan": "pro", "code": "calls", "name": "calls", "meter": "calls", "prorate": "none"}
FEE = {"plan": "pro", "code": "fee", "name": "fee"}


def draft(*documents: tuple[statements.Kind, dict[str, Any]], title: str = "Дороже") -> DraftInfo:
    info = catalog_services.open_draft(
        title, effective_from=date(2026, 12, 1), actor=ACTOR, now=LATER
    )
    for kind, document in documents:
        info = catalog_services.put(
            info.id, kind, document, expected=info.version, actor=ACTOR, now=LATER
        )
    return info


def dearer_calls(unit: str = "0.12") -> DraftInfo:
    return draft(("price", CALLS | {"price": {"model": "per_unit", "unit": unit}}))


def simulated(*drafts: DraftInfo, period: Any = OCTOBER) -> SimulationInfo:
    info = simulation.begin([one.id for one in drafts], period=period, actor=ACTOR, now=LATER)
    return simulation.simulate(info.id, now=LATER)


def sums(info: SimulationInfo, scenario: int = 0) -> dict[str, tuple[int, int, int, int]]:
    codes = {customer_id(code): code for code in ("north", "south")}
    page = catalog.simulated(info.id, scenario)
    return {codes[one.payer_id]: _sums(one) for one in page.rows}


def _sums(one: SimulatedPayer) -> tuple[int, int, int, int]:
    return one.charged_minor, one.before_minor, one.after_minor, one.difference_minor


def live() -> list[Any]:
    counts: list[Any] = [model.objects.count() for model in (Charge, RatedPeriod, Invoice, Posting)]
    return [*counts, catalog.latest_revision()]


@pytest.mark.usefixtures("billed")
def test_winners_and_losers_beside_what_was_charged() -> None:
    """North called 10 000 times: 1 000.00 becomes 1 200.00. Fees fall from 1 000.00 to 950.00."""
    before = live()
    both = draft(
        ("price", CALLS | {"price": {"model": "per_unit", "unit": "0.12"}}),
        ("price", FEE | {"price": {"model": "flat", "amount": "950"}}),
    )
    info = simulated(both)
    assert sums(info) == {
        "north": (200_000, 200_000, 215_000, 15_000),
        "south": (100_000, 100_000, 95_000, -5_000),
    }
    [outcome] = catalog.outcomes(info.id)
    assert (outcome.charged_minor, outcome.before_minor, outcome.after_minor) == (
        300_000, 300_000, 310_000,
    )  # fmt: skip
    assert (outcome.difference_minor, outcome.payers) == (10_000, 2)
    assert (outcome.dearer, outcome.dearer_minor) == (1, 15_000)
    assert (outcome.cheaper, outcome.cheaper_minor) == (1, -5_000)
    assert (info.status, info.done, info.whole) == ("done", 2, 2)
    assert live() == before


@pytest.mark.usefixtures("billed")
def test_five_scenarios_stand_side_by_side_and_six_are_refused() -> None:
    drafts = [dearer_calls(f"0.1{n}") for n in range(1, 7)]
    info = simulated(*drafts[:5])
    assert [sums(info, place)["north"][3] for place in range(5)] == [
        10_000, 20_000, 30_000, 40_000, 50_000,
    ]  # fmt: skip
    for refused in ([], [one.id for one in drafts], [draft().id]):
        with pytest.raises(catalog_services.SimulationRefused):
            simulation.begin(refused, period=OCTOBER, actor=ACTOR, now=LATER)


@pytest.mark.usefixtures("billed")
def test_pinned_sums_are_the_same_whatever_came_later() -> None:
    info = simulation.begin([dearer_calls().id], period=OCTOBER, actor=ACTOR, now=LATER)
    use("n-1", 500, date(2026, 10, 20), now=LATER)
    changed = catalog.draft(info.scenarios[0].draft)
    assert changed is not None
    catalog_services.put(
        changed.id, "price", CALLS | {"price": {"model": "per_unit", "unit": "9"}},
        expected=changed.version, actor=ACTOR, now=LATER,
    )  # fmt: skip
    simulation.simulate(info.id, now=LATER)
    assert sums(info)["north"] == (200_000, 200_000, 220_000, 20_000)
    again = simulated(dearer_calls())
    assert sums(again)["north"] == (200_000, 205_000, 226_000, 21_000)  # 500 calls came late


@pytest.mark.usefixtures("billed")
def test_called_again_it_adds_nothing() -> None:
    info = simulated(dearer_calls())
    before = sums(info)
    simulation.simulate(info.id, now=LATER)
    assert sums(info) == before


@pytest.mark.usefixtures("billed")
def test_killed_between_chunks_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """North pays for two subscriptions of two chunks: their sums are added up once each."""
    subscribe("n-2", "north", "pro", NOVEMBER.start)
    bill(NOVEMBER)
    info = simulation.begin([dearer_calls().id, draft(
        ("price", FEE | {"price": {"model": "flat", "amount": "900"}})).id],
        period=NOVEMBER, actor=ACTOR, now=LATER)  # fmt: skip
    monkeypatch.setattr(simulation, "CHUNK", 1)

    def killed(done: int, whole: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulation.simulate(info.id, now=LATER, progress=killed)
    found = catalog.simulation(info.id)
    assert found is not None
    assert (found.status, found.done) == ("waiting", 1)
    simulation.simulate(info.id, now=LATER)
    assert sums(info, 1) == {
        "north": (200_000, 200_000, 180_000, -20_000),
        "south": (100_000, 100_000, 90_000, -10_000),
    }


@pytest.mark.usefixtures("billed")
def test_own_prices_and_discounts_stay() -> None:
    amend("s-1", OCTOBER.start, "terms", {"fee": {"model": "flat", "amount": "500"}})
    amend("n-1", OCTOBER.start, "discount", {"percent": "10"})
    info = simulated(draft(("price", FEE | {"price": {"model": "flat", "amount": "2000"}})))
    assert sums(info) == {
        "north": (200_000, 180_000, 270_000, 90_000),
        "south": (100_000, 50_000, 50_000, 0),
    }


@pytest.mark.usefixtures("billed")
def test_what_a_price_refuses_is_named() -> None:
    capacity = {"model": "capacity", "tiers": [{"amount": "10", "limits": {"calls": "5"}}]}
    info = simulated(draft(("price", CALLS | {"price": capacity})))
    [(scenario, subscription, price, code, russian, _)] = info.problems
    assert (scenario, subscription, price, code) == (0, "n-1", "calls", "no_price")
    assert russian.startswith("Для этого значения цены нет")


@pytest.mark.usefixtures("billed")
def test_payers_are_listed_by_side_and_page() -> None:
    info = simulated(dearer_calls())
    assert [one.payer_id for one in catalog.simulated(info.id, 0, side="dearer").rows] == [
        customer_id("north")
    ]
    assert catalog.simulated(info.id, 0, side="cheaper").rows == ()
    first = catalog.simulated(info.id, 0, sort="difference", limit=1)
    assert first.next is not None
    rest = catalog.simulated(info.id, 0, sort="difference", after=first.next)
    found: list[UUID] = [one.payer_id for one in (*first.rows, *rest.rows)]
    assert found == [customer_id("south"), customer_id("north")]


@pytest.mark.usefixtures("billed")
def test_a_plan_that_nobody_has_is_simulated_on_those_of_another() -> None:
    """Everybody of `pro` is supposed to have had `lite`: 300.00 a month and calls at 0.25."""
    lite = draft(
        ("plan", {"code": "lite", "name": "Лайт"}),
        ("price", FEE | {"plan": "lite", "price": {"model": "flat", "amount": "300"}}),
        ("price", CALLS | {"plan": "lite", "price": {"model": "per_unit", "unit": "0.25"}}),
    )
    info = simulation.begin(
        [lite.id], period=OCTOBER, actor=ACTOR, now=LATER, moves={lite.id: ("pro", "lite")}
    )
    simulation.simulate(info.id, now=LATER)
    assert sums(info) == {
        "north": (200_000, 200_000, 280_000, 80_000),
        "south": (100_000, 100_000, 30_000, -70_000),
    }
    assert sums(simulated(lite)) == {  # nobody moves: nothing changes
        "north": (200_000, 200_000, 200_000, 0),
        "south": (100_000, 100_000, 100_000, 0),
    }


def test_a_worker_does_it_later(billed: Any) -> None:
    info = simulation.begin([dearer_calls().id], period=OCTOBER, actor=ACTOR, now=LATER)
    simulation.simulate_later.run(simulation=str(info.id), now=LATER)
    found = catalog.simulation(info.id)
    assert found is not None
    assert (found.status, found.finished_at) == ("done", LATER)
