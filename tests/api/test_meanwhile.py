"""A write slips in between the request and the service: what stands is compared under its lock."""

from dataclasses import dataclass
from typing import Any

import pytest

from kvit.parties.models import ApiKey
from kvit.platform.models import AuditRow
from kvit.web.api import core
from tests.api.conftest import Callers

SELLER = {"name": "ООО «Акме»"}
WEBHOOK = {"url": "https://crm.example/hook"}


@dataclass(frozen=True)
class Place:
    """What is changed: where, by which module, from what, by them and by me."""

    path: str
    module: str
    before: dict[str, Any]
    theirs: dict[str, Any]
    mine: dict[str, Any]


COMPANY = {"name": "ООО «Акме»", "currency": "RUB", "zone": "Europe/Moscow"}
TRIGGER = {"kind": "schedule", "day": 1}
PLACES = [
    Place("/company", "settings", COMPANY, COMPANY | {"name": "Их"}, COMPANY | {"name": "Моё"}),
    Place("/sellers/main", "settings", SELLER, SELLER | {"vat": "none"}, SELLER | {"signer": "Я"}),
    Place("/sellers/main/brand", "branding", {"colour": "#0b57b7"}, {"colour": ""},
          {"colour": "#102030", "logo": ""}),
    Place("/branches/north", "settings", {"name": "Север", "seller": "main"},
          {"name": "Их", "seller": "main"}, {"name": "Мой", "seller": "main"}),
    Place("/customers/romashka", "customers", {"name": "ООО «Ромашка»"},
          {"name": "ООО «Ромашка»", "phone": "+7 999 1"},
          {"name": "ООО «Ромашка»", "email": "a@b.example"}),
    Place("/triggers/month", "triggers", TRIGGER, TRIGGER | {"day": 5}, TRIGGER | {"day": 7}),
    Place("/roles/support", "settings", {"rights": ["invoices.read"]},
          {"rights": ["invoices.read", "usage.read"]}, {"rights": ["customers.read"]}),
    Place("/roles/accountant/limits", "settings",
          {"limits": [{"currency": "RUB", "amount": "50000"}]},
          {"limits": [{"currency": "RUB", "amount": "40000"}]}, {"limits": []}),
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda one: one.path)
def test_a_write_that_slips_in_before_the_service_is_not_overwritten(
    api: Callers, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    mine, theirs = api(), api()
    theirs.put("/sellers/main", SELLER)
    theirs.post("/customers", {"code": "romashka", "name": "ООО «Ромашка»"})
    assert theirs.put(place.path, place.before).status == 200
    tag = mine.get(place.path).headers["ETag"]

    def slipped(request: Any) -> Any:
        monkeypatch.setattr(f"kvit.web.api.{place.module}.seen", core.seen)
        assert theirs.put(place.path, place.theirs).status == 200
        return core.seen(request)

    monkeypatch.setattr(f"kvit.web.api.{place.module}.seen", slipped)
    answer = mine.put(place.path, place.mine, headers={"If-Match": tag})
    assert (answer.status, answer.code) == (412, "changed_meanwhile")
    stands = mine.get(place.path)
    mine.put(place.path, place.theirs)  # says what stands, and so changes nothing
    assert mine.get(place.path).headers["ETag"] == stands.headers["ETag"]
    again = mine.put(place.path, place.mine, headers={"If-Match": stands.headers["ETag"]})
    assert again.status == 200


def test_what_somebody_else_uses_meanwhile_is_no_change(api: Callers) -> None:
    crm = api()
    made = crm.post("/webhooks", WEBHOOK).json["id"]
    tag = crm.get(f"/webhooks/{made}").headers["ETag"]
    assert crm.post(f"/webhooks/{made}/pause", {}).status == 200
    changed = crm.put(f"/webhooks/{made}", WEBHOOK | {"description": "CRM"},
                      headers={"If-Match": tag})  # fmt: skip
    assert (changed.status, changed.json["state"]) == (200, "paused")


def test_two_do_not_rotate_one_key(api: Callers) -> None:
    crm, other = api(), api("usage.write")
    place = f"/keys/{other.key_id}"
    tag = {"If-Match": crm.get(place).headers["ETag"]}
    assert crm.post(f"{place}/rotate", {"overlap_hours": 1}, headers=tag).status == 201
    before = ApiKey.objects.count()
    assert crm.post(f"{place}/rotate", {"overlap_hours": 1}, headers=tag).status == 412
    assert ApiKey.objects.count() == before
    assert other.get("/tenants/me").status == 200


def test_a_key_that_was_rotated_meanwhile_is_not_revoked_by_who_saw_it_before(api: Callers) -> None:
    crm, other = api(), api("usage.write")
    place = f"/keys/{other.key_id}"
    tag = {"If-Match": crm.get(place).headers["ETag"]}
    assert crm.post(f"{place}/rotate", {"overlap_hours": 1}).status == 201
    stale = crm.post(f"{place}/revoke", {}, headers=tag)
    assert (stale.status, stale.code) == (412, "changed_meanwhile")
    assert ApiKey.objects.get(pk=other.key_id).revoked_at is None
    tag = {"If-Match": crm.get(place).headers["ETag"]}
    assert crm.post(f"{place}/revoke", {}, headers=tag).status == 200
    # Revoked is what was wanted: a repeat says so, whatever it saw.
    assert crm.post(f"{place}/revoke", {}, headers=tag).status == 200


def test_a_draft_is_edited_by_its_tag_as_all_else_is(api: Callers) -> None:
    crm = api()
    opened = crm.post("/catalogue/drafts", {"title": "x", "effective_from": "2026-12-01"})
    place = f"/catalogue/drafts/{opened.json['id']}"
    plan = f"{place}/objects/plan"
    first = {"If-Match": crm.get(place).headers["ETag"]}
    document = {"document": {"code": "lite", "name": "Лайт"}}
    done = crm.put(plan, document, headers=first)
    assert (done.status, done.json["version"]) == (200, 2)
    stale = [
        crm.put(plan, document, headers=first),
        crm.put(place, {"title": "y", "effective_from": "2026-12-02"}, headers=first),
        crm.send("DELETE", f"{plan}/lite", headers=first),
        crm.post(f"{place}/settle", {}, headers=first),
        crm.post(f"{place}/discard", {"reason": "x"}, headers=first),
        crm.post(f"{place}/publish", {"reason": "x"}, headers=first),
    ]
    assert {(one.status, one.code) for one in stale} == {(412, "changed_meanwhile")}
    unseen = crm.put(plan, document)
    assert (unseen.status, unseen.code) == (422, "draft_unseen")
    assert crm.get(place).json["version"] == 2
    # The answer to an edit names what to have seen for the next one.
    tag = {"If-Match": done.headers["ETag"]}
    assert crm.post(f"{place}/publish", {"reason": "лайт"}, headers=tag).json == {"revision": 1}


def test_a_tag_of_the_same_content_read_elsewhere_still_fits(api: Callers) -> None:
    crm = api()
    crm.put("/sellers/main", SELLER)
    first = crm.get("/sellers/main").headers["ETag"]
    unchanged = crm.get("/sellers/main", headers={"If-None-Match": first})
    assert (unchanged.status, unchanged.body) == (304, b"")
    put = crm.put(
        "/sellers/main", SELLER | {"bank": "Банк"}, headers={"If-Match": f'W/{first}, "x"'}
    )
    assert put.status == 200
    assert crm.get("/sellers/main").headers["ETag"] == put.headers["ETag"]
    assert AuditRow.objects.filter(action="seller.changed").count() == 1


def test_what_is_refused_names_who_was_faster(api: Callers) -> None:
    crm = api()
    crm.put("/sellers/main", SELLER)
    answer = crm.put("/sellers/main", SELLER | {"vat": "none"}, headers={"If-Match": '"old"'})
    assert answer.json["detail"] == (
        "Пока вы правили, это изменили (программа). Ваша правка не сохранена: сравните и сохраните"
        " снова."
    )


def test_how_machines_prove_themselves_is_not_changed_from_an_older_reading(api: Callers) -> None:
    crm = api()
    body = {"machine_factors": 1, "reason": "проще"}
    tag = crm.get("/tenants/me").headers["ETag"]
    stale = crm.put("/tenants/me/machine-factors", body, headers={"If-Match": '"old"'})
    assert (stale.status, stale.code) == (412, "changed_meanwhile")
    done = crm.put("/tenants/me/machine-factors", body, headers={"If-Match": tag})
    assert (done.status, done.json["machine_factors"]) == (200, 1)
