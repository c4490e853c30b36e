"""The books a page at a time: an account's card, its customers, a customer's every movement.

    card_page(Asked(seller, since=…, until=…, account="62.01"))         карточка счёта
    customers_page(Asked(seller, since=…, until=…, account="62.01"))    by customer: субконто
    card_page(Asked(None, since=…, until=…, customer=…))                all that a customer owed

Without an account the claim accounts of every seller are meant (roles receivable and advance), so
that an advance lowers what is owed. A page costs what is on it and one sum over what is before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from kvit.ledger.rows import Card, CustomerPage, CustomerTurnover, Movement, Turnover
from kvit.platform.paging import LIMIT, MOST, cursor_of, read_cursor
from kvit.platform.tenancy import current_tenant_id

NOBODY = UUID(int=0)


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
    rows = _read(
        f"""
        SELECT id, effective_on, recorded_at, seller_id, account, against, customer_id, currency,
               source, debit_minor, credit_minor
        FROM ({sides}) s
        WHERE effective_on >= %(since)s AND (effective_on, id) > (%(day)s, %(key)s)
        ORDER BY effective_on, id LIMIT %(limit)s
        """,
        parameters,
    )
    count, sums, running = _sums(asked, day, key)
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
        beyond = "WHERE (-closing, key, currency) > (-%(closing)s, %(key)s, %(currency)s)"
    # One walk over the postings for both: the rows of the page, and the sums of all.
    told = _read(
        f"""
        WITH c AS MATERIALIZED ({_by_customer(asked)})
        (SELECT key, currency, 0, opening, debit, credit, closing FROM c
         {beyond} ORDER BY closing DESC, key, currency LIMIT %(limit)s)
        UNION ALL
        (SELECT NULL, currency, count(*), sum(opening), sum(debit), sum(credit), sum(closing)
         FROM c GROUP BY currency ORDER BY currency)
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


def _sums(asked: Asked, day: date, key: int) -> tuple[int, Mapping[str, Turnover], dict[str, int]]:
    """Return how many movements the period has, its sums by currency, and the balances that the
    page after a (day, id) begins with: one walk over the postings."""
    rows = _read(
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
        side = """(p.seller_id, s.account) IN (
            SELECT a.seller_id, a.code FROM ledger_account a
            WHERE a.tenant_id = %(tenant)s AND a.role IN ('receivable', 'advance'))"""
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


def _read(sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()
