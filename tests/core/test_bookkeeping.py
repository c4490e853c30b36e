"""Entries of issued documents: worked examples with Russian accounts, and the laws of a fold."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.bookkeeping import (
    Entry,
    InvoiceFact,
    Share,
    balances,
    invoice_entries,
    reverse,
)

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)


def fact(*shares: Share, on: date = LAST, currency: str = "RUB") -> InvoiceFact:
    return InvoiceFact(currency=currency, effective_on=on, shares=shares)


def test_a_service_already_rendered_is_revenue_at_once() -> None:
    assert invoice_entries(fact(Share(1_000_000, 220_000, LAST))) == (
        Entry("receivable", "revenue", 1_220_000, "RUB", LAST),
        Entry("vat_on_revenue", "vat_out", 220_000, "RUB", LAST),
    )


def test_a_service_of_the_month_to_come_is_deferred_until_its_last_day() -> None:
    assert invoice_entries(fact(Share(1_000_000, 220_000, LAST), on=FIRST)) == (
        Entry("receivable", "deferred", 1_220_000, "RUB", FIRST),
        Entry("deferred", "revenue", 1_220_000, "RUB", LAST),
        Entry("vat_on_revenue", "vat_out", 220_000, "RUB", LAST),
    )


def test_lines_of_one_day_make_one_entry_and_an_advance_line_its_own() -> None:
    november = date(2026, 11, 30)
    shares = (Share(100, 22, LAST), Share(200, 44, LAST), Share(1_000, 220, november))
    assert invoice_entries(fact(*shares)) == (
        Entry("receivable", "revenue", 366, "RUB", LAST),
        Entry("vat_on_revenue", "vat_out", 66, "RUB", LAST),
        Entry("receivable", "deferred", 1_220, "RUB", LAST),
        Entry("deferred", "revenue", 1_220, "RUB", november),
        Entry("vat_on_revenue", "vat_out", 220, "RUB", november),
    )


def test_a_service_earned_long_ago_counts_on_the_day_of_the_document() -> None:
    entries = invoice_entries(fact(Share(100, 0, date(2026, 8, 31))))
    assert entries == (Entry("receivable", "revenue", 100, "RUB", LAST),)


def test_a_credit_note_swaps_the_sides() -> None:
    assert invoice_entries(fact(Share(-1_000, -220, LAST))) == (
        Entry("revenue", "receivable", 1_220, "RUB", LAST),
        Entry("vat_out", "vat_on_revenue", 220, "RUB", LAST),
    )


@pytest.mark.parametrize(
    "shares", [(), (Share(0, 0, LAST),), (Share(500, 0, LAST), Share(-500, 0, LAST))]
)
def test_zero_gives_no_entry(shares: tuple[Share, ...]) -> None:
    assert invoice_entries(fact(*shares)) == ()


def test_without_vat_there_is_no_vat_entry_and_currencies_stay_apart() -> None:
    entries = invoice_entries(fact(Share(700, 0, LAST), currency="JPY"))
    assert entries == (Entry("receivable", "revenue", 700, "JPY", LAST),)


def test_a_void_undoes_the_past_today_and_the_future_on_its_day() -> None:
    entries = invoice_entries(fact(Share(1_000, 220, LAST), on=FIRST))
    middle = date(2026, 10, 15)
    assert reverse(entries, effective_on=middle) == (
        Entry("deferred", "receivable", 1_220, "RUB", middle),
        Entry("revenue", "deferred", 1_220, "RUB", LAST),
        Entry("vat_out", "vat_on_revenue", 220, "RUB", LAST),
    )


minor = st.integers(-(10**12), 10**12)
days = st.integers(0, 400).map(lambda n: date(2026, 1, 1) + timedelta(days=n))
shares = st.builds(Share, net_minor=minor, vat_minor=minor, earned_on=days)
facts = st.builds(
    InvoiceFact,
    currency=st.sampled_from(["RUB", "JPY", "KWD"]),
    effective_on=days,
    shares=st.lists(shares, max_size=6).map(tuple),
)


@given(facts)
def test_the_customer_owes_the_gross_sum_and_revenue_ends_as_gross(document: InvoiceFact) -> None:
    gross = sum(share.net_minor + share.vat_minor for share in document.shares)
    vat = sum(share.vat_minor for share in document.shares)
    got = balances(invoice_entries(document))
    assert [
        got.get((role, document.currency), 0)
        for role in ("receivable", "revenue", "vat_on_revenue", "vat_out", "deferred")
    ] == [gross, -gross, vat, -vat, 0]


@given(facts)
def test_books_balance_on_every_day(document: InvoiceFact) -> None:
    entries = invoice_entries(document)
    for day in {entry.effective_on for entry in entries}:
        assert sum(balances(e for e in entries if e.effective_on <= day).values()) == 0


@given(facts, days)
def test_charge_and_reversal_are_nothing(document: InvoiceFact, day: date) -> None:
    entries = invoice_entries(document)
    assert balances([*entries, *reverse(entries, effective_on=day)]) == {}


@given(facts)
def test_a_mirrored_document_gives_the_reversed_entries(document: InvoiceFact) -> None:
    mirror = InvoiceFact(
        document.currency,
        document.effective_on,
        tuple(Share(-s.net_minor, -s.vat_minor, s.earned_on) for s in document.shares),
    )
    expected = reverse(invoice_entries(document), effective_on=document.effective_on)
    assert invoice_entries(mirror) == expected


@given(facts)
def test_an_entry_moves_a_sum_above_zero_between_two_accounts(document: InvoiceFact) -> None:
    for entry in invoice_entries(document):
        assert entry.amount_minor > 0
        assert entry.debit != entry.credit
        assert entry.effective_on >= document.effective_on
