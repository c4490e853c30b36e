"""What customers have on an account, or owe on all claim accounts, a page at a time: субконто.

    customers_page(Asked(seller, since=…, until=…, account="62.01"))

Of claims it starts from what each customer owed on the nearest day of which it is kept: what was
posted between is added or taken back.

Customers are counted up to a limit, as in any list. Where there certainly are more, the largest
debts are found first and turnovers are of the page's customers alone; everybody's sums are those
kept of days.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from kvit.ledger._kept import (
    CLAIM_ROLES,
    NOBODY,
    claim_accounts,
    claims_moved,
    later_claim_days,
    read,
)
from kvit.ledger._paged import Asked, kept_sums, parameters_of, sides_of
from kvit.ledger._past import NOW, known
from kvit.ledger.models import Account
from kvit.ledger.rows import CustomerPage, CustomerTurnover, Turnover
from kvit.platform.paging import COUNTED, LIMIT, MOST, cursor_of, read_cursor


@dataclass(frozen=True, slots=True)
class _Claims:
    """From which day claims are asked for, and the days on which their accounts moved."""

    base: date
    kept: date  # whose rows tell of the base
    mine: dict[UUID, list[str]]
    others: dict[UUID, list[str]]
    days: list[date]  # between the base and what is asked about, both its ends
    days_of_others: list[date]  # before the base
    postings: int  # of these and of days between the base and the end: no more customers differ


def customers_page(asked: Asked, *, after: str = "", limit: int = LIMIT) -> CustomerPage:
    """Return a page of what customers have, the largest closing balance first.

    Who had nothing and moved nothing is left out.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    limit = max(1, min(limit, MOST))
    parameters = parameters_of(asked) | {"limit": limit + 1, "nobody": NOBODY}
    beyond = ""
    if after:
        closing, key, currency = read_cursor("customers", after, int, UUID, str)
        parameters |= {"closing": closing, "key": key, "currency": currency}
        beyond = _BEYOND
    if not _is_of_claims(asked):
        found, count, totals = _whole(_by_customer(asked), beyond, parameters)
    else:
        claims = _claims(asked)
        parameters |= {"base": claims.base, "kept": claims.kept}
        if _are_many(claims, parameters):
            found = _first_of_many(asked, claims, beyond, parameters)
            sums = kept_sums(asked, asked.since, 0)[1]
            count, totals = COUNTED + 1, {name: one for name, one in sums.items() if one != _NONE}
        else:
            found, count, totals = _whole(_of_claims(claims, parameters), beyond, parameters)
    rows = tuple(
        CustomerTurnover(None if key == NOBODY else key, currency, *map(int, minors))
        for key, currency, *minors in found[:limit]
    )
    following = None
    if len(found) > limit:
        key, currency, *_, closing = found[limit - 1]
        following = cursor_of("customers", int(closing), key, currency)
    return CustomerPage(rows, following, count, totals)


_BEYOND = """WHERE closing <= %(closing)s
             AND (-closing, key, currency) > (-%(closing)s, %(key)s, %(currency)s)"""
_ORDER = "ORDER BY closing DESC, key, currency LIMIT %(limit)s"
_NONE = Turnover(0, 0, 0, 0)
_Found = list[tuple[Any, ...]]


def _whole(
    question: str, beyond: str, parameters: dict[str, Any]
) -> tuple[_Found, int, dict[str, Turnover]]:
    """Return the rows of the page, how many there are in all, and everybody's sums by currency."""
    told = read(
        f"""
        WITH c AS MATERIALIZED ({question})
        (SELECT key, currency, 0, opening, debit, credit, closing FROM c {beyond} {_ORDER})
        UNION ALL
        (SELECT NULL, currency, count(*), sum(opening), sum(debit), sum(credit), sum(closing)
         FROM c GROUP BY currency ORDER BY currency)
        """,
        parameters,
    )
    found = [(key, currency, *sums) for key, currency, _, *sums in told if key is not None]
    found.sort(key=lambda row: (-row[-1], row[0], row[1]))  # a union promises no order
    whole = [row[1:] for row in told if row[0] is None]
    totals = {currency: Turnover(*map(int, sums)) for currency, _, *sums in whole}
    count = sum(count for _, count, *_ in whole)
    return found, min(count, COUNTED + 1), totals


def _by_customer(asked: Asked) -> str:
    return f"""
        SELECT coalesce(customer_id, %(nobody)s) AS key, currency,
               coalesce(sum(debit_minor - credit_minor)
                        FILTER (WHERE effective_on < %(since)s), 0) AS opening,
               coalesce(sum(debit_minor) FILTER (WHERE effective_on >= %(since)s), 0) AS debit,
               coalesce(sum(credit_minor) FILTER (WHERE effective_on >= %(since)s), 0) AS credit,
               sum(debit_minor - credit_minor) AS closing
        FROM ({sides_of(asked)}) s GROUP BY 1, 2
        HAVING sum(debit_minor - credit_minor) <> 0 OR bool_or(effective_on >= %(since)s)
    """


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


def _claims(asked: Asked) -> _Claims:
    """Look from where claims are asked for; what is of other accounts than the one asked about is
    taken back, all of it."""
    mine, others = _accounts(asked)
    is_of_all = not asked.account and asked.seller is None and asked.since == asked.until
    if is_of_all and not later_claim_days(asked.until - timedelta(days=1)):
        return _Claims(NOW, NOW, mine, others, [], [], 0)
    by_day = known()
    nearest = by_day.nearest(asked.since, asked.until)
    base = nearest.at
    days = by_day.moved(min(base, asked.since), max(base, asked.until), mine)
    days_of_others = by_day.moved(date.min, base, others)
    to_end = [day for day in days if _is_between(day, base, asked.until)]
    postings = sum(by_day.on(day) for day in {*to_end, *days_of_others})
    return _Claims(base, nearest.kept, mine, others, days, days_of_others, postings)


def _is_between(day: date, one: date, other: date) -> bool:
    return min(one, other) <= day < max(one, other)


def _accounts(asked: Asked) -> tuple[dict[UUID, list[str]], dict[UUID, list[str]]]:
    """Return the claim accounts asked about, and the others."""
    mine: dict[UUID, list[str]] = {}
    others: dict[UUID, list[str]] = {}
    for seller, codes in claim_accounts().items():
        for code in codes:
            is_mine = asked.seller in (None, seller) and asked.account in ("", code)
            (mine if is_mine else others).setdefault(seller, []).append(code)
    return mine, others


def _are_many(claims: _Claims, parameters: dict[str, Any]) -> bool:
    """Whether more rows than are counted are certain: more were kept than can have come to nothing
    since."""
    enough = COUNTED + 1 + claims.postings
    # By debt, all who owe more on other days would be passed first.
    order = "" if claims.base == NOW else "ORDER BY key"
    question = f"SELECT count(*) FROM (SELECT FROM ({_kept(claims)}) k {order} LIMIT %(enough)s) e"
    [[count]] = read(question, parameters | {"enough": enough})
    return bool(count == enough)


def _first_of_many(
    asked: Asked, claims: _Claims, beyond: str, parameters: dict[str, Any]
) -> _Found:
    """Return the rows of the page alone."""
    closings = _closings(asked, claims, parameters)
    found = read(f"SELECT * FROM ({closings}) c {beyond} {_ORDER}", parameters)
    if asked.since == asked.until:
        return [(key, currency, minor, 0, 0, minor) for key, currency, minor in found]
    # Who owes nothing and moved stands between those who owe and those whom we owe.
    if len(found) < parameters["limit"] or found[-1][-1] <= 0:
        everybody = _of_claims(claims, parameters)
        return read(f"SELECT * FROM ({everybody}) c {beyond} {_ORDER}", parameters)
    moved = _turnovers(asked, claims, [row[0] for row in found], parameters)
    return [
        (key, currency, closing - debit + credit, debit, credit, closing)
        for key, currency, closing in found
        for debit, credit in [moved.get((key, currency), (0, 0))]
    ]


def _closings(asked: Asked, claims: _Claims, parameters: dict[str, Any]) -> str:
    """Return how the balances at the end are asked for, none of them zero."""
    to_end = [day for day in claims.days if _is_between(day, claims.base, asked.until)]
    sign = "+" if claims.base <= asked.until else "-"
    parts = []
    for name, way, accounts, days in (
        ("to_end", sign, claims.mine, to_end),
        ("days_of_others", "-", claims.others, claims.days_of_others),
    ):
        if days:
            parameters[name] = days
            moved = claims_moved(accounts, days=name, given=parameters)
            parts.append(
                f"SELECT customer_id, currency, {way}(debit_minor - credit_minor) AS minor"
                f" FROM ({moved}) {name}"
            )
    kept = f"SELECT key, currency, closing FROM ({_kept(claims)}) k"
    return _CLOSINGS.format(kept=kept, moved=" UNION ALL ".join(parts)) if parts else kept


def _turnovers(
    asked: Asked, claims: _Claims, customers: list[UUID], parameters: dict[str, Any]
) -> dict[tuple[UUID, str], tuple[int, int]]:
    """Return what these customers moved in the days asked about, by currency: debit, credit."""
    within = [day for day in claims.days if asked.since <= day < asked.until]
    given = parameters | {"within": within}
    moved = claims_moved(claims.mine, days="within", given=given, customers=customers)
    rows = read(
        f"""
        SELECT customer_id, currency, sum(debit_minor), sum(credit_minor) FROM ({moved}) m
        GROUP BY 1, 2
        """,
        given,
    )
    return {(key, currency): (int(debit), int(credit)) for key, currency, debit, credit in rows}


def _of_claims(claims: _Claims, parameters: dict[str, Any]) -> str:
    """Return how claims are asked for, putting what the question needs among the parameters."""
    parts = []
    for name, accounts, days in (
        ("days", claims.mine, claims.days),
        ("days_of_others", claims.others, claims.days_of_others),
    ):
        if days:
            parameters[name] = days
            moved = claims_moved(accounts, days=name, given=parameters)
            parts.append(_MOVED[name].format(moved=moved))
    kept = _kept(claims)
    return _WITH_MOVED.format(kept=kept, moved=" UNION ALL ".join(parts)) if parts else kept


def _kept(claims: _Claims) -> str:
    return _STANDING if claims.base == NOW else _PAST


_STANDING = """
    SELECT customer_id AS key, currency, balance_minor AS opening, 0::bigint AS debit,
           0::bigint AS credit, balance_minor AS closing
    FROM ledger_claim WHERE tenant_id = %(tenant)s AND balance_minor <> 0"""
_PAST = """
    SELECT customer_id AS key, currency, balance_minor AS opening, 0::bigint AS debit,
           0::bigint AS credit, balance_minor AS closing
    FROM ledger_pastclaim
    WHERE tenant_id = %(tenant)s AND day = %(kept)s AND since <= %(base)s AND until > %(base)s"""
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
_CLOSINGS = """
    SELECT key, currency, closing FROM (
        SELECT key, currency, coalesce(k.closing, 0) + coalesce(m.minor, 0) AS closing
        FROM ({kept}) k
        FULL JOIN (
            SELECT customer_id AS key, currency, sum(minor)::bigint AS minor
            FROM ({moved}) u GROUP BY 1, 2) m USING (key, currency)) c
    WHERE closing <> 0
"""
