"""Other systems' worked cases through the pure core, and the page that tells about them."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from kvit.core.lines import DocumentDiscount, DocumentLine, make_document
from kvit.core.proration import check_policy
from kvit.core.vendor_policies import POLICIES, UnknownVendor, as_vendor, vendor_policy
from tests.core.golden import CASES
from tests.core.golden.periods_and_documents import FEES
from tests.core.golden.register import plain
from tests.core.golden.table import PAGE, page

COLLECTION = Path(__file__).parents[3] / "shared/data/golden/cases.json"


@pytest.fixture(scope="module")
def collection() -> dict[str, dict[str, Any]]:
    if not COLLECTION.exists():
        pytest.skip("the collection of worked cases (../shared/data/golden) is not beside us")
    return {case["id"]: case for case in json.loads(COLLECTION.read_text())["cases"]}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_worked_case_comes_out_as_published(name: str) -> None:
    case = CASES[name]
    assert plain(case.found()) == plain(case.expected)


def test_every_case_of_the_collection_stands_here(collection: dict[str, dict[str, Any]]) -> None:
    assert sorted(CASES) == sorted(collection)


def test_what_we_expect_is_what_the_collection_says(
    collection: dict[str, dict[str, Any]],
) -> None:
    for name, case in CASES.items():
        said = collection[name]["expected"]
        assert {field: plain(said[field]) for field in case.expected} == plain(case.expected), name


def test_the_page_says_what_the_cases_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.core.golden"


def test_our_share_of_a_coupon_is_less_than_two_cents_from_lago_s() -> None:
    coupon = DocumentDiscount(fixed=1000)
    made = make_document([DocumentLine(fee, Fraction(10)) for fee in FEES], [coupon, coupon])
    for line in made.lines:
        assert abs(line.discount - Fraction(2000 * line.amount, sum(FEES))) < 2


def test_a_preset_speaks_only_where_the_price_is_silent() -> None:
    lago = vendor_policy("lago")
    tiers = [{"up_to": None, "unit": "1", "flat": "2"}]
    silent = {"model": "volume", "tiers": tiers}
    assert as_vendor(silent, lago)["flat_at_zero"] is True
    assert as_vendor(silent, vendor_policy("polar"))["flat_at_zero"] is False
    assert as_vendor(silent | {"flat_at_zero": False}, lago)["flat_at_zero"] is False
    assert as_vendor({"model": "per_unit", "unit": "1"}, lago) == {"model": "per_unit", "unit": "1"}
    assert silent == {"model": "volume", "tiers": tiers}


def test_every_preset_names_known_policies() -> None:
    for policy in POLICIES.values():
        if policy.proration is not None:
            check_policy(policy.proration)
        assert policy.cycles in (None, "previous_period_stub")


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownVendor):
        vendor_policy("acme")
