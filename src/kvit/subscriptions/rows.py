"""What is said to subscriptions, and what they answer with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from kvit.core.money import exact_text
from kvit.core.periods import instant_of
from kvit.core.terms import Terms, with_terms


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """The first statement: who takes which plan from the local day `start` on."""

    code: str
    customer_id: UUID
    plan: str
    zone: str
    start: date
    end: date | None = None
    quantity: Fraction = Fraction(1)
    terms: Mapping[str, object] = field(default_factory=dict)

    @property
    def ends_at(self) -> datetime | None:
        return None if self.end is None else instant_of(self.end, self.zone)

    def stated(self) -> dict[str, object]:
        """Return everything that is stated, as `queries.stated` gives it back."""
        end = None if self.ends_at is None else self.ends_at.isoformat()
        return {**self.document(), "start": self.start.isoformat(), "end": end}

    def document(self) -> dict[str, object]:
        """Return what decides a price, as it is stored."""
        return {
            "customer": str(self.customer_id),
            "plan": self.plan,
            "quantity": exact_text(self.quantity),
            "terms": dict(self.terms),
        }


@dataclass(frozen=True, slots=True)
class NewAmendment:
    """A change of one subscription from `at` (UTC) on. `value` is what `core.terms` reads."""

    subscription: str
    at: datetime
    change: str
    value: object = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SubscriptionInfo:
    """A subscription as others see it."""

    id: UUID
    code: str
    customer_id: UUID
    zone: str
    starts_at: datetime
    starts_on: date
    ends_at: datetime | None
    ends_on: date | None
    first: Mapping[str, object]
    amendments: int


class Unamended(NamedTuple):
    """A subscription whose terms are still its first ones."""

    id: UUID
    code: str
    customer_id: UUID
    zone: str
    starts_at: datetime
    ends_at: datetime | None
    first: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AmendmentInfo:
    """A recorded amendment."""

    subscription_id: UUID
    number: int
    at: datetime
    change: str
    value: object
    reason: str
    author: str
    recorded_at: datetime


def first_terms(first: Mapping[str, object], customer_id: UUID) -> Terms:
    """Build the terms at the start from the stored document."""
    terms = Terms(
        plan=str(first["plan"]),
        customer=str(customer_id),
        quantity=Fraction(str(first["quantity"])),
    )
    stated = first.get("terms") or {}
    return with_terms(terms, stated if isinstance(stated, Mapping) else {}, since=None)
