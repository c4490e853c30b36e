"""A whole company folder as read, and the stream of what was measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from kvit.integrations.port._faults import Fault, Notice, Place
from kvit.integrations.port._rows import (
    CalendarRow,
    ChangeRow,
    CompanyRow,
    CouponRow,
    CustomerRow,
    DiscountRow,
    MeterRow,
    PlanRow,
    PriceRow,
    SellerRow,
    SubscriptionRow,
    TriggerRow,
)


class UsageRow(NamedTuple):
    """One measurement. A tuple, because there are millions.

    `subject` is ("subscription" | "customer", code), not checked against the lists: an unknown
    one waits. `value` is None where the meter counts or names (`text`). Repeats and conflicts of
    an id are left to metering.
    """

    source: str
    id: str
    time: datetime  # UTC
    subject: tuple[str, str]
    meter: str
    value: Decimal | None
    text: str | None
    dimensions: dict[str, str]
    file: str
    row: int

    @property
    def place(self) -> Place:
        """Where the row stands."""
        return Place(self.file, self.row)


class UsageSource(Protocol):
    """One usage file. `rows` may be called again and streams from the beginning each time."""

    @property
    def name(self) -> str:
        """The file's NAME: ids are unique within it."""
        ...

    @property
    def file(self) -> str:
        """The file, relative to the folder."""
        ...

    def rows(self) -> Iterator[UsageRow | Fault | Notice]:
        """Yield rows, faults and, at the end, notices, in bounded memory. Never raises for content.

        The fault of a single row has its id, if that much could be read, in `params["id"]`.
        """
        ...


@dataclass(frozen=True, slots=True)
class CompanyFolder:
    """Everything a folder says. Rows are sound in themselves; ask `holds` before billing one.

    `held` names, by kind ("company", "seller", "meter", "plan", "discount", "coupon",
    "calendar", "customer", "subscription"), the codes that a fault holds back, followed through
    references. A kind that could not be read at all has the code "*". `held_prices` are
    (plan, price code) pairs; the price "*" is all of a plan's.
    """

    company: CompanyRow | None
    sellers: tuple[SellerRow, ...] = ()
    meters: tuple[MeterRow, ...] = ()
    plans: tuple[PlanRow, ...] = ()
    prices: tuple[PriceRow, ...] = ()
    discounts: tuple[DiscountRow, ...] = ()
    coupons: tuple[CouponRow, ...] = ()
    calendars: tuple[CalendarRow, ...] = ()
    customers: tuple[CustomerRow, ...] = ()
    subscriptions: tuple[SubscriptionRow, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    usage: tuple[UsageSource, ...] = ()
    triggers: tuple[TriggerRow, ...] = ()
    faults: tuple[Fault, ...] = ()
    held: Mapping[str, frozenset[str]] = field(default_factory=dict)
    held_prices: frozenset[tuple[str, str]] = frozenset()

    def holds(self, kind: str, code: str) -> bool:
        """Say whether a fault holds this object back."""
        codes = self.held.get(kind, frozenset())
        return code in codes or "*" in codes

    def holds_price(self, plan: str, code: str) -> bool:
        """Say whether a fault holds this price back."""
        return (plan, code) in self.held_prices or (plan, "*") in self.held_prices
