"""The rows of a company folder. Each keeps its place; codes stand for references.

Quantities, percentages and sums are exact fractions in major units. Where an attribute may be
left out, the row already holds the default that the contract names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Literal

from kvit.integrations.port._faults import Place

CHANGES = (
    "plan", "quantity", "pause", "resume", "cancel", "discount", "terms", "transfer", "reading",
    "addon", "coupon", "milestone", "scheme", "trial",
)  # fmt: skip

Basis = Literal["", "net", "gross"]  # empty: the one above it decides
Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """The tenant and its policies."""

    place: Place
    code: str
    name: str
    currency: str
    zone: str
    language: Literal["ru", "en"] = "ru"
    vat_rounding: Literal["document", "line"] = "document"
    late_events: Literal["open_period", "correction"] = "open_period"


@dataclass(frozen=True, slots=True)
class SellerRow:
    """Who bills. `vat` is "auto" (the standard rate by date), "10", "0", "none", "usn5", "usn7"."""

    place: Place
    code: str
    name: str
    vat: str = "auto"
    price_basis: Literal["net", "gross"] = "net"
    inn: str = ""
    kpp: str = ""
    ogrn: str = ""
    account: str = ""
    bank: str = ""
    bik: str = ""
    correspondent: str = ""
    address: str = ""
    signer: str = ""
    series: str = "{year}-{number:05}"
    split: Literal["", "service"] = ""
    approval: bool = False
    four_eyes: bool = False


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """A bill that starts itself: see `invoicing.rows.TriggerRow`. `units` is a decimal text."""

    place: Place
    code: str
    kind: Literal["schedule", "threshold", "event"]
    day: int = 0
    time: str = ""
    period: str = ""
    meter: str = ""
    units: str = ""
    event: str = ""
    is_on: bool = True  # the key `on`


@dataclass(frozen=True, slots=True)
class MeterRow:
    """What is measured. `expression` is filled exactly when `aggregation` is "expression"."""

    place: Place
    code: str
    name: str
    unit: str = ""
    aggregation: str = "sum"
    expression: str = ""
    dimensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan without its prices. `cycle` is words of `core.periods.parse_cycle`."""

    place: Place
    code: str
    name: str
    cycle: str = "month"
    anchor: Literal["calendar", "anniversary"] = "calendar"
    scheme: str = "postpaid"
    service: str = ""
    seller: str = ""  # never empty after reading: the first seller is the default
    calendar: str = ""
    price_basis: Basis = ""
    trial_days: int = 0
    commitment: Fraction | None = None  # the least that a full period costs
    threshold: Fraction | None = None  # usage that costs so much is billed before its period ends
    includes: tuple[str, ...] = ()
    phases: tuple[tuple[str, int], ...] = ()  # (code, how many cycles), in order


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One version of a price; `document` is the quote contract's, checked and as written."""

    place: Place
    plan: str
    code: str
    name: str
    document: Document
    when: Literal["arrears", "advance", "once", "milestone"] = "arrears"
    prorate: str = "days"
    meter: str = ""
    continues: bool = False  # the key `continue`
    ends: bool = False  # from `effective` on the price is no more
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the key `filter`
    group_by: tuple[str, ...] = ()
    calendar: str = ""
    price_basis: Basis = ""
    phase: str = ""
    quantity: bool = True  # False: the subscription's quantity does not multiply it
    examples: tuple[Document, ...] = ()
    effective: date | None = None  # None: from the beginning


@dataclass(frozen=True, slots=True)
class DiscountRow:
    """A discount for every customer. Exactly one of `percent` and `fixed` is given."""

    place: Place
    code: str
    name: str
    percent: Fraction | None = None
    fixed: Fraction | None = None
    scope: str = ""  # "": all lines; "plan"; "plan/price"
    from_units: Fraction | None = None
    order: int = 0


@dataclass(frozen=True, slots=True)
class CouponRow:
    """A code that gives a discount when a change of kind `coupon` redeems it."""

    place: Place
    code: str
    name: str
    percent: Fraction | None = None
    fixed: Fraction | None = None
    limit: int | None = None  # how many times in all
    expires: date | None = None  # the first day on which it can no longer be redeemed
    periods: int | None = 1  # how many service periods it lasts; None: for ever


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """Days that differ from what the weekday says. `code` is the file's NAME."""

    place: Place
    code: str
    days: Mapping[date, Literal["holiday", "working"]]


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """Who is billed. An empty zone or currency is the company's."""

    place: Place
    code: str
    name: str
    kind: Literal["company", "sole", "person"]
    inn: str = ""
    kpp: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""
    zone: str = ""
    currency: str = ""
    payer: str = ""
    segment: str = ""
    branch: str = ""


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A customer takes a plan from the local day `start` up to, not including, `end`."""

    place: Place
    code: str
    customer: str
    plan: str
    start: date
    end: date | None = None
    quantity: Fraction = Fraction(1)
    terms: Document = field(default_factory=dict)  # a document of `core.terms.with_terms`, checked


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """An amendment from `at` (UTC, the first moment of the new) on.

    `value` is what `core.terms` reads, as strings and mappings fit for JSON: a code (plan,
    transfer, scheme, coupon, milestone), a decimal (quantity), a UTC time (trial), a document
    (discount, terms, addon, reading) or None (pause, resume, cancel).
    """

    place: Place
    subscription: str
    at: datetime
    change: str
    value: str | Document | None = None
    reason: str = ""
