"""Webhooks over the API: everything about them, and If-Match on a change."""

from datetime import datetime

import pytest

from kvit.integrations.models import WebhookDelivery, WebhookEndpoint
from kvit.integrations.services._webhooks import send
from kvit.parties.rows import Tenant
from kvit.platform import settings
from tests.api.conftest import Callers
from tests.integrations.receiver import receiving

URL = "https://example.com/kvit"


def test_a_webhook_is_made_read_changed_paused_and_removed(api: Callers) -> None:
    crm = api("webhooks.write")
    made = crm.post("/webhooks", {"url": URL, "topics": ["invoicing.invoice.issued"]})
    assert (made.status, made.json["secret"][:6]) == (201, "whsec_")
    place = f"/webhooks/{made.json['id']}"
    read = crm.get(place)
    assert (read.json["state"], "secret" in read.json) == ("active", False)
    changed = crm.put(place, {"url": f"{URL}/2"}, headers={"If-Match": read.headers["ETag"]})
    assert (changed.status, changed.json["url"], changed.json["topics"]) == (200, f"{URL}/2", [])
    assert crm.post(f"{place}/pause", {}).json["state"] == "paused"
    assert crm.post(f"{place}/pause", {}).code == "webhook_state_fixed"
    assert crm.post(f"{place}/resume", {}).json["state"] == "active"
    assert crm.send("DELETE", place).status == 204
    assert crm.get(place).code == "webhook_not_found"
    assert crm.get("/webhooks").json == {"data": [], "next": None, "count": 0}


def test_a_change_made_from_an_older_reading_is_refused(api: Callers) -> None:
    crm = api()
    place = f"/webhooks/{crm.post('/webhooks', {'url': URL}).json['id']}"
    tag = crm.get(place).headers["ETag"]
    first = crm.put(place, {"url": f"{URL}/1"}, headers={"If-Match": tag})
    second = crm.put(place, {"url": f"{URL}/2"}, headers={"If-Match": tag})
    assert (first.status, second.status, second.code) == (200, 412, "changed_meanwhile")
    assert crm.get(place).json["url"] == f"{URL}/1"
    fresh = crm.put(place, {"url": f"{URL}/2"}, headers={"If-Match": first.headers["ETag"]})
    assert fresh.status == 200


def test_a_topic_that_is_none_is_named(api: Callers) -> None:
    answer = api().post("/webhooks", {"url": URL, "topics": ["invoice.paid"]})
    assert (answer.status, answer.code) == (422, "webhook_topic_unknown")
    assert WebhookEndpoint.objects.exists() is False


def test_every_topic_is_listed_with_its_schema(api: Callers) -> None:
    found = {one["name"]: one for one in api().get("/webhooks/topics").json}
    assert "invoicing.invoice.issued" in found
    assert found["parties.customer.created"]["payload"]["$defs"]


def test_deliveries_show_what_was_sent_and_what_was_answered(
    api: Callers, tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = settings.load().model_copy(update={"webhooks_allow_private": True})
    monkeypatch.setattr("kvit.platform.settings.load", lambda: trial)
    crm = api()
    with receiving() as receiver:
        receiver.answers = [(500, "внутри сломалось".encode())]
        made = crm.post("/webhooks", {"url": receiver.url}).json
        tried = crm.post(f"/webhooks/{made['id']}/test")
        assert (tried.status, tried.json["state"]) == (202, "waiting")
        send.run(endpoint=made["id"], now=now)
    listed = crm.get(f"/webhooks/{made['id']}/deliveries", state="waiting").json
    assert [one["id"] for one in listed["data"]] == [tried.json["id"]]
    told = crm.get(f"/webhook-deliveries/{tried.json['id']}").json
    assert [(a["status"], a["answer"]) for a in told["attempts"]] == [(500, "внутри сломалось")]
    assert made["id"] in told["body"]
    again = crm.post(f"/webhook-deliveries/{tried.json['id']}/resend", {"reason": "проба"})
    assert (again.status, again.json["tries"]) == (202, 0)
    assert WebhookDelivery.objects.count() == 1
