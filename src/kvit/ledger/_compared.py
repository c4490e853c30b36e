"""The trial balance with both sides of every balance, and beside the period before it.

62.01   October     opening 0 │ 0   turnover 3 660 │ 0       closing 3 660 │ 0
        September   opening 0 │ 0   turnover 3 000 │ 3 000   closing 0     │ 0
        change      0 │ 0           +660   │ −3 000          +3 660        │ 0
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from kvit.core.periods import Period


class Row(Protocol):
    """An account's sums; a balance is debit minus credit."""

    @property
    def account(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def opening_minor(self) -> int: ...
    @property
    def debit_minor(self) -> int: ...
    @property
    def credit_minor(self) -> int: ...
    @property
    def closing_minor(self) -> int: ...


class Sides(NamedTuple):
    """The six columns of a trial balance, in minor units."""

    opening_debit: int = 0
    opening_credit: int = 0
    debit: int = 0
    credit: int = 0
    closing_debit: int = 0
    closing_credit: int = 0

    @property
    def holds(self) -> bool:
        """Whether debit equals credit in every pair; true of the sums of all accounts."""
        return self[0] == self[1] and self[2] == self[3] and self[4] == self[5]


@dataclass(frozen=True, slots=True)
class Compared:
    """An account in one currency: this period, the one before, and what changed column by
    column."""

    account: str
    name: str
    currency: str
    now: Sides
    before: Sides
    change: Sides


def sides_of(row: Row) -> Sides:
    """Put each balance on its side."""
    return Sides(
        max(row.opening_minor, 0), max(-row.opening_minor, 0), row.debit_minor, row.credit_minor,
        max(row.closing_minor, 0), max(-row.closing_minor, 0),
    )  # fmt: skip


def total(many: list[Sides]) -> Sides:
    """Add the columns of all accounts up."""
    return Sides(*map(sum, zip(*many, strict=True))) if many else Sides()


def compared(
    seller_id: UUID,
    period: Period,
    before: Period | None,
    *,
    as_recorded_by: datetime | None = None,
) -> list[Compared]:
    """Return the trial balance of a period beside that of an earlier one, by account and currency;
    beside noughts where none is asked for.

    What had moved by the end of the earlier one had moved by the end of the later one too.
    """
    from kvit.ledger import queries

    def read(asked: Period) -> list[queries.TrialBalanceRow]:
        return queries.trial_balance(
            seller_id, since=asked.start, until=asked.end, as_recorded_by=as_recorded_by
        )

    earlier = {(row.account, row.currency): sides_of(row) for row in read(before)} if before else {}
    found = []
    for row in read(period):
        now = sides_of(row)
        was = earlier.get((row.account, row.currency), Sides())
        change = Sides(*(one - other for one, other in zip(now, was, strict=True)))
        found.append(Compared(row.account, row.name, row.currency, now, was, change))
    return found
