"""Facts arrive at webhooks: signed, tried again, paused, sent anew, and never twice by mistake."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks
from django.db import connection

from kvit.integrations import queries, services
from kvit.integrations.models import WebhookDelivery, WebhookEndpoint, WebhookSecret
from kvit.integrations.rows import NewEndpoint
from kvit.integrations.services import _webhooks
from kvit.integrations.services._endpoints import WebhookRefused
from kvit.integrations.services._webhooks import PAUSES_S, send
from kvit.parties.rows import CustomerRow, Tenant
from kvit.parties.services import apply_customers
from kvit.platform import settings
from kvit.platform.consumers import drain_all
from kvit.platform.jobs import work_once
from kvit.platform.models import AuditRow, Delivery
from kvit.platform.tenancy import tenant_scope
from tests.integrations.receiver import Receiver, receiving

ACTOR = "cli:test"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    trial = settings.load().model_copy(update={"webhooks_allow_private": True})
    monkeypatch.setattr("kvit.platform.settings.load", lambda: trial)
    with receiving() as told:
        yield told


def hook(receiver: Receiver, now: datetime, *topics: str) -> NewEndpoint:
    return services.create_webhook(
        url=receiver.url, topics=topics, allow_http=True, actor=ACTOR, now=now
    )


def tell(now: datetime, *codes: str) -> None:
    """Make customers: a fact of each."""
    rows = [CustomerRow(code, f"Customer {code}") for code in codes]
    apply_customers(rows, actor=ACTOR, now=now, reason="")


def hear_all(now: datetime) -> None:
    """As the drain does, in this transaction."""
    from kvit.platform.events import event_of
    from kvit.platform.models import EventLog

    _webhooks.hear([event_of(row) for row in EventLog.objects.order_by("id")], now=now)


def sent_now(made: NewEndpoint, now: datetime) -> None:
    """Let whatever is waited for be due, and send it."""
    WebhookEndpoint.objects.update(rests_until=None)
    past = datetime(2000, 1, 1, tzinfo=UTC)
    WebhookDelivery.objects.filter(state="waiting").update(due_at=past)
    send.run(endpoint=str(made.row.id), now=now)


def only_delivery(made: NewEndpoint) -> Any:
    return queries.delivery_row(queries.deliveries(made.row.id).get())


def test_a_fact_arrives_signed_as_the_standards_library_verifies(
    tenant: Tenant, now: datetime, receiver: Receiver
) -> None:
    made = hook(receiver, now, "parties.customer.created")
    tell(now, "romashka")
    hear_all(now)
    sent_now(made, now)
    [(path, headers, body)] = receiver.heard
    verified = standardwebhooks.Webhook(made.secret).verify(body, headers)
    assert path == "/hook?a=1"
    assert verified["type"] == "parties.customer.created"
    assert verified["timestamp"] == now.isoformat()
    assert verified["data"]["code"] == "romashka"
    told = only_delivery(made)
    assert (told.state, told.tries, headers["webhook-id"]) == ("delivered", 1, told.message)
    [attempt] = queries.attempts(told.id)
    assert (attempt.status, attempt.answer, attempt.error) == (200, "ok", "")


def test_a_secret_is_kept_sealed_and_two_sign_while_it_is_rotated(
    tenant: Tenant, now: datetime, receiver: Receiver
) -> None:
    made = hook(receiver, now)
    other = services.rotate_webhook_secret(made.row.id, actor=ACTOR, now=now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed FROM integrations_webhooksecret")
        kept = str(cursor.fetchall())
    assert made.secret not in kept
    assert other.secret not in kept
    services.try_webhook(made.row.id, actor=ACTOR, now=now)
    sent_now(made, now)
    _, headers, body = receiver.heard[0]
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (made.secret, other.secret):
        told = standardwebhooks.Webhook(secret).verify(body, headers)
        assert told["type"] == "integrations.webhook.tested"
    WebhookSecret.objects.filter(expires_at__isnull=False).update(expires_at=now)
    services.try_webhook(made.row.id, actor=ACTOR, now=now)
    sent_now(made, now)
    _, headers, body = receiver.heard[1]
    standardwebhooks.Webhook(other.secret).verify(body, headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(made.secret).verify(body, headers)


def test_topics_decide_what_is_heard(tenant: Tenant, now: datetime, receiver: Receiver) -> None:
    some, everything = hook(receiver, now, "parties.seller.created"), hook(receiver, now)
    tell(now, "a", "b")
    hear_all(now)
    assert queries.deliveries(some.row.id).count() == 0
    topics = set(queries.deliveries(everything.row.id).values_list("topic", flat=True))
    assert topics == {"parties.tenant.created", "parties.customer.created"}


def test_a_fact_heard_twice_is_one_delivery(
    tenant: Tenant, now: datetime, receiver: Receiver
) -> None:
    made = hook(receiver, now, "parties.customer.created")
    tell(now, "a")
    hear_all(now)
    hear_all(now)
    sent_now(made, now)
    assert len(receiver.heard) == 1


def test_what_fails_is_tried_ten_times_over_days_and_then_has_failed(
    tenant: Tenant, now: datetime, receiver: Receiver
) -> None:
    receiver.answers = [(500, b"broken")]
    made = hook(receiver, now)
    services.try_webhook(made.row.id, actor=ACTOR, now=now)
    pauses = []
    for _ in PAUSES_S[1:]:
        sent_now(made, now)
        told = only_delivery(made)
        [*_, last] = queries.attempts(told.id)
        assert (told.state, last.status, last.answer) == ("waiting", 500, "broken")
        pauses.append(int((told.due_at - last.at).total_seconds()))
    wanted = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
    late = [pause - want for pause, want in zip(pauses, wanted, strict=True)]
    assert [one for one in late if not 0 <= one <= 3] == []
    sent_now(made, now)
    told = only_delivery(made)
    assert (told.state, told.tries, told.due_at) == ("failed", 10, None)
    ids = {headers["webhook-id"] for _, headers, _ in receiver.heard}
    assert (len(receiver.heard), len(ids)) == (10, 1)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 503])
def test_anything_but_2xx_is_a_failure(
    tenant: Tenant, now: datetime, receiver: Receiver, status: int
) -> None:
    receiver.answers, receiver.headers = [(status, b"")], {"Location": receiver.url}
    made = hook(receiver, now)
    services.try_webhook(made.row.id, actor=ACTOR, now=now)
    sent_now(made, now)
    assert (only_delivery(made).state, len(receiver.heard)) == ("waiting", 1)


def test_gone_turns_the_endpoint_off(tenant: Tenant, now: datetime, receiver: Receiver) -> None:
    receiver.answers = [(410, b"")]
    made = hook(receiver, now)
    services.try_webhook(made.row.id, actor=ACTOR, now=now)
    sent_now(made, now)
    row = queries.webhook_by_id(made.row.id)
    assert (row.state, row.off_because, only_delivery(made).state) == ("disabled", "gone", "failed")
    assert AuditRow.objects.filter(action="webhook.disabled").count() == 1
    tell(now, "a")
    hear_all(now)
    assert WebhookDelivery.objects.count() == 1


def test_an_endpoint_that_fails_again_and_again_rests(
    tenant: Tenant, now: datetime, receiver: Receiver
) -> None:
    receiver.answers = [(500, b"")]
    made = hook(receiver, now, "parties.customer.created")
    tell(now, *(f"c{i}" for i in range(30)))
    hear_all(now)
    send.run(endpoint=str(made.row.id), now=now)
    row = WebhookEndpoint.objects.get()
    assert len(receiver.heard) == 8  # one batch; the others keep their tries
    assert row.failures == 8
    send.run(endpoint=str(made.row.id), now=now)
    assert len(receiver.heard) == 8
    receiver.answers = [(200, b"")]
    WebhookEndpoint.objects.update(rests_until=None)
    send.run(endpoint=str(made.row.id), now=now)
    assert WebhookEndpoint.objects.get().failures == 0
    assert WebhookDelivery.objects.filter(state="delivered").count() == 22


def test_paused_keeps_what_is_told_and_resumed_sends_it(
    tenant: Tenant, now: datetime, receiver: Receiver
) -> None:
    made = hook(receiver, now, "parties.customer.created")
    services.pause_webhook(made.row.id, actor=ACTOR, now=now)
    tell(now, "a")
    hear_all(now)
    sent_now(made, now)
    assert receiver.heard == []
    services.resume_webhook(made.row.id, actor=ACTOR, now=now)
    sent_now(made, now)
    assert len(receiver.heard) == 1
    with pytest.raises(WebhookRefused):
        services.resume_webhook(made.row.id, actor=ACTOR, now=now)


def test_anything_can_be_sent_anew(tenant: Tenant, now: datetime, receiver: Receiver) -> None:
    made = hook(receiver, now, "parties.customer.created")
    tell(now, "a")
    hear_all(now)
    sent_now(made, now)
    services.resend(only_delivery(made).id, actor=ACTOR, now=now, reason="потеряли")
    sent_now(made, now)
    first, second = receiver.heard
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert len(queries.attempts(only_delivery(made).id)) == 2


def test_a_removed_endpoint_hears_nothing(
    tenant: Tenant, now: datetime, receiver: Receiver
) -> None:
    made = hook(receiver, now)
    services.try_webhook(made.row.id, actor=ACTOR, now=now)
    services.remove_webhook(made.row.id, actor=ACTOR, now=now)
    sent_now(made, now)
    assert receiver.heard == []
    with pytest.raises(queries.WebhookNotFound):
        queries.webhook_by_id(made.row.id)


def test_a_company_without_webhooks_pays_for_none(tenant: Tenant, now: datetime) -> None:
    tell(now, "a")
    assert Delivery.objects.filter(consumer="integrations.webhooks").count() == 0


@pytest.mark.parametrize(
    "url", ["http://example.com/", "ftp://x/", "https://u:p@x/", "https://x/#y", "x"]
)
def test_an_address_that_is_no_https_url_is_refused(
    tenant: Tenant, now: datetime, url: str
) -> None:
    with pytest.raises(WebhookRefused) as caught:
        services.create_webhook(url=url, actor=ACTOR, now=now)
    assert caught.value.code == "webhook_url_invalid"
    assert WebhookEndpoint.objects.exists() is False


# --- with the real drain and worker -------------------------------------------------------------


@pytest.fixture
def company(db: None, now: datetime) -> UUID:
    from kvit.parties.rows import TenantRow
    from kvit.parties.services import create_tenant

    row = TenantRow("acme", "Acme", currency="RUB", zone="Europe/Moscow")
    return create_tenant(row, actor=ACTOR, now=now).id


@pytest.mark.django_db(transaction=True)
def test_drain_and_worker_carry_a_fact_from_its_transaction_to_the_receiver(
    company: UUID, now: datetime, receiver: Receiver
) -> None:
    with tenant_scope(company):
        made = hook(receiver, now, "parties.customer.created")
        tell(now, "a", "b", "c")
    work_once()
    codes = {json.loads(body)["data"]["code"] for _, _, body in receiver.heard}
    assert codes == {"a", "b", "c"}
    with tenant_scope(company):
        assert queries.deliveries(made.row.id, state="delivered").count() == 3


@pytest.mark.django_db(transaction=True)
def test_replay_brings_what_was_told_before_the_endpoint_was_there(
    company: UUID, now: datetime, receiver: Receiver
) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    with tenant_scope(company):
        tell(now, "a", "b")
        made = hook(receiver, now, "parties.customer.created")
        tell(now, "c")
    work_once()
    assert len(receiver.heard) == 1
    with tenant_scope(company):
        services.replay_webhook(
            made.row.id, since=since, topics=[], actor=ACTOR, now=now, reason="новый приёмник"
        )
    work_once()
    assert len(receiver.heard) == 4
    messages = [headers["webhook-id"] for _, headers, _ in receiver.heard]
    assert len(set(messages)) == 3  # "c" came twice under one id
    assert drain_all() == 0
