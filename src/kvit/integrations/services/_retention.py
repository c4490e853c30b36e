"""Webhooks that have been sent, or given up, are kept for a time and no longer."""

from datetime import datetime

from django.db import transaction

from kvit.integrations.models import WebhookAttempt, WebhookDelivery

CHUNK = 2_000


def forget_deliveries(*, before: datetime) -> int:
    """Drop deliveries made before the moment, with their attempts; return how many. What still
    waits to be sent stays, however old."""
    old = WebhookDelivery.objects.filter(made_at__lt=before, state__in=("delivered", "failed"))
    gone = 0
    while ids := list(old.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        with transaction.atomic():
            WebhookAttempt.objects.filter(delivery_id__in=ids).delete()
            WebhookDelivery.objects.filter(pk__in=ids).delete()
        gone += len(ids)
    return gone
