"""What has outlived its keeping goes at night: on the bound it stays, a moment older it goes."""

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kvit.integrations.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from kvit.metering import services as metering
from kvit.metering.models import Segment
from kvit.metering.queries import segment_digests
from kvit.metering.rows import EventIn
from kvit.parties.rows import Tenant
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow, IdempotencyKey
from kvit.platform.tenancy import tenant_scope
from kvit.web import retention
from kvit.web.retention import UNNAMED, drop_old, drop_unnamed_files

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


def test_files_that_no_company_names_go_after_a_week(
    tenant: Tenant, file_store: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sealing is killed after its files were written; another company's seal stands."""
    event = EventIn("e1", "subscription", "S-1", "calls", now, Decimal(1))

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with tenant_scope(uuid7(), switch=True):
        metering.ingest([event], source="a", actor="x", now=now)
        with monkeypatch.context() as patch:
            patch.setattr(Segment.objects, "create", die)
            with pytest.raises(KeyboardInterrupt):
                metering.seal(now=now)
    metering.ingest([event, event._replace(event_id="e2")], source="a", actor="x", now=now)
    metering.seal(now=now)
    named = set(segment_digests())
    assert len(_stored(file_store)) == 4
    drop_unnamed_files()
    assert len(_stored(file_store)) == 4
    for path in file_store.rglob("*/*"):
        os.utime(path, ((datetime.now(UTC) - UNNAMED - MOMENT).timestamp(),) * 2)
    drop_unnamed_files()
    assert _stored(file_store) == named


def _stored(store: Path) -> set[str]:
    return {path.name for path in store.rglob("*/*")}


def test_whoever_puts_files_is_asked_which_they_name() -> None:
    """A module that is added here has its rows read by `drop_unnamed_files`, or loses its files."""
    source = Path(retention.__file__).parents[1]
    putting = [path for path in source.rglob("*.py") if "files.put(" in path.read_text()]
    assert sorted(path.relative_to(source).as_posix() for path in putting) == [
        "documents/services.py", "metering/_segments.py",
    ]  # fmt: skip
