"""Open a seller's chart, and post."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from kvit.core.bookkeeping import Entry
from kvit.core.wording import Words
from kvit.ledger import _columns, _log, _past
from kvit.ledger.chart import RUSSIAN_CHART, AccountIn
from kvit.ledger.models import Account, Posting
from kvit.platform import audit
from kvit.platform.bulk import copy_in
from kvit.platform.failures import Failure
from kvit.platform.tenancy import current_tenant_id

WORDS: Words = {
    "ledger_account_unknown": (
        "В плане счетов продавца {seller} нет счёта «{account}» (основание {source}).",
        "The chart of seller {seller} has no account “{account}” (source {source}).",
    ),
    "ledger_already_posted": (
        "По основанию {source} проводки уже есть: исправляют другим документом.",
        "Source {source} is posted already: it is corrected by another document.",
    ),
}


log_postings = _log.append
Alike = _columns.Alike
PostingColumns = _columns.PostingColumns


class UnknownAccount(Failure):
    """A posting names an account that the seller's chart has not."""

    words = WORDS


class AlreadyPosted(Failure):
    """A source has postings already: its facts are corrected by another source, not repeated."""

    words = WORDS


class PostingIn(NamedTuple):
    """A posting to write. `debit` and `credit` are roles or codes of the seller's chart."""

    seller_id: UUID
    debit: str
    credit: str
    customer_id: UUID | None
    amount_minor: int  # above zero
    currency: str
    source: str  # "invoice:<uuid>"
    line: int  # from 1
    effective_on: date


def postings_of(
    entries: Iterable[Entry], *, seller_id: UUID, customer_id: UUID | None, source: str
) -> list[PostingIn]:
    """Number the entries of one source and say whose they are."""
    return [
        PostingIn(
            seller_id=seller_id,
            debit=entry.debit,
            credit=entry.credit,
            customer_id=customer_id,
            amount_minor=entry.amount_minor,
            currency=entry.currency,
            source=source,
            line=line,
            effective_on=entry.effective_on,
        )
        for line, entry in enumerate(entries, 1)
    ]


def mirrored(sources: Sequence[str], *, source: str, effective_on: date) -> list[PostingIn]:
    """Return the opposite of all that `sources` posted, as postings of `source`.

    As `core.bookkeeping.reverse`: what already counted is undone on `effective_on`, what was still
    to come on the day it would have come. The accounts are those that were posted to, whatever
    the chart says today.
    """
    posted = Posting.objects.filter(source__in=sources).order_by("source", "line")
    return [
        PostingIn(
            seller_id=one.seller_id,
            debit=one.credit,
            credit=one.debit,
            customer_id=one.customer_id,
            amount_minor=one.amount_minor,
            currency=one.currency,
            source=source,
            line=line,
            effective_on=max(one.effective_on, effective_on),
        )
        for line, one in enumerate(posted, 1)
    ]


@transaction.atomic
def ensure_chart(
    seller_id: UUID,
    *,
    actor: str,
    now: datetime,
    chart: Sequence[AccountIn] = RUSSIAN_CHART,
) -> int:
    """Give the seller the accounts of `chart` that it lacks; return how many were added.

    An account that stands under the same code, or bears the same role, is left as it is.
    """
    standing = Account.objects.filter(seller_id=seller_id)
    known = list(standing.values_list("code", "role"))
    taken = {name for one in known for name in one}  # a code never looks like a role
    lacking = [one for one in chart if not taken & {one.code, one.role} - {None}]
    if not lacking:  # as at each bill run but the first
        return 0
    # What another session adds in between is skipped by the constraint and counted by nobody.
    Account.objects.bulk_create(
        [Account(seller_id=seller_id, **account._asdict()) for account in lacking],
        ignore_conflicts=True,
    )
    added = standing.count() - len(known)
    if added:
        audit.record(
            action="ledger.chart.opened",
            object_type="parties.seller",
            object_id=str(seller_id),
            after={"accounts_added": added},
            actor=actor,
            now=now,
        )
    return added


@transaction.atomic
def post_many(rows: Iterable[PostingIn], *, now: datetime) -> int:
    """Write postings in one set and return their number. `now` is the moment they were learned.

    No audit row: postings are append-only, name their source, and are themselves the history.

    Raises:
        UnknownAccount: a role or code is not in the chart of its seller; nothing was posted.
        AlreadyPosted: a (source, line) stands in the books; nothing was posted.
    """
    rows = list(rows)
    if not rows:
        return 0
    codes = _codes({row.seller_id for row in rows})
    _refuse_posted({row.source for row in rows})
    copy_in(
        Posting,
        [*PostingIn._fields, "recorded_at"],
        (
            (
                row.seller_id,
                _code(codes, row.seller_id, row.debit, row.source),
                _code(codes, row.seller_id, row.credit, row.source),
                *row[3:],
                now,
            )
            for row in rows
        ),
    )
    return len(rows)


@transaction.atomic
def post_columns(
    origin: str, posted: PostingColumns, alike: Sequence[Alike], *, now: datetime
) -> int:
    """Write postings of facts that are new, as columns; return their number. `now` is the moment
    they were learned.

    Args:
        origin: what stands before the colon of the source, "invoice".
        alike: with roles or codes of the seller's chart as accounts.

    Raises:
        UnknownAccount: a role or code is not in the chart of its seller; nothing was posted.
        IntegrityError: a fact is posted already: it was not new.
    """
    if not len(posted.lines):
        return 0
    codes = _codes({one.seller_id for one in alike})
    coded = [
        one._replace(
            debit=_code(codes, one.seller_id, one.debit, origin),
            credit=_code(codes, one.seller_id, one.credit, origin),
        )
        for one in alike
    ]
    return _columns.write(origin, posted, coded, now=now)


@transaction.atomic
def merge_turnovers() -> int:
    """Make one row of the many that postings left for a day; return how many rows that saved.

    Who posts meanwhile adds rows of their own, which are left for the next time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MERGE, {"tenant": current_tenant_id()})
        [[before, after]] = cursor.fetchall()
    return int(before - after)


@transaction.atomic
def keep_past(*, before: date) -> int:
    """Keep what customers owed at the beginning of days earlier than one; return how many days
    were made (`_past`)."""
    return _past.keep(before=before)


# A look into the index for each source: its order is what the key alone has. Asked for the first
# of all by any other, PostgreSQL would read the books from their beginning, and find nothing.
_POSTED = """
    SELECT one.source FROM unnest(%s::text[]) one (source) CROSS JOIN LATERAL (
        SELECT FROM ledger_posting p WHERE p.tenant_id = %s AND p.source = one.source
        ORDER BY p.line LIMIT 1) posted
    LIMIT 1
"""
_MERGE = """
    WITH gone AS (DELETE FROM ledger_dayturnover WHERE tenant_id = %(tenant)s RETURNING *),
    made AS (
        INSERT INTO ledger_dayturnover (tenant_id, seller_id, effective_on, debit, credit,
                                        currency, origin, postings, amount_minor)
        SELECT tenant_id, seller_id, effective_on, debit, credit, currency, origin,
               sum(postings), sum(amount_minor)
        FROM gone GROUP BY 1, 2, 3, 4, 5, 6, 7 RETURNING 1)
    SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM made)
"""


def _codes(sellers: set[UUID]) -> dict[tuple[UUID, str], str]:
    """Map (seller, role or code) to the code."""
    found: dict[tuple[UUID, str], str] = {}
    accounts = Account.objects.filter(seller_id__in=sellers)
    for seller_id, code, role in accounts.values_list("seller_id", "code", "role"):
        found[seller_id, code] = code
        if role:
            found[seller_id, role] = code
    return found


def _code(codes: dict[tuple[UUID, str], str], seller: UUID, account: str, source: str) -> str:
    try:
        return codes[seller, account]
    except KeyError:
        raise UnknownAccount(
            "ledger_account_unknown", account=account, seller=seller, source=source
        ) from None


def _refuse_posted(sources: set[str]) -> None:
    """Tell a repeat in words; the unique key holds against whoever posts beside us."""
    with connection.cursor() as cursor:
        cursor.execute(_POSTED, [list(sources), current_tenant_id()])
        posted = cursor.fetchone()
    if posted is not None:
        raise AlreadyPosted("ledger_already_posted", source=posted[0])
