"""What a rating run is told, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

from kvit.core.catalogue import Catalogue
from kvit.core.periods import Period


@dataclass(frozen=True, slots=True)
class SellerTerms:
    """What of a seller decides a charge."""

    id: UUID
    code: str
    price_basis: str
    vat_code: str


@dataclass(frozen=True, slots=True)
class RatingRun:
    """One run's view of the world, frozen before its first chunk.

    Every chunk reads the same catalogue and the same usage version, so a run that was killed and
    resumed with them gives what it would have given.
    """

    window: Period
    clock: datetime | None  # what is not over by then is not due; None: the period's local end
    now: datetime
    actor: str
    catalogue: Catalogue
    # The catalogue as known at an earlier revision: a billed period keeps the prices it was
    # billed by, whatever was published since.
    catalogue_at: Callable[[int], Catalogue]
    usage_version: int
    sellers: Mapping[str, SellerTerms]
    default_seller: SellerTerms
    lang: str = "ru"  # of names that are not the catalogue's
    # "open_period": differences of billed periods join this one; "correction": each goes to a
    # document that corrects the original.
    late: str = "open_period"
    # Time span that events touch which came since the last run, by (kind, subject code).
    late_usage: Mapping[tuple[str, str], tuple[datetime, datetime]] = field(default_factory=dict)
    held_prices: frozenset[tuple[str, str]] = frozenset()
    held_subscriptions: frozenset[str] = frozenset()
    # (subscription, first day of a service period) to be looked at once more: no document that
    # stands bills them.
    reopened: frozenset[tuple[UUID, date]] = frozenset()
    only: frozenset[str] | None = None  # what alone is charged: "interim", "milestone", …
    usage_thresholds: Mapping[str, Fraction] = field(default_factory=dict)  # units by meter
    # Whether subscriptions of one shape are charged together. One by one comes to the same.
    columnar: bool = True

    def seller_of(self, code: str) -> SellerTerms:
        """Return the plan's seller; the first one where the plan names none."""
        return self.sellers.get(code, self.default_seller)


@dataclass(frozen=True, slots=True)
class RatingProblem:
    """Something that could not be charged, and waits. `code` is an error code of pricing, or
    "unpriced_usage" for events that no price of the subscription asks for."""

    code: str
    subscription: str
    price: str = ""
    meter: str = ""
    events: int = 0
    params: Mapping[str, str] = field(default_factory=dict)


class Unbilled(NamedTuple):
    """What an earlier billing month left to a run of its own."""

    month: date  # its first day
    subscriptions: int


class Untaken(NamedTuple):
    """Stored usage whose codes are known, and that no subscription takes all the same.

    `reason` is "usage_ambiguous" (not exactly one subscription of the customer has the meter) or
    "usage_outside" (the subscription does not serve at that time).
    """

    reason: str
    subject: str
    meter: str
    events: int


class Waiting(NamedTuple):
    """Stored usage that is not billed, and why.

    `reason` is "unknown_meter", "unknown_subscription", "unknown_customer", one of `Untaken`,
    "unpriced_usage" (no price asks for it) or "not_priced" (its price waits for a fault to be
    mended). `events` of the meter in [since, until) wait; for the last two, others of that time
    may be billed.
    """

    reason: str
    subject_kind: str
    subject: str
    meter: str
    events: int
    since: datetime
    until: datetime


@dataclass(slots=True)
class RatingResult:
    """What a chunk, or a whole run, brought."""

    subscriptions: int = 0
    charges: int = 0
    differences: int = 0
    put_off: int = 0  # differences that the next period's run will bring
    problems: list[RatingProblem] = field(default_factory=list)

    def add(self, other: "RatingResult") -> None:
        self.subscriptions += other.subscriptions
        self.charges += other.charges
        self.differences += other.differences
        self.put_off += other.put_off
        self.problems += other.problems


@dataclass(frozen=True, slots=True)
class ChargeInfo:
    """A charge as invoicing sees it."""

    id: UUID
    subscription_id: UUID
    subscription_code: str
    customer_id: UUID
    seller_id: UUID
    service: str
    price_key: str
    price_code: str
    name: str
    unit: str
    period_start: date
    period_end: date
    starts_on: date
    ends_on: date
    revision: int
    reason: str
    currency: str
    basis: str
    vat_code: str
    vat_on: date
    units: Decimal
    gross_minor: int
    amount_minor: int
    discounts: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class ChargePins:
    """What a charge was computed from, and what it came to: enough to do it again."""

    id: UUID
    subscription_id: UUID
    price_key: str
    period_start: date
    period_end: date
    starts_at: datetime
    customer_id: UUID
    revision: int
    exact: Fraction
    amount_minor: int
    currency: str
    usage_version: int
    terms_number: int
    catalogue_revision: int
    billed_in: date
    rated_at: datetime
    price_version_id: str
    reason: str
    whens: Sequence[str]  # what was charged of the period together with it
    given: Mapping[str, Any]  # what of the customer or of a pool it was computed from
