"""Draft, publish and replace what is sold. A published version is never edited, only replaced."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from uuid import UUID

from django.db import transaction

from kvit.catalog import queries
from kvit.catalog.events import CATALOGUE_PUBLISHED, CataloguePublished
from kvit.catalog.models import (
    Coupon,
    Discount,
    HolidayCalendar,
    Meter,
    Plan,
    PlanVersion,
    PriceVersion,
    Revision,
    Status,
)
from kvit.catalog.rows import CatalogueIn, CouponTerms, PriceIn
from kvit.core import catalogue as core
from kvit.core.examples import check_examples
from kvit.core.money import exact_text
from kvit.parties import queries as parties
from kvit.platform import audit, events
from kvit.platform.ids import uuid7

CALENDAR_KINDS = ("holiday", "working")


class ExampleFails(Exception):
    """A price does not give what its own example says; it cannot be published."""

    def __init__(self, plan: str, code: str, detail: str) -> None:
        super().__init__(f"{plan}/{code}: {detail}")
        self.plan, self.code, self.detail = plan, code, detail


class NotADraft(Exception):
    """The version is published already, or has been replaced."""


class CouponRefused(Exception):
    """The coupon is unknown, expired, or was redeemed as often as it may be: see `code`."""

    def __init__(self, code: str, coupon: str) -> None:
        super().__init__(f"{coupon}: {code}")
        self.code, self.coupon = code, coupon


@transaction.atomic
def publish(stated: CatalogueIn, *, actor: str, now: datetime, reason: str = "") -> int:
    """Publish versions in one revision and return its number.

    A version for a day on which the same plan or price already begins replaces that one: the
    old stays readable as obsolete, and what was billed by it stays billed by it.

    Raises:
        ExampleFails: nothing was published.
    """
    for price in stated.prices:
        _hold_examples(price)
    revision = _take_revision()
    _put_meters(stated.meters)
    _put_calendars(stated.calendars)
    _put_discounts(stated.discounts, revision)
    _put_coupons(stated.coupons)
    plans = _plan_ids(
        [plan.code for plan in stated.plans] + [price.terms.plan for price in stated.prices]
    )
    for position, plan in enumerate(stated.plans):
        _replace(PlanVersion, plans[plan.code], plan.effective_from, revision)
        PlanVersion.objects.create(
            plan_id=plans[plan.code],
            status=Status.PUBLISHED,
            published_revision=revision,
            position=position,
            **_plan_columns(plan),
        )
    for position, price in enumerate(stated.prices):
        terms = price.terms
        _replace(PriceVersion, plans[terms.plan], terms.effective_from, revision, code=terms.code)
        PriceVersion.objects.create(
            plan_id=plans[terms.plan],
            status=Status.PUBLISHED,
            published_revision=revision,
            position=position,
            **_price_columns(price),
        )
    _tell(stated, revision, actor=actor, now=now, reason=reason)
    return revision


@transaction.atomic
def draft_price(price: PriceIn, *, actor: str, now: datetime, reason: str = "") -> UUID:
    """Keep a price as a draft: nothing is billed by it until it is published."""
    plan_id = _plan_ids([price.terms.plan])[price.terms.plan]
    draft = PriceVersion.objects.create(plan_id=plan_id, **_price_columns(price))
    audit.record(
        action="catalog.price.drafted",
        object_type="catalog.price",
        object_id=str(draft.pk),
        after=_image(price),
        actor=actor,
        now=now,
        reason=reason,
    )
    return draft.pk


@transaction.atomic
def publish_draft(version_id: UUID, *, actor: str, now: datetime, reason: str = "") -> int:
    """Publish a draft; return the revision.

    Raises:
        NotADraft: it was published or replaced, perhaps by a request running beside this one.
        ExampleFails: the draft stays a draft.
    """
    draft = PriceVersion.objects.select_for_update().select_related("plan").get(pk=version_id)
    if draft.status != Status.DRAFT:
        raise NotADraft(str(version_id))
    price = PriceIn(queries.price_terms(draft), tuple(draft.examples))
    _hold_examples(price)
    revision = _take_revision()
    _replace(PriceVersion, draft.plan_id, draft.effective_from, revision, code=draft.code)
    draft.status, draft.published_revision = Status.PUBLISHED, revision
    draft.save(update_fields=["status", "published_revision"])
    _tell(CatalogueIn(prices=(price,)), revision, actor=actor, now=now, reason=reason)
    return revision


@transaction.atomic
def redeem(code: str, *, on: date) -> CouponTerms:
    """Use a coupon once and return what it gives. Its row is held until commit.

    Raises:
        CouponRefused: "unknown", "expired" or "used_up"; nothing was redeemed.
    """
    coupon = Coupon.objects.select_for_update().filter(code=code).first()
    if coupon is None:
        raise CouponRefused("unknown", code)
    if coupon.expires_on is not None and on >= coupon.expires_on:
        raise CouponRefused("expired", code)
    if coupon.limit is not None and coupon.redeemed >= coupon.limit:
        raise CouponRefused("used_up", code)
    Coupon.objects.filter(pk=coupon.pk).update(redeemed=coupon.redeemed + 1)
    return queries.coupons()[code]


def _put_discounts(discounts: Iterable[core.StandingDiscount], revision: int) -> None:
    for one in discounts:
        standing = Discount.objects.filter(code=one.code, obsoleted_revision__isnull=True)
        standing.update(obsoleted_revision=revision)
        Discount.objects.create(
            code=one.code,
            name=one.name,
            percent=_decimal(one.percent),
            fixed=_decimal(one.fixed),
            scope=one.scope,
            from_units=_decimal(one.from_units),
            position=one.order,
            published_revision=revision,
        )


def _put_coupons(coupons: Iterable[CouponTerms]) -> None:
    for one in coupons:
        Coupon.objects.update_or_create(
            code=one.code,
            defaults={
                "name": one.name,
                "percent": _decimal(one.percent),
                "fixed": _decimal(one.fixed),
                "limit": one.limit,
                "expires_on": one.expires,
                "periods": one.periods,
            },
        )


def _decimal(value: Fraction | None) -> str | None:
    return None if value is None else exact_text(value)


def _hold_examples(price: PriceIn) -> None:
    currency = parties.tenant().row.currency
    for failure in check_examples(price.terms.price, price.examples, currency):
        raise ExampleFails(price.terms.plan, price.terms.code, str(failure))


def _take_revision() -> int:
    Revision.objects.get_or_create()
    row = Revision.objects.select_for_update().get()
    row.last += 1
    row.save(update_fields=["last"])
    return int(row.last)


def _put_meters(meters: Iterable[core.Meter]) -> None:
    for meter in meters:
        Meter.objects.update_or_create(
            code=meter.code,
            defaults={
                "name": meter.name,
                "unit": meter.unit,
                "aggregation": meter.aggregation,
                "expression": meter.expression or "",
                "dimensions": list(meter.dimensions),
            },
        )


def _put_calendars(calendars: Mapping[str, Mapping[date, str]]) -> None:
    for code, days in calendars.items():
        HolidayCalendar.objects.update_or_create(
            code=code, defaults={"days": {day.isoformat(): kind for day, kind in days.items()}}
        )


def _plan_ids(codes: Sequence[str]) -> dict[str, UUID]:
    have = dict(Plan.objects.filter(code__in=codes).values_list("code", "id"))
    for code in dict.fromkeys(codes):
        if code not in have:
            have[code] = Plan.objects.create(id=uuid7(), code=code).pk
    return have


def _replace(model: type, plan_id: UUID, day: date, revision: int, **which: str) -> None:
    """Make the published version of that day obsolete. Its content is not touched."""
    model.objects.filter(  # type: ignore[attr-defined]
        plan_id=plan_id, effective_from=day, status=Status.PUBLISHED, **which
    ).update(status=Status.OBSOLETE, obsoleted_revision=revision)


def _plan_columns(plan: core.PlanTerms) -> dict[str, object]:
    return {
        "effective_from": plan.effective_from,
        "name": plan.name,
        "cycle": plan.cycle,
        "anchor": plan.anchor,
        "scheme": plan.scheme,
        "service": plan.service,
        "seller": plan.seller,
        "calendar": plan.calendar,
        "price_basis": plan.price_basis,
        "trial_days": plan.trial_days,
        "commitment": _decimal(plan.commitment),
        "threshold": _decimal(plan.threshold),
        "includes": list(plan.includes),
        "phases": [list(phase) for phase in plan.phases],
    }


def _price_columns(price: PriceIn) -> dict[str, object]:
    terms = price.terms
    return {
        "effective_from": terms.effective_from,
        "code": terms.code,
        "name": terms.name,
        "when": terms.when,
        "prorate": terms.prorate,
        "meter": terms.meter,
        "definition": terms.price.document(),
        "examples": [dict(example) for example in price.examples],
        "continues": terms.continues,
        "counts_quantity": terms.counts_quantity,
        "price_basis": terms.price_basis,
        "calendar": terms.calendar,
        "filters": {key: list(values) for key, values in terms.filters},
        "group_by": list(terms.group_by),
        "phase": terms.phase,
    }


def _image(price: PriceIn) -> dict[str, object]:
    columns = _price_columns(price)
    return {**columns, "effective_from": price.terms.effective_from.isoformat()}


def _tell(stated: CatalogueIn, revision: int, *, actor: str, now: datetime, reason: str) -> None:
    changes = [
        audit.Change(
            "catalog.meter.stated",
            "catalog.meter",
            meter.code,
            after={"aggregation": meter.aggregation, "expression": meter.expression},
        )
        for meter in stated.meters
    ]
    changes += [
        audit.Change(
            "catalog.discount.stated",
            "catalog.discount",
            one.code,
            after={"percent": _decimal(one.percent), "fixed": _decimal(one.fixed),
                   "scope": one.scope, "from_units": _decimal(one.from_units)},
        )
        for one in stated.discounts
    ]  # fmt: skip
    changes += [
        audit.Change(
            "catalog.coupon.stated",
            "catalog.coupon",
            one.code,
            after={"percent": _decimal(one.percent), "fixed": _decimal(one.fixed),
                   "limit": one.limit, "periods": one.periods},
        )
        for one in stated.coupons
    ]  # fmt: skip
    changes += [
        audit.Change(
            "catalog.plan.published", "catalog.plan", plan.code,
            after={"name": plan.name, "cycle": plan.cycle, "scheme": plan.scheme,
                   "effective_from": plan.effective_from.isoformat(), "revision": revision},
        )
        for plan in stated.plans
    ]  # fmt: skip
    changes += [
        audit.Change(
            "catalog.price.published", "catalog.price",
            f"{price.terms.plan}/{price.terms.code}",
            after={**_image(price), "revision": revision},
        )
        for price in stated.prices
    ]  # fmt: skip
    audit.record_many(changes, actor=actor, now=now, reason=reason)
    events.publish(
        CATALOGUE_PUBLISHED,
        key="catalogue",
        payload=CataloguePublished(
            revision=revision,
            plans=tuple(plan.code for plan in stated.plans),
            prices=tuple(f"{price.terms.plan}/{price.terms.code}" for price in stated.prices),
        ),
        actor=actor,
        now=now,
    )
