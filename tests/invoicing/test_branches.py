"""The books of a branch: of its customers' postings alone, and the branches add up to the whole."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kvit.ledger import queries
from kvit.ledger.queries import Asked
from kvit.ledger.rows import PostingsAsked
from kvit.parties import queries as parties
from kvit.parties.models import Customer
from kvit.parties.rows import Tenant
from tests.invoicing import company

SINCE, UNTIL = date(2026, 10, 1), date(2026, 12, 1)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def branches(tenant: Tenant) -> None:
    company.found()
    company.bill()
    company.bill(company.NOVEMBER)
    Customer.objects.filter(code="north").update(branch="n")
    Customer.objects.filter(code="south").update(branch="s")


@contextmanager
def branch(code: str) -> Iterator[None]:
    with parties.reaching([code] if code else []):
        yield


def balance(**more: Any) -> Counter[tuple[str, str]]:
    rows = queries.trial_balance(company.seller_id(), since=SINCE, until=UNTIL, **more)
    return Counter(
        {
            (row.account, name): getattr(row, f"{name}_minor")
            for row in rows
            for name in ("opening", "debit", "credit", "closing")
        }
    )


def asked(account: str = "62.01", **more: Any) -> Asked:
    return Asked(company.seller_id(), SINCE, UNTIL, account, **more)


def card() -> Counter[str]:
    found = queries.card_page(asked("90.01"))
    return Counter(rows=found.count, credit=found.sums["RUB"].credit_minor)


def customers() -> Counter[str]:
    found = queries.customers_page(asked())
    return Counter(rows=found.count, closing=found.sums["RUB"].closing_minor)


def owed() -> Counter[str]:
    found = queries.customers_page(Asked(None, UNTIL, UNTIL))
    return Counter(rows=found.count, closing=found.sums["RUB"].closing_minor)


def postings() -> Counter[str]:
    page, sums = queries.postings_page(PostingsAsked(since=SINCE, until=UNTIL))
    return Counter(rows=page.count, sum=sums["RUB"])


def in_all() -> Counter[str]:
    return Counter(queries.owed_in_all(None, on=UNTIL))


@pytest.mark.parametrize(
    "question",
    [balance, lambda: balance(as_recorded_by=FAR), card, customers, owed, postings, in_all],
    ids=["balance", "as it was known", "card", "customers", "owed", "postings", "in all"],
)
def test_what_branches_see_adds_up_to_the_whole(question: Callable[[], Counter[Any]]) -> None:
    found = {}
    for code in ("", "n", "s", "nobody"):
        with branch(code):
            if code == "nobody" and question is not balance:
                continue
            found[code] = question()
    assert found["n"] + found["s"] == +found[""]
    assert found["n"] != found["s"]
    assert not found.get("nobody")


def test_debit_equals_credit_in_a_branch_too(tenant: Tenant) -> None:
    with branch("n"):
        rows = queries.compared(company.seller_id(), company.OCTOBER, None)
        assert queries.total([row.now for row in rows]).holds
        assert {row.account: row.now.debit for row in rows}["62.01"] == 244000


def test_days_that_are_kept_of_everybody_are_no_ground_for_a_branch(tenant: Tenant) -> None:
    from kvit.ledger import _past

    _past.keep(before=date(2027, 1, 1))
    for code, minor in (("n", 366000), ("s", 244000), ("", 610000)):
        with branch(code):
            assert _past.look().kept == {} or not code
            found = queries.customers_page(Asked(None, date(2026, 11, 1), UNTIL))
            assert found.sums["RUB"].closing_minor == minor
