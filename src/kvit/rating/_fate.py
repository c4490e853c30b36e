"""What became of one accepted event: the charge that stands for it, or where it waits and why.

Derived from the same knowledge that a run has, for a single key: nothing is stored a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction

from kvit.catalog import queries as catalog
from kvit.core.catalogue import Catalogue, PriceTerms
from kvit.core.measured import meters_of
from kvit.metering.queries import Key
from kvit.rating._waiting import nobody_takes, outside_spans, owners
from kvit.rating._waiting_why import reasons_of
from kvit.rating.models import Charge, RatedPeriod
from kvit.rating.rows import ChargeInfo
from kvit.subscriptions.rows import SubscriptionInfo

_INSTANT = timedelta(microseconds=1)  # times are kept to it
FATE_FIELDS = tuple(ChargeInfo.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class EventAsked:
    """An event, as far as its fate depends on it. `version` is the usage version it came with."""

    subject_kind: str
    subject: str
    meter: str
    time: datetime
    dimensions: Mapping[str, str]
    version: int


@dataclass(frozen=True, slots=True)
class EventFate:
    """Where an event ended. `reason` is "" where it is charged; else one of

    unknown_meter, unknown_subscription, unknown_customer, usage_ambiguous, usage_outside,
    not_rated (no run has come to its period), late (a run has, before it came), not_priced (its
    price waits for a fault to be mended), unpriced_usage (no price asks for it).
    """

    reason: str
    subscription_id: UUID | None = None
    subscription: str = ""
    period_start: date | None = None
    period_end: date | None = None
    charges: tuple[ChargeInfo, ...] = ()


@transaction.atomic
def fate_of(event: EventAsked) -> EventFate:
    """Follow an accepted event that stands to its charge, or to where it waits."""
    key = Key(event.subject_kind, event.subject, event.meter, 1, event.time, event.time)
    if nobody_takes([key]):
        return EventFate(reasons_of([key])[0])
    [owner] = owners([key]).values()
    if any(
        since <= event.time < to
        for _, _, since, to, _ in outside_spans([key], event.time + _INSTANT)
    ):
        return EventFate("usage_outside", owner.id, owner.code)
    rated = _rated(owner, event.time)
    if rated is None:
        return EventFate("not_rated", owner.id, owner.code)
    about = (owner.id, owner.code, rated.period_start, rated.period_end)
    if rated.usage_version < event.version:
        return EventFate("late", *about)
    charges = _charges(event, rated)
    if charges:
        return EventFate("", *about, charges)
    return EventFate("not_priced" if rated.held else "unpriced_usage", *about)


def _rated(owner: SubscriptionInfo, time: datetime) -> RatedPeriod | None:
    rows = RatedPeriod.objects.filter(
        subscription_id=owner.id, starts_at__lte=time, ends_at__gt=time
    )
    # What was charged in advance is rated before its usage is.
    found: RatedPeriod | None = rows.filter(whens__contains="arrears").first()
    return found


def _charges(event: EventAsked, rated: RatedPeriod) -> tuple[ChargeInfo, ...]:
    """Return, of each price that asks for the event, the first charge that knew it."""
    rows = Charge.objects.filter(
        subscription_id=rated.subscription_id,
        period_start=rated.period_start,
        starts_at__lte=event.time,
        ends_at__gt=event.time,
    )
    terms = _by_version(catalog.catalogue())
    found: dict[str, Charge] = {}
    for charge in rows.order_by("revision", "pk"):
        asked = terms.get(charge.price_version_id)
        if asked is None or not _takes(asked, charge.price_key, event):
            continue
        known = found.get(charge.price_key)
        if known is None or known.usage_version < event.version:
            found[charge.price_key] = charge
    return tuple(
        ChargeInfo(*(getattr(charge, name) for name in FATE_FIELDS)) for charge in found.values()
    )


def _by_version(catalogue: Catalogue) -> dict[str, PriceTerms]:
    return {one.version_id: one for many in catalogue.prices.values() for one in many}


def _takes(terms: PriceTerms, price_key: str, event: EventAsked) -> bool:
    if event.meter not in meters_of(terms.price, terms):
        return False
    for name, allowed in terms.filters:
        if event.dimensions.get(name) not in allowed:
            return False
    if not terms.group_by:
        return True
    return price_key.endswith(f"[{group_of(event.dimensions, terms.group_by)}]")


def group_of(dimensions: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the group of an event as a charge's key has it."""
    return ", ".join(f"{name}={dimensions.get(name, '')}" for name in sorted(names))
