"""Reads of charges: for invoicing, for explanations, for invariants."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import CharField, Count, Max, Min, Subquery, Sum, Value
from django.db.models.functions import MD5, Cast, Concat

from kvit.platform.paging import key_chunks
from kvit.platform.tenancy import current_tenant_id
from kvit.rating import _invariants, _staged
from kvit.rating._fate import EventAsked, EventFate, fate_of
from kvit.rating._history import ChargedTogether, charged
from kvit.rating._load import by_subject
from kvit.rating._sizes import Usual, charged_by_version, charged_in_all, charged_of, usual
from kvit.rating._staged import DUE, ChargeTerms, DueColumns, due_columns
from kvit.rating._taken_back import VOID
from kvit.rating._waiting import (
    keys_nobody_takes,
    unbilled_before,
    waiting_events,
    waiting_usage,
)
from kvit.rating._waiting_why import waiting_by_reason
from kvit.rating.models import Charge, RatedPeriod
from kvit.rating.rows import ChargeInfo, ChargePins

PROBLEM_WORDS = _invariants.WORDS
problems = _invariants.problems

__all__ = [
    "DUE",
    "ChargeTerms",
    "ChargedTogether",
    "DueColumns",
    "EventAsked",
    "EventFate",
    "Usual",
    "billed_events",
    "by_subject",
    "charged",
    "charged_by_version",
    "charged_in_all",
    "charged_of",
    "charged_since",
    "charges",
    "charges_of_payers",
    "due_columns",
    "fate_of",
    "keys_nobody_takes",
    "original_charges",
    "origins",
    "payer_chunks",
    "payer_count",
    "payers_among",
    "pins",
    "rated_until",
    "recalculated",
    "sample",
    "stage_due",
    "stretch_pins",
    "unbilled_before",
    "usual",
    "waiting_by_reason",
    "waiting_events",
    "waiting_usage",
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
    "usage_version", "terms_number", "catalogue_revision", "billed_in", "rated_at",
    "price_version_id", "reason", "whens", "given",
)  # fmt: skip


def payer_chunks(billed_in: date, *, size: int) -> Iterator[list[UUID]]:
    """Yield the payers who have charges of this billing period, in chunks, in order of id."""
    return key_chunks(Charge.objects.filter(billed_in=billed_in), "customer_id", size=size)


def payers_among(billed_in: date, customer_ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these have charges of this billing period."""
    rows = Charge.objects.filter(billed_in=billed_in, customer_id__in=customer_ids)
    return set(rows.values_list("customer_id", flat=True).distinct())


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


def stage_due(billed_in: date, customer_ids: Sequence[UUID]) -> None:
    """Put what `charges_of_payers` would return into a temporary table: see `_staged`."""
    _staged.stage_due(billed_in, customer_ids, _IN_ORDER, _FIELDS)


def charges(ids: Sequence[UUID]) -> list[ChargeInfo]:
    """Return these charges, in the order of an invoice's lines."""
    rows = Charge.objects.filter(pk__in=ids).order_by(*_IN_ORDER)
    return [ChargeInfo(*values) for values in rows.values_list(*_FIELDS)]


def pins(charge_ids: Iterable[UUID]) -> dict[UUID, ChargePins]:
    """Return what charges were computed from."""
    rows = Charge.objects.filter(pk__in=list(charge_ids)).values_list(*_PINS)
    return {values[0]: _pins(*values) for values in rows}


class Origin(NamedTuple):
    """What a charge is of. `reason` "period" is the first bill of a stretch; `events` 0: units that
    are held through time, as of a fee; `whole`: the days of the service period."""

    version: str
    reason: str
    events: int
    whole: int


def origins(charge_ids: Iterable[UUID]) -> dict[UUID | None, Origin]:
    """Return what charges are of."""
    with connection.cursor() as cursor:
        # An array, and not a parameter each: there are thousands.
        cursor.execute(
            "SELECT id, price_version_id, reason, events, period_end - period_start"
            " FROM rating_charge"
            " WHERE tenant_id = %s AND id = ANY(%s)",
            [current_tenant_id(), list(charge_ids)],
        )
        return {key: Origin(*told) for key, *told in cursor.fetchall()}


def recalculated(charge_ids: Iterable[UUID]) -> set[UUID]:
    """Return which of these charges put an earlier bill right."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM rating_charge"
            " WHERE tenant_id = %s AND id = ANY(%s) AND reason <> 'period'",
            [current_tenant_id(), list(charge_ids)],
        )
        return {key for (key,) in cursor.fetchall()}


def payers_put_right(customer_ids: Iterable[UUID]) -> set[UUID]:
    """Return which of these payers ever had a charge that puts an earlier bill right."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT customer_id FROM rating_charge"
            " WHERE tenant_id = %s AND customer_id = ANY(%s) AND reason <> 'period'",
            [current_tenant_id(), list(customer_ids)],
        )
        return {key for (key,) in cursor.fetchall()}


def stretch_pins(charge_id: UUID) -> list[ChargePins]:
    """Return what all charges of the same stretch were computed from, in order of revision."""
    asked = Charge.objects.filter(pk=charge_id)
    same = ("subscription_id", "price_key", "period_start", "starts_at", "customer_id")
    rows = Charge.objects.filter(**{name: Subquery(asked.values(name)) for name in same})
    return [_pins(*values) for values in rows.order_by("revision").values_list(*_PINS)]


def original_charges(infos: Iterable[ChargeInfo]) -> dict[UUID, list[UUID]]:
    """Return, for each charge, the earlier charges of the same price and service period."""
    infos = list(infos)
    rows = Charge.objects.filter(
        subscription_id__in={one.subscription_id for one in infos},
        price_key__in={one.price_key for one in infos},
        period_start__in={one.period_start for one in infos},
    )
    known: dict[tuple[object, ...], list[UUID]] = defaultdict(list)
    for key, *same in rows.order_by("revision", "pk").values_list(
        "pk", "subscription_id", "price_key", "period_start"
    ):
        known[tuple(same)].append(key)
    return {
        one.id: [
            key
            for key in known[one.subscription_id, one.price_key, one.period_start]
            if key != one.id
        ]
        for one in infos
    }


def sample(size: int, *, seed: str) -> list[UUID]:
    """Return ids of charges chosen by chance, the oldest first; a seed chooses the same ones."""
    rows = Charge.objects.exclude(reason=VOID).annotate(
        lot=MD5(Concat(Cast("pk", CharField()), Value(seed)))
    )
    return sorted(rows.order_by("lot").values_list("pk", flat=True)[:size])


def charged_since(subscription_ids: Sequence[UUID]) -> dict[UUID, date]:
    """Return the first day that is charged, by subscription."""
    rows = RatedPeriod.objects.filter(subscription_id__in=subscription_ids).values_list(
        "subscription_id"
    )
    return dict(rows.annotate(first=Min("period_start")))


def rated_until() -> dict[int, datetime]:
    """Return, by the usage version that they were rated by, when the last of the periods ends."""
    rows = RatedPeriod.objects.order_by().values_list("usage_version")
    return dict(rows.annotate(last=Max("ends_at")))


def billed_events() -> int:
    """How many usage events are billed, over all rated periods."""
    return int(RatedPeriod.objects.aggregate(n=Sum("events"))["n"] or 0)


def _pins(*values: object) -> ChargePins:
    named = dict(zip(_PINS, values, strict=True))
    exact = Fraction(int(str(named.pop("exact_num"))), int(str(named.pop("exact_den"))))
    return ChargePins(exact=exact, **named)  # type: ignore[arg-type]
