"""Sums of postings that are kept (migration 0003), and what is asked of them instead of postings.

They know no moment of recording: what was known earlier is asked of the postings themselves.
What customers owe is kept of all that is posted; of a day it is that less what is posted after it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from kvit.ledger.models import Account, Claim
from kvit.parties import queries as parties
from kvit.platform.paging import LIMIT, Page, count_of, cursor_of, is_counted, read_cursor
from kvit.platform.reading import asked_once
from kvit.platform.tenancy import current_tenant_id

CLAIM_ROLES = ("receivable", "advance")
NOBODY = UUID(int=0)

# Both sides of every kept sum, one row a side, as `queries._SIDES` has them of postings.
DAY_SIDES = """
    SELECT p.seller_id, s.account, p.currency, p.origin, p.effective_on, p.postings,
           s.debit_minor, s.credit_minor
    FROM ledger_dayturnover p
    CROSS JOIN LATERAL (VALUES (p.debit, p.amount_minor, 0::bigint),
                               (p.credit, 0::bigint, p.amount_minor)
    ) AS s (account, debit_minor, credit_minor)
    WHERE p.tenant_id = %(tenant)s
"""
CLAIM_ACCOUNTS = """
    SELECT a.seller_id, a.code FROM ledger_account a
    WHERE a.tenant_id = %(tenant)s AND a.role IN ('receivable', 'advance')
"""
# What each customer owes on a day: by all that is posted, less what is posted on later days.
_OWED = """
    SELECT customer_id, currency, sum(minor) AS minor FROM (
        SELECT customer_id, currency, balance_minor AS minor FROM ledger_claim
        WHERE tenant_id = %(tenant)s
        UNION ALL
        SELECT customer_id, currency, credit_minor - debit_minor FROM ({later}) t
    ) u WHERE {which} GROUP BY 1, 2
"""
_STANDING = """
    SELECT customer_id, currency, balance_minor AS minor FROM ledger_claim
    WHERE tenant_id = %(tenant)s AND balance_minor <> 0 AND {which}
"""
_FIRST = """
    SELECT customer_id AS id, minor AS owed FROM ({owed}) o
    WHERE currency = %s AND minor {side} 0 AND customer_id IN ({customers})
"""
_ALL = """
    SELECT c.id, coalesce(o.minor, 0) AS owed FROM ({customers}) AS c (id)
    LEFT JOIN ({owed}) o ON o.customer_id = c.id AND o.currency = %s
"""
_NAME = re.compile(r"%\((\w+)\)s")
LAST = date.max - timedelta(days=1)


def claims_moved(
    accounts: Mapping[UUID, Sequence[str]],
    *,
    days: str,
    given: dict[str, Any],
    customers: Collection[UUID] | None = None,
) -> str:
    """Return the question what was posted to some accounts (of sellers, by code) on some days.

    Args:
        days: the parameter that holds these days (`claim_days`).
        given: parameters; those of the accounts are put there.
        customers: whose postings, `NOBODY` among them; everybody's by default.

    Accounts are told and not joined: the planner knows then how many postings there will be.
    """
    together: dict[tuple[str, ...], list[UUID]] = {}
    for seller, codes in accounts.items():
        together.setdefault(tuple(sorted(codes)), []).append(seller)
    for n, (told, sellers) in enumerate(together.items()):
        given |= {f"{days}_codes{n}": list(told), f"{days}_sellers{n}": sellers}
    debit, credit = (
        " OR ".join(
            f"(p.{side} = ANY (%({days}_codes{n})s) AND p.seller_id = ANY (%({days}_sellers{n})s))"
            for n in range(len(together))
        )
        or "false"
        for side in ("debit", "credit")
    )
    whose = ""
    if customers is not None:
        given["customers"] = list(customers)
        whose = "AND p.customer_id = ANY (%(customers)s)"
        if NOBODY in customers:
            whose = "AND (p.customer_id = ANY (%(customers)s) OR p.customer_id IS NULL)"
    return f"""
        SELECT coalesce(p.customer_id, '{NOBODY}') AS customer_id, p.currency, p.effective_on,
               p.amount_minor * ({debit})::int AS debit_minor,
               p.amount_minor * ({credit})::int AS credit_minor,
               ({debit})::int + ({credit})::int AS sides
        FROM ledger_posting p
        WHERE p.tenant_id = %(tenant)s AND p.effective_on = ANY (%({days})s)
          AND ({debit} OR {credit}) {whose}
    """


@asked_once
def claim_accounts() -> dict[UUID, list[str]]:
    """Return the codes of the claim accounts of each seller."""
    found: dict[UUID, list[str]] = {}
    rows = Account.objects.filter(role__in=CLAIM_ROLES).order_by("seller_id", "code")
    for seller, code in rows.values_list("seller_id", "code"):
        found.setdefault(seller, []).append(code)
    return found


def claim_days(since: date, until: date = date.max) -> list[date]:
    """Return the days from one to another on which claim accounts moved."""
    rows = read(
        f"""
        SELECT DISTINCT s.effective_on FROM ({DAY_SIDES}) s
        WHERE s.effective_on >= %(since)s AND s.effective_on < %(until)s
          AND (s.seller_id, s.account) IN ({CLAIM_ACCOUNTS})
        """,
        {"tenant": current_tenant_id(), "since": since, "until": until},
    )
    return [day for (day,) in rows]


def owed_by(customers: Iterable[UUID], *, on: date) -> dict[UUID, dict[str, int]]:
    """Return what each of these customers owes at the end of a day, by currency; zeroes left
    out."""
    which, ids = "customer_id = ANY (%(ids)s)", list(customers)
    rows = read(
        f"""{_STANDING.format(which=which)}
        UNION ALL SELECT NULL, NULL, NULL WHERE EXISTS (
            SELECT FROM ({DAY_SIDES}) s WHERE s.effective_on >= %(later)s
              AND (s.seller_id, s.account) IN ({CLAIM_ACCOUNTS}))
        """,
        {"tenant": current_tenant_id(), "ids": ids, "later": _next(on)},
    )
    if any(key is None for key, *_ in rows):  # to days after that something is posted already
        rows = read(*_owed(on, which=which, ids=ids))
    found: dict[UUID, dict[str, int]] = {}
    for key, currency, minor in rows:
        if minor:
            found.setdefault(key, {})[currency] = int(minor)
    return found


def owed_in_all(customers: "QuerySet[Any] | None", *, on: date) -> dict[str, int]:
    """Return what customers (a query of their ids, or None for all) owe together, by currency."""
    if customers is None:
        rows = read(
            f"""
            SELECT currency, sum(debit_minor - credit_minor) FROM ({DAY_SIDES}) s
            WHERE effective_on < %(since)s AND (seller_id, account) IN ({CLAIM_ACCOUNTS})
            GROUP BY 1 ORDER BY 1
            """,
            {"tenant": current_tenant_id(), "since": _next(on)},
        )
        return {currency: int(minor) for currency, minor in rows if minor}
    try:
        inner, more = customers.query.sql_with_params()
    except EmptyResultSet:
        return {}
    sql, given = _placed(*_owed(on))
    rows = read(
        f"SELECT currency, sum(minor) FROM ({sql}) o WHERE customer_id IN ({inner})"
        " GROUP BY 1 ORDER BY 1",
        [*given, *more],
    )
    return {currency: int(minor) for currency, minor in rows if minor}


def owing_ids(*, on: date) -> "QuerySet[Any]":
    """Return the ids of the customers who owe something in some currency, as a query."""
    if not later_claim_days(on):
        return Claim.objects.filter(balance_minor__gt=0).values("customer_id")
    sql, given = _placed(*_owed(on))
    owing = RawSQL(f"SELECT customer_id FROM ({sql}) o WHERE minor > 0", given)
    return Claim.objects.filter(customer_id__in=owing).values("customer_id")


def page_by_debt(
    customers: "QuerySet[Any]",
    *,
    currency: str,
    on: date,
    falls: bool,
    after: str = "",
    limit: int = LIMIT,
) -> Page[UUID]:
    """Return a page of these customers (a query of their ids) by what they owe in a currency at
    the end of a day; who owes nothing stands between who owes and whom we owe.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    name, way, beyond = ("-owed", "DESC", "<") if falls else ("owed", "ASC", ">")
    sql, given = _placed(*_owed(on))
    try:
        inner, more = customers.query.sql_with_params()
    except EmptyResultSet:
        return Page((), None, 0)
    where, place = "", []
    if after:
        where, place = f"WHERE (owed, id) {beyond} (%s, %s)", [*read_cursor(name, after, int, UUID)]

    def asked(which: str, values: list[Any]) -> list[tuple[Any, ...]]:
        return read(
            f"SELECT id, owed FROM ({which}) d {where} ORDER BY owed {way}, id {way} LIMIT %s",
            [*values, *place, limit + 1],
        )

    # Who has something stands first, but for who has the other way: nobody else is looked at then.
    rows = []
    if not place or (place[0] > 0 if falls else place[0] < 0):
        first = _FIRST.format(owed=sql, side=">" if falls else "<", customers=inner)
        rows = asked(first, [*given, currency, *more])
    if len(rows) <= limit:
        rows = asked(_ALL.format(owed=sql, customers=inner), [*more, *given, currency])
    found = [key for key, _ in rows[:limit]]
    following = None
    if len(rows) > limit:
        following = cursor_of(name, int(rows[limit - 1][1]), found[-1])
    return Page(tuple(found), following, count_of(customers) if is_counted() else None)


@asked_once
def later_claim_days(day: date) -> list[date]:
    """Return the days after one for which something is posted to claims: none, nearly always.
    Then what is kept is what is owed at the end of the day."""
    return claim_days(_next(day))


def claimed_by_documents() -> dict[str, int]:
    """Return what documents added to the claim account, by currency: Σ of all that was issued."""
    rows = read(
        f"""
        SELECT currency, sum(debit_minor - credit_minor) FROM ({DAY_SIDES}) s
        WHERE origin = 'invoice' AND (seller_id, account) IN (
            SELECT a.seller_id, a.code FROM ledger_account a
            WHERE a.tenant_id = %(tenant)s AND a.role = 'receivable')
        GROUP BY 1 ORDER BY 1
        """,
        {"tenant": current_tenant_id()},
    )
    return {currency: int(minor) for currency, minor in rows}


def read(sql: str, parameters: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a question; of a member of a branch, of its customers' postings alone."""
    if (reached := parties.reached()) is not None:
        sql, parameters = _of_reached(reached, sql, parameters)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


# In a statement that begins so the names of the tables stand for what is reached of them. What is
# kept of days is everybody's: of some customers it is summed up from their postings.
_REACHED = """
    WITH reached (id) AS MATERIALIZED ({ids}),
    ledger_posting AS NOT MATERIALIZED (
        SELECT p.* FROM ledger_posting p WHERE p.customer_id IN (SELECT id FROM reached)),
    ledger_dayturnover AS NOT MATERIALIZED (
        SELECT p.tenant_id, p.seller_id, p.effective_on, p.debit, p.credit, p.currency,
               split_part(p.source, ':', 1) AS origin, count(*) AS postings,
               sum(p.amount_minor)::bigint AS amount_minor
        FROM ledger_posting p GROUP BY 1, 2, 3, 4, 5, 6, 7),
    ledger_claim AS NOT MATERIALIZED (
        SELECT c.* FROM ledger_claim c WHERE c.customer_id IN (SELECT id FROM reached)),
    ledger_pastclaim AS NOT MATERIALIZED (
        SELECT c.* FROM ledger_pastclaim c WHERE c.customer_id IN (SELECT id FROM reached))
"""


def _of_reached(
    reached: "QuerySet[Any]", sql: str, parameters: Mapping[str, Any] | Sequence[Any]
) -> tuple[str, list[Any]]:
    """Return the same question about these customers alone, its parameters by place."""
    ids, given = reached.query.sql_with_params()
    if isinstance(parameters, Mapping):
        sql, parameters = _placed(sql, parameters)
    rest = sql.lstrip()
    more = f", {rest[len('WITH') :]}" if rest.startswith("WITH ") else rest
    return _REACHED.format(ids=ids) + more, [*given, *parameters]


def _owed(on: date, *, which: str = "true", **given: Any) -> tuple[str, dict[str, Any]]:
    """Return the question what customers owe at the end of a day, with its parameters."""
    days = later_claim_days(on)
    given |= {"tenant": current_tenant_id(), "days": days}
    if not days:
        return _STANDING.format(which=which), given
    later = claims_moved(claim_accounts(), days="days", given=given)
    return _OWED.format(which=which, later=later), given


def _next(day: date) -> date:
    return min(day, LAST) + timedelta(days=1)


def _placed(sql: str, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return a question whose parameters go by place, as Django's own do."""
    names = _NAME.findall(sql)
    return _NAME.sub("%s", sql), [parameters[name] for name in names]
