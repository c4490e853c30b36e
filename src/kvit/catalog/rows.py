"""What is stated about the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from kvit.core import catalogue as core


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
class CatalogueIn:
    """What to state about the catalogue; what is not named stays as it is."""

    meters: tuple[core.Meter, ...] = ()
    calendars: Mapping[str, Mapping[date, str]] = field(default_factory=dict)
    plans: tuple[core.PlanTerms, ...] = ()
    prices: tuple[PriceIn, ...] = ()
    discounts: tuple[core.StandingDiscount, ...] = ()
    coupons: tuple[CouponTerms, ...] = ()
