"""The books a page at a time: an account's card, its customers, a customer's every movement.

    card_page(Asked(seller, since=…, until=…, account="62.01"))         карточка счёта
    customers_page(Asked(seller, since=…, until=…, account="62.01"))    by customer: субконто
    card_page(Asked(None, since=…, until=…, customer=…))                all that a customer owed

Without an account the claim accounts of every seller are meant (roles receivable and advance), so
that an advance lowers what is owed. A page costs what is on it and kept sums (`_kept`); one of a
customer, or as known at a moment, the sum of the postings before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from kvit.ledger._kept import (
    CLAIM_ACCOUNTS,
    CLAIM_ROLES,
    DAY_SIDES,
    NOBODY,
    claim_accounts,
    claims_moved,
    later_claim_days,
    read,
)
from kvit.ledger._past import NOW, known
from kvit.ledger.models import Account
from kvit.ledger.rows import Card, CustomerPage, CustomerTurnover, Movement, Turnover
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
    parameters = _parameters(asked) | {"day": day, "key": key, "limit": limit + 1}
    sides = _sides(asked)
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
    count, sums, running = (_kept_sums if is_kept else _sums)(asked, day, key)
    lines = []
    for row in rows[:limit]:
        currency, debit, credit = row[7], int(row[9]), int(row[10])
        running[currency] = running.get(currency, 0) + debit - credit
        lines.append(Movement(*(*row[:9], debit, credit, running[currency])))
    is_more = len(rows) > limit
    following = cursor_of("card", lines[-1].effective_on, lines[-1].id) if is_more else None
    return Card(tuple(lines), following, count, sums)


def customers_page(asked: Asked, *, after: str = "", limit: int = LIMIT) -> CustomerPage:
    """Return a page of what customers have, the largest closing balance first.

    Who had nothing and moved nothing is left out.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    limit = max(1, min(limit, MOST))
    parameters = _parameters(asked) | {"limit": limit + 1, "nobody": NOBODY}
    beyond = ""
    if after:
        closing, key, currency = read_cursor("customers", after, int, UUID, str)
        parameters |= {"closing": closing, "key": key, "currency": currency}
        beyond = """WHERE closing <= %(closing)s
                    AND (-closing, key, currency) > (-%(closing)s, %(key)s, %(currency)s)"""
    is_kept = _is_of_claims(asked)
    sums_of_all = "0, 0, 0, 0" if is_kept else "sum(opening), sum(debit), sum(credit), sum(closing)"
    # The rows of the page, and how many there are in all, with their sums.
    told = read(
        f"""
        WITH c AS {_of_customers(asked, parameters, is_kept=is_kept)}
        (SELECT key, currency, 0, opening, debit, credit, closing FROM c
         {beyond} ORDER BY closing DESC, key, currency LIMIT %(limit)s)
        UNION ALL
        (SELECT NULL, currency, count(*), {sums_of_all} FROM c GROUP BY currency ORDER BY currency)
        """,
        parameters,
    )
    found = [row for row in told if row[0] is not None]
    found.sort(key=lambda row: (-row[6], row[0], row[1]))  # a union promises no order
    whole = [row for row in told if row[0] is None]
    rows = tuple(
        CustomerTurnover(None if key == NOBODY else key, currency, *map(int, sums))
        for key, currency, _, *sums in found[:limit]
    )
    following = None
    if len(found) > limit:
        key, currency, *_, closing = found[limit - 1]
        following = cursor_of("customers", int(closing), key, currency)
    totals = {currency: Turnover(*map(int, sums)) for _, currency, _, *sums in whole}
    if is_kept:
        of_days = _kept_sums(asked, asked.since, 0)[1]
        totals = {currency: of_days[currency] for currency in totals}
    return CustomerPage(rows, following, sum(row[2] for row in whole), totals)


def _by_customer(asked: Asked) -> str:
    return f"""
        SELECT coalesce(customer_id, %(nobody)s) AS key, currency,
               coalesce(sum(debit_minor - credit_minor)
                        FILTER (WHERE effective_on < %(since)s), 0) AS opening,
               coalesce(sum(debit_minor) FILTER (WHERE effective_on >= %(since)s), 0) AS debit,
               coalesce(sum(credit_minor) FILTER (WHERE effective_on >= %(since)s), 0) AS credit,
               sum(debit_minor - credit_minor) AS closing
        FROM ({_sides(asked)}) s GROUP BY 1, 2
        HAVING sum(debit_minor - credit_minor) <> 0 OR bool_or(effective_on >= %(since)s)
    """


def _of_customers(asked: Asked, parameters: dict[str, Any], *, is_kept: bool) -> str:
    """Return how customers are asked for: read off the index of debts, made of what is kept, or
    summed up from postings. What is made is made once for rows and sums."""
    if not is_kept:
        return f"MATERIALIZED ({_by_customer(asked)})"
    is_of_all = not asked.account and asked.seller is None and asked.since == asked.until
    if is_of_all and not later_claim_days(asked.until - timedelta(days=1)):
        return f"NOT MATERIALIZED ({_STANDING})"
    return f"MATERIALIZED ({_kept_by_customer(asked, parameters)})"


def _is_of_claims(asked: Asked) -> bool:
    """Whether what is kept of claims answers it."""
    if asked.customer is not None or asked.known is not None:
        return False
    if not asked.account:
        return True
    if asked.seller is not None:
        return asked.account in claim_accounts().get(asked.seller, ())
    roles = Account.objects.filter(code=asked.account).values_list("role", flat=True)
    return set(roles) <= set(CLAIM_ROLES)


def _kept_by_customer(asked: Asked, parameters: dict[str, Any]) -> str:
    """The same from what each customer owed on the nearest day that is kept: what was posted
    between is added or taken back, and taken back is all that is of other accounts than the one
    asked about. The days on which these moved are found first, and put among the parameters."""
    mine, others = _accounts(asked)
    by_day = known()
    base = parameters["base"] = by_day.nearest(asked.since, asked.until)
    first, last = min(base, asked.since), max(base, asked.until)
    parts = []
    for name, accounts, span in (
        ("days", mine, (first, last)),
        ("days_of_others", others, (date.min, base)),
    ):
        parameters[name] = by_day.moved(*span, accounts)
        if parameters[name]:
            moved = claims_moved(accounts, days=name, given=parameters)
            parts.append(_MOVED[name].format(moved=moved))
    kept = _STANDING if base == NOW else _PAST
    return _WITH_MOVED.format(kept=kept, moved=" UNION ALL ".join(parts)) if parts else kept


def _accounts(asked: Asked) -> tuple[dict[UUID, list[str]], dict[UUID, list[str]]]:
    """Return the claim accounts asked about, and the others."""
    mine: dict[UUID, list[str]] = {}
    others: dict[UUID, list[str]] = {}
    for seller, codes in claim_accounts().items():
        for code in codes:
            is_mine = asked.seller in (None, seller) and asked.account in ("", code)
            (mine if is_mine else others).setdefault(seller, []).append(code)
    return mine, others


_STANDING = """
    SELECT customer_id AS key, currency, balance_minor AS opening, 0::bigint AS debit,
           0::bigint AS credit, balance_minor AS closing
    FROM ledger_claim WHERE tenant_id = %(tenant)s AND balance_minor <> 0"""
_PAST = """
    SELECT customer_id AS key, currency, balance_minor AS opening, 0::bigint AS debit,
           0::bigint AS credit, balance_minor AS closing
    FROM ledger_pastclaim WHERE tenant_id = %(tenant)s AND day = %(base)s"""
_MOVED = {
    "days": """
        SELECT customer_id, currency,
               CASE WHEN effective_on < %(since)s THEN debit_minor - credit_minor
                    WHEN effective_on < %(base)s THEN credit_minor - debit_minor
                    ELSE 0 END AS opening,
               CASE WHEN effective_on >= %(since)s AND effective_on < %(until)s
                    THEN debit_minor ELSE 0 END AS debit,
               CASE WHEN effective_on >= %(since)s AND effective_on < %(until)s
                    THEN credit_minor ELSE 0 END AS credit
        FROM ({moved}) d""",
    "days_of_others": """
        SELECT customer_id, currency, credit_minor - debit_minor AS opening, 0 AS debit,
               0 AS credit
        FROM ({moved}) o""",
}
# Few move and many stand: the few are summed up first, and the many looked up in them.
_WITH_MOVED = """
    SELECT key, currency, opening, debit, credit, opening + debit - credit AS closing FROM (
        SELECT key, currency, coalesce(k.opening, 0) + coalesce(m.opening, 0) AS opening,
               coalesce(m.debit, 0) AS debit, coalesce(m.credit, 0) AS credit
        FROM ({kept}) k
        FULL JOIN (
            SELECT customer_id AS key, currency, sum(opening)::bigint AS opening,
                   sum(debit)::bigint AS debit, sum(credit)::bigint AS credit
            FROM ({moved}) u GROUP BY 1, 2) m USING (key, currency)) c
    WHERE opening + debit - credit <> 0 OR debit > 0 OR credit > 0
"""


def _kept_sums(
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
        _parameters(asked) | {"day": day},
    )
    sums = {currency: Turnover(*map(int, minors)) for currency, _, _, *minors in rows}
    running = {currency: int(before) for currency, _, before, *_ in rows}
    if key:  # what of that day is on the pages before
        earlier = read(
            f"""
            SELECT currency, sum(debit_minor - credit_minor) FROM ({_sides(asked)}) s
            WHERE effective_on = %(day)s AND id <= %(key)s GROUP BY 1
            """,
            _parameters(asked) | {"day": day, "key": key},
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
        FROM ({_sides(asked)}) s GROUP BY 1 ORDER BY 1
        """,
        _parameters(asked) | {"day": day, "key": key},
    )
    sums = {currency: Turnover(*map(int, minors)) for currency, _, _, *minors in rows}
    running = {currency: int(before) for currency, _, before, *_ in rows}
    return sum(row[1] for row in rows), sums, running


def _sides(asked: Asked) -> str:
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


def _parameters(asked: Asked) -> dict[str, Any]:
    return {
        "tenant": current_tenant_id(),
        "seller": asked.seller,
        "customer": asked.customer,
        "known": asked.known,
        "account": asked.account,
        "since": asked.since,
        "until": asked.until,
    }
