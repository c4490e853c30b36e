"""The books a page at a time: an account's card, a customer's every movement.

    card_page(Asked(seller, since=…, until=…, account="62.01"))         карточка счёта
    card_page(Asked(None, since=…, until=…, customer=…))                all that a customer owed

Without an account the claim accounts of every seller are meant (roles receivable and advance), so
that an advance lowers what is owed. A page costs what is on it and kept sums (`_kept`); one of a
customer, or as known at a moment, the sum of the postings before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from kvit.ledger._kept import CLAIM_ACCOUNTS, DAY_SIDES, read
from kvit.ledger.rows import Card, Movement, Turnover
from kvit.platform.paging import LIMIT, MOST, cursor_of, read_cursor
from kvit.platform.tenancy import current_tenant_id


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose movements, from a day (included) to a day (not included), as known at a moment."""

    seller: UUID | None
    since: date
    until: date
    account: str = ""  # "": the claim accounts
    customer: UUID | None = None
    known: datetime | None = None


def card_page(asked: Asked, *, after: str = "", limit: int = LIMIT) -> Card:
    """Return a page of movements by day, each with the balance after it.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    limit = max(1, min(limit, MOST))
    day, key = read_cursor("card", after, date.fromisoformat, int) if after else (asked.since, 0)
    parameters = parameters_of(asked) | {"day": day, "key": key, "limit": limit + 1}
    sides = sides_of(asked)
    rows = read(
        f"""
        SELECT id, effective_on, recorded_at, seller_id, account, against, customer_id, currency,
               source, debit_minor, credit_minor
        FROM ({sides}) s
        WHERE effective_on >= %(since)s AND (effective_on, id) > (%(day)s, %(key)s)
        ORDER BY effective_on, id LIMIT %(limit)s
        """,
        parameters,
    )
    is_kept = asked.customer is None and asked.known is None
    count, sums, running = (kept_sums if is_kept else _sums)(asked, day, key)
    lines = []
    for row in rows[:limit]:
        currency, debit, credit = row[7], int(row[9]), int(row[10])
        running[currency] = running.get(currency, 0) + debit - credit
        lines.append(Movement(*(*row[:9], debit, credit, running[currency])))
    is_more = len(rows) > limit
    following = cursor_of("card", lines[-1].effective_on, lines[-1].id) if is_more else None
    return Card(tuple(lines), following, count, sums)


def kept_sums(
    asked: Asked, day: date, key: int
) -> tuple[int, Mapping[str, Turnover], dict[str, int]]:
    """The same as `_sums` from the kept sums of days; of the cursor's day, from its postings."""
    where = ["effective_on < %(until)s"]
    if asked.seller is not None:
        where.append("seller_id = %(seller)s")
    of_claims = f"(seller_id, account) IN ({CLAIM_ACCOUNTS})"
    where.append("account = %(account)s" if asked.account else of_claims)
    rows = read(
        f"""
        SELECT currency, coalesce(sum(postings) FILTER (WHERE effective_on >= %(since)s), 0),
               coalesce(sum(debit_minor - credit_minor)
                        FILTER (WHERE effective_on < %(day)s), 0),
               coalesce(sum(debit_minor - credit_minor)
                        FILTER (WHERE effective_on < %(since)s), 0),
               coalesce(sum(debit_minor) FILTER (WHERE effective_on >= %(since)s), 0),
               coalesce(sum(credit_minor) FILTER (WHERE effective_on >= %(since)s), 0),
               sum(debit_minor - credit_minor)
        FROM ({DAY_SIDES}) s WHERE {" AND ".join(where)} GROUP BY 1 ORDER BY 1
        """,
        parameters_of(asked) | {"day": day},
    )
    sums = {currency: Turnover(*map(int, minors)) for currency, _, _, *minors in rows}
    running = {currency: int(before) for currency, _, before, *_ in rows}
    if key:  # what of that day is on the pages before
        earlier = read(
            f"""
            SELECT currency, sum(debit_minor - credit_minor) FROM ({sides_of(asked)}) s
            WHERE effective_on = %(day)s AND id <= %(key)s GROUP BY 1
            """,
            parameters_of(asked) | {"day": day, "key": key},
        )
        for currency, minor in earlier:
            running[currency] += int(minor)
    return int(sum(row[1] for row in rows)), sums, running


def _sums(asked: Asked, day: date, key: int) -> tuple[int, Mapping[str, Turnover], dict[str, int]]:
    """Return how many movements the period has, its sums by currency, and the balances that the
    page after a (day, id) begins with: one walk over the postings."""
    rows = read(
        f"""
        SELECT currency, count(*) FILTER (WHERE effective_on >= %(since)s),
               coalesce(sum(debit_minor - credit_minor) FILTER (
                 WHERE effective_on < %(since)s OR (effective_on, id) <= (%(day)s, %(key)s)), 0),
               coalesce(sum(debit_minor - credit_minor)
                        FILTER (WHERE effective_on < %(since)s), 0),
               coalesce(sum(debit_minor) FILTER (WHERE effective_on >= %(since)s), 0),
               coalesce(sum(credit_minor) FILTER (WHERE effective_on >= %(since)s), 0),
               sum(debit_minor - credit_minor)
        FROM ({sides_of(asked)}) s GROUP BY 1 ORDER BY 1
        """,
        parameters_of(asked) | {"day": day, "key": key},
    )
    sums = {currency: Turnover(*map(int, minors)) for currency, _, _, *minors in rows}
    running = {currency: int(before) for currency, _, before, *_ in rows}
    return sum(row[1] for row in rows), sums, running


def sides_of(asked: Asked) -> str:
    """Both sides of every posting asked about, one row a side, up to the last day.

    Conditions stand where an index serves them; what is not asked about is not mentioned.
    """
    where = ["p.tenant_id = %(tenant)s", "p.effective_on < %(until)s"]
    if asked.seller is not None:
        where.append("p.seller_id = %(seller)s")
    if asked.customer is not None:
        where.append("p.customer_id = %(customer)s")
    if asked.known is not None:
        where.append("p.recorded_at <= %(known)s")
    if asked.account:
        where.append("%(account)s IN (p.debit, p.credit)")
        side = "s.account = %(account)s"
    else:
        side = f"(p.seller_id, s.account) IN ({CLAIM_ACCOUNTS})"
    return f"""
        SELECT p.id, p.seller_id, s.account, s.against, p.customer_id, p.currency, p.source,
               p.effective_on, p.recorded_at, s.debit_minor, s.credit_minor
        FROM ledger_posting p
        CROSS JOIN LATERAL (VALUES (p.debit, p.credit, p.amount_minor, 0::bigint),
                                   (p.credit, p.debit, 0::bigint, p.amount_minor)
        ) AS s (account, against, debit_minor, credit_minor)
        WHERE {" AND ".join(where)} AND {side}
    """


def parameters_of(asked: Asked) -> dict[str, Any]:
    return {
        "tenant": current_tenant_id(),
        "seller": asked.seller,
        "customer": asked.customer,
        "known": asked.known,
        "account": asked.account,
        "since": asked.since,
        "until": asked.until,
    }
