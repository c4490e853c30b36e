"""What of usage waits for a person, in figures."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    Func,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
)

from kvit.metering.models import Batch, ConflictEvent, RejectedRow, ReleasedEvent, UsageEvent


@dataclass(frozen=True, slots=True)
class ToDecide:
    """How many, and when the oldest came."""

    count: int
    oldest: datetime | None


def conflicts_to_decide() -> ToDecide:
    """Events under an id that another event has, of which nobody has said which is right."""
    return _figures(ConflictEvent.objects.filter(conflictresolution__isnull=True))


def rejections_to_mend() -> ToDecide:
    """Rows that could not become events, and whose event has not come right since."""
    return _figures(still_rejected())


def still_rejected() -> "QuerySet[Any]":
    """Return rejected rows without those whose event has come right since, in the table or not."""
    name = {"source": OuterRef("source"), "event_id": OuterRef("event_id")}
    key = Func(
        F("tenant_id"), *name.values(), Value(0), function="metering_event_key",
        output_field=UUIDField(),
    )  # fmt: skip
    return RejectedRow.objects.exclude(
        ~Q(event_id=""), Exists(UsageEvent.objects.filter(**name))
    ).exclude(~Q(event_id=""), Exists(ReleasedEvent.objects.filter(pk=key)))


def _figures(rows: "QuerySet[Any]") -> ToDecide:
    received = Batch.objects.filter(pk=OuterRef("batch_id")).values("received_at")[:1]
    found = rows.order_by().values("batch_id").annotate(at=Subquery(received))
    told = found.aggregate(count=Count("*"), oldest=Min("at"))
    return ToDecide(told["count"], told["oldest"])
