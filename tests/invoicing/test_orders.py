"""Runs ordered from a page: done by a worker, watched, stopped, summed up."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from kvit.invoicing import queries, services
from kvit.invoicing.models import BillRun, Invoice, RunOrder
from kvit.invoicing.services import OrderRefused
from kvit.parties.rows import TenantRow
from kvit.platform.clock import move_test_clock
from kvit.platform.ids import uuid7
from kvit.platform.jobs import work_once
from kvit.platform.tenancy import current_tenant_id, tenant_scope
from kvit.rating.models import Charge
from tests.invoicing import company
from tests.invoicing.company import ACTOR, LATER, NOVEMBER, OCTOBER, customer_id
from tests.invoicing.conftest import broken

pytestmark = pytest.mark.django_db(transaction=True)
DECEMBER_2 = datetime(2026, 12, 2, 9, tzinfo=UTC)


@pytest.fixture
def firm(transactional_db: None, now: datetime) -> Iterator[None]:
    """The company of `company.py`, committed: a worker has a connection of its own."""
    from kvit.parties.services import create_tenant

    row = TenantRow("acme", "ООО «Акме»", currency="RUB", zone="Europe/Moscow")
    tenant = create_tenant(row, actor="cli:test", now=now)
    with tenant_scope(tenant.id):
        company.found()
        yield
        assert broken() == []


def order(action: Any = "bill", window: Any = OCTOBER, now: datetime = LATER, **more: Any) -> UUID:
    return services.order_run(window.start, action=action, author=ACTOR, now=now, **more)


def done(key: UUID) -> queries.RunInfo:
    work_once()
    found = queries.run_info(key)
    assert found is not None
    return found


@pytest.mark.usefixtures("firm")
def test_an_ordered_run_bills_the_period_and_sums_it_up() -> None:
    key = order()
    waiting = queries.run_info(key)
    assert waiting is not None
    assert (waiting.status, waiting.summary) == ("queued", None)
    found = done(key)
    assert (found.status, found.stage, found.invoices) == ("done", "comparing", 2)
    summary = found.summary
    assert summary is not None
    assert (summary.previous, summary.issued, summary.drafts) == (None, 2, 0)
    [rubles] = summary.currencies
    assert (rubles.documents, rubles.total_minor, rubles.causes) == (2, 366_000, {"new": 366_000})
    assert [one.total_minor for one in summary.sample] == [244_000, 122_000]
    assert [line.name for line in summary.sample[0].lines] == ["fee", "calls"]
    assert [(group.cause, group.count) for group in summary.exceptions] == [("no_requisites", 2)]
    assert queries.by_ids([summary.sample[0].document_id])[0].number == "2026-00001"
    assert queries.runs().rows[0] == found


@pytest.mark.usefixtures("firm")
def test_a_run_under_a_test_clock_ends_by_that_clock() -> None:
    move_test_clock(current_tenant_id(), to=LATER, actor=ACTOR, reason="test")
    found = done(order())
    assert (found.ordered_at, found.started_at, found.finished_at) == (LATER, LATER, LATER)
    with pytest.raises(OrderRefused):
        services.stop(found.id, actor=ACTOR, now=LATER)
    stopped = order(window=NOVEMBER, now=DECEMBER_2)
    services.stop(stopped, actor=ACTOR, now=DECEMBER_2)
    assert done(stopped).finished_at == DECEMBER_2


@pytest.mark.usefixtures("firm")
def test_a_dry_run_leaves_its_report_and_nothing_else() -> None:
    found = done(order("dry", NOVEMBER))  # not over yet: it shows what comes of what is known
    assert found.status == "done"
    assert found.summary is not None
    assert found.summary.currencies[0].total_minor == 244_000
    assert (found.summary.issued, len(found.summary.sample)) == (2, 2)
    assert [model.objects.count() for model in (Invoice, BillRun, Charge)] == [0, 0, 0]


@pytest.mark.usefixtures("firm")
def test_a_run_is_compared_with_the_last_one_and_names_what_needs_a_person() -> None:
    done(order())
    company.use("n-1", 90_000, date(2026, 11, 5), now=LATER)
    company.use("nobody", 7, date(2026, 11, 6), now=LATER)
    company.amend("s-1", date(2026, 11, 1), "cancel")
    found = done(order(window=NOVEMBER, now=DECEMBER_2))
    assert found.summary is not None
    [rubles] = found.summary.currencies
    assert (rubles.before_minor, rubles.total_minor) == (366_000, 1_220_000)
    assert rubles.causes == {"volume": 976_000, "gone": -122_000}
    told = {group.cause: (group.count, group.sums) for group in found.summary.exceptions}
    assert told == {
        "grew": (1, {"RUB": 1_220_000}),
        "no_bill": (1, {"RUB": 0}),
        "no_requisites": (1, {"RUB": 1_220_000}),
        "unknown_subscription": (1, {}),
    }
    [grew] = [one for one in found.summary.exceptions if one.cause == "grew"]
    assert [(one.customer_id, one.before_minor) for one in grew.examples] == [
        (customer_id("north"), 244_000)
    ]


@pytest.mark.usefixtures("firm")
def test_usage_that_stopped_is_told_while_the_subscription_goes_on() -> None:
    done(order())
    found = done(order(window=NOVEMBER, now=DECEMBER_2))
    assert found.summary is not None
    assert [(one.cause, one.count) for one in found.summary.exceptions] == [
        ("no_usage", 1),
        ("no_requisites", 2),
    ]


@pytest.mark.usefixtures("firm")
def test_ordered_again_it_makes_no_second_invoice() -> None:
    done(order())
    again = done(order())
    assert (again.status, again.invoices) == ("done", 0)
    assert Invoice.objects.count() == 2


@pytest.mark.usefixtures("firm")
def test_one_period_has_one_run_at_a_time() -> None:
    first = order()
    with pytest.raises(OrderRefused, match="under way"):
        order("dry")
    order("dry", NOVEMBER)
    assert RunOrder.objects.count() == 2
    assert done(first).status == "done"


@pytest.mark.usefixtures("firm")
def test_a_period_that_is_not_over_is_not_billed() -> None:
    with pytest.raises(OrderRefused, match="too early"):
        order(window=NOVEMBER)
    with pytest.raises(OrderRefused, match="before the period's last day"):
        order(issue_on=date(2026, 10, 30))
    with pytest.raises(OrderRefused, match="No draft"):
        order("approve")
    assert RunOrder.objects.count() == 0


@pytest.mark.usefixtures("firm")
def test_documents_bear_the_day_that_was_asked_for() -> None:
    done(order(issue_on=date(2026, 11, 3)))
    assert {one.issued_on for one in Invoice.objects.all()} == {date(2026, 11, 3)}


@pytest.mark.usefixtures("firm")
def test_a_run_stopped_while_it_waits_does_nothing() -> None:
    key = order()
    services.stop(key, actor="user:8", now=LATER)
    found = done(key)
    assert (found.status, found.stop_asked_by) == ("stopped", "user:8")
    assert Invoice.objects.count() == 0
    with pytest.raises(OrderRefused, match="nothing to stop"):
        services.stop(key, actor="user:8", now=LATER)
    with pytest.raises(OrderRefused, match="no such run"):
        services.stop(uuid7(), actor="user:8", now=LATER)


@pytest.mark.usefixtures("firm")
def test_a_run_stops_between_chunks_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked to stop while it rates: what is charged by then stays, nothing is invoiced."""
    from kvit.invoicing.services import _runs

    key = order()
    real = _runs.rating_services.rate_many

    def rate_and_ask(*args: Any) -> Any:
        result = real(*args)
        services.stop(key, actor="user:8", now=LATER)
        return result

    monkeypatch.setattr(_runs.rating_services, "rate_many", rate_and_ask)
    found = done(key)
    assert (found.status, found.stage, Invoice.objects.count()) == ("stopped", "rating", 0)
    assert Charge.objects.count() > 0
    monkeypatch.undo()
    assert done(order()).status == "done"
    assert Invoice.objects.count() == 2


@pytest.mark.usefixtures("firm")
def test_a_fault_of_ours_is_told_and_the_order_can_be_given_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kvit.invoicing.services import _orders

    key = order()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(_orders._shares, "begin", fail)
    found = done(key)
    assert (found.status, found.fault) == ("failed", "broken")
    monkeypatch.undo()
    assert done(order()).status == "done"


@pytest.mark.usefixtures("transactional_db")
def test_all_drafts_but_some_are_approved(now: datetime) -> None:
    from kvit.parties.services import create_tenant

    row = TenantRow("acme", "ООО «Акме»", currency="RUB", zone="Europe/Moscow")
    with tenant_scope(create_tenant(row, actor="cli:test", now=now).id):
        company.found(approval=True)
        ran = done(order())
        assert ran.summary is not None
        assert (ran.summary.issued, ran.summary.drafts) == (0, 2)
        [waiting] = queries.drafts_of(OCTOBER.start)
        assert (waiting.waits_for, waiting.count, waiting.total_minor) == ("approval", 2, 366_000)
        north = company.invoice("north").id
        found = done(order("approve", left_out=[north]))
        assert found.status == "done"
        assert found.summary is not None
        assert (found.summary.issued, found.summary.drafts) == (1, 1)
        assert company.invoice("north").status == "draft"
        assert company.invoice("south").number == "2026-00001"
        assert queries.periods() == [(OCTOBER.start, OCTOBER.end)]
        assert broken() == []


@pytest.mark.usefixtures("firm")
def test_runs_of_a_command_are_listed_beside_those_that_were_ordered() -> None:
    company.bill()
    done(order())
    [told] = queries.runs_by_command(10)
    assert (told.period_start, told.status, told.is_ordered, told.invoices) == (
        OCTOBER.start, "done", False, 2,
    )  # fmt: skip
