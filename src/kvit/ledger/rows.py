"""The books as pages show them. All sums are minor units; a balance is debit minus credit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

# What of a posting is signed in the log, in the order of an entry there, behind its form.
SIGNED = (
    "id", "seller_id", "debit", "credit", "customer_id", "amount_minor", "currency", "source",
    "line", "effective_on", "recorded_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turnover:
    """What there was, what moved and what there is, in one currency."""

    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True)
class CustomerTurnover:
    """The same of one customer (None: postings that name none)."""

    customer_id: UUID | None
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True)
class Movement:
    """One posting seen from an account, with the balance after it, within its currency."""

    id: int
    effective_on: date
    recorded_at: datetime
    seller_id: UUID
    account: str
    against: str
    customer_id: UUID | None
    currency: str
    source: str
    debit_minor: int
    credit_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Card:
    """A page of movements. `sums` are those of the whole period, by currency."""

    lines: tuple[Movement, ...]
    next: str | None
    count: int
    sums: Mapping[str, Turnover]


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """A page of what customers have on an account; `sums` are those of all customers. `count` goes
    no further than `platform.paging.COUNTED` + 1."""

    rows: tuple[CustomerTurnover, ...]
    next: str | None
    count: int
    sums: Mapping[str, Turnover]


@dataclass(frozen=True, slots=True)
class PostingRow:
    """One posting."""

    id: int
    effective_on: date
    recorded_at: datetime
    seller_id: UUID
    debit: str
    credit: str
    customer_id: UUID | None
    amount_minor: int
    currency: str
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class PostingsAsked:
    """What a journal of postings is narrowed to; days are both included."""

    since: date | None = None
    until: date | None = None
    seller: UUID | None = None
    account: str = ""
    customer: UUID | None = None
    source: str = ""
    least_minor: int | None = None
    most_minor: int | None = None
