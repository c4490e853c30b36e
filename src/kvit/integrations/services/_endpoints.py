"""Endpoints of webhooks: made, changed, paused, removed; their secrets; a test message."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from kvit.core.wording import Words
from kvit.integrations import signature
from kvit.integrations.models import WebhookEndpoint, WebhookSecret
from kvit.integrations.outbound import target_of
from kvit.integrations.queries import WebhookNotFound, webhook_row, webhooks
from kvit.integrations.rows import EndpointRow, NewEndpoint
from kvit.platform import audit, clock, events, sealed
from kvit.platform.failures import Failure
from kvit.platform.revisions import Seen, refuse_stale

PURPOSE = "webhook"
OVERLAP = timedelta(hours=24)
WORDS: Words = {
    "webhook_url_invalid": (
        "Адрес вебхука — https без имени, пароля и якоря: {url}",
        "A webhook's address is https, without user, password or fragment: {url}",
    ),
    "webhook_topic_unknown": (
        "Событий «{topic}» нет; список — в docs/reference/events.md.",
        "There are no events “{topic}”; docs/reference/events.md has the list.",
    ),
    "webhook_state_fixed": (
        "Вебхук уже в состоянии «{state}».",
        "The webhook is {state} already.",
    ),
}


class WebhookRefused(Failure):
    """The endpoint cannot be made or changed so; nothing was changed."""

    words = WORDS


@transaction.atomic
def create_webhook(
    *,
    url: str,
    topics: Sequence[str] = (),
    description: str = "",
    allow_http: bool = False,
    actor: str,
    now: datetime,
    reason: str = "",
) -> NewEndpoint:
    """Make an endpoint; it hears what is told from now on.

    Args:
        topics: names of facts; none is all of them.
        allow_http: an operator's setting for tests on one machine.

    Raises:
        WebhookRefused: the address is no https URL, or a topic is unknown.
    """
    _check(url, topics, allow_http=allow_http)
    made = WebhookEndpoint.objects.create(
        url=url,
        description=description,
        topics=sorted(set(topics)),
        state="active",
        made_by=actor,
        made_at=now,
    )
    secret = _add_secret(made, now=now)
    row = webhook_row(made)
    _record("webhook.created", row, actor=actor, now=now, reason=reason, after=standing_of(row))
    return NewEndpoint(row, secret)


@transaction.atomic
def change_webhook(
    webhook: UUID,
    *,
    url: str,
    topics: Sequence[str],
    description: str,
    allow_http: bool = False,
    seen: Seen = None,
    actor: str,
    now: datetime,
    reason: str = "",
) -> EndpointRow:
    """Make the endpoint be so; what waits goes to the new address.

    Args:
        seen: the revision of its `standing_of`.

    Raises:
        WebhookNotFound: there is none. WebhookRefused: see `create_webhook`.
        Stale: it was changed since it was seen.
    """
    _check(url, topics, allow_http=allow_http)
    found = lock_webhook(webhook)
    before = standing_of(webhook_row(found))
    refuse_stale(before, seen, of=("integrations.webhook", str(found.pk)))
    found.url, found.topics, found.description = url, sorted(set(topics)), description
    found.save(update_fields=["url", "topics", "description"])
    row = webhook_row(found)
    if before != standing_of(row):
        _record("webhook.changed", row, actor=actor, now=now, reason=reason, before=before,
                after=standing_of(row))  # fmt: skip
    return row


@transaction.atomic
def pause_webhook(webhook: UUID, *, actor: str, now: datetime, reason: str = "") -> EndpointRow:
    """Keep what is told, and send nothing until the endpoint is resumed.

    Raises:
        WebhookNotFound: there is none. WebhookRefused: it is not active.
    """
    return _turn(webhook, "paused", ("active",), actor=actor, now=now, reason=reason)


@transaction.atomic
def resume_webhook(webhook: UUID, *, actor: str, now: datetime, reason: str = "") -> EndpointRow:
    """Send again, beginning with what waits; one that was disabled hears again from now on.

    Raises:
        WebhookNotFound: there is none. WebhookRefused: it is active.
    """
    from kvit.integrations.services._webhooks import wake

    row = _turn(webhook, "active", ("paused", "disabled"), actor=actor, now=now, reason=reason)
    wake(row.id)
    return row


@transaction.atomic
def remove_webhook(webhook: UUID, *, actor: str, now: datetime, reason: str = "") -> None:
    """Send nothing more; what was sent stays in sight.

    Raises:
        WebhookNotFound: there is none.
    """
    _turn(webhook, "removed", ("active", "paused", "disabled"), actor=actor, now=now,
          reason=reason)  # fmt: skip


@transaction.atomic
def rotate_webhook_secret(
    webhook: UUID, *, overlap: timedelta = OVERLAP, actor: str, now: datetime, reason: str = ""
) -> NewEndpoint:
    """Give the endpoint another secret; until the overlap has passed, both sign.

    Raises:
        WebhookNotFound: there is none.
    """
    found = lock_webhook(webhook)
    moment = clock.server_now()
    WebhookSecret.objects.filter(endpoint=found, expires_at=None).update(
        expires_at=moment + overlap
    )
    secret = _add_secret(found, now=now)
    row = webhook_row(found)
    _record("webhook.secret_rotated", row, actor=actor, now=now, reason=reason,
            after={"overlap_s": int(overlap.total_seconds())})  # fmt: skip
    return NewEndpoint(row, secret)


def lock_webhook(webhook: UUID) -> Any:
    """Return the endpoint, held until the end of the transaction.

    Raises:
        WebhookNotFound: there is none.
    """
    found = webhooks().select_for_update().filter(pk=webhook).first()
    if found is None:
        raise WebhookNotFound("webhook_not_found", webhook=webhook)
    return found


def _check(url: str, topics: Sequence[str], *, allow_http: bool) -> None:
    try:
        scheme = target_of(url).scheme
    except ValueError:
        scheme = ""
    if scheme != "https" and not (allow_http and scheme):
        raise WebhookRefused("webhook_url_invalid", url=url[:200])
    for topic in topics:
        if topic not in events.topics():
            raise WebhookRefused("webhook_topic_unknown", topic=topic[:80])


def _turn(
    webhook: UUID, state: str, allowed: tuple[str, ...], *, actor: str, now: datetime, reason: str
) -> EndpointRow:
    found = lock_webhook(webhook)
    if found.state not in allowed:
        raise WebhookRefused("webhook_state_fixed", state=found.state)
    before = found.state
    found.state, found.off_because, found.failures, found.rests_until = state, "", 0, None
    found.save(update_fields=["state", "off_because", "failures", "rests_until"])
    row = webhook_row(found)
    _record(f"webhook.{state}", row, actor=actor, now=now, reason=reason,
            before={"state": before}, after={"state": state})  # fmt: skip
    return row


def _add_secret(endpoint: Any, *, now: datetime) -> str:
    secret = signature.new_secret()
    WebhookSecret.objects.create(
        endpoint=endpoint, sealed=sealed.seal(secret, purpose=PURPOSE), made_at=now
    )
    return secret


def standing_of(row: EndpointRow) -> dict[str, Any]:
    """What a change of an endpoint is made from; its state goes its own ways."""
    return {"url": row.url, "topics": list(row.topics), "description": row.description}


def _record(action: str, row: EndpointRow, **rest: Any) -> None:
    audit.record(action=action, object_type="integrations.webhook", object_id=str(row.id), **rest)
