"""What the night keeps of a month by plan is what the lines say, or is not told."""

from datetime import date

import pytest

from kvit.invoicing import _plan_months, queries, services
from kvit.invoicing.models import PlanMonth
from kvit.invoicing.queries import PlanIssued
from tests.invoicing.company import ACTOR, LATER, NOVEMBER, amend, bill, invoice

pytestmark = pytest.mark.usefixtures("acme")
OCTOBER, TODAY = date(2026, 10, 1), date(2026, 11, 10)


def kept() -> dict[date, bool]:
    """The months that are kept, and whether they stand."""
    return {one.month: _plan_months.stands(one) for one in PlanMonth.objects.order_by("month")}


def told_as_lines(month: date) -> list[PlanIssued]:
    found = queries.issued_by_plan(month)
    assert found == _plan_months.of_lines(month)
    assert list(queries.problems()) == []
    return found


def test_a_month_stands_until_something_is_issued_in_it() -> None:
    bill()
    assert services.keep_plan_months(today=TODAY) == 2
    assert services.keep_plan_months(today=TODAY) == 0
    assert told_as_lines(OCTOBER) == [PlanIssued("pro", "RUB", 300_000)]
    bill(NOVEMBER)
    assert kept() == {OCTOBER: True, date(2026, 11, 1): False}
    assert told_as_lines(date(2026, 11, 1)) == [PlanIssued("pro", "RUB", 200_000)]
    services.credit(invoice("north").id, {1: 30_000}, reason="Простой", author=ACTOR, now=LATER)
    assert services.keep_plan_months(today=TODAY) == 1
    assert set(kept().values()) == {True}
    assert services.keep_plan_months(today=date(2026, 12, 1)) == 1
    assert list(kept()) == [date(2026, 11, 1), date(2026, 12, 1)]


def test_a_month_is_late_when_a_plan_of_its_lines_is_changed() -> None:
    bill()
    services.keep_plan_months(today=TODAY)
    amend("n-1", date(2026, 11, 5), "plan", "pre")  # concerns none of its lines
    amend("n-1", OCTOBER, "quantity", "2")
    assert kept()[OCTOBER]
    amend("n-1", OCTOBER, "plan", "pre")
    assert not kept()[OCTOBER]
    assert told_as_lines(OCTOBER) == [
        PlanIssued("pre", "RUB", 200_000), PlanIssued("pro", "RUB", 100_000)
    ]  # fmt: skip
    services.keep_plan_months(today=TODAY)
    amend("n-1", date(2026, 11, 20), "withdraw", "3")
    assert not kept()[OCTOBER]
    assert told_as_lines(OCTOBER) == [PlanIssued("pro", "RUB", 300_000)]


def test_a_kept_month_that_differs_is_found() -> None:
    bill()
    services.keep_plan_months(today=TODAY)
    PlanMonth.objects.filter(month=OCTOBER).update(sums={"RUB": {"pro": 300_001}})
    [found] = queries.problems()
    assert found == (
        "invoicing_plans_not_the_lines",
        "month:2026-10-01",
        "pro 300000 RUB; pro 300001 RUB kept",
        1,
    )
    PlanMonth.objects.update(documents=1)
    assert list(queries.problems()) == []  # it does not stand: the lines are asked
