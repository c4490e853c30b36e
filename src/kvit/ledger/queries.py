"""The books as of any day, as they were known at any moment.

Every question takes the days it is about (`since` inclusive, `until` exclusive; or `on`, that day
included) and `as_recorded_by`: a report printed in the past comes out the same today, whatever
was learned since. All sums are minor units; a balance is debit minus credit.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from kvit.ledger import _invariants, _log_audit
from kvit.ledger._by_customer import customers_page
from kvit.ledger._compared import Compared, Sides, compared, sides_of, total
from kvit.ledger._kept import (
    DAY_SIDES,
    claimed_by_documents,
    owed_by,
    owed_in_all,
    owing_ids,
    page_by_debt,
    read,
)
from kvit.ledger._log import BOOKS, NotLogged, is_behind, log_of_books
from kvit.ledger._log_audit import agrees, proofs_of
from kvit.ledger._paged import Asked, card_page
from kvit.ledger._postings import postings_of, postings_page
from kvit.ledger.models import Account, Posting
from kvit.platform.reading import asked_once
from kvit.platform.tenancy import current_tenant_id

__all__ = [
    "BOOKS", "Asked", "CardLine", "Compared", "NotLogged", "Receivable", "Sides",
    "SourcePosting", "TrialBalanceRow", "account_card", "accounts", "agrees", "balances",
    "card_page", "claimed_by_documents", "compared", "customers_page", "is_behind",
    "log_of_books", "of_source", "owed_by", "owed_in_all", "owing_ids", "page_by_debt",
    "postings_of", "postings_page", "problems", "problems_of_log", "proofs_of",
    "receivables_by_customer", "sides_of", "total", "trial_balance",
]  # fmt: skip

WORDS = {**_invariants.WORDS, **_log_audit.WORDS}
problems = _invariants.problems
problems_of_log = _log_audit.problems

# Both sides of every posting, one row a side; the tenant stands here too, for the index.
_SIDES = """
    SELECT p.id, p.seller_id, s.account, s.against, p.customer_id, p.currency, p.source, p.line,
           p.effective_on, p.recorded_at, s.debit_minor, s.credit_minor
    FROM ledger_posting p
    CROSS JOIN LATERAL (VALUES (p.debit, p.credit, p.amount_minor, 0::bigint),
                               (p.credit, p.debit, 0::bigint, p.amount_minor)
    ) AS s (account, against, debit_minor, credit_minor)
    WHERE p.tenant_id = %(tenant)s AND p.seller_id = %(seller)s AND p.effective_on < %(until)s
      AND (%(known)s::timestamptz IS NULL OR p.recorded_at <= %(known)s)
"""


@dataclass(frozen=True, slots=True)
class TrialBalanceRow:
    """One account in one currency: what it had, what moved, what it has."""

    account: str
    name: str
    kind: str
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True)
class CardLine:
    """One posting seen from one account; `balance_minor` runs within the currency."""

    effective_on: date
    recorded_at: datetime
    source: str
    line: int
    against: str  # the account on the other side
    customer_id: UUID | None
    currency: str
    debit_minor: int
    credit_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Receivable:
    """What one customer owes; below zero, what we owe the customer."""

    customer_id: UUID | None
    currency: str
    balance_minor: int


class SourcePosting(NamedTuple):
    """One posting of a document."""

    line: int
    effective_on: date
    debit: str
    credit: str
    amount_minor: int
    currency: str


def trial_balance(
    seller_id: UUID, *, since: date, until: date, as_recorded_by: datetime | None = None
) -> list[TrialBalanceRow]:
    """Return the accounts that ever moved, by code and currency: оборотно-сальдовая ведомость.

    In every currency Σ debit = Σ credit, Σ opening = Σ closing = 0.
    """
    rows = _read(
        f"""
        SELECT s.account, coalesce(a.name, ''), coalesce(a.kind, ''), s.currency,
               coalesce(sum(debit_minor - credit_minor) FILTER (WHERE effective_on < %(since)s), 0),
               coalesce(sum(debit_minor) FILTER (WHERE effective_on >= %(since)s), 0),
               coalesce(sum(credit_minor) FILTER (WHERE effective_on >= %(since)s), 0),
               sum(debit_minor - credit_minor)
        FROM ({_kept_or_posted(as_recorded_by)}) s
        LEFT JOIN ledger_account a ON a.tenant_id = %(tenant)s AND a.seller_id = s.seller_id
                                  AND a.code = s.account
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 4
        """,
        seller_id,
        since=since,
        until=until,
        as_recorded_by=as_recorded_by,
    )
    return [TrialBalanceRow(*row[:4], *map(int, row[4:])) for row in rows]


@asked_once
def accounts(seller_id: UUID) -> dict[str, str]:
    """Return the seller's chart: code → name, by code."""
    rows = Account.objects.filter(seller_id=seller_id).order_by("code")
    return dict(rows.values_list("code", "name"))


def balances(
    seller_id: UUID,
    *,
    on: date,
    customer_id: UUID | None = None,
    as_recorded_by: datetime | None = None,
) -> dict[tuple[str, str], int]:
    """Return the balance of each (account code, currency) at the end of a day; zeroes included.
    Of one customer if given."""
    sides = _kept_or_posted(as_recorded_by) if customer_id is None else _SIDES
    whose = "" if customer_id is None else "WHERE customer_id = %(customer)s"
    rows = _read(
        f"""
        SELECT account, currency, sum(debit_minor - credit_minor) FROM ({sides}) s {whose}
        GROUP BY 1, 2
        """,
        seller_id,
        until=on + timedelta(days=1),
        as_recorded_by=as_recorded_by,
        customer=customer_id,
    )
    return {(account, currency): int(balance) for account, currency, balance in rows}


def account_card(
    seller_id: UUID,
    account: str,
    *,
    since: date,
    until: date,
    customer_id: UUID | None = None,
    as_recorded_by: datetime | None = None,
) -> list[CardLine]:
    """Return the movements of an account, of one customer if given, with its running balance.

    The opening balance of a currency is the first line's balance less its own movement.
    """
    rows = _read(
        f"""
        SELECT effective_on, recorded_at, source, line, against, customer_id, currency,
               debit_minor, credit_minor, balance
        FROM (SELECT s.*, sum(debit_minor - credit_minor) OVER (
                       PARTITION BY currency ORDER BY effective_on, id) AS balance
              FROM ({_SIDES}) s
              WHERE account = %(account)s
                AND (%(customer)s::uuid IS NULL OR customer_id = %(customer)s)) c
        WHERE effective_on >= %(since)s ORDER BY effective_on, id
        """,
        seller_id,
        since=since,
        until=until,
        as_recorded_by=as_recorded_by,
        account=account,
        customer=customer_id,
    )
    return [CardLine(*row[:7], *map(int, row[7:])) for row in rows]


def of_source(source: str) -> list[SourcePosting]:
    """Return what one source posted ("invoice:<id>"), in order."""
    rows = Posting.objects.filter(source=source).order_by("line")
    return [SourcePosting(*row) for row in rows.values_list(*SourcePosting._fields)]


def receivables_by_customer(
    seller_id: UUID, *, on: date, as_recorded_by: datetime | None = None
) -> list[Receivable]:
    """Return what each customer owes at the end of a day, settled ones left out.

    The claim account and the account of advances are taken together: an advance that is not yet
    set against an invoice lowers what is owed.
    """
    rows = _read(
        f"""
        SELECT customer_id, currency, sum(debit_minor - credit_minor) AS balance
        FROM ({_SIDES}) s
        WHERE account IN (SELECT code FROM ledger_account a WHERE a.tenant_id = %(tenant)s
                          AND a.seller_id = %(seller)s AND a.role IN ('receivable', 'advance'))
        GROUP BY 1, 2 HAVING sum(debit_minor - credit_minor) <> 0 ORDER BY 1, 2
        """,
        seller_id,
        until=on + timedelta(days=1),
        as_recorded_by=as_recorded_by,
    )
    return [Receivable(customer, currency, int(balance)) for customer, currency, balance in rows]


def _kept_or_posted(as_recorded_by: datetime | None) -> str:
    """Return the sides of postings up to a day: sums of whole days, or one by one as they were
    known at a moment."""
    if as_recorded_by is not None:
        return _SIDES
    return f"{DAY_SIDES} AND p.seller_id = %(seller)s AND p.effective_on < %(until)s"


def _read(
    sql: str, seller_id: UUID, *, until: date, as_recorded_by: datetime | None, **more: Any
) -> list[tuple[Any, ...]]:
    """Run a question about one seller's postings."""
    parameters = {
        "tenant": current_tenant_id(),
        "seller": seller_id,
        "until": until,
        "known": as_recorded_by,
        **more,
    }
    return read(sql, parameters)
