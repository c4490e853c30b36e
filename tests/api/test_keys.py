"""Keys of machines, their second factor, and what is kept of them."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from kvit.parties import models
from kvit.parties.rows import Tenant
from kvit.parties.services import set_machine_factors
from kvit.platform.models import AuditRow, IdempotencyKey
from kvit.web.api.signing import sign
from tests.api.conftest import PREFIX, Caller, Callers


def test_a_new_key_opens_and_its_secrets_are_kept_nowhere(api: Callers) -> None:
    made = api().post("/keys", {"name": "CRM", "rights": ["invoices.read"]})
    assert made.status == 201
    assert Caller(made.json["key"]).get("/tenants/me").json["rights"] == ["invoices.read"]
    secret = made.json["key"].split("_", 2)[2]
    kept = str(list(models.ApiKey.objects.values())) + str(list(AuditRow.objects.values()))
    assert secret not in kept
    assert made.json["signing_secret"] not in kept


def test_the_secret_is_told_once_even_to_a_repeat(api: Callers) -> None:
    crm = api()
    body = {"name": "CRM", "rights": ["invoices.read"]}
    first, again = crm.post("/keys", body, once="k"), crm.post("/keys", body, once="k")
    assert (again.json["id"], again.json["key"]) == (first.json["id"], None)
    assert first.json["key"] not in str(IdempotencyKey.objects.get().response)
    assert models.ApiKey.objects.count() == 2


def test_a_repeat_shows_nothing_that_who_repeats_may_no_longer_see(api: Callers) -> None:
    crm = api("customers.write", "customers.read", "personal.read")
    body = {"code": "ivanov", "name": "Иванов Пётр", "kind": "person", "phone": "+7 999 000-11-22"}
    first = crm.post("/customers", body, once="k")
    assert first.status == 201
    assert crm.post("/customers", body, once="k").json == first.json
    models.ApiKey.objects.filter(pk=crm.key_id).update(rights=["customers.write", "customers.read"])
    again = crm.post("/customers", body, once="k")
    assert (again.status, again.code) == (403, "repeat_not_shown")
    assert "Иванов" not in str(again.json)
    assert "000-11-22" not in str(again.json)


def test_what_was_answered_masked_is_answered_again(api: Callers) -> None:
    crm = api("usage.write", "usage.read")
    event = {
        "id": "e1",
        "customer": "x",
        "meter": "m",
        "time": "2026-10-01T00:00:00Z",
        "value": "1",
    }
    first = crm.post("/events?source=b", [event], once="k")
    again = crm.post("/events?source=b", [event], once="k")
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_nobody_gives_more_than_they_have(api: Callers) -> None:
    answer = api("keys.write").post("/keys", {"name": "x", "rights": ["invoices.read"]})
    assert (answer.status, answer.code) == (422, "key_right_beyond")
    assert models.ApiKey.objects.count() == 1


def test_nobody_is_told_the_secret_of_a_key_that_may_more_than_they(api: Callers) -> None:
    strong, weak = api("invoices.read", "usage.write"), api("keys.write", "usage.write")
    answer = weak.post(f"/keys/{strong.key_id}/rotate", {})
    assert (answer.status, answer.code) == (422, "key_right_beyond")
    assert models.ApiKey.objects.count() == 2
    assert models.ApiKey.objects.get(pk=strong.key_id).expires_at is None
    own = weak.post(f"/keys/{weak.key_id}/rotate", {})
    assert (own.status, own.json["rights"]) == (201, ["keys.write", "usage.write"])


def test_a_right_must_exist(api: Callers) -> None:
    answer = api().post("/keys", {"name": "x", "rights": ["world.rule"]})
    assert (answer.status, answer.code) == (422, "key_right_unknown")


def test_both_keys_open_while_a_rotation_lasts(api: Callers) -> None:
    admin, old = api(), api("invoices.read")
    made = admin.post(f"/keys/{old.key_id}/rotate", {"overlap_hours": 24})
    new = Caller(made.json["key"])
    assert made.json["rights"] == ["invoices.read"]
    assert (old.get("/tenants/me").status, new.get("/tenants/me").status) == (200, 200)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25)):
        assert (old.get("/tenants/me").status, new.get("/tenants/me").status) == (401, 200)


def test_a_revoked_key_opens_nothing_from_the_next_request_on(api: Callers) -> None:
    admin, crm = api(), api("invoices.read")
    assert admin.post(f"/keys/{crm.key_id}/revoke", {"reason": "утечка"}).status == 200
    assert crm.get("/tenants/me").code == "credentials_wrong"
    row = AuditRow.objects.get(action="api_key.revoked")
    assert (row.actor, row.reason) == (f"key:{admin.key_id}", "утечка")
    refused = admin.post(f"/keys/{crm.key_id}/rotate", {})
    assert (refused.status, refused.code) == (422, "key_revoked")


def test_a_key_of_another_company_is_not_there(api: Callers, now: datetime) -> None:
    from kvit.parties.rows import TenantRow
    from kvit.parties.services import create_key, create_tenant
    from kvit.platform.tenancy import tenant_scope

    other = create_tenant(
        TenantRow("other", "Other", currency="RUB", zone="Europe/Moscow"), actor="t", now=now
    )
    with tenant_scope(other.id, switch=True):
        theirs = create_key(
            name="x", rights=["keys.write"], granter=frozenset({"keys.write"}), actor="t", now=now
        )
    admin = api()
    assert admin.get(f"/keys/{theirs.row.id}").code == "key_not_found"
    assert admin.post(f"/keys/{theirs.row.id}/revoke", {}).code == "key_not_found"
    assert [one["name"] for one in admin.get("/keys").json["data"]] == ["test"]
    assert Caller(theirs.key).get("/tenants/me").json["code"] == "other"


def test_a_list_of_keys_goes_on_by_its_cursor(api: Callers) -> None:
    made = [api("invoices.read") for _ in range(3)]
    admin = api()
    first = admin.get("/keys", limit=2).json
    rest = admin.get("/keys", limit=2, after=first["next"]).json
    ids = [one["id"] for one in first["data"] + rest["data"]]
    assert ids == [admin.key_id, *reversed([one.key_id for one in made])]
    assert (first["count"], rest["next"]) == (4, None)


def test_the_last_use_is_kept_to_the_minute(api: Callers) -> None:
    crm = api()
    crm.get("/clock")
    first = models.ApiKey.objects.get()
    assert first.used_from == "127.0.0.1"
    crm.get("/clock")
    assert models.ApiKey.objects.get().used_at == first.used_at


# --- two factors --------------------------------------------------------------------------------


@pytest.fixture
def strict(tenant: Tenant, now: datetime) -> None:
    set_machine_factors(2, actor="cli:test", now=now, reason="политика")


def signed(crm: Caller, method: str = "GET", path: str = "/clock", body: bytes = b"",
           at: int | None = None, nonce: str = "nonce-0001") -> dict[str, str]:  # fmt: skip
    stamp = int(time.time()) if at is None else at
    value = sign(
        crm.signing_secret, method=method, path=PREFIX + path, timestamp=stamp, nonce=nonce,
        body=body,
    )  # fmt: skip
    return {"Kvit-Timestamp": str(stamp), "Kvit-Nonce": nonce, "Kvit-Signature": value}


def test_a_key_alone_is_not_enough_where_two_factors_are_asked_for(
    api: Callers, strict: None
) -> None:
    crm = api()
    assert (crm.get("/clock").status, crm.get("/clock").code) == (401, "second_factor_missing")
    assert crm.get("/clock", headers=signed(crm)).status == 200


def test_the_signed_body_is_the_one_that_is_done(api: Callers, strict: None) -> None:
    crm = api()
    body = b'{"to": "2027-01-01T00:00:00Z", "reason": "x"}'
    headers = signed(crm, "PUT", "/clock", body)
    other = body.replace(b"2027", b"2028")
    assert crm.put("/clock", other, headers=headers).code == "signature_wrong"
    assert crm.put("/clock", body, headers=headers).json["now"] == "2027-01-01T00:00:00Z"


def test_a_signed_request_comes_in_once(api: Callers, strict: None) -> None:
    crm = api()
    headers = signed(crm)
    assert crm.get("/clock", headers=headers).status == 200
    answer = crm.get("/clock", headers={**headers, "Accept-Language": "en"})
    assert (answer.status, answer.code) == (401, "signature_wrong")
    assert answer.json["detail"].endswith("this request came before.")


@pytest.mark.parametrize("away", [-301, 301])
def test_a_signature_holds_for_five_minutes(api: Callers, strict: None, away: int) -> None:
    crm = api()
    answer = crm.get("/clock", headers=signed(crm, at=int(time.time()) + away))
    assert answer.code == "signature_wrong"
    assert crm.get("/clock", headers=signed(crm)).status == 200  # the nonce was not used up


@pytest.mark.parametrize(
    "spoilt",
    [
        {"Kvit-Nonce": ""},
        {"Kvit-Nonce": "short"},
        {"Kvit-Timestamp": "now"},
        {"Kvit-Timestamp": "-1"},
        {"Kvit-Signature": "v1=00"},
        {"Kvit-Signature": "\u2603"},
    ],
)
def test_a_signature_that_does_not_hold_lets_nobody_in(
    api: Callers, spoilt: dict[str, str]
) -> None:
    """Though the company asks for one factor: what is sent is checked."""
    crm = api()
    assert crm.get("/clock", headers=signed(crm) | spoilt).code == "signature_wrong"


def test_the_path_and_its_query_are_signed(api: Callers, strict: None) -> None:
    crm = api()
    assert crm.get("/keys", headers=signed(crm, path="/keys"), limit=1).code == "signature_wrong"
    ok = signed(crm, path="/keys?limit=1")
    assert crm.get("/keys", headers=ok, limit=1).status == 200


def test_a_client_certificate_is_believed_from_a_trusted_proxy_alone(
    api: Callers, strict: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kvit.platform import settings

    crm = api(certificate="ab" * 32)
    told = {"X-Client-Cert-Sha256": ":".join(["AB"] * 32)}
    assert crm.get("/clock", headers=told).code == "second_factor_missing"
    trusting = settings.load().model_copy(update={"certificate_proxies": "127.0.0.0/8"})
    monkeypatch.setattr("kvit.platform.settings.load", lambda: trusting)
    assert crm.get("/clock", headers=told).status == 200
    wrong = {"X-Client-Cert-Sha256": "cd" * 32}
    assert crm.get("/clock", headers=wrong).code == "second_factor_missing"


def test_a_network_that_is_none_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from kvit.platform import settings

    monkeypatch.setenv("KVIT_CERTIFICATE_PROXIES", "10.0.0.5/32, everybody")
    settings.load.cache_clear()
    with pytest.raises(settings.SettingWrong) as caught:
        settings.load()
    assert "KVIT_CERTIFICATE_PROXIES" in caught.value.text("ru")
    monkeypatch.undo()
    settings.load.cache_clear()
