"""Settings over the API: the same services as the pages, the same refusals."""

from django.core import mail

from kvit.parties import queries
from kvit.parties.models import Membership
from kvit.parties.rows import Tenant
from kvit.platform.models import AuditRow
from tests.api.conftest import Callers

SELLER = {"name": "ООО «Акме»", "inn": "7707083893", "reason": "новое юрлицо"}


def test_a_seller_is_made_changed_and_refused_by_its_check_digit(api: Callers) -> None:
    admin = api()
    made = admin.put("/sellers/main", SELLER)
    assert (made.status, made.json["inn"], made.json["vat"]) == (200, "7707083893", "auto")
    wrong = admin.put("/sellers/main", SELLER | {"inn": "7707083894"})
    assert (wrong.status, wrong.json["field"]) == (422, "inn")
    assert queries.sellers()["main"].row.inn == "7707083893"
    stale = admin.put("/sellers/main", SELLER | {"vat": "none"}, headers={"If-Match": '"old"'})
    assert (stale.status, queries.sellers()["main"].row.vat) == (412, "auto")


def test_a_key_gives_no_role_above_its_own_rights(api: Callers) -> None:
    crm = api("members.write", "members.read")
    refused = crm.post("/members", {"email": "a@acme.example", "role": "owner"})
    assert (refused.status, refused.code) == (422, "staff_above_own")
    assert Membership.objects.count() == 0
    done = api().post("/members", {"email": "a@acme.example", "role": "owner"})
    assert (done.status, done.json["roles"]) == (201, [{"role": "owner", "branch": ""}])
    assert mail.outbox[0].to == ["a@acme.example"]
    last = api().post(f"/members/{done.json['id']}/roles/revoke", {"role": "owner"})
    assert (last.status, last.code) == (422, "staff_last_owner")


def test_an_attempt_without_the_right_stays_in_the_journal(api: Callers, tenant: Tenant) -> None:
    crm = api("invoices.read")
    body = {**SELLER, "name": "Чужое имя"}
    assert crm.put("/sellers/main", body).status == 403
    row = AuditRow.objects.get(action="attempt.refused")
    assert (row.object_id, row.actor) == ("save_seller main", f"key:{crm.key_id}")
    assert row.after == {"right": "settings.write", "method": "PUT"}
    listed = api().get("/audit", action="attempt.")
    assert [one["object_id"] for one in listed.json["data"]] == ["save_seller main"]


def test_limits_of_a_role_are_set_to_the_kopeck(api: Callers) -> None:
    admin = api()
    body = {"limits": [{"currency": "RUB", "amount": "50000.00"}], "reason": "приказ № 4"}
    done = admin.put("/roles/accountant/limits", body)
    assert (done.status, done.json["limits"]) == (200, [{"amount": "50000.00", "currency": "RUB"}])
    fine = {"limits": [{"currency": "RUB", "amount": "0.001"}]}
    assert admin.put("/roles/accountant/limits", fine).code == "sum_too_fine"
    none = {"limits": [{"currency": "XXQ", "amount": "1"}]}
    assert admin.put("/roles/accountant/limits", none).code == "sum_currency_unknown"
    assert admin.put("/roles/owner/limits", body).code == "limit_of_owner"
    assert admin.put("/roles/accountant/limits", {"limits": []}).json["limits"] == []


def test_a_trigger_is_made_changed_and_refused(api: Callers) -> None:
    admin = api()
    made = admin.put("/triggers/month", {"kind": "schedule", "day": 3, "time": "06:00"})
    assert (made.status, made.json["day"], made.json["fired"]) == (200, 3, 0)
    assert admin.get("/triggers").json["data"] == [made.json]
    assert admin.put("/triggers/x", {"kind": "event"}).code == "trigger_event"
    assert admin.get("/triggers/x").code == "trigger_not_found"
    off = admin.put("/triggers/month", {"kind": "schedule", "day": 3, "is_on": False})
    assert (off.json["is_on"], off.json["time"]) == (False, "")
    assert api("settings.read").put("/triggers/month", {"kind": "event"}).status == 403
