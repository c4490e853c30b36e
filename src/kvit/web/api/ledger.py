"""The books: trial balance, movements, customers of an account, debts, postings."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.core.periods import BadPeriod, Period, local_date, period_before
from kvit.ledger import queries
from kvit.ledger.queries import Compared, Sides
from kvit.ledger.rows import CustomerTurnover, Movement, PostingRow, PostingsAsked
from kvit.parties import queries as parties
from kvit.parties.rows import Customer, Seller
from kvit.platform.audit_signed import JOURNAL
from kvit.web.api.core import Router, operation
from kvit.web.api.problems import ApiRefused
from kvit.web.api.schemas import Day, Input, Listed, Moment, Money, Paging, Schema, Text

TAG = ("Учёт", "Books")
router = Router()
DAY = timedelta(days=1)
FIRST_DAY, LAST_DAY = date(1, 1, 2), date(9999, 12, 30)


class BooksQuery(Input):
    """Days, both included; this month so far where none is given."""

    seller: Text = Field("", description="The seller's code; empty: the first of them.")
    since: Day | None = None
    to: Day | None = None
    known_by: Moment | None = Field(None, description="As it was known at this moment.")


class TrialBalanceQuery(BooksQuery):
    """The same, maybe beside the period before: as many months, else as many days."""

    compare: bool = False


class PagedBooksQuery(BooksQuery, Paging):
    """The same, a page at a time."""


class OnQuery(Paging):
    """What holds at the end of a day; today where none is given."""

    on: Day | None = None


class PostingsQuery(Paging):
    """What the journal is narrowed to; days are both included."""

    account: Text = Field("", max_length=20)
    customer: Text = Field("", max_length=80, description="The customer's code.")
    source: Text = Field("", max_length=120, examples=["invoice:0192f0c1-2b3a-7c4d"])
    since: Day | None = None
    to: Day | None = None


class LogQuery(Input):
    """A checkpoint that was kept elsewhere, if the log shall be compared with one."""

    checkpoint: str = Field("", max_length=4000)


class ProofQuery(Input):
    """Which document's postings are to be proved."""

    source: Text = Field(max_length=120, examples=["invoice:0192f0c1-2b3a-7c4d"])


class LogOut(Schema):
    """The signed log of postings. `agrees`: whether it begins with the checkpoint that was sent."""

    postings: int
    checkpoint: str | None = Field(description="The newest, a signed note; keep it elsewhere.")
    key: str = Field(description="What checks its signature: name+id+key.")
    agrees: bool | None


class JournalLogOut(Schema):
    """The signed log of the journal; `agrees` as in the log of postings."""

    entries: int
    checkpoint: str | None = Field(description="The newest, a signed note; keep it elsewhere.")
    key: str = Field(description="What checks its signature: name+id+key.")
    agrees: bool | None


class ProofsOut(Schema):
    """Proofs in the form of C2SP tlog-proof, by line of the document."""

    data: list[str]


class SidesOut(Schema):
    """The six columns of a trial balance."""

    opening_debit: Money
    opening_credit: Money
    debit: Money
    credit: Money
    closing_debit: Money
    closing_credit: Money


class AccountOut(Schema):
    """An account in one currency; a balance is debit less credit.

    `before` and `change`, where the period before was asked for: its columns, and what changed.
    """

    account: str
    name: str
    currency: str
    opening: Money
    debit: Money
    credit: Money
    closing: Money
    before: SidesOut | None = None
    change: SidesOut | None = None


class TrialBalanceOut(Schema):
    """Оборотно-сальдовая ведомость: Σ debit = Σ credit in every currency."""

    seller: str
    since: Day
    to: Day
    accounts: list[AccountOut]
    holds: bool
    before_since: Day | None = None
    before_to: Day | None = None


class TurnoverOut(Schema):
    """What a customer had on an account, what moved, what there is."""

    customer: str | None
    name: str
    opening: Money
    debit: Money
    credit: Money
    closing: Money


class MovementOut(Schema):
    """One posting seen from an account, with the balance after it."""

    day: Day
    recorded_at: Moment
    account: str
    against: str
    customer: str | None
    source: str
    debit: Money
    credit: Money
    balance: Money


class JournalOut(Schema):
    """One posting."""

    day: Day
    recorded_at: Moment
    debit: str
    credit: str
    customer: str | None
    amount: Money
    source: str
    line: int


@operation(
    router,
    "GET",
    "/ledger/trial-balance",
    right="books.read",
    reach="branch",
    response=TrialBalanceOut,
)
def read_trial_balance(request: HttpRequest, query: Query[TrialBalanceQuery]) -> TrialBalanceOut:
    """Opening, turnover and closing of each account that ever moved."""
    seller, since, to = _days(request, query)
    period = Period(since, to + DAY)
    before = _before(period) if query.compare else None
    found = queries.compared(seller.id, period, before, as_recorded_by=query.known_by)
    currencies = {row.currency for row in found}
    sums = [
        queries.total([one.now for one in found if one.currency == each]) for each in currencies
    ]
    return TrialBalanceOut(
        seller=seller.row.code,
        since=since,
        to=to,
        accounts=[_account(row, compared=before is not None) for row in found],
        holds=all(one.holds for one in sums),
        before_since=before.start if before else None,
        before_to=before.end - DAY if before else None,
    )


@operation(
    router, "GET", "/ledger/accounts/{account}/movements", right="books.read", reach="branch",
    response=Listed[MovementOut],
)  # fmt: skip
def list_account_movements(
    request: HttpRequest, account: str, query: Query[PagedBooksQuery]
) -> Any:
    """The card of an account: every movement with the balance after it."""
    seller, since, to = _days(request, query)
    _known(seller, account)
    asked = queries.Asked(seller.id, since, to + DAY, account, None, query.known_by)
    return _movements(queries.card_page(asked, after=query.after, limit=query.limit))


@operation(
    router, "GET", "/ledger/accounts/{account}/customers", right="books.read", reach="branch",
    response=Listed[TurnoverOut],
)  # fmt: skip
def list_account_customers(
    request: HttpRequest, account: str, query: Query[PagedBooksQuery]
) -> Any:
    """An account customer by customer, the largest closing balance first."""
    seller, since, to = _days(request, query)
    _known(seller, account)
    asked = queries.Asked(seller.id, since, to + DAY, account, None, query.known_by)
    return _turnovers(queries.customers_page(asked, after=query.after, limit=query.limit))


@operation(
    router,
    "GET",
    "/ledger/receivables",
    right="books.read",
    reach="branch",
    response=Listed[TurnoverOut],
)
def list_receivables(request: HttpRequest, query: Query[OnQuery]) -> Any:
    """Who owes how much at the end of a day; advances are set off, all sellers together."""
    end = (query.on or _today(request)) + DAY
    asked = queries.Asked(None, end, end)
    return _turnovers(queries.customers_page(asked, after=query.after, limit=query.limit))


@operation(
    router, "GET", "/customers/{code}/movements", right="books.read", reach="branch",
    response=Listed[MovementOut],
)  # fmt: skip
def list_customer_movements(request: HttpRequest, code: str, query: Query[Paging]) -> Any:
    """Every movement of a customer's claims, from nothing to what is owed."""
    found = _customer(code)
    asked = queries.Asked(None, FIRST_DAY, LAST_DAY, customer=found.id)
    return _movements(queries.card_page(asked, after=query.after, limit=query.limit))


@operation(
    router,
    "GET",
    "/ledger/postings",
    right="books.read",
    reach="branch",
    response=Listed[JournalOut],
)
def list_postings(request: HttpRequest, query: Query[PostingsQuery]) -> Any:
    """The journal, the latest day first; of one document by its `source`."""
    wanted = PostingsAsked(
        since=query.since,
        until=query.to,
        account=query.account,
        customer=_customer(query.customer).id if query.customer else None,
        source=query.source,
    )
    page, _ = queries.postings_page(wanted, after=query.after, limit=query.limit)
    codes = _codes({row.customer_id for row in page.rows})
    rows = [_posting(row, codes) for row in page.rows]
    return {"data": rows, "next": page.next, "count": page.count}


@operation(router, "GET", "/ledger/log", right="books.read", response=LogOut)
def read_signed_log(request: HttpRequest, query: Query[LogQuery]) -> Any:
    """How far postings are signed; whether the log begins with a checkpoint that was kept."""
    log, agrees = queries.log_of_books(), None
    if query.checkpoint:
        agrees = queries.agrees(query.checkpoint)
    head = log.head()
    return LogOut(
        postings=0 if head is None else head.size,
        checkpoint=log.note(),
        key=str(log.signer.verifier),
        agrees=agrees,
    )


@operation(router, "GET", "/audit/log", right="audit.read", response=JournalLogOut)
def read_signed_journal(request: HttpRequest, query: Query[LogQuery]) -> Any:
    """How far the journal of actions is signed; whether its log begins with a kept checkpoint."""
    log = JOURNAL.log()
    head = log.head()
    return JournalLogOut(
        entries=0 if head is None else head.size,
        checkpoint=log.note(),
        key=str(log.signer.verifier),
        agrees=JOURNAL.agrees(query.checkpoint) if query.checkpoint else None,
    )


@operation(router, "GET", "/ledger/log/proofs", right="books.read", response=ProofsOut)
def prove_postings(request: HttpRequest, query: Query[ProofQuery]) -> Any:
    """A proof of each posting of a document, which anybody with the key checks (tlog-proof)."""
    return ProofsOut(data=[one.text for one in queries.proofs_of(query.source)])


def _before(period: Period) -> Period:
    try:
        return period_before(period)
    except BadPeriod as error:
        raise ApiRefused("not_found", status=404, field="compare") from error


def _account(row: Compared, *, compared: bool) -> AccountOut:
    now = row.now
    return AccountOut(
        account=row.account,
        name=row.name,
        currency=row.currency,
        opening=Money.of(now.opening_debit - now.opening_credit, row.currency),
        debit=Money.of(now.debit, row.currency),
        credit=Money.of(now.credit, row.currency),
        closing=Money.of(now.closing_debit - now.closing_credit, row.currency),
        before=_sides(row.before, row.currency) if compared else None,
        change=_sides(row.change, row.currency) if compared else None,
    )


def _sides(sides: Sides, currency: str) -> SidesOut:
    return SidesOut(**{name: Money.of(minor, currency) for name, minor in sides._asdict().items()})


def _days(request: HttpRequest, query: BooksQuery) -> tuple[Seller, date, date]:
    sellers = parties.sellers()
    seller = sellers.get(query.seller) if query.seller else next(iter(sellers.values()), None)
    if seller is None:
        raise ApiRefused("not_found", status=404, field="seller")
    today = _today(request)
    since = max(query.since or today.replace(day=1), FIRST_DAY)
    return seller, since, min(max(query.to or today, since), LAST_DAY)


def _today(request: HttpRequest) -> date:
    return local_date(request.now, request.principal.tenant.row.zone)


def _known(seller: Seller, account: str) -> None:
    if account not in queries.accounts(seller.id):
        raise ApiRefused("not_found", status=404, field="account")


def _customer(code: str) -> Customer:
    found = parties.customers_by_code([code]).get(code)
    if found is None:
        raise ApiRefused("not_found", status=404, field="code")
    return found


def _codes(ids: set[UUID | None]) -> Mapping[Any, Customer]:
    return parties.customers_by_id(key for key in ids if key is not None)


def _code(key: UUID | None, known: Mapping[Any, Customer]) -> str | None:
    return known[key].row.code if key in known else None


def _movements(card: Any) -> dict[str, Any]:
    codes = _codes({line.customer_id for line in card.lines})

    def shown(line: Movement) -> MovementOut:
        return MovementOut(
            day=line.effective_on,
            recorded_at=line.recorded_at,
            account=line.account,
            against=line.against,
            customer=_code(line.customer_id, codes),
            source=line.source,
            debit=Money.of(line.debit_minor, line.currency),
            credit=Money.of(line.credit_minor, line.currency),
            balance=Money.of(line.balance_minor, line.currency),
        )

    return {"data": [shown(one) for one in card.lines], "next": card.next, "count": card.count}


def _turnovers(page: Any) -> dict[str, Any]:
    known = _codes({row.customer_id for row in page.rows})

    def shown(row: CustomerTurnover) -> TurnoverOut:
        return TurnoverOut(
            customer=_code(row.customer_id, known),
            name=known[row.customer_id].row.name if row.customer_id in known else "",
            opening=Money.of(row.opening_minor, row.currency),
            debit=Money.of(row.debit_minor, row.currency),
            credit=Money.of(row.credit_minor, row.currency),
            closing=Money.of(row.closing_minor, row.currency),
        )

    return {"data": [shown(one) for one in page.rows], "next": page.next, "count": page.count}


def _posting(row: PostingRow, known: Mapping[Any, Customer]) -> JournalOut:
    return JournalOut(
        day=row.effective_on,
        recorded_at=row.recorded_at,
        debit=row.debit,
        credit=row.credit,
        customer=_code(row.customer_id, known),
        amount=Money.of(row.amount_minor, row.currency),
        source=row.source,
        line=row.line,
    )
