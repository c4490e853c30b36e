"""Two hands on one document at the same moment: one of them wins, and the sums are right."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from kvit.invoicing import queries, services
from kvit.invoicing.models import FreedCharge, Invoice, NumberSeries
from kvit.ledger import queries as ledger
from kvit.parties.rows import Tenant
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


def test_a_bonus_is_never_spent_twice_though_months_are_billed_in_another_order(
    whole: Tenant,
) -> None:
    """1 500.00 over fees of 1 000.00: November, billed first, draws 1 000.00 and October the rest.
    Between the two bills no more is drawn than there is, and the next run has nothing to mend."""
    company.found()
    company.amend("s-1", OCTOBER.start, "discount", {"code": "gift", "bonus": "1500"})
    drawn = []
    for window in (NOVEMBER, OCTOBER, company.DECEMBER):
        bill(window)
        drawn.append(_drawn())
    assert drawn == [100_000, 150_000, 150_000]
    assert _fees() == [(11, 0, 0), (10, 0, 50_000), (12, 0, 100_000)]
    charges = Charge.objects.filter(subscription_code="s-1")
    assert all(explain(one.pk).agrees for one in charges)
    late = charges.get(period_start=OCTOBER.start, price_code="fee")
    assert late.given == {"drawn": {"gift": 100_000}}


def test_runs_of_two_months_at_once_draw_a_bonus_once(at_once: AtOnce) -> None:
    company.found()
    company.amend("s-1", OCTOBER.start, "discount", {"code": "gift", "bonus": "1500"})
    at_once(lambda: bill(OCTOBER), lambda: bill(NOVEMBER))
    assert _drawn() == 150_000
    assert sum(minor for _, _, minor in _fees()) == 50_000


def test_what_an_earlier_month_draws_more_waits_for_a_later_one_that_must_give_it_back(
    whole: Tenant,
) -> None:
    """October drew 1 000.00 and November the other 500.00. Late calls of October cost, and would
    draw, 500.00 more; November, just billed, may not differ before the next run. So both wait for
    it, and what is drawn never exceeds the 1 500.00."""
    company.found()
    company.amend("s-1", OCTOBER.start, "discount", {"code": "gift", "bonus": "1500"})
    bill(OCTOBER)
    bill(NOVEMBER)
    company.use("s-1", 5_000, OCTOBER.start, now=LATER)
    assert bill(NOVEMBER).rated.put_off == 1
    assert (_drawn(), _fees()) == (150_000, [(10, 0, 0), (11, 0, 50_000)])
    bill(company.DECEMBER)
    assert _drawn() == 150_000
    assert _fees() == [(10, 0, 0), (11, 0, 50_000), (11, 1, 50_000), (12, 0, 100_000)]


def _fees() -> list[tuple[int, int, int]]:
    """(month, revision, kopecks) of the fees of s-1, as they were charged."""
    rows = Charge.objects.filter(subscription_code="s-1", price_code="fee").order_by("id")
    return [(one.period_start.month, one.revision, one.amount_minor) for one in rows]


def _drawn() -> int:
    rows = Charge.objects.filter(subscription_code="s-1").values_list("discounts", flat=True)
    return sum(one["amount_minor"] for taken in rows for one in taken if one["code"] == "gift")


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
