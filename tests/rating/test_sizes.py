"""How large customers are: real ones that stand for the small, the middle and the large."""

from datetime import date

import pytest

from kvit.catalog import queries as catalog
from kvit.parties.rows import Tenant
from kvit.rating import queries
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.queries import Asked
from tests.invoicing.company import LATER, OCTOBER, bill, found, subscribe, use


@pytest.fixture
def eleven(tenant: Tenant) -> Tenant:
    """Ten more subscriptions that called 100, 200 … 1 000 times, beside 10 000 of n-1."""
    found()
    for n in range(1, 11):
        subscribe(f"x-{n:02}", "south", "pro")
        use(f"x-{n:02}", n * 100, date(2026, 10, 12))
    bill()
    return tenant


def versions(price: str) -> list[str]:
    return [one.version_id for one in catalog.catalogue().prices["pro"] if one.code == price]


@pytest.mark.usefixtures("eleven")
def test_a_small_a_middle_and_a_large_one_are_real() -> None:
    usual = queries.usual(versions("calls"), billed_in=OCTOBER.start)
    assert [(one.share, one.subscription, int(one.units)) for one in usual] == [
        (10, "x-02", 200), (50, "x-06", 600), (90, "x-10", 1_000),
    ]  # fmt: skip
    assert queries.usual([], billed_in=OCTOBER.start) == []
    assert queries.usual(versions("calls"), billed_in=date(2026, 9, 1)) == []


@pytest.mark.usefixtures("eleven")
def test_sums_of_a_page_and_of_the_whole_filter_agree() -> None:
    page = subscriptions.listed(Asked(code="x-"), now=LATER)
    by_id = queries.charged_of([one.id for one in page.rows], billed_in=OCTOBER.start)
    assert by_id[page.rows[0].id] == [("RUB", 101_000)]
    whole = queries.charged_in_all(
        subscriptions.asked_ids(Asked(code="x-"), now=LATER), billed_in=OCTOBER.start
    )
    assert whole == [("RUB", sum(sums[0][1] for sums in by_id.values()))] == [("RUB", 1_055_000)]


@pytest.mark.usefixtures("eleven")
def test_sums_by_version() -> None:
    told = {version: minor for version, _, minor in queries.charged_by_version(OCTOBER.start)}
    assert told == {versions("fee")[0]: 1_200_000, versions("calls")[0]: 155_000}
