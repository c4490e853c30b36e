"""What has outlived its keeping goes at night: on the bound it stays, a moment older it goes."""

from datetime import datetime, timedelta

from kvit.integrations.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from kvit.parties.rows import Tenant
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow, IdempotencyKey
from kvit.web.retention import drop_old

MOMENT = timedelta(microseconds=1)


def answer(key: str, at: datetime) -> None:
    IdempotencyKey.objects.create(scope="s", key=key, request_hash="0" * 64, recorded_at=at)


def test_answers_and_webhooks_go_after_their_days(tenant: Tenant, now: datetime) -> None:
    answer("old", now - timedelta(days=30) - MOMENT)
    answer("kept", now - timedelta(days=30))
    endpoint = WebhookEndpoint.objects.create(
        url="https://example.com", topics=[], state="active", made_by="user:1", made_at=now
    )
    bound = now - timedelta(days=90)
    for state, at in (
        ("delivered", bound - MOMENT), ("failed", bound - MOMENT), ("waiting", bound - MOMENT),
        ("delivered", bound),
    ):  # fmt: skip
        made = WebhookDelivery.objects.create(
            endpoint=endpoint, event=uuid7(), topic="t", body="{}", state=state, made_at=at,
            due_at=at if state == "waiting" else None,
        )  # fmt: skip
        WebhookAttempt.objects.create(delivery=made, at=at, status=200, duration_ms=1)
    drop_old(now=now)
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["kept"]
    left = WebhookDelivery.objects.order_by("state").values_list("state", "made_at")
    assert list(left) == [("delivered", bound), ("waiting", bound - MOMENT)]
    assert WebhookAttempt.objects.count() == 2
    row = AuditRow.objects.get(action="retention.done")
    assert row.after == {"answers": 1, "deliveries": 2}
    drop_old(now=now)
    assert AuditRow.objects.filter(action="retention.done").count() == 1
