"""Examples that a price must keep before it is published."""

import pytest

from kvit.core.examples import check_examples
from kvit.core.pricing import PriceError, parse_price

SLABS = parse_price(
    {"model": "graduated", "tiers": [{"up_to": "100", "unit": "2"}, {"unit": "1.5"}]}
)


def test_examples_that_hold() -> None:
    told = [{"units": "250", "amount": "425.00"}, {"units": "0.001", "amount": "0"}]
    assert check_examples(SLABS, told, "RUB") == ()


def test_the_failing_one_is_named_with_both_sums() -> None:
    told = [{"units": "250", "amount": "425"}, {"units": "250", "amount": "425.01"}]
    (failure,) = check_examples(SLABS, told, "RUB")
    assert (failure.place, failure.expected, failure.actual) == (2, "425.01", "425.00")
    assert "425.01" in str(failure)


def test_a_sum_finer_than_the_currency_never_holds() -> None:
    assert len(check_examples(SLABS, [{"units": "0.5", "amount": "1.001"}], "RUB")) == 1
    assert check_examples(SLABS, [{"units": "0.25", "amount": "1"}], "JPY") == ()


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"units": "1"}, "missing_field"),
        ({"units": "1", "unitz": "1", "amount": "1"}, "unknown_field"),
    ],
)
def test_an_example_that_cannot_be_read(told: dict[str, str], code: str) -> None:
    with pytest.raises(PriceError) as refused:
        check_examples(SLABS, [told], "RUB")
    assert refused.value.code == code
