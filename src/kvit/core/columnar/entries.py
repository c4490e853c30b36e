"""The entries of many documents at once: what `bookkeeping.invoice_entries` gives for each.

document 0, dated day 30: 1 000 net and 220 VAT earned on day 30, 500 and 110 on day 61

0  receivable      revenue   1 220  day 30
0  receivable      deferred    610  day 30
0  vat_on_revenue  vat_out     220  day 30
0  deferred        revenue     610  day 61
0  vat_on_revenue  vat_out     110  day 61
"""

from typing import NamedTuple

import numpy as np

from kvit.core.bookkeeping import Role
from kvit.core.columnar.runs import Rows, borders

PAIRS: tuple[tuple[Role, Role], ...] = (
    ("receivable", "revenue"),
    ("receivable", "deferred"),
    ("deferred", "revenue"),
    ("vat_on_revenue", "vat_out"),
)
_NOW, _CLAIM, _EARNED, _VAT = range(4)
_STEPS = 3  # places that a day of a document has among its entries, before days order them


class EntryColumns(NamedTuple):
    """Entries, document by document, by day and then in the order of the example there.

    `owner` is the document; debit and credit are those of `PAIRS[pair % 4]`, and swapped from 4 on;
    `amount` is minor units above zero; `day` counts from 1970, as all days here.
    """

    owner: Rows
    pair: Rows
    amount: Rows
    day: Rows


def entry_columns(owner: Rows, net: Rows, vat: Rows, earned: Rows, dated: int) -> EntryColumns:
    """Return the entries of documents that are all dated `dated`.

    Args:
        owner: the document of each share.
        net: minor units of each share, as `vat`.
        earned: the day on which each share is earned.
    """
    day = np.maximum(earned, dated)
    order = np.lexsort((day, owner))
    groups = borders(owner[order], day[order])
    owner, day = groups.firsts(owner[order]), groups.firsts(day[order])
    vat = groups.sums(vat[order]).astype(np.int64)
    gross = groups.sums(net[order]).astype(np.int64) + vat
    now, later = np.flatnonzero(day == dated), np.flatnonzero(day != dated)
    every, then = np.arange(len(owner)), np.full(len(later), dated)
    found = [  # which groups, the pair, the place within the group, amounts, the day it counts
        (now, _NOW, 0, gross[now], day[now]),
        (later, _CLAIM, 0, gross[later], then),
        (later, _EARNED, 1, gross[later], day[later]),
        (every, _VAT, 2, vat, day),
    ]
    group = np.concatenate([one[0] for one in found])
    pair = np.concatenate([np.full(len(one[0]), one[1]) for one in found])
    place = _STEPS * group + np.concatenate([np.full(len(one[0]), one[2]) for one in found])
    amount = np.concatenate([one[3] for one in found])
    counts = np.concatenate([one[4] for one in found])
    owner = owner[group]
    order = np.lexsort((place, counts, owner))
    order = order[amount[order] != 0]
    amount = amount[order]
    pair = pair[order] + np.where(amount < 0, len(PAIRS), 0)
    return EntryColumns(owner[order], pair, np.abs(amount), counts[order])
