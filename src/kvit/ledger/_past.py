"""What customers owed on days long past: each day's debts are read off rows that the night keeps.

`keep` runs at night. It keeps a day when as many claims were posted since the last one kept as
there are customers, and with it every day between the two: a row says from which day until which
a customer owed so much.

    1 March  Ann owed 700        day 1 June   Ann  700   1 March … 5 April
    4 April  she paid 200                     Ann  500   5 April … 2 June

So all of it together is never more than twice the postings, and of none of these days anything is
added up. Days after the last one kept are asked from it, or from now: what was posted between is
added or taken back.

Postings are added and never changed. So a kept day stands, with those before it, as long as there
are as many postings before it as it was made of; nothing has to be told to it by who posts. One
that something was posted before later is passed by, until the night makes it anew.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
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
DAY = timedelta(days=1)
LEAST = 5_000  # postings between two kept days: fewer are summed up in no time


@dataclass(frozen=True, slots=True)
class Base:
    """A day from whose beginning claims are asked for, and the kept day whose rows tell of it."""

    at: date
    kept: date


STANDING = Base(NOW, NOW)


@dataclass(frozen=True, slots=True)
class Kept:
    """From which day on the rows of a kept day tell, and of how many postings they were made."""

    since: date
    postings: int


@dataclass(frozen=True, slots=True)
class Known:
    """How many claims were posted by day, and what is known of each kept day."""

    days: tuple[date, ...]
    sums: tuple[int, ...]  # before the day at that place
    accounts: Mapping[date, Set[tuple[UUID, str]]]  # which moved
    kept: Mapping[date, Kept]

    def before(self, day: date) -> int:
        return self.sums[bisect_left(self.days, day)]

    def on(self, day: date) -> int:
        return self.before(day + DAY) - self.before(day)

    def moved(self, since: date, until: date, accounts: Mapping[UUID, Sequence[str]]) -> list[date]:
        """Return the days from one to another on which one of these accounts moved."""
        pairs = {(seller, code) for seller, codes in accounts.items() for code in codes}
        return [day for day in self.days if since <= day < until and self.accounts[day] & pairs]

    def nearest(self, since: date, until: date) -> Base:
        """Return from where the fewest postings lead to both of these days."""

        def way(base: Base) -> int:
            return self.before(max(base.at, until)) - self.before(min(base.at, since))

        return min((STANDING, *self._bases(until, since)), key=way)

    def _bases(self, *wanted: date) -> Iterator[Base]:
        """Yield what is told of the days wanted, in their order, and of the kept days."""
        for day, kept in self.kept.items():
            if self.before(day) == kept.postings:
                yield from (Base(one, day) for one in wanted if kept.since <= one <= day)
                yield Base(day, day)


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
        if now.kept.get(day) == Kept(last + DAY, now.before(day)):
            postings = now.before(day)
        else:
            postings = _make(day, last, postings)
            made += 1
        last = day
    return made


def _make(day: date, last: date, postings: int) -> int:
    """Keep a day, and those after the one kept before it; return of how many postings it is
    made."""
    PastClaim.objects.filter(day=day).delete()
    PastDay.objects.filter(day=day).delete()
    given: dict[str, Any] = {
        "tenant": current_tenant_id(),
        "day": day,
        "last": last,
        "first": last + DAY,
        "beyond": day + DAY,
        "postings": postings,
        "days": claim_days(last, day),
    }
    moved = claims_moved(claim_accounts(), days="days", given=given)
    [[count]] = read(_MADE.format(moved=moved), given)
    return int(count)


# Rows and their count are of one moment: what is posted meanwhile is in both or in neither.
_MADE = """
    WITH moved AS MATERIALIZED (
        SELECT customer_id, currency, effective_on + 1 AS since,
               sum(debit_minor - credit_minor)::bigint AS minor, sum(sides) AS postings
        FROM ({moved}) t GROUP BY 1, 2, 3),
    steps AS (
        SELECT customer_id, currency, since, sum(minor)::bigint AS minor FROM (
            SELECT customer_id, currency, %(first)s::date AS since, balance_minor AS minor
            FROM ledger_pastclaim
            WHERE tenant_id = %(tenant)s AND day = %(last)s
              AND since <= %(last)s AND until > %(last)s
            UNION ALL SELECT customer_id, currency, since, minor FROM moved) u
        GROUP BY 1, 2, 3 HAVING sum(minor) <> 0),
    kept AS (
        INSERT INTO ledger_pastclaim (tenant_id, day, customer_id, currency, balance_minor, since,
                                      until)
        SELECT %(tenant)s, %(day)s, customer_id, currency, minor, since, until
        FROM (SELECT customer_id, currency, since, (sum(minor) OVER days)::bigint AS minor,
                     coalesce(lead(since) OVER days, %(beyond)s) AS until
              FROM steps WINDOW days AS (PARTITION BY customer_id, currency ORDER BY since)) s
        WHERE minor <> 0)
    INSERT INTO ledger_pastday (tenant_id, day, since, postings, made_of)
    SELECT %(tenant)s, %(day)s, %(first)s, -1, %(postings)s + coalesce(sum(postings), 0)
    FROM moved RETURNING made_of
"""


def look() -> Known:
    """Return what is known of claims by day."""
    rows = read(
        f"""
        SELECT s.effective_on, s.seller_id, s.account, sum(s.postings), NULL::date
        FROM ({DAY_SIDES}) s
        WHERE (s.seller_id, s.account) IN ({CLAIM_ACCOUNTS}) GROUP BY 1, 2, 3
        UNION ALL
        SELECT day, NULL, NULL, coalesce(made_of, postings), coalesce(since, day)
        FROM ledger_pastday WHERE tenant_id = %(tenant)s
        """,
        {"tenant": current_tenant_id()},
    )
    accounts: dict[date, set[tuple[UUID, str]]] = defaultdict(set)
    counts: dict[date, int] = defaultdict(int)
    for day, seller, account, postings, _ in rows:
        if seller is not None:
            accounts[day].add((seller, account))
            counts[day] += int(postings)
    days = tuple(sorted(counts))
    return Known(
        days,
        tuple(accumulate((counts[day] for day in days), initial=0)),
        accounts,
        # What is kept is of so many postings of everybody's: of some customers that is no sign.
        {day: Kept(since, int(made)) for day, seller, _, made, since in rows if seller is None}
        if parties.reached() is None
        else {},
    )


known = asked_once(look)
