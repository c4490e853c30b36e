"""Discounts over document lines and credit notes: nothing is lost, nothing falls below zero."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.lines import (
    BadDiscount,
    CreditExceedsInvoice,
    DiscountRow,
    DocumentDiscount,
    DocumentLine,
    cap_credit,
    credit_lines,
    make_document,
)
from kvit.core.tax import NOTHING, Basis, Method, TaxableLine, TaxedLine, tax_lines, total_of

RATE = Fraction(22)
FIXED = DocumentDiscount(fixed=3000)
TEN = DocumentDiscount(percent=Fraction(10))

scopes = st.sampled_from([None, "saas", "telecom"])
bases: st.SearchStrategy[Basis] = st.sampled_from(["net", "gross"])
methods: st.SearchStrategy[Method] = st.sampled_from(["line", "document"])
lines = st.builds(
    DocumentLine,
    st.integers(-500, 100_000),
    st.sampled_from([None, Fraction(0), Fraction(10), RATE]),
    scopes,
    bases,
)
discounts = st.one_of(
    st.builds(DocumentDiscount, fixed=st.integers(0, 150_000), scope=scopes),
    st.builds(
        DocumentDiscount,
        percent=st.fractions(0, 100, max_denominator=8),
        scope=scopes,
    ),
)


def test_discounts_cascade_in_declared_order() -> None:
    given_lines = [DocumentLine(10_000, RATE), DocumentLine(5_000, RATE)]
    first = make_document(given_lines, [TEN, FIXED])
    assert first.discounts == (
        DiscountRow(0, 0, 1000),
        DiscountRow(0, 1, 500),
        DiscountRow(1, 0, 2000),
        DiscountRow(1, 1, 1000),
    )
    assert [(x.amount, x.discount, x.taxed.net) for x in first.lines] == [
        (10_000, 3000, 7000),
        (5_000, 1500, 3500),
    ]
    assert first.totals == TaxedLine(10_500, 2310, 12_810)
    other = make_document(given_lines, [FIXED, TEN])
    assert other.totals.net == 10_800


def test_a_scope_limits_a_discount_to_its_lines() -> None:
    given_lines = [DocumentLine(10_000, RATE, "saas"), DocumentLine(5_000, RATE, "telecom")]
    half = DocumentDiscount(percent=Fraction(50), scope="telecom")
    made = make_document(given_lines, [half, DocumentDiscount(fixed=100, scope="post")])
    assert made.discounts == (DiscountRow(0, 1, 2500),)
    assert made.unused == (0, 100)


def test_a_fixed_discount_stops_at_zero_and_says_what_was_left_over() -> None:
    made = make_document([DocumentLine(1000, RATE), DocumentLine(500, None)], [FIXED])
    assert [x.taxed for x in made.lines] == [NOTHING, NOTHING]
    assert made.unused == (1500,)


def test_a_credit_line_is_not_discounted() -> None:
    made = make_document([DocumentLine(-1000, RATE), DocumentLine(500, RATE)], [TEN, FIXED])
    assert [x.discount for x in made.lines] == [0, 500]
    assert made.totals == TaxedLine(-1000, -220, -1220)


def test_lago_applies_two_coupons_before_tax() -> None:
    # credit_note_spec "applying multiple time the same coupon": six fees, 2 × 10.00, tax 10 %.
    fees = [99_290, 299_770, 3_130, 6_460, 3_130, 1_999]
    coupon = DocumentDiscount(fixed=1000)
    made = make_document([DocumentLine(fee, Fraction(10)) for fee in fees], [coupon, coupon])
    assert sum(row.amount for row in made.discounts) == 2000
    assert (made.totals.vat, made.totals.total) == (41_178, 452_957)
    published = ["479.91802", "1448.93772", "15.12884", "31.2244", "15.12884", "9.66216"]
    for line, share in zip(made.lines, published, strict=True):
        assert abs(line.discount - Fraction(share)) < 2  # whole kopecks, one rounding a coupon


@pytest.mark.parametrize(("base", "taken"), [(0, 0), (300, 12)])
def test_lago_takes_a_fixed_coupon_from_what_there_is(base: int, taken: int) -> None:
    made = make_document([DocumentLine(base)], [DocumentDiscount(fixed=12)])
    assert sum(row.amount for row in made.discounts) == taken


@pytest.mark.parametrize(
    "wrong",
    [{}, {"fixed": 1, "percent": Fraction(1)}, {"fixed": -1}, {"percent": Fraction(101)},
     {"percent": Fraction(-1)}],
)  # fmt: skip
def test_what_is_no_discount_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BadDiscount):
        DocumentDiscount(**wrong)


def test_an_empty_document_is_nothing() -> None:
    made = make_document([], [FIXED])
    assert (made.lines, made.discounts, made.unused, made.totals) == ((), (), (3000,), NOTHING)


@given(st.lists(lines, max_size=6), st.lists(discounts, max_size=4), methods)
def test_every_discount_is_traced_and_no_line_falls_below_zero(
    given_lines: list[DocumentLine], given_discounts: list[DocumentDiscount], method: Method
) -> None:
    made = make_document(given_lines, given_discounts, method)
    for i, (line, done) in enumerate(zip(given_lines, made.lines, strict=True)):
        assert done.discount == sum(row.amount for row in made.discounts if row.line == i)
        assert 0 <= done.discount <= max(0, line.amount)
        after = done.taxed.net if line.basis == "net" else done.taxed.total
        assert after == line.amount - done.discount
        assert done.taxed.net + done.taxed.vat == done.taxed.total
    for k, discount in enumerate(given_discounts):
        rows = [row for row in made.discounts if row.discount == k]
        assert all(row.amount > 0 for row in rows)
        assert all(discount.scope in (None, given_lines[row.line].scope) for row in rows)
        if discount.fixed is not None:
            assert sum(row.amount for row in rows) + made.unused[k] == discount.fixed
    assert made.totals == total_of(x.taxed for x in made.lines)


@given(st.lists(lines, max_size=6), methods)
def test_no_discount_and_an_empty_one_change_nothing(
    given_lines: list[DocumentLine], method: Method
) -> None:
    plain = make_document(given_lines, (), method)
    nothing = [DocumentDiscount(fixed=0), DocumentDiscount(percent=Fraction(0))]
    assert make_document(given_lines, nothing, method).lines == plain.lines
    taxable = [TaxableLine(x.amount, x.rate, x.basis) for x in given_lines]
    assert [x.taxed for x in plain.lines] == tax_lines(taxable, method)


# Corrections


@pytest.mark.parametrize(
    ("asked", "invoiced", "credited", "expected"),
    [(300, 200, 50, 150), (100, 200, 250, 0), (-50, 200, 50, 0), (20, 200, 50, 20)],
)
def test_flexprice_caps_a_credit(asked: int, invoiced: int, credited: int, expected: int) -> None:
    assert cap_credit(asked, invoiced, credited) == expected  # calculator_test.go, CapCreditAmount


def test_lago_credits_unused_days_with_their_tax() -> None:
    # credit_note_rounding_spec "plan 16000": 29 of 30 days, 25 %; spending_minimum_spec: 3 of 28.
    assert credit_lines([TaxedLine(16_000, 4_000, 20_000)], [NOTHING], [15_467]) == [
        TaxedLine(15_467, 3_867, 19_334)
    ]
    assert credit_lines([TaxedLine(5_000, 1_000, 6_000)], [NOTHING], [536]) == [
        TaxedLine(536, 107, 643)
    ]


def test_the_last_credit_takes_what_is_left() -> None:
    line = TaxedLine(100, 22, 122)
    first = credit_lines([line], [NOTHING], [33])
    second = credit_lines([line], first, [33])
    third = credit_lines([line], [first[0] + second[0]], [1000])
    assert (first, second, third) == (
        [TaxedLine(33, 7, 40)],
        [TaxedLine(33, 8, 41)],
        [TaxedLine(34, 7, 41)],
    )
    assert credit_lines([line], [line], [1]) == [NOTHING]


def test_a_credit_may_be_asked_in_gross() -> None:
    line = TaxedLine(100_000, 22_000, 122_000)
    assert credit_lines([line], [NOTHING], [61_000], basis="gross") == [
        TaxedLine(50_000, 11_000, 61_000)
    ]


def test_a_negative_line_is_credited_as_a_mirror() -> None:
    assert credit_lines([TaxedLine(-100, -22, -122)], [NOTHING], [-50]) == [
        TaxedLine(-50, -11, -61)
    ]
    assert credit_lines([TaxedLine(-100, -22, -122)], [NOTHING], [50]) == [NOTHING]


def test_books_that_credit_more_than_was_invoiced_are_refused() -> None:
    with pytest.raises(CreditExceedsInvoice):
        credit_lines([TaxedLine(100, 22, 122)], [TaxedLine(101, 22, 123)], [1])
    with pytest.raises(ValueError, match="zip"):
        credit_lines([TaxedLine(100, 22, 122)], [], [1])


@given(
    st.integers(0, 10**7),
    st.sampled_from([None, Fraction(10), RATE]),
    bases,
    st.lists(st.tuples(st.integers(0, 10**7), bases), max_size=6),
)
def test_corrections_never_exceed_the_invoice(
    amount: int, rate: Fraction | None, basis: Basis, asked: list[tuple[int, Basis]]
) -> None:
    invoiced = tax_lines([TaxableLine(amount, rate, basis)])
    credited = NOTHING
    for part, in_basis in asked:
        credit = credit_lines(invoiced, [credited], [part], basis=in_basis)[0]
        assert min(credit.net, credit.vat, credit.total) >= 0
        assert credit.net + credit.vat == credit.total
        credited += credit
        left = invoiced[0] + -credited
        assert min(left.net, left.vat, left.total) >= 0
    rest = credit_lines(invoiced, [credited], [10**8], basis="gross")[0]
    assert credited + rest == invoiced[0]
