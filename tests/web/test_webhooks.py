"""Webhooks on pages: an address is added with its secret told once, paused, resent to, removed."""

import re

import pytest
from django.test import Client

from kvit.integrations.models import WebhookDelivery, WebhookEndpoint
from kvit.platform.models import AuditRow
from tests.web.conftest import Office

ADDRESS = "https://example.com/kvit"


@pytest.fixture
def boss(office: Office) -> Client:
    return office("owner")


@pytest.fixture
def endpoint(boss: Client) -> WebhookEndpoint:
    form = {"url": ADDRESS, "description": "CRM", "topics": ["invoicing.invoice.issued"]}
    boss.post("/office/webhooks/new/", form)
    return WebhookEndpoint.objects.get()


def test_an_address_is_added_and_its_secret_told_once(boss: Client) -> None:
    answer = boss.post("/office/webhooks/new/", {"url": ADDRESS, "description": "CRM"})
    secret = re.search(r'value="(whsec_[^"]+)"', answer.content.decode())
    assert secret is not None
    listed = boss.get("/office/webhooks/").content.decode()
    assert ADDRESS in listed
    assert "обо всём" in listed
    assert secret[1] not in listed
    assert secret[1] not in boss.get(f"/office/webhooks/{_id()}/").content.decode()


@pytest.mark.parametrize("url", ["http://example.com/x", "ftp://example.com", "not an address", ""])
def test_an_address_that_cannot_be_is_refused_at_its_field(boss: Client, url: str) -> None:
    answer = boss.post("/office/webhooks/new/", {"url": url})
    assert answer.status_code == 422
    assert 'id="id_url-error"' in answer.content.decode()
    assert WebhookEndpoint.objects.count() == 0


def test_a_test_is_sent_and_shown(boss: Client, endpoint: WebhookEndpoint) -> None:
    answer = boss.post(f"/office/webhooks/{endpoint.pk}/test/", follow=True)
    page = answer.content.decode()
    assert "integrations.webhook.tested" in page
    assert "Ещё не отправлено" in page
    assert WebhookDelivery.objects.count() == 1


def test_what_was_delivered_can_be_sent_once_more_under_its_id(
    boss: Client, endpoint: WebhookEndpoint
) -> None:
    boss.post(f"/office/webhooks/{endpoint.pk}/test/")
    sent = WebhookDelivery.objects.get()
    boss.post(f"/office/webhooks/deliveries/{sent.pk}/resend/")
    assert list(WebhookDelivery.objects.values_list("pk", flat=True)) == [sent.pk]


def test_a_pause_and_a_removal_are_seen(boss: Client, endpoint: WebhookEndpoint) -> None:
    paused = boss.post(f"/office/webhooks/{endpoint.pk}/pause/", follow=True).content.decode()
    assert "Приостановлен" in paused
    resumed = boss.post(f"/office/webhooks/{endpoint.pk}/resume/", follow=True)
    assert "Слушает" in resumed.content.decode()
    gone = boss.post(f"/office/webhooks/{endpoint.pk}/remove/", follow=True).content.decode()
    assert "Адресов нет" in gone
    assert boss.get(f"/office/webhooks/{endpoint.pk}/").status_code == 404


def test_who_may_not_changes_nothing_and_the_attempt_is_written_down(
    office: Office, endpoint: WebhookEndpoint
) -> None:
    answer = office("accountant").post(f"/office/webhooks/{endpoint.pk}/remove/")
    assert answer.status_code == 403
    endpoint.refresh_from_db()
    assert endpoint.state == "active"
    assert AuditRow.objects.filter(object_id__contains=str(endpoint.pk)).exists()


def test_an_address_of_another_company_is_not_found(boss: Client) -> None:
    strange = "01a22354-6be3-74d8-8cd4-cea9f4b84fa6"
    for place in ("", "deliveries/"):
        assert boss.get(f"/office/webhooks/{place}{strange}/").status_code == 404


def _id() -> object:
    return WebhookEndpoint.objects.get().pk
