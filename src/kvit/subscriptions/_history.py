"""What happened to subscriptions, the newest first: for a customer's timeline."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q

from kvit.subscriptions.models import Amendment
from kvit.subscriptions.rows import AmendmentInfo

Before = tuple[datetime, UUID]


def amended(
    ids: Collection[UUID], *, before: Before | None = None, limit: int
) -> list[tuple[UUID, str, AmendmentInfo]]:
    """Return (id, code of the subscription, amendment) by the moment that they were recorded."""
    rows = Amendment.objects.filter(subscription_id__in=ids).annotate(code=F("subscription__code"))
    if before is not None:
        at, key = before
        rows = rows.filter(Q(recorded_at__lt=at) | Q(recorded_at=at, pk__lt=key))
    return [
        (
            row.pk,
            row.code,
            AmendmentInfo(
                subscription_id=row.subscription_id,
                number=row.number,
                at=row.at,
                change=row.change,
                value=row.value,
                reason=row.reason,
                author=row.author,
                recorded_at=row.recorded_at,
            ),
        )
        for row in rows.order_by("-recorded_at", "-pk")[:limit]
    ]
