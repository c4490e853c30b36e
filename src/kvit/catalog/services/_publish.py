"""Publish and replace what is sold. A published version is never edited, only replaced."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any
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
    Publication,
    Revision,
    Status,
)
from kvit.catalog.rows import CatalogueIn, CouponTerms, PriceIn
from kvit.core import catalogue as core
from kvit.core.examples import check_examples
from kvit.core.money import exact_text
from kvit.core.pricing import PriceError
from kvit.core.wording import Words
from kvit.parties import queries as parties
from kvit.platform import audit, events
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7

WORDS: Words = {
    "example_fails": (
        "Пример {place} цены {plan}/{price} не выполняется: в нём {expected}, цена даёт {actual}."
        " Исправьте цену или пример.",
        "Example {place} of price {plan}/{price} does not hold: it says {expected}, the price gives"
        " {actual}. Mend the price or the example.",
    ),
    "example_unreadable": (
        "Пример цены {plan}/{price} не читается, {field}: {russian}",
        "An example of price {plan}/{price} cannot be read, {field}: {english}",
    ),
}


class ExampleFails(Failure):
    """A price does not give what its own example says; it cannot be published."""

    words = WORDS


@transaction.atomic
def publish(
    stated: CatalogueIn,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    draft_id: UUID | None = None,
) -> int:
    """Publish versions in one revision and return its number.

    A version for a day on which the same plan or price already begins replaces that one: the
    old stays readable as obsolete, and what was billed by it stays billed by it.

    Raises:
        ExampleFails: nothing was published.
    """
    for price in stated.prices:
        _hold_examples(price)
    revision = take_revision()
    before = _stood(stated)
    documents = _documents(stated)
    _put_meters(stated.meters)
    _put_calendars(stated.calendars, revision)
    _put_discounts(stated.discounts, revision)
    _put_coupons(stated.coupons, stated.holds_from)
    _put_versions(stated, revision)
    Publication.objects.create(
        revision=revision,
        at=now,
        author=actor,
        reason=reason,
        draft_id=draft_id,
        stated=[*_named(stated)],
        documents=documents,
        effective_from=stated.holds_from,
    )
    _tell(stated, before, documents, revision, actor=actor, now=now, reason=reason)
    return revision


def take_revision() -> int:
    """Return the number of the next revision; nobody else publishes until the transaction ends."""
    row = hold_revision()
    row.last += 1
    row.save(update_fields=["last"])
    return int(row.last)


def hold_revision() -> Revision:
    """Let nobody publish until the transaction ends."""
    Revision.objects.get_or_create()
    row: Revision = Revision.objects.select_for_update().get()
    return row


def _put_versions(stated: CatalogueIn, revision: int) -> None:
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
    known = _positions(plans.values())
    for position, price in enumerate(stated.prices):
        terms = price.terms
        plan_id = plans[terms.plan]
        _replace(PriceVersion, plan_id, terms.effective_from, revision, code=terms.code)
        PriceVersion.objects.create(
            plan_id=plan_id,
            status=Status.PUBLISHED,
            published_revision=revision,
            position=known.get((plan_id, terms.code), len(known) + position),
            **_price_columns(price),
        )


def _positions(plan_ids: Iterable[UUID]) -> dict[tuple[UUID, str], int]:
    """A price that is stated again keeps its place among the prices of its plan."""
    rows = PriceVersion.objects.filter(plan_id__in=list(plan_ids)).order_by("-published_revision")
    return {
        (plan, code): position
        for plan, code, position in rows.values_list("plan_id", "code", "position")
    }


def _named(stated: CatalogueIn) -> Iterator[str]:
    yield from (f"meter:{one.code}" for one in stated.meters)
    yield from (f"calendar:{code}" for code in stated.calendars)
    yield from (f"plan:{one.code}" for one in stated.plans)
    yield from (f"price:{one.terms.plan}/{one.terms.code}" for one in stated.prices)
    yield from (f"discount:{one.code}" for one in stated.discounts)
    yield from (f"coupon:{one.code}" for one in stated.coupons)


def _put_discounts(discounts: Iterable[core.StandingDiscount], revision: int) -> None:
    for one in discounts:
        standing = Discount.objects.filter(code=one.code, effective_from=one.effective_from)
        standing.filter(obsoleted_revision__isnull=True).update(obsoleted_revision=revision)
        Discount.objects.create(
            code=one.code,
            name=one.name,
            percent=_decimal(one.percent),
            fixed=_decimal(one.fixed),
            scope=one.scope,
            from_units=_decimal(one.from_units),
            position=one.order,
            effective_from=one.effective_from,
            published_revision=revision,
        )


def _put_coupons(coupons: Iterable[CouponTerms], starts: date | None) -> None:
    """A coupon that is there already goes on being taken."""
    for one in coupons:
        columns = {
            "name": one.name,
            "percent": _decimal(one.percent),
            "fixed": _decimal(one.fixed),
            "limit": one.limit,
            "expires_on": one.expires,
            "periods": one.periods,
        }
        Coupon.objects.update_or_create(
            code=one.code, defaults=columns, create_defaults=columns | {"starts_on": starts}
        )


def _decimal(value: Fraction | None) -> str | None:
    return None if value is None else exact_text(value)


def _hold_examples(price: PriceIn) -> None:
    currency = parties.tenant().row.currency
    for failure in example_failures(price, currency):
        raise failure


def example_failures(price: PriceIn, currency: str) -> Iterator[ExampleFails]:
    """Yield what is wrong with the examples of a price."""
    named = {"plan": price.terms.plan, "price": price.terms.code}
    try:
        for one in check_examples(price.terms.price, price.examples, currency):
            yield ExampleFails(
                "example_fails", **named, place=one.place, expected=Fraction(one.expected),
                actual=Fraction(one.actual),
            )  # fmt: skip
    except PriceError as error:
        words = {"russian": error.message("ru"), "english": error.message("en")}
        yield ExampleFails("example_unreadable", **named, field=error.field, **words)


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


def _put_calendars(calendars: Mapping[str, Mapping[date, str]], revision: int) -> None:
    standing = HolidayCalendar.objects.filter(
        code__in=list(calendars), obsoleted_revision__isnull=True
    )
    stood = dict(standing.values_list("code", "days"))
    for code, days in calendars.items():
        told = {day.isoformat(): kind for day, kind in days.items()}
        if stood.get(code) == told:
            continue
        standing.filter(code=code).update(obsoleted_revision=revision)
        HolidayCalendar.objects.create(code=code, days=told, published_revision=revision)


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
        "ends": terms.ends,
        "price_basis": terms.price_basis,
        "calendar": terms.calendar,
        "filters": {key: list(values) for key, values in terms.filters},
        "group_by": list(terms.group_by),
        "phase": terms.phase,
    }


def _image(price: PriceIn) -> dict[str, object]:
    columns = _price_columns(price)
    return {**columns, "effective_from": price.terms.effective_from.isoformat()}


def _plan_image(plan: core.PlanTerms) -> dict[str, object]:
    columns = _plan_columns(plan)
    return {**columns, "effective_from": plan.effective_from.isoformat()}


def _stood(stated: CatalogueIn) -> dict[str, dict[str, object]]:
    """Return what held of the plans and prices on the day from which they are stated."""
    found: dict[str, dict[str, object]] = {}
    known = queries.catalogue() if PlanVersion.objects.exists() else core.Catalogue()
    for plan in stated.plans:
        if stands := known.plan_on(plan.code, plan.effective_from):
            found[f"plan:{plan.code}"] = _plan_image(stands)
    for price in stated.prices:
        for terms in known.prices_on(price.terms.plan, price.terms.effective_from):
            if terms.code == price.terms.code:
                found[f"price:{terms.plan}/{terms.code}"] = _image(PriceIn(terms))
    return found


def _documents(stated: CatalogueIn) -> dict[str, dict[str, Any]]:
    """Return what stood and what is stated of all but plans and prices."""
    stating = queries.documents_of(stated)
    stood = queries.stands(list(stating), stated.holds_from or core.ALWAYS) if stating else {}
    return {
        f"{kind}:{key}": {"before": stood.get((kind, key)), "after": document}
        for (kind, key), document in stating.items()
    }


def _tell(
    stated: CatalogueIn,
    before: Mapping[str, Mapping[str, object]],
    documents: Mapping[str, Mapping[str, Any]],
    revision: int,
    *,
    actor: str,
    now: datetime,
    reason: str,
) -> None:
    changes = [*_changes_beside_prices(documents)]
    changes += [
        audit.Change(
            "catalog.plan.published",
            "catalog.plan",
            plan.code,
            before=before.get(f"plan:{plan.code}"),
            after={**_plan_image(plan), "revision": revision},
        )
        for plan in stated.plans
    ]
    for price in stated.prices:
        key = f"{price.terms.plan}/{price.terms.code}"
        after = {**_image(price), "revision": revision}
        stood = before.get(f"price:{key}")
        changes.append(
            audit.Change("catalog.price.published", "catalog.price", key, before=stood, after=after)
        )
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


def _changes_beside_prices(documents: Mapping[str, Mapping[str, Any]]) -> Iterator[audit.Change]:
    for name, one in documents.items():
        kind, _, key = name.partition(":")
        yield audit.Change(f"catalog.{kind}.stated", f"catalog.{kind}", key, **one)
