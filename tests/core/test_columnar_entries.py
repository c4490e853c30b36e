"""Entries of many documents at once are those of each by itself."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.bookkeeping import Entry, InvoiceFact, Share, invoice_entries
from kvit.core.columnar.entries import PAIRS, entry_columns

EPOCH = date(1970, 1, 1)
DATED = 20_400
Shares = list[tuple[int, int, int]]  # net, VAT, the day on which it is earned
share = st.tuples(st.integers(-3, 3), st.integers(-2, 2), st.integers(DATED - 2, DATED + 2))


def told(documents: list[Shares]) -> list[tuple[int, Entry]]:
    rows = [(place, *one) for place, shares in enumerate(documents) for one in shares]
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    found = entry_columns(columns[0], columns[1], columns[2], columns[3], DATED)
    entries = []
    for owner, pair, amount, day in zip(*(one.tolist() for one in found), strict=True):
        debit, credit = PAIRS[pair % 4] if pair < 4 else PAIRS[pair % 4][::-1]
        on = EPOCH + timedelta(days=day)
        entries.append((owner, Entry(debit, credit, amount, "RUB", on)))
    return entries


def one_by_one(documents: list[Shares]) -> list[tuple[int, Entry]]:
    return [
        (place, entry)
        for place, shares in enumerate(documents)
        for entry in invoice_entries(
            InvoiceFact(
                "RUB",
                EPOCH + timedelta(days=DATED),
                tuple(Share(net, vat, EPOCH + timedelta(days=day)) for net, vat, day in shares),
            )
        )
    ]


@given(st.lists(st.lists(share, min_size=1, max_size=4), max_size=4))
def test_entries_of_many_documents_are_those_of_each(documents: list[Shares]) -> None:
    assert told(documents) == one_by_one(documents)


@pytest.mark.parametrize("documents", [[], [[(0, 0, DATED)]], [[(5, 1, DATED + 31), (9, 2, 0)]]])
def test_nothing_and_what_is_deferred(documents: list[Shares]) -> None:
    assert told(documents) == one_by_one(documents)
