"""Reads of the catalogue: everything sold, as known now or at an earlier revision."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Q

from kvit.catalog import _invariants
from kvit.catalog._drafted import (
    changes_in,
    changes_of,
    documents_of,
    draft,
    drafts,
    history,
    info_of,
    names_in,
    stands,
    stated_history,
    stated_in,
    terms_in,
)
from kvit.catalog._simulated import (
    SIDES,
    SIMULATED_SORTS,
    outcomes,
    simulated,
    simulated_with,
    simulation,
    simulation_of,
    simulations,
)
from kvit.catalog.models import (
    Coupon,
    Discount,
    HolidayCalendar,
    Meter,
    PlanVersion,
    PriceVersion,
    Revision,
    Status,
)
from kvit.catalog.rows import CouponInfo, CouponTerms
from kvit.core import catalogue as core
from kvit.core.calendars import RUSSIAN, Calendar
from kvit.core.pricing import parse_price
from kvit.parties import queries as parties
from kvit.platform.reading import asked_once, is_plain

PROBLEM_WORDS = _invariants.WORDS
problems = _invariants.problems

__all__ = [
    "SIDES",
    "SIMULATED_SORTS",
    "calendar_days",
    "calendars",
    "catalogue",
    "changes_in",
    "changes_of",
    "coupon_infos",
    "coupons",
    "days_of_calendars",
    "discounts",
    "documents_of",
    "draft",
    "drafts",
    "history",
    "info_of",
    "latest_revision",
    "meters",
    "names_in",
    "outcomes",
    "plan_names",
    "plan_terms",
    "price_terms",
    "price_version",
    "simulated",
    "simulated_with",
    "simulation",
    "simulation_of",
    "simulations",
    "stands",
    "stated_history",
    "stated_in",
    "terms_in",
]  # fmt: skip

Terms = TypeVar("Terms", core.PlanTerms, core.PriceTerms)


@asked_once
def latest_revision() -> int:
    """Return the number of the last change of the catalogue; 0 before the first."""
    return Revision.objects.values_list("last", flat=True).first() or 0


@asked_once
def catalogue(*, as_of: int | None = None) -> core.Catalogue:
    """Return what is sold.

    Args:
        as_of: the revision at which it was known: versions published since are left out, those
            replaced since stand again. A price or plan that did not exist then is taken as known
            now, since a backdated change may bring a plan that was made later.
    """
    if not is_plain():
        return _read(as_of)
    own = parties.tenant()
    return _kept(own.id, own.row.currency, latest_revision(), as_of)


@lru_cache(maxsize=32)
def _kept(tenant: UUID, currency: str, latest: int, as_of: int | None) -> core.Catalogue:
    """Keep for pages what was read at a revision: every change of the catalogue is a new one."""
    return _read(as_of)


def _read(as_of: int | None) -> core.Catalogue:
    plans = [plan_terms(row) for row in _known(PlanVersion, as_of)]
    prices = [price_terms(row) for row in _known(PriceVersion, as_of)]
    if as_of is not None:
        now = catalogue()
        plans += _missing(plans, (v for many in now.plans.values() for v in many), _plan_key)
        prices += _missing(prices, (v for many in now.prices.values() for v in many), _price_key)
    return core.build(
        meters=meters().values(),
        plans=plans,
        prices=prices,
        calendars=calendars(as_of=as_of),
        discounts=discounts(as_of=as_of),
        revision=latest_revision() if as_of is None else as_of,
        default_calendar=RUSSIAN if parties.tenant().row.currency == "RUB" else "",
    )


@asked_once
def plan_names() -> dict[str, str]:
    """Return what plans are called by their latest published version, by code: one statement."""
    rows = _known(PlanVersion, None).order_by("effective_from", "id")
    return {code: name or code for code, name in rows.values_list("plan__code", "name")}


@asked_once
def meters() -> dict[str, core.Meter]:
    """Return the meters by code."""
    return {
        row.code: core.Meter(
            code=row.code,
            name=row.name,
            unit=row.unit,
            aggregation=row.aggregation,
            expression=row.expression or None,
            dimensions=tuple(row.dimensions),
        )
        for row in Meter.objects.order_by("code")
    }


@asked_once
def calendars(*, as_of: int | None = None) -> dict[str, Calendar]:
    """Return the holiday calendars by code, as known now or at an earlier revision; one that was
    not known then, as it was first stated."""
    rows = HolidayCalendar.objects.order_by("published_revision", "id")
    found: dict[str, Calendar] = {}
    for row in rows:
        is_gone = row.obsoleted_revision is not None
        if as_of is None and is_gone:
            continue
        if as_of is not None and row.published_revision > as_of and row.code in found:
            continue
        found[row.code] = _calendar(row.days)
    return found


@asked_once
def discounts(*, as_of: int | None = None) -> list[core.StandingDiscount]:
    """Return the versions of the discounts for every customer, as known now or at an earlier
    revision."""
    rows = Discount.objects.order_by("position", "code", "effective_from")
    if as_of is None:
        rows = rows.filter(obsoleted_revision__isnull=True)
    else:
        rows = rows.filter(published_revision__lte=as_of).filter(
            Q(obsoleted_revision__isnull=True) | Q(obsoleted_revision__gt=as_of)
        )
    return [
        core.StandingDiscount(
            code=row.code,
            name=row.name,
            percent=_fraction(row.percent),
            fixed=_fraction(row.fixed),
            scope=row.scope,
            from_units=_fraction(row.from_units),
            order=row.position,
            effective_from=row.effective_from,
        )
        for row in rows
    ]


def coupons() -> dict[str, CouponTerms]:
    """Return the coupons by code."""
    return {code: one.terms for code, one in coupon_infos().items()}


def coupon_infos() -> dict[str, CouponInfo]:
    """Return the coupons by code, with how often each was redeemed."""
    return {
        row.code: CouponInfo(
            CouponTerms(
                code=row.code,
                name=row.name,
                percent=_fraction(row.percent),
                fixed=_fraction(row.fixed),
                limit=row.limit,
                expires=row.expires_on,
                periods=row.periods,
            ),
            starts=row.starts_on,
            redeemed=row.redeemed,
        )
        for row in Coupon.objects.order_by("code")
    }


def price_version(version_id: str) -> core.PriceTerms | None:
    """Return one version of a price, whatever its status."""
    row = PriceVersion.objects.select_related("plan").filter(pk=version_id).first()
    return None if row is None else price_terms(row)


def price_terms(row: PriceVersion) -> core.PriceTerms:
    """Read a stored version of a price."""
    return core.PriceTerms(
        plan=row.plan.code,
        code=row.code,
        name=row.name,
        price=parse_price(row.definition),
        when=row.when,
        prorate=row.prorate,
        meter=row.meter,
        continues=row.continues,
        counts_quantity=row.counts_quantity,
        ends=row.ends,
        price_basis=row.price_basis,
        calendar=row.calendar,
        filters=tuple(sorted((key, tuple(values)) for key, values in row.filters.items())),
        group_by=tuple(row.group_by),
        phase=row.phase,
        effective_from=row.effective_from,
        version_id=str(row.pk),
    )


def plan_terms(row: PlanVersion) -> core.PlanTerms:
    """Read a stored version of a plan."""
    return core.PlanTerms(
        code=row.plan.code,
        name=row.name,
        cycle=row.cycle,
        anchor=row.anchor,
        scheme=row.scheme,
        service=row.service,
        seller=row.seller,
        calendar=row.calendar,
        price_basis=row.price_basis,
        trial_days=row.trial_days,
        commitment=_fraction(row.commitment),
        threshold=_fraction(row.threshold),
        includes=tuple(row.includes),
        phases=tuple((code, cycles) for code, cycles in row.phases),
        effective_from=row.effective_from,
        version_id=str(row.pk),
    )


def calendar_days() -> dict[str, Mapping[str, str]]:
    """Return the days of each calendar, as stated."""
    standing = HolidayCalendar.objects.filter(obsoleted_revision__isnull=True)
    return dict(standing.values_list("code", "days"))


def days_of_calendars() -> dict[str, dict[date, str]]:
    """Return the days of each calendar: "holiday" or "working"."""
    return {
        code: {date.fromisoformat(day): kind for day, kind in days.items()}
        for code, days in calendar_days().items()
    }


def _known(model: Any, as_of: int | None) -> Any:
    rows = model.objects.select_related("plan").order_by("effective_from", "position", "id")
    if as_of is None:
        return rows.filter(status=Status.PUBLISHED)
    return rows.filter(published_revision__lte=as_of).filter(
        Q(obsoleted_revision__isnull=True) | Q(obsoleted_revision__gt=as_of)
    )


def _missing(
    known: Iterable[Terms], now: Iterable[Terms], key: Callable[[Terms], Hashable]
) -> list[Terms]:
    have = {key(one) for one in known}
    return [one for one in now if key(one) not in have]


def _plan_key(terms: core.PlanTerms) -> str:
    return terms.code


def _price_key(terms: core.PriceTerms) -> tuple[str, str]:
    return (terms.plan, terms.code)


def _calendar(days: Mapping[str, str]) -> Calendar:
    kinds = {date.fromisoformat(day): kind for day, kind in days.items()}
    return Calendar(
        holidays=frozenset(day for day, kind in kinds.items() if kind == "holiday"),
        working=frozenset(day for day, kind in kinds.items() if kind == "working"),
    )


def _fraction(value: Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)
