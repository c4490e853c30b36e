"""Reads of charges: for invoicing, for explanations, for invariants."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from fractions import Fraction
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Min, Sum

from kvit.catalog import queries as catalog
from kvit.core.periods import instant_of
from kvit.metering import queries as metering
from kvit.metering.queries import Key
from kvit.metering.rows import EARLIEST
from kvit.parties import queries as parties
from kvit.rating._load import sole_owners
from kvit.rating._taken_back import VOID
from kvit.rating._waiting import events_on_hold, unbilled_before, unpriced_events
from kvit.rating.models import Charge, RatedPeriod
from kvit.rating.rows import ChargeInfo, ChargePins
from kvit.subscriptions import queries as subscriptions

__all__ = [
    "billed_events", "charged_since", "charges", "charges_of_payers", "events_on_hold",
    "original_charges", "outside_life", "payer_chunks", "payer_count", "pins", "siblings",
    "sole_meters", "unbilled_before", "unpriced_events",
]  # fmt: skip

_IN_ORDER = ("customer_id", "subscription_code", "subscription_id", "period_start", "id")
_FIELDS = (
    "id", "subscription_id", "subscription_code", "customer_id", "seller_id", "service",
    "price_key", "price_code", "name", "unit", "period_start", "period_end", "starts_on",
    "ends_on", "revision", "reason", "currency", "basis", "vat_code", "vat_on", "units",
    "gross_minor", "amount_minor", "discounts",
)  # fmt: skip
_PINS = (
    "id", "subscription_id", "price_key", "period_start", "period_end", "starts_at",
    "customer_id", "revision", "exact_num", "exact_den", "amount_minor", "currency",
    "usage_version", "terms_number", "catalogue_revision", "billed_in",
)  # fmt: skip


def payer_chunks(billed_in: date, *, size: int) -> Iterator[list[UUID]]:
    """Yield the payers who have charges of this billing period, in chunks, in order of id."""
    last: UUID | None = None
    while True:
        rows = Charge.objects.filter(billed_in=billed_in)
        if last is not None:
            rows = rows.filter(customer_id__gt=last)
        ids = list(
            rows.order_by("customer_id").values_list("customer_id", flat=True).distinct()[:size]
        )
        if not ids:
            return
        yield ids
        last = ids[-1]


def payer_count(billed_in: date) -> int:
    """How many payers `payer_chunks` will yield."""
    found = Charge.objects.filter(billed_in=billed_in).aggregate(
        n=Count("customer_id", distinct=True)
    )
    return int(found["n"])


def charges_of_payers(billed_in: date, customer_ids: Sequence[UUID]) -> list[ChargeInfo]:
    """Return the charges of a billing period by payer, in the order of an invoice's lines.

    What a void took back is on that void, and not among them.
    """
    rows = Charge.objects.filter(billed_in=billed_in, customer_id__in=customer_ids)
    rows = rows.exclude(reason=VOID).order_by(*_IN_ORDER)
    return [ChargeInfo(*values) for values in rows.values_list(*_FIELDS)]


def charges(ids: Sequence[UUID]) -> list[ChargeInfo]:
    """Return these charges, in the order of an invoice's lines."""
    rows = Charge.objects.filter(pk__in=ids).order_by(*_IN_ORDER)
    return [ChargeInfo(*values) for values in rows.values_list(*_FIELDS)]


def pins(charge_ids: Iterable[UUID]) -> dict[UUID, ChargePins]:
    """Return what charges were computed from."""
    rows = Charge.objects.filter(pk__in=list(charge_ids)).values_list(*_PINS)
    return {values[0]: _pins(*values) for values in rows}


def siblings(pin: ChargePins) -> list[UUID]:
    """Return the charges of the same stretch, whatever revision, in order of revision."""
    rows = Charge.objects.filter(
        subscription_id=pin.subscription_id,
        price_key=pin.price_key,
        period_start=pin.period_start,
        starts_at=pin.starts_at,
        customer_id=pin.customer_id,
    )
    return list(rows.order_by("revision").values_list("pk", flat=True))


def original_charges(infos: Iterable[ChargeInfo]) -> dict[UUID, list[UUID]]:
    """Return, for each charge, the earlier charges of the same price and service period."""
    found: dict[UUID, list[UUID]] = {}
    for info in infos:
        rows = Charge.objects.filter(
            subscription_id=info.subscription_id,
            price_key=info.price_key,
            period_start=info.period_start,
        ).exclude(pk=info.id)
        found[info.id] = list(rows.order_by("revision").values_list("pk", flat=True))
    return found


def charged_since(subscription_ids: Sequence[UUID]) -> dict[UUID, date]:
    """Return the first day that is charged, by subscription."""
    rows = RatedPeriod.objects.filter(subscription_id__in=subscription_ids).values_list(
        "subscription_id"
    )
    return dict(rows.annotate(first=Min("period_start")))


def billed_events() -> int:
    """How many usage events are billed, over all rated periods."""
    return int(RatedPeriod.objects.aggregate(n=Sum("events"))["n"] or 0)


def sole_meters(customer_codes: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return, by customer code, the meters that exactly one of his subscriptions has."""
    customers = {one.id: one for one in parties.customers_by_code(customer_codes).values()}
    infos = subscriptions.of_customers(customers)
    alone = sole_owners(infos, customers, catalog.catalogue())
    return {customers[key].row.code: frozenset(owners) for key, owners in alone.items()}


@transaction.atomic
def outside_life(keys: Iterable[Key], until: datetime) -> int:
    """Count events of known subscriptions that lie before their start or after their end."""
    told = [key for key in keys if key.subject_kind == "subscription"]
    known = subscriptions.by_codes({key.subject for key in told})
    count = 0
    for key in told:
        info = known.get(key.subject)
        if info is None:
            continue
        end = None if info.ends_on is None else instant_of(info.ends_on, info.zone)
        before = key.first < info.starts_at
        after = end is not None and key.last >= end
        spans = [(EARLIEST, info.starts_at)] if before else []
        spans += [(end, until)] if after and end is not None else []
        for since, to in spans:
            batches = metering.usage(
                [(key.subject_kind, key.subject)], since=since, until=to, meters=[key.meter]
            )
            count += sum(batch.num_rows for batch in batches)
    return count


def _pins(*values: object) -> ChargePins:
    named = dict(zip(_PINS, values, strict=True))
    exact = Fraction(int(str(named.pop("exact_num"))), int(str(named.pop("exact_den"))))
    return ChargePins(exact=exact, **named)  # type: ignore[arg-type]
