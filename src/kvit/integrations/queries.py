"""Reads of the integrations: webhooks, their deliveries and attempts."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from kvit.core.wording import Words
from kvit.integrations._uploads_seen import (
    UploadInfo,
    UploadRowInfo,
    upload,
    upload_row,
    upload_rows,
    uploads,
)
from kvit.integrations.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from kvit.integrations.rows import AttemptRow, DeliveryRow, EndpointRow
from kvit.platform.failures import Failure

__all__ = [
    "UploadInfo", "UploadRowInfo", "WebhookNotFound", "attempts", "deliveries", "delivery_by_id",
    "delivery_row", "upload", "upload_row", "upload_rows", "uploads", "webhook_by_id",
    "webhook_row", "webhooks",
]  # fmt: skip

WORDS: Words = {
    "webhook_not_found": ("Вебхука {webhook} нет.", "There is no webhook {webhook}."),
    "delivery_not_found": ("Доставки {delivery} нет.", "There is no delivery {delivery}."),
}


class WebhookNotFound(Failure):
    """No such endpoint or delivery in this tenant."""

    words = WORDS


def webhooks() -> "QuerySet[Any]":
    """Return the endpoints that are not removed, to be paged; a row of each: `webhook_row`."""
    return WebhookEndpoint.objects.exclude(state="removed")


def webhook_by_id(webhook: UUID) -> EndpointRow:
    """Return one endpoint.

    Raises:
        WebhookNotFound: there is none.
    """
    found = webhooks().filter(pk=webhook).first()
    if found is None:
        raise WebhookNotFound("webhook_not_found", webhook=webhook)
    return webhook_row(found)


def webhook_row(found: Any) -> EndpointRow:
    """Return an endpoint of `webhooks()` as it is shown."""
    return EndpointRow(
        id=found.id,
        url=found.url,
        description=found.description,
        topics=tuple(found.topics),
        state=found.state,
        off_because=found.off_because,
        failures=found.failures,
        made_by=found.made_by,
        made_at=found.made_at,
    )


def deliveries(webhook: UUID, *, state: str = "", topic: str = "") -> "QuerySet[Any]":
    """Return an endpoint's deliveries, to be paged; a row of each: `delivery_row`.

    Raises:
        WebhookNotFound: there is no such endpoint.
    """
    webhook_by_id(webhook)
    found = WebhookDelivery.objects.filter(endpoint=webhook)
    if state:
        found = found.filter(state=state)
    return found.filter(topic=topic) if topic else found


def delivery_by_id(delivery: UUID) -> DeliveryRow:
    """Return one delivery.

    Raises:
        WebhookNotFound: there is none.
    """
    found = WebhookDelivery.objects.filter(pk=delivery).first()
    if found is None:
        raise WebhookNotFound("delivery_not_found", delivery=delivery)
    return delivery_row(found)


def delivery_row(found: Any) -> DeliveryRow:
    """Return a delivery of `deliveries()` as it is shown."""
    return DeliveryRow(
        id=found.id,
        endpoint=found.endpoint_id,
        event=found.event,
        topic=found.topic,
        body=found.body,
        state=found.state,
        tries=found.tries,
        made_at=found.made_at,
        due_at=found.due_at,
        done_at=found.done_at,
    )


def attempts(delivery: UUID) -> list[AttemptRow]:
    """Return all sendings of a delivery, the first first."""
    rows = WebhookAttempt.objects.filter(delivery=delivery).order_by("at", "id")
    return [AttemptRow(r.at, r.status, r.error, r.answer, r.duration_ms) for r in rows]
