"""Two hands on one document at the same moment: one of them wins, and the sums are right."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from kvit.invoicing import queries, services
from kvit.invoicing.models import FreedCharge, Invoice, NumberSeries
from kvit.ledger import queries as ledger
from kvit.platform.clock import move_test_clock, now_for
from kvit.platform.tenancy import current_tenant_id
from kvit.rating.explain import explain
from kvit.rating.models import Charge
from tests.invoicing import company
from tests.invoicing.company import ACTOR, LATER, NOVEMBER, OCTOBER, bill, invoice

AtOnce = Callable[..., list[Any]]
WHY = "Простой"


def codes(answers: list[Any]) -> list[str]:
    return sorted(getattr(one, "code", "done") for one in answers)


def credit(amount: int) -> Callable[[], Any]:
    key = invoice().id
    return lambda: services.credit(key, {1: amount}, reason=WHY, author=ACTOR, now=LATER)


def void() -> Callable[[], Any]:
    key = invoice().id
    return lambda: services.void(key, reason=WHY, author=ACTOR, now=LATER)


def family_total() -> int:
    original = invoice()
    notes = queries.corrections_of(original.id)
    return original.total_minor + sum(one.total_minor for one in notes)


@pytest.mark.parametrize("attempt", range(3))
def test_two_credits_of_more_than_is_left_give_one(at_once: AtOnce, attempt: int) -> None:
    company.found()
    bill()
    answers = at_once(credit(60_000), credit(60_000))
    assert codes(answers) == ["done", "exceeds_line"]
    assert family_total() == 244_000 - 73_200


def test_two_credits_that_fit_are_both_made(at_once: AtOnce) -> None:
    company.found()
    bill()
    assert codes(at_once(credit(50_000), credit(50_000))) == ["done", "done"]
    assert family_total() == 122_000
    assert _numbers() == [1, 2, 3, 4]


@pytest.mark.parametrize("attempt", range(3))
def test_two_voids_give_one(at_once: AtOnce, attempt: int) -> None:
    company.found()
    bill()
    answers = at_once(void(), void())
    assert codes(answers) == ["already_void", "done"]
    assert family_total() == 0
    assert (
        sum(Charge.objects.filter(subscription_code="n-1").values_list("amount_minor", flat=True))
        == 0
    )


@pytest.mark.parametrize("attempt", range(4))
def test_a_credit_beside_a_void_leaves_nothing_whoever_is_first(
    at_once: AtOnce, attempt: int
) -> None:
    company.found()
    bill()
    answers = at_once(credit(60_000), void())
    assert codes(answers) in (["done", "done"], ["already_void", "done"])
    assert family_total() == 0
    owed = ledger.receivables_by_customer(company.seller_id(), on=LATER.date())
    assert company.customer_id("north") not in {one.customer_id for one in owed}


@pytest.mark.parametrize("attempt", range(3))
def test_a_draft_approved_twice_is_issued_once(at_once: AtOnce, attempt: int) -> None:
    company.found(approval=True)
    bill()
    key = invoice().id
    approve = lambda: services.approve([key], approver="user:8", now=LATER)  # noqa: E731
    assert codes(at_once(approve, approve)) == ["done", "not_a_draft"]
    assert _numbers() == [1]


@pytest.mark.parametrize("attempt", range(3))
def test_a_draft_approved_and_refused_at_once_is_one_of_them(at_once: AtOnce, attempt: int) -> None:
    company.found(approval=True)
    bill()
    key = invoice().id
    answers = at_once(
        lambda: services.approve([key], approver="user:8", now=LATER),
        lambda: services.refuse([key], reason=WHY, actor="user:9", now=LATER),
    )
    if Invoice.objects.filter(pk=key).exists():
        assert codes(answers) == ["done", "not_a_draft"]
        assert FreedCharge.objects.count() == 0
    else:
        assert codes(answers) == ["done", "draft_gone"]
        assert (FreedCharge.objects.count(), _numbers()) == (2, [])


def test_two_runs_take_freed_charges_once(at_once: AtOnce) -> None:
    company.found(approval=True)
    bill()
    services.refuse([invoice().id], reason=WHY, actor="user:8", now=LATER)
    at_once(lambda: bill(OCTOBER), lambda: bill(NOVEMBER))
    north = company.customer_id("north")
    drafts = [one for one in queries.drafts() if one.customer_id == north]
    assert sum(one.net_minor for one in drafts) == 300_000
    assert FreedCharge.objects.count() == 0


def test_a_void_beside_a_run_loses_nothing(at_once: AtOnce) -> None:
    company.found()
    bill()
    answers = at_once(void(), lambda: bill(NOVEMBER))
    assert not [one for one in answers if isinstance(one, Exception)]
    assert family_total() == 0
    assert invoice("north", NOVEMBER).net_minor == 100_000


def test_a_bonus_is_spent_once_though_months_are_billed_in_another_order(at_once: AtOnce) -> None:
    company.found()
    company.amend("s-1", OCTOBER.start, "discount", {"code": "gift", "bonus": "1500"})
    for window in (NOVEMBER, OCTOBER, company.DECEMBER):
        bill(window)
    charges = Charge.objects.filter(subscription_code="s-1", price_code="fee").order_by("id")
    assert [(one.period_start.month, one.revision, one.amount_minor) for one in charges] == [
        (11, 0, 0),
        (10, 0, 0),
        (11, 1, 50_000),
        (12, 0, 100_000),
    ]
    assert [explain(one.pk).agrees for one in charges] == [True] * 4


def test_a_test_clock_started_twice_at_once_stands_at_the_later_moment(at_once: AtOnce) -> None:
    tenant = current_tenant_id()
    moments = [LATER, LATER + timedelta(hours=1)]
    answers = at_once(
        *(lambda to=to: move_test_clock(tenant, to=to, actor=ACTOR, reason="") for to in moments)
    )
    assert codes(answers) in (["done", "done"], ["clock_goes_back", "done"])
    assert now_for(tenant) == moments[1]


def _numbers() -> list[int]:
    numbers = sorted(Invoice.objects.filter(number__isnull=False).values_list("number", flat=True))
    last = NumberSeries.objects.values_list("last", flat=True).first() or 0
    assert numbers == list(range(1, last + 1))
    return numbers
