"""Webhooks: where facts are sent, what became of each, and sending them anew."""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.integrations import queries, services
from kvit.integrations.rows import AttemptRow, DeliveryRow, EndpointRow, NewEndpoint
from kvit.platform import events, settings
from kvit.platform.paging import keyset
from kvit.web.api.core import Router, operation, seen, standing
from kvit.web.api.schemas import Input, Int, Listed, Moment, Paging, Reason, Schema, Text, listed

TAG = ("Вебхуки", "Webhooks")
RIGHT = "webhooks.write"
router = Router()


class WebhookOut(Schema):
    """An address that hears facts; without topics it hears all."""

    id: UUID
    url: str
    description: str
    topics: list[str]
    state: Literal["active", "paused", "disabled"]
    off_because: str = Field(description='"gone": it answered 410.')
    failures: int = Field(description="In a row.")
    made_by: str
    made_at: Moment


class NewWebhookOut(WebhookOut):
    """`secret` signs the messages (Standard Webhooks); it is told once."""

    secret: str | None


class WebhookIn(Input):
    """Where to send what."""

    url: Text = Field(max_length=2000, min_length=1, examples=["https://example.com/kvit"])
    topics: list[Text] = Field([], max_length=200, examples=[["invoicing.invoice.issued"]])
    description: Text = ""
    reason: Reason = ""


class WebhookReasonIn(Input):
    """Why."""

    reason: Reason = ""


class RotateSecretIn(Input):
    """How long the old secret signs beside the new one."""

    overlap_hours: Int = Field(24, ge=0, le=24 * 30)
    reason: Reason = ""


class ReplayIn(Input):
    """From when on to send anew, by the server's clock, and which facts; none named: all."""

    since: Moment
    topics: list[Text] = Field([], max_length=200)
    reason: Reason = ""


class DeliveryOut(Schema):
    """A fact on its way. `due_at` is when it is sent next."""

    id: UUID
    message: str = Field(description="The header webhook-id: the same at every try.")
    event: UUID
    topic: str
    state: Literal["waiting", "delivered", "failed"]
    tries: int
    made_at: Moment
    due_at: Moment | None
    done_at: Moment | None


class AttemptOut(Schema):
    """One sending: the status and the beginning of the answer, or why there was none."""

    at: Moment
    status: int | None
    error: str
    answer: str
    duration_ms: int


class WholeDeliveryOut(DeliveryOut):
    """With the body that is sent and all attempts."""

    body: str
    attempts: list[AttemptOut]


class TopicOut(Schema):
    """A kind of fact, and the JSON Schema of what it tells."""

    name: str
    version: int
    payload: dict[str, Any]


class DeliveryQuery(Paging):
    """Which deliveries."""

    state: Literal["", "waiting", "delivered", "failed"] = ""
    topic: Text = ""


@operation(router, "GET", "/webhooks", right=RIGHT, response=Listed[WebhookOut])
def list_webhooks(request: HttpRequest, page: Query[Paging]) -> Any:
    """The newest first."""
    order = ("-made_at", "-id")
    found = keyset(queries.webhooks(), order=order, after=page.after, limit=page.limit)
    return listed(found, lambda one: _shown(queries.webhook_row(one)))


@operation(
    router, "POST", "/webhooks", right=RIGHT, status=201, response=NewWebhookOut, recent=True,
    secrets=("secret",),
)  # fmt: skip
def create_webhook(request: HttpRequest, body: WebhookIn) -> NewWebhookOut:
    """It hears what is told from now on; `replay` brings what was told before."""
    made = services.create_webhook(
        url=body.url,
        topics=body.topics,
        description=body.description,
        allow_http=settings.load().webhooks_allow_private,
        actor=request.principal.actor,
        now=request.now,
        reason=body.reason,
    )
    return _new(made)


@operation(router, "GET", "/webhooks/topics", right=RIGHT, response=list[TopicOut])
def list_webhook_topics(request: HttpRequest) -> list[TopicOut]:
    """Every kind of fact there is."""
    return [
        TopicOut(name=name, version=topic.version, payload=events.schema(topic))
        for name, topic in sorted(events.topics().items())
    ]


@operation(router, "GET", "/webhooks/{webhook}", right=RIGHT, response=WebhookOut)
def read_webhook(request: HttpRequest, webhook: UUID) -> WebhookOut:
    """One webhook."""
    row = queries.webhook_by_id(webhook)
    standing(request, services.standing_of(row))
    return _shown(row)


@operation(router, "PUT", "/webhooks/{webhook}", right=RIGHT, response=WebhookOut, recent=True)
def change_webhook(request: HttpRequest, webhook: UUID, body: WebhookIn) -> WebhookOut:
    """What waits goes to the new address."""
    row = services.change_webhook(
        webhook,
        url=body.url,
        topics=body.topics,
        description=body.description,
        allow_http=settings.load().webhooks_allow_private,
        seen=seen(request),
        actor=request.principal.actor,
        now=request.now,
        reason=body.reason,
    )
    standing(request, services.standing_of(row))
    return _shown(row)


@operation(router, "DELETE", "/webhooks/{webhook}", right=RIGHT, status=204, response=None)
def remove_webhook(request: HttpRequest, webhook: UUID) -> None:
    """Nothing more is sent; what was sent stays in the audit trail."""
    services.remove_webhook(webhook, actor=request.principal.actor, now=request.now)


@operation(router, "POST", "/webhooks/{webhook}/pause", right=RIGHT, response=WebhookOut)
def pause_webhook(request: HttpRequest, webhook: UUID, body: WebhookReasonIn) -> WebhookOut:
    """What is told is kept and sent once the webhook is resumed."""
    return _shown(services.pause_webhook(webhook, **_by(request, body)))


@operation(router, "POST", "/webhooks/{webhook}/resume", right=RIGHT, response=WebhookOut)
def resume_webhook(request: HttpRequest, webhook: UUID, body: WebhookReasonIn) -> WebhookOut:
    """Send again, beginning with what waits."""
    return _shown(services.resume_webhook(webhook, **_by(request, body)))


@operation(
    router, "POST", "/webhooks/{webhook}/rotate-secret", right=RIGHT, status=201,
    response=NewWebhookOut, recent=True, secrets=("secret",),
)  # fmt: skip
def rotate_webhook_secret(
    request: HttpRequest, webhook: UUID, body: RotateSecretIn
) -> NewWebhookOut:
    """Until the overlap has passed both secrets sign: a message carries two signatures."""
    made = services.rotate_webhook_secret(
        webhook, overlap=timedelta(hours=body.overlap_hours), **_by(request, body)
    )
    return _new(made)


@operation(
    router, "POST", "/webhooks/{webhook}/test", right=RIGHT, status=202, response=DeliveryOut
)
def test_webhook(request: HttpRequest, webhook: UUID) -> DeliveryOut:
    """Send a message of the topic integrations.webhook.tested."""
    made = services.try_webhook(webhook, actor=request.principal.actor, now=request.now)
    return _delivery(made)


@operation(router, "POST", "/webhooks/{webhook}/replay", right=RIGHT, status=202, response=None)
def replay_webhook(request: HttpRequest, webhook: UUID, body: ReplayIn) -> None:
    """Send every fact since a moment anew. Their ids stay, so a receiver knows repeats."""
    services.replay_webhook(webhook, since=body.since, topics=body.topics, **_by(request, body))


@operation(
    router, "GET", "/webhooks/{webhook}/deliveries", right=RIGHT, response=Listed[DeliveryOut]
)
def list_deliveries(request: HttpRequest, webhook: UUID, query: Query[DeliveryQuery]) -> Any:
    """The newest first."""
    rows = queries.deliveries(webhook, state=query.state, topic=query.topic)
    found = keyset(rows, order=("-made_at", "-id"), after=query.after, limit=query.limit)
    return listed(found, lambda one: _delivery(queries.delivery_row(one)))


@operation(router, "GET", "/webhook-deliveries/{delivery}", right=RIGHT, response=WholeDeliveryOut)
def read_delivery(request: HttpRequest, delivery: UUID) -> WholeDeliveryOut:
    """What was sent, and what was answered to each try."""
    row = queries.delivery_by_id(delivery)
    attempts = [_attempt(one) for one in queries.attempts(delivery)]
    return WholeDeliveryOut(**_fields(row), body=row.body, attempts=attempts)


@operation(
    router, "POST", "/webhook-deliveries/{delivery}/resend", right=RIGHT, status=202,
    response=DeliveryOut,
)  # fmt: skip
def resend_delivery(request: HttpRequest, delivery: UUID, body: WebhookReasonIn) -> DeliveryOut:
    """Send it anew, whatever became of it."""
    return _delivery(services.resend(delivery, **_by(request, body)))


def _by(request: HttpRequest, body: Any) -> dict[str, Any]:
    return {"actor": request.principal.actor, "now": request.now, "reason": body.reason}


def _shown(row: EndpointRow) -> WebhookOut:
    return WebhookOut(**_plain(row))


def _new(made: NewEndpoint) -> NewWebhookOut:
    return NewWebhookOut(**_plain(made.row), secret=made.secret)


def _plain(row: EndpointRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "url": row.url,
        "description": row.description,
        "topics": list(row.topics),
        "state": row.state,
        "off_because": row.off_because,
        "failures": row.failures,
        "made_by": row.made_by,
        "made_at": row.made_at,
    }


def _delivery(row: DeliveryRow) -> DeliveryOut:
    return DeliveryOut(**_fields(row))


def _fields(row: DeliveryRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "message": row.message,
        "event": row.event,
        "topic": row.topic,
        "state": row.state,
        "tries": row.tries,
        "made_at": row.made_at,
        "due_at": row.due_at,
        "done_at": row.done_at,
    }


def _attempt(row: AttemptRow) -> AttemptOut:
    return AttemptOut(
        at=row.at,
        status=row.status,
        error=row.error,
        answer=row.answer,
        duration_ms=row.duration_ms,
    )
