"""The documents of one customer, by the moment that they were made or issued."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import F, Max, Q, Value
from django.db.models.functions import Coalesce

from kvit.invoicing.models import Invoice
from kvit.platform.paging import LIMIT
from kvit.platform.reading import asked_once

Before = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Told:
    """A document as a timeline tells it: issued, or a draft."""

    id: UUID
    at: datetime
    kind: str
    status: str
    waits_for: str
    number: str
    currency: str
    total_minor: int
    period_start: date
    period_end: date
    corrects_number: str
    reason: str
    author: str
    approver: str


_FIELDS = (
    "id", "at", "kind", "status", "waits_for", "number_text", "currency", "total_minor",
    "period_start", "period_end", "corrects_number", "reason", "author", "approver",
)  # fmt: skip


def told_to(customer_id: UUID, *, before: Before | None = None, limit: int) -> list[Told]:
    """Return the documents of a customer, the newest first, older than a (moment, id)."""
    return _told(customer_id, before, max(limit, LIMIT + 1))[:limit]


@asked_once
def _told(customer_id: UUID, before: Before | None, limit: int) -> list[Told]:
    rows = Invoice.objects.filter(customer_id=customer_id).annotate(
        at=Coalesce(F("issued_at"), F("created_at"))
    )
    if before is not None:
        moment, key = before
        rows = rows.filter(Q(at__lt=moment) | Q(at=moment, pk__lt=key))
    rows = rows.annotate(corrects_number=Coalesce(F("corrects__number_text"), Value("")))
    return [Told(*row) for row in rows.order_by("-at", "-pk").values_list(*_FIELDS)[:limit]]


def last_issued(customer_ids: Collection[UUID]) -> dict[UUID, date]:
    """Return the day of the last document that each customer was issued."""
    rows = Invoice.objects.filter(customer_id__in=list(customer_ids), issued_on__isnull=False)
    days = rows.order_by().values("customer_id").annotate(last=Max("issued_on"))
    return dict(days.values_list("customer_id", "last"))
