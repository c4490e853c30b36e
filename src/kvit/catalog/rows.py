"""What is stated about the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from kvit.core import catalogue as core
from kvit.core.periods import Period
from kvit.core.statements import Kind


@dataclass(frozen=True, slots=True)
class PriceIn:
    """A price to publish, with the examples that must hold before it may be."""

    terms: core.PriceTerms
    examples: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """A coupon: exactly one of `percent` and `fixed`; `expires` is the first day of refusal."""

    code: str
    name: str
    percent: Fraction | None = None
    fixed: Fraction | None = None
    limit: int | None = None
    expires: date | None = None
    periods: int | None = 1


@dataclass(frozen=True, slots=True)
class CouponInfo:
    """A coupon as it stands: its terms, from which day it is taken, how often it was."""

    terms: CouponTerms
    starts: date | None
    redeemed: int


@dataclass(frozen=True, slots=True)
class CatalogueIn:
    """What to state about the catalogue; what is not named stays as it is.

    `holds_from`: the day of a draft, for what keeps no versions of its own: the first on which a
    new coupon is taken.
    """

    meters: tuple[core.Meter, ...] = ()
    calendars: Mapping[str, Mapping[date, str]] = field(default_factory=dict)
    plans: tuple[core.PlanTerms, ...] = ()
    prices: tuple[PriceIn, ...] = ()
    discounts: tuple[core.StandingDiscount, ...] = ()
    coupons: tuple[CouponTerms, ...] = ()
    holds_from: date | None = None


@dataclass(frozen=True, slots=True)
class StatedChange:
    """One object of a draft: what stood when it was put in, what stands, what it becomes.

    `conflict`: somebody published the object since; `before` is None where nothing stood.
    """

    kind: Kind
    key: str
    before: Mapping[str, object] | None
    stands: Mapping[str, object] | None
    after: Mapping[str, object]

    @property
    def conflict(self) -> bool:
        return self.stands not in (self.before, self.after)


@dataclass(frozen=True, slots=True)
class DraftInfo:
    """A draft of the catalogue. `version` counts its edits."""

    id: UUID
    title: str
    status: str  # "open", "published" or "discarded"
    effective_from: date
    version: int
    author: str
    changed_by: str
    created_at: datetime
    changed_at: datetime
    published_revision: int | None
    content: Mapping[str, Mapping[str, Mapping[str, object]]]  # kind → key → document


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A published version of an object, with what it replaced and who published it.

    `author`, `at` and `reason` are empty for what was published before publications were kept.
    """

    id: UUID
    kind: Kind
    key: str
    status: str
    effective_from: date
    revision: int
    author: str
    at: datetime | None
    reason: str
    document: Mapping[str, object]
    before: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One draft of a simulation, as it stood when the simulation began."""

    draft: UUID
    title: str
    version: int
    content: Mapping[str, Mapping[str, Mapping[str, object]]]
    # (plan, plan): whoever had the first is supposed to have had the second.
    move: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SimulationInfo:
    """A simulation: its pins, and how far it is."""

    id: UUID
    period: Period
    usage_version: int
    catalogue_revision: int
    scenarios: tuple[Scenario, ...]
    status: str  # "waiting" or "done"
    done: int
    whole: int
    rated_until: UUID | None
    problems: tuple[tuple[int, str, str, str, str, str], ...]
    author: str
    started_at: datetime
    finished_at: datetime | None


class SimulatedPayer(NamedTuple):
    """What a payer would have been charged; minor units before tax."""

    scenario: int
    payer_id: UUID
    currency: str
    charged_minor: int
    before_minor: int
    after_minor: int
    difference_minor: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario as a whole, in one currency: minor units before tax, and how many payers."""

    scenario: int
    currency: str
    charged_minor: int
    before_minor: int
    after_minor: int
    difference_minor: int
    payers: int
    dearer: int
    dearer_minor: int  # what those who pay more pay more
    cheaper: int
    cheaper_minor: int  # below zero
