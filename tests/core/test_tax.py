"""VAT: the dated table, both bases and methods; net + VAT = total on every line and in sum."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.tax import (
    METHODS,
    VAT_TABLE,
    Basis,
    Method,
    RateNotInForce,
    TaxableLine,
    TaxedLine,
    UnknownTaxCode,
    compound_tax,
    dated_rate,
    split_vat,
    tax_lines,
    total_of,
    vat_rate,
)

rates = st.sampled_from([None, *map(Fraction, ("0", "5", "7", "10", "20", "22", "8.875"))])
bases: st.SearchStrategy[Basis] = st.sampled_from(["net", "gross"])
methods: st.SearchStrategy[Method] = st.sampled_from(METHODS)
amounts = st.one_of(st.integers(-300, 300), st.integers(-(10**15), 10**15))
documents = st.lists(st.builds(TaxableLine, amounts, rates, bases), max_size=8)


@pytest.mark.parametrize(
    ("code", "on", "percent"),
    [
        ("auto", "2003-12-31", 20),
        ("auto", "2004-01-01", 18),
        ("auto", "2018-12-31", 18),
        ("auto", "2019-01-01", 20),
        ("auto", "2025-12-31", 20),
        ("auto", "2026-01-01", 22),
        ("auto", "2030-06-01", 22),
        ("10", "2026-10-31", 10),
        ("0", "2026-10-31", 0),
        ("none", "2026-10-31", None),
        ("usn5", "2025-01-01", 5),
        ("usn7", "2026-10-31", 7),
        ("13", "2012-01-31", 13),
        ("8.875", "2012-01-31", Fraction("8.875")),
    ],
)
def test_rates_by_date(code: str, on: str, percent: int | None) -> None:
    assert vat_rate(code, date.fromisoformat(on)) == percent


@pytest.mark.parametrize(
    ("code", "on"), [("usn5", date(2024, 12, 31)), ("auto", date(2000, 12, 31))]
)
def test_a_rate_before_its_law_is_refused(code: str, on: date) -> None:
    with pytest.raises(RateNotInForce):
        vat_rate(code, on)


@pytest.mark.parametrize("code", ["", "usn6", "-1", "100.5", "1e1", "22%", "Auto"])
def test_an_unknown_code_is_refused(code: str) -> None:
    with pytest.raises(UnknownTaxCode):
        vat_rate(code, date(2026, 1, 1))


def test_every_rate_names_its_law() -> None:
    assert all(row.law.startswith("НК РФ ст.") for row in VAT_TABLE)
    assert "425-ФЗ" in dated_rate("auto", date(2026, 10, 31)).law
    with pytest.raises(UnknownTaxCode):
        dated_rate("13", date(2026, 10, 31))


def test_vat_is_added_to_a_net_price_and_taken_out_of_a_gross_one() -> None:
    assert split_vat(1_815_581, Fraction(22), "net") == TaxedLine(1_815_581, 399_428, 2_215_009)
    assert split_vat(12_000_000, Fraction(20), "gross") == TaxedLine(
        10_000_000, 2_000_000, 12_000_000
    )
    assert split_vat(12_000_000, Fraction(22), "gross").vat == 2_163_934
    assert split_vat(50_000, Fraction(22), "gross").vat == 9_016
    assert split_vat(500, None, "gross") == TaxedLine(500, 0, 500)


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        split_vat(100, Fraction(-1), "net")


def test_line_and_document_round_differently() -> None:
    lines = [TaxableLine(33, Fraction(22))] * 2
    assert [x.vat for x in tax_lines(lines, "line")] == [7, 7]
    assert [x.vat for x in tax_lines(lines, "document")] == [8, 7]


def test_the_invoice_of_client_a_and_the_pallets_of_client_d() -> None:
    vip = [483_871, 438_710, 400_000, 493_000]
    assert total_of(tax_lines([TaxableLine(x, Fraction(22)) for x in vip])) == TaxedLine(
        1_815_581, 399_428, 2_215_009
    )
    pallets = [TaxableLine(2_180_000, Fraction(22)), TaxableLine(174_400, Fraction(22))]
    assert total_of(tax_lines(pallets)) == TaxedLine(2_354_400, 517_968, 2_872_368)


def test_each_rate_and_basis_is_rounded_by_itself() -> None:
    lines = [
        TaxableLine(33, Fraction(22)),
        TaxableLine(33, Fraction(10)),
        TaxableLine(33, Fraction(22)),
        TaxableLine(33, None),
        TaxableLine(33, Fraction(22), "gross"),
    ]
    assert [x.vat for x in tax_lines(lines)] == [8, 3, 7, 0, 6]


def test_a_charge_and_its_reversal_in_one_document_cancel() -> None:
    lines = [TaxableLine(5, Fraction(10)), TaxableLine(-5, Fraction(10))]
    assert total_of(tax_lines(lines)) == TaxedLine(0, 0, 0)


def test_a_tax_on_tax() -> None:
    # Meteroid, world-tax calculation_test: 5 % and 7 % compound on 100 are 12.35.
    taxes = compound_tax(Fraction(100), [Fraction(5), Fraction(7)])
    assert taxes == (Fraction(5), Fraction("7.35"))
    assert sum(taxes) == Fraction("12.35")
    assert compound_tax(Fraction(100), []) == ()


@given(documents, methods)
def test_net_and_vat_make_the_total_on_every_line_and_in_sum(
    lines: list[TaxableLine], method: Method
) -> None:
    taxed = tax_lines(lines, method)
    assert len(taxed) == len(lines)
    for line, out in zip(lines, taxed, strict=True):
        assert out.net + out.vat == out.total
        assert (out.net if line.basis == "net" else out.total) == line.amount
    whole = total_of(taxed)
    assert whole.net + whole.vat == whole.total


@given(documents)
def test_document_vat_is_the_rounded_vat_of_each_group(lines: list[TaxableLine]) -> None:
    taxed = tax_lines(lines, "document")
    for key in {(x.rate, x.basis) for x in lines}:
        members = [i for i, x in enumerate(lines) if (x.rate, x.basis) == key]
        whole = split_vat(sum(lines[i].amount for i in members), *key)
        assert sum(taxed[i].vat for i in members) == whole.vat


@given(documents, methods)
def test_no_line_is_a_whole_minor_unit_off(lines: list[TaxableLine], method: Method) -> None:
    for line, out in zip(lines, tax_lines(lines, method), strict=True):
        divisor = 100 if line.basis == "net" else 100 + (line.rate or 0)
        assert abs(out.vat - line.amount * (line.rate or Fraction(0)) / divisor) < 1


@given(documents, methods)
def test_a_credit_mirrors_its_charge(lines: list[TaxableLine], method: Method) -> None:
    mirror = [TaxableLine(-x.amount, x.rate, x.basis) for x in lines]
    assert tax_lines(mirror, method) == [-x for x in tax_lines(lines, method)]


@given(amounts, rates, bases, methods)
def test_a_single_line_is_taxed_alike_by_both_methods(
    amount: int, rate: Fraction | None, basis: Basis, method: Method
) -> None:
    assert tax_lines([TaxableLine(amount, rate, basis)], method) == [split_vat(amount, rate, basis)]
