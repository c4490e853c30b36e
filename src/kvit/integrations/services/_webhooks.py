"""Facts on their way to webhooks: registered with the fact, sent by jobs, tried for three days.

What is due to an endpoint is taken by a lease on its rows, so that two workers never send the same
and a worker that died is followed by another. Sending happens outside transactions. An endpoint
that fails again and again rests for a while, and keeps neither workers nor its own tries busy.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import Q

from kvit.integrations import outbound, signature
from kvit.integrations.models import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)
from kvit.integrations.queries import WebhookNotFound, delivery_row
from kvit.integrations.rows import DeliveryRow
from kvit.integrations.services._endpoints import PURPOSE, lock_webhook
from kvit.platform import audit, bulk, clock, events, sealed, settings
from kvit.platform.ids import uuid7
from kvit.platform.jobs import job
from kvit.platform.tenancy import current_tenant_id

TEST_TOPIC = "integrations.webhook.tested"
# Pauses before each try, as Standard Webhooks recommends.
PAUSES_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
TOGETHER = 8
LEASE = timedelta(seconds=60)  # longer than one sending may take
BROKEN_AFTER = 5  # failures in a row; then it rests
LONGEST_REST_S = 3_600
CHUNK = 1_000

# Materialised: a sub-select with a limit may be run again for each row, and take more.
_TAKE = """
WITH due AS MATERIALIZED (
    SELECT id FROM integrations_webhookdelivery
    WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND state = 'waiting'
      AND due_at <= clock_timestamp()
    ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE integrations_webhookdelivery d SET due_at = clock_timestamp() + %(lease)s
FROM due WHERE d.id = due.id RETURNING d.id
"""


def any_webhook() -> bool:
    """Whether the tenant in scope has an endpoint that wants to hear."""
    # At each publishing: as a query of objects it would cost more than what is published.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM integrations_webhookendpoint"
            " WHERE tenant_id = %s AND state IN ('active', 'paused'))",
            [current_tenant_id()],
        )
        found: bool = cursor.fetchone()[0]
    return found


def hear(heard: Sequence[events.Event], *, now: datetime) -> None:
    """Register each fact for each endpoint that wants it, in the drain's transaction."""
    for endpoint in WebhookEndpoint.objects.filter(state__in=("active", "paused")):
        wanted = [one for one in heard if _wants(endpoint, one.topic.name)]
        if wanted:
            _register(endpoint.id, wanted, now=now)
            if endpoint.state == "active":
                wake(endpoint.id)


@job(name="integrations.webhooks.send")
def send(*, endpoint: str, now: datetime) -> None:
    """Send what is due to an endpoint, batch by batch."""
    goes_on = True
    while goes_on and (taken := _take(UUID(endpoint))):
        found, due = taken
        with ThreadPoolExecutor(max_workers=TOGETHER) as pool:
            sent = list(pool.map(partial(_post, found), due))
        for one in sent:
            goes_on = _settle(found.id, one, now=now)


@job(name="integrations.webhooks.replay")
def replay(*, endpoint: str, since: str, until: str, topics: list[str], now: datetime) -> None:
    """Send all facts of a span of time anew, those that never went to the endpoint too."""
    chunks = events.logged(
        since=datetime.fromisoformat(since),
        until=datetime.fromisoformat(until),
        names=topics,
        size=CHUNK,
    )
    for chunk in chunks:
        with transaction.atomic():
            standing = lock_webhook(UUID(endpoint))
            wanted = [one for one in chunk if _wants(standing, one.topic.name)]
            _register(standing.id, wanted, now=now, again=True)
    wake(UUID(endpoint))


@transaction.atomic
def replay_webhook(
    webhook: UUID, *, since: datetime, topics: Sequence[str], actor: str, now: datetime,
    reason: str,
) -> None:  # fmt: skip
    """Leave a job that sends all facts since a moment anew; their ids stay, so repeats are known.

    Raises:
        WebhookNotFound: there is no such endpoint.
    """
    row = lock_webhook(webhook)
    until = clock.server_now()
    audit.record(
        action="webhook.replayed", object_type="integrations.webhook", object_id=str(row.id),
        after={"since": since.isoformat(), "topics": list(topics)}, actor=actor, now=now,
        reason=reason,
    )  # fmt: skip
    replay.defer(
        endpoint=str(row.id),
        since=since.isoformat(),
        until=until.isoformat(),
        topics=list(topics),
    )


@transaction.atomic
def resend(delivery: UUID, *, actor: str, now: datetime, reason: str = "") -> DeliveryRow:
    """Send a delivery anew, whatever became of it; its tries begin anew.

    Raises:
        WebhookNotFound: there is no such delivery.
    """
    found = WebhookDelivery.objects.select_for_update().filter(pk=delivery).first()
    if found is None:
        raise WebhookNotFound("delivery_not_found", delivery=delivery)
    lock_webhook(found.endpoint_id)
    found.state, found.tries, found.due_at, found.done_at = "waiting", 0, clock.server_now(), None
    found.save(update_fields=["state", "tries", "due_at", "done_at"])
    audit.record(
        action="webhook.resent", object_type="integrations.delivery", object_id=str(found.id),
        actor=actor, now=now, reason=reason,
    )  # fmt: skip
    wake(found.endpoint_id)
    return delivery_row(found)


@transaction.atomic
def try_webhook(webhook: UUID, *, actor: str, now: datetime) -> DeliveryRow:
    """Send a test message, to see whether the endpoint answers.

    Raises:
        WebhookNotFound: there is no such endpoint.
    """
    row = lock_webhook(webhook)
    told = {"type": TEST_TOPIC, "timestamp": now.isoformat(), "data": {"webhook": str(row.id)}}
    made = WebhookDelivery.objects.create(
        endpoint=row,
        event=uuid7(),
        topic=TEST_TOPIC,
        body=msgspec.json.encode(told).decode(),
        state="waiting",
        made_at=now,
        due_at=clock.server_now(),
    )
    audit.record(
        action="webhook.tested", object_type="integrations.webhook", object_id=str(row.id),
        actor=actor, now=now,
    )  # fmt: skip
    wake(row.id)
    return delivery_row(made)


def wake(endpoint: UUID, *, at: datetime | None = None) -> None:
    """Leave a job that sends what is due, now or from a moment on."""
    send.defer(endpoint=str(endpoint), at=at)


def _wants(endpoint: Any, topic: str) -> bool:
    return not endpoint.topics or topic in endpoint.topics


def _register(
    endpoint: UUID, heard: Sequence[events.Event], *, now: datetime, again: bool = False
) -> None:
    moment = clock.server_now()
    on_conflict = "(tenant_id, endpoint_id, event) DO "
    on_conflict += (
        "UPDATE SET state = 'waiting', tries = 0, due_at = excluded.due_at, done_at = NULL"
        if again
        else "NOTHING"
    )
    bulk.copy_in(
        WebhookDelivery,
        ("id", "endpoint_id", "event", "topic", "body", "state", "tries", "made_at", "due_at"),
        (
            (uuid7(), endpoint, one.id, one.topic.name, _body(one), "waiting", 0, now, moment)
            for one in heard
        ),
        on_conflict=on_conflict,
    )


def _body(fact: events.Event) -> str:
    told = {
        "type": fact.topic.name,
        "timestamp": fact.occurred_at.isoformat(),
        "data": fact.payload,
    }
    return msgspec.json.encode(told).decode()


# --- sending ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Endpoint:
    id: UUID
    url: str
    secrets: tuple[str, ...]
    now: datetime  # by the server's clock


@dataclass(frozen=True, slots=True)
class _Sent:
    delivery: UUID
    tries: int  # this one included
    at: datetime
    status: int | None
    error: str
    answer: str
    duration_ms: int


def _take(endpoint: UUID) -> tuple[_Endpoint, list[Any]] | None:
    """Take a lease on what is due, or None where nothing is, or the endpoint rests."""
    moment = clock.server_now()
    with transaction.atomic():
        row = WebhookEndpoint.objects.filter(pk=endpoint, state="active").first()
        if row is None or (row.rests_until is not None and row.rests_until > moment):
            return None
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, {
                "lease": LEASE, "tenant": current_tenant_id(), "endpoint": endpoint,
                "limit": TOGETHER if row.failures < BROKEN_AFTER else 1,
            })  # fmt: skip
            ids = [found for (found,) in cursor.fetchall()]
        if not ids:
            return None
        due = list(WebhookDelivery.objects.filter(pk__in=ids).order_by("made_at", "id"))
        holding = WebhookSecret.objects.filter(endpoint=row).filter(
            Q(expires_at=None) | Q(expires_at__gt=moment)
        )
        secrets = [
            sealed.open_sealed(one.sealed, purpose=PURPOSE) for one in holding.order_by("-made_at")
        ]
    return _Endpoint(row.id, row.url, tuple(secrets), moment), due


def _post(endpoint: _Endpoint, delivery: Any) -> _Sent:
    """Send one; no database is touched here, it runs beside others."""
    body = delivery.body.encode()
    message = delivery_row(delivery).message
    began = time.monotonic()
    status, error, answer = None, "", b""
    try:
        got = outbound.post(
            endpoint.url,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "Kvit-Webhooks/1",
                **signature.headers(message, body, signers=endpoint.secrets, now=endpoint.now),
            },
            body=body,
            allow_private=settings.load().webhooks_allow_private,
        )
        status, answer = got.status, got.body
    except outbound.NotSent as failed:
        error = failed.reason
    return _Sent(
        delivery=delivery.id,
        tries=delivery.tries + 1,
        at=endpoint.now,
        status=status,
        error=error,
        answer=answer.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}"),
        duration_ms=round((time.monotonic() - began) * 1000),
    )


@transaction.atomic
def _settle(endpoint: UUID, sent: _Sent, *, now: datetime) -> bool:
    """Write down what became of a sending, and when to try again; says whether to go on."""
    row = WebhookEndpoint.objects.select_for_update().get(pk=endpoint)
    delivery = WebhookDelivery.objects.select_for_update().get(pk=sent.delivery)
    WebhookAttempt.objects.create(
        delivery=delivery, at=sent.at, status=sent.status, error=sent.error, answer=sent.answer,
        duration_ms=sent.duration_ms,
    )  # fmt: skip
    delivery.tries, moment = sent.tries, clock.server_now()
    is_done = sent.status is not None and 200 <= sent.status < 300
    if is_done or sent.tries >= len(PAUSES_S) or sent.status == 410:
        delivery.state = "delivered" if is_done else "failed"
        delivery.due_at, delivery.done_at = None, now
    else:
        delivery.due_at = moment + timedelta(seconds=PAUSES_S[sent.tries])
    delivery.save(update_fields=["tries", "state", "due_at", "done_at"])
    row.failures = 0 if is_done else row.failures + 1
    row.rests_until = _rest(row.failures, moment)
    if sent.status == 410:
        row.state, row.off_because = "disabled", "gone"
        audit.record(
            action="webhook.disabled", object_type="integrations.webhook", object_id=str(row.id),
            after={"because": "410"}, actor="system:webhooks", now=now,
        )  # fmt: skip
    row.save(update_fields=["failures", "rests_until", "state", "off_because"])
    if delivery.due_at is not None and row.state == "active":
        wake(endpoint, at=max(delivery.due_at, row.rests_until or delivery.due_at))
    return row.state == "active" and row.rests_until is None


def _rest(failures: int, moment: datetime) -> datetime | None:
    if failures < BROKEN_AFTER:
        return None
    seconds = min(5 * 2 ** min(failures - BROKEN_AFTER, 12), LONGEST_REST_S)
    return moment + timedelta(seconds=seconds)
