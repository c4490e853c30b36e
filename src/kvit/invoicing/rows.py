"""What a bill run is asked and what it answers; invoices as others see them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from kvit.core.periods import Period
from kvit.rating.rows import RatingProblem, RatingResult

Progress = Callable[[str, int, int], None]
"""Called with a stage ("rating", "invoicing"), how much is done and how much there is."""


def silent(stage: str, done: int, whole: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Some payers, and every subscription whose charges may stand on their documents."""

    payers: frozenset[UUID]
    subscriptions: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A billing period to bill.

    `issue_on` is the date that the documents bear. `gate` is a business clock inside the period:
    what is not over by then is not charged; None bills the whole period. What is held waits for
    its faults to be mended: subscription codes, and (plan, price code) pairs. `only` narrows a run
    to some payers: one that is made to be looked at and rolled back, or a trigger's. `whens` then
    narrows what is charged ("interim", "milestone", …), and `usage_thresholds` are units by meter
    at which usage is billed before its period is over.
    """

    window: Period
    clock: datetime
    issue_on: date
    held_subscriptions: frozenset[str] = frozenset()
    held_prices: frozenset[tuple[str, str]] = frozenset()
    gate: datetime | None = None
    only: Scope | None = None
    whens: frozenset[str] | None = None
    usage_thresholds: Mapping[str, Fraction] = field(default_factory=dict)
    chunk: int = 2_000
    columnar: bool = True  # see `RatingRun`
    run_id: UUID | None = None  # the id that its record shall have: that of the order behind it


@dataclass(frozen=True, slots=True)
class RunTotals:
    """How much a run did. `issued` and `drafts` count documents, corrections included."""

    charges: int
    differences: int
    put_off: int
    problems: int
    issued: int
    drafts: int


@dataclass(slots=True)
class RunReport:
    """What a run did. `issued` and `drafts` are documents of this run, corrections included."""

    run_id: UUID
    rated: RatingResult
    issued: list[UUID] = field(default_factory=list)
    drafts: list[UUID] = field(default_factory=list)

    @property
    def problems(self) -> list[RatingProblem]:
        return self.rated.problems

    @property
    def totals(self) -> RunTotals:
        rated = self.rated
        return RunTotals(
            rated.charges, rated.differences, rated.put_off, len(rated.problems),
            len(self.issued), len(self.drafts),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line before it is taxed."""

    charge_id: UUID | None
    subscription_id: UUID | None
    subscription_code: str
    price_code: str
    name: str
    unit: str
    starts_on: date
    ends_on: date
    vat_on: date
    units: Decimal
    gross_minor: int
    amount_minor: int
    discounts: list[dict[str, object]]
    basis: str
    vat_code: str
    corrects_line_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class LineInfo:
    """A line of an invoice."""

    id: UUID
    position: int
    charge_id: UUID | None
    subscription_id: UUID | None
    subscription: str
    price: str
    name: str
    unit: str
    starts_on: date
    ends_on: date
    units: Decimal
    gross_minor: int
    discounts: list[Mapping[str, object]]
    basis: str
    vat_rate: Decimal | None
    net_minor: int
    vat_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class InvoiceInfo:
    """An invoice, or a document that corrects one, with its lines."""

    id: UUID
    kind: str
    status: str
    waits_for: str
    number: str
    seller_id: UUID
    customer_id: UUID
    currency: str
    billed_in: date
    period_start: date
    period_end: date
    issued_on: date | None
    net_minor: int
    vat_minor: int
    total_minor: int
    vat_rounding: str
    corrects_id: UUID | None
    reason: str
    author: str
    lines: tuple[LineInfo, ...]


@dataclass(frozen=True, slots=True)
class Bill:
    """What one customer gets for a billing period. A previewed document bears no number."""

    window: Period
    documents: tuple[InvoiceInfo, ...]

    def total_minor(self, currency: str) -> int:
        """Return what the documents of a currency ask for together."""
        return sum(one.total_minor for one in self.documents if one.currency == currency)


@dataclass(frozen=True, slots=True)
class CustomerPreview:
    """A customer's bills of the previewed periods, without and with the change."""

    customer_id: UUID
    before: tuple[Bill, ...]
    after: tuple[Bill, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change makes of this and the next bill. `problems` are those with the change."""

    windows: tuple[Period, ...]
    customers: tuple[CustomerPreview, ...]
    problems: tuple[RatingProblem, ...]


@dataclass(frozen=True, slots=True)
class PeriodPreview:
    """Every document of a billing period, as a run would leave it."""

    window: Period
    documents: tuple[InvoiceInfo, ...]
    problems: tuple[RatingProblem, ...]


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """A standing order to bill, as it is stated. Fields of other kinds are left empty.

    schedule: the month before, on the `day`-th day after it (1 is the first) at `time`, or where
    `period` is "begun" what is due by then of the month that has begun;
    threshold: usage that reached its plan's `threshold`, or `units` of a `meter`, at once;
    event: what a subscription tells ("open", "milestone", "cancel"), at once.
    """

    code: str
    kind: str
    day: int = 0
    time: str = ""
    period: str = ""
    meter: str = ""
    units: str = ""
    event: str = ""
    is_on: bool = True


@dataclass(frozen=True, slots=True)
class TriggerInfo:
    """A trigger with the last time it fired."""

    id: UUID
    row: TriggerRow
    since: datetime
    author: str
    fired: int
    last_key: str
    last_at: datetime | None
