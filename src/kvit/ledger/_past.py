"""What customers owed at the beginning of some days long past: any day is then near one of them.

`keep` runs at night. It keeps a day when as many claims were posted since the last one kept as
there are customers, so that all of it together is never more than the postings.

Postings are added and never changed. So a kept day stands as long as there are as many postings
before it as it was made of; nothing has to be told to it by who posts. One that something was
posted to later is passed by, until the night makes it anew.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

from kvit.ledger._kept import (
    CLAIM_ACCOUNTS,
    DAY_SIDES,
    claim_accounts,
    claim_days,
    claims_moved,
    read,
)
from kvit.ledger.models import Claim, PastClaim, PastDay
from kvit.parties import queries as parties
from kvit.platform.reading import asked_once
from kvit.platform.tenancy import current_tenant_id

NOW = date.max  # what is owed by all that is posted
LEAST = 5_000  # postings between two kept days: fewer are summed up in no time


@dataclass(frozen=True, slots=True)
class Known:
    """How many claims were posted by day, and of how many each kept day was made."""

    days: tuple[date, ...]
    sums: tuple[int, ...]  # before the day at that place
    accounts: Mapping[date, Set[tuple[UUID, str]]]  # which moved
    kept: Mapping[date, int]

    def before(self, day: date) -> int:
        return self.sums[bisect_left(self.days, day)]

    def on(self, day: date) -> int:
        return self.before(day + timedelta(days=1)) - self.before(day)

    def standing(self) -> list[date]:
        return [day for day, postings in self.kept.items() if self.before(day) == postings]

    def moved(self, since: date, until: date, accounts: Mapping[UUID, Sequence[str]]) -> list[date]:
        """Return the days from one to another on which one of these accounts moved."""
        pairs = {(seller, code) for seller, codes in accounts.items() for code in codes}
        return [day for day in self.days if since <= day < until and self.accounts[day] & pairs]

    def nearest(self, since: date, until: date) -> date:
        """Return the day, kept or `NOW`, from which the fewest postings lead to both of these."""

        def way(day: date) -> int:
            return self.before(max(day, until)) - self.before(min(day, since))

        return min((NOW, *self.standing()), key=way)


def keep(*, before: date) -> int:
    """Keep what was owed at the beginning of days that are due, all earlier than one; make those
    anew that do not stand. Return how many were made."""
    now = look()
    step = max(Claim.objects.count(), LEAST)
    last, postings, made = date.min, 0, 0
    for day in now.days:
        if day >= before:
            break
        is_due = now.before(day) - postings >= step
        if day not in now.kept and not is_due:
            continue
        if now.kept.get(day) == now.before(day):
            postings = now.kept[day]
        else:
            postings = _make(day, last, postings)
            made += 1
        last = day
    return made


def _make(day: date, last: date, postings: int) -> int:
    """Keep a day from the one kept before it; return of how many postings it is made."""
    PastClaim.objects.filter(day=day).delete()
    PastDay.objects.filter(day=day).delete()
    given: dict[str, Any] = {
        "tenant": current_tenant_id(),
        "day": day,
        "last": last,
        "postings": postings,
        "days": claim_days(last, day),
    }
    moved = claims_moved(claim_accounts(), days="days", given=given)
    [[count]] = read(_MADE.format(moved=moved), given)
    return int(count)


# Rows and their count are of one moment: what is posted meanwhile is in both or in neither.
_MADE = """
    WITH moved AS MATERIALIZED (
        SELECT customer_id, currency, sum(debit_minor - credit_minor)::bigint AS minor,
               sum(sides) AS postings
        FROM ({moved}) t GROUP BY 1, 2),
    kept AS (
        INSERT INTO ledger_pastclaim (tenant_id, day, customer_id, currency, balance_minor)
        SELECT %(tenant)s, %(day)s, customer_id, currency,
               coalesce(b.balance_minor, 0) + coalesce(m.minor, 0)
        FROM (SELECT customer_id, currency, balance_minor FROM ledger_pastclaim
              WHERE tenant_id = %(tenant)s AND day = %(last)s) b
        FULL JOIN moved m USING (customer_id, currency)
        WHERE coalesce(b.balance_minor, 0) + coalesce(m.minor, 0) <> 0)
    INSERT INTO ledger_pastday (tenant_id, day, postings)
    SELECT %(tenant)s, %(day)s, %(postings)s + coalesce(sum(postings), 0) FROM moved
    RETURNING postings
"""


def look() -> Known:
    """Return what is known of claims by day."""
    rows = read(
        f"""
        SELECT s.effective_on, s.seller_id, s.account, sum(s.postings) FROM ({DAY_SIDES}) s
        WHERE (s.seller_id, s.account) IN ({CLAIM_ACCOUNTS}) GROUP BY 1, 2, 3
        UNION ALL
        SELECT day, NULL, NULL, postings FROM ledger_pastday WHERE tenant_id = %(tenant)s
        """,
        {"tenant": current_tenant_id()},
    )
    accounts: dict[date, set[tuple[UUID, str]]] = defaultdict(set)
    counts: dict[date, int] = defaultdict(int)
    for day, seller, account, postings in rows:
        if seller is not None:
            accounts[day].add((seller, account))
            counts[day] += int(postings)
    days = tuple(sorted(counts))
    return Known(
        days,
        tuple(accumulate((counts[day] for day in days), initial=0)),
        accounts,
        # What is kept is of so many postings of everybody's: of some customers that is no sign.
        {day: int(postings) for day, seller, _, postings in rows if seller is None}
        if parties.reached() is None
        else {},
    )


known = asked_once(look)
