"""What holds for every operation: who calls, what they may, errors, repeats, tags."""

import re

import pytest

from kvit.parties import models
from kvit.parties.rows import Tenant
from kvit.platform import settings
from kvit.platform.models import AuditRow, IdempotencyKey
from kvit.web import routes
from kvit.web.api import problems, urls
from tests.api.conftest import Caller, Callers


def test_a_key_says_whose_it_is(api: Callers, tenant: Tenant) -> None:
    answer = api("invoices.read", "usage.write").get("/tenants/me")
    assert answer.status == 200
    told = answer.json
    assert (told["code"], told["currency"]) == ("acme", "RUB")
    assert told["rights"] == ["invoices.read", "usage.write"]


def test_without_a_key_nothing_is_told(nobody: Caller) -> None:
    answer = nobody.get("/tenants/me")
    assert (answer.status, answer.code) == (401, "credentials_missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="kvit"'


@pytest.mark.parametrize(
    "key",
    ["kvit_", "kvit_abc", "kvit_000000000000_x", "other_1_2", "Bearer", "kvit_ы_ы", "\u2603"],
)
def test_a_key_that_is_none_opens_nothing(nobody: Caller, key: str) -> None:
    nobody.headers["Authorization"] = f"Bearer {key}"
    answer = nobody.get("/tenants/me")
    assert (answer.status, answer.code) == (401, "credentials_wrong")


def test_a_right_that_the_key_lacks_is_named(api: Callers) -> None:
    answer = api("invoices.read").get("/keys", headers={"Accept-Language": "ru"})
    assert (answer.status, answer.code) == (403, "right_missing")
    assert answer.json["detail"] == "Нужно право keys.write, у вас его нет."


def test_errors_follow_the_language_asked_for(nobody: Caller) -> None:
    def told(asked: str) -> str:
        return str(nobody.get("/tenants/me", headers={"Accept-Language": asked}).json["title"])

    assert told("en-GB,en;q=0.9") == "Who asks must be known"
    assert told("de, ru;q=0.5") == "Нужен вход"
    assert told("") == "Нужен вход"


def test_without_a_language_every_error_is_in_that_of_the_company(
    api: Callers, nobody: Caller, tenant: Tenant
) -> None:
    crm = api()
    models.Tenant.objects.filter(pk=tenant.id).update(language="en")
    refused = {
        400: crm.post("/keys", b"{"), 401: crm.get("/clock", headers={"Kvit-Signature": "v1=0"}),
        404: crm.get("/nowhere"), 405: crm.send("DELETE", "/clock"),
        413: crm.post("/keys", b" " * (2**20 + 1)), 415: crm.post("/keys", b"x", kind="text/plain"),
        422: crm.post("/keys", {}),
    }  # fmt: skip
    assert {key: answer.status for key, answer in refused.items()} == {key: key for key in refused}
    told = {key: answer.json["title"] for key, answer in refused.items()}
    assert told == {key: problems.TITLES[key][1] for key in refused}
    assert nobody.get("/clock").json["title"] == "Нужен вход"


def test_a_request_under_a_foreign_name_is_a_problem_and_a_line_of_the_log(
    nobody: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    answer = nobody.get("/clock", headers={"Host": "evil.example"})
    assert (answer.status, answer.code) == (400, "host_unknown")
    assert answer.json["detail"].startswith("Под именем evil.example API не отвечает")
    page = nobody.client.get("/office/", headers={"Host": "evil.example"})
    assert (page.status_code, "Другое имя" in page.content.decode()) == (400, True)
    told = [(one.levelname, one.exc_info, one.getMessage()) for one in caplog.records]
    assert told == [
        ("WARNING", None, f"{path!r} was asked for as 'evil.example', which is not in KVIT_HOSTS")
        for path in ("/api/v1/clock", "/office/")
    ]


def test_every_fault_of_a_body_is_named_by_its_field(api: Callers) -> None:
    answer = api().post("/keys", {"rights": "all", "nme": "x"}, headers={"Accept-Language": "en"})
    assert (answer.status, answer.code) == (422, "invalid")
    assert [(e["field"], e["code"]) for e in answer.json["errors"]] == [
        ("name", "missing"),
        ("rights", "list_type"),
        ("nme", "extra_forbidden"),
    ]
    assert answer.json["field"] == "name"


def test_a_text_that_is_too_long_is_told_in_characters_and_a_choice_without_english(
    api: Callers,
) -> None:
    crm, russian = api(), {"Accept-Language": "ru"}
    answer = crm.post("/customers", {"code": "c", "name": "x" * 501}, headers=russian)
    assert [(one["field"], one["code"], one["detail"]) for one in answer.json["errors"]] == [
        ("name", "string_too_long", "знаков не больше 500")
    ]
    answer = crm.get("/invoices", headers=russian, order="zzz")
    [fault] = answer.json["errors"]
    assert fault["detail"] == "одно из: '-day', 'day', '-total', 'total', '-period', 'period'"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "bad_request"),
        (b'{"a": NaN}', "application/json", 400, "bad_request"),
        (b"\xff\xfe", "application/json", 400, "bad_request"),
        (b"{}", "text/plain", 415, "media_type_unsupported"),
        (b"[" * 40 + b"]" * 40, "application/json", 400, "body_too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "application/json", 400, "bad_request"),
        (b'{"name": "a\\u0000"}', "application/json", 422, "text_unstorable"),
        (b'"' + b"x" * 2**20 + b'"', "application/json", 413, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused(
    api: Callers, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = api().post("/keys", body, kind=kind)
    assert (answer.status, answer.code) == (status, code)


def test_unknown_addresses_and_methods_are_problems_too(api: Callers) -> None:
    crm = api()
    assert crm.get("/nowhere").code == "path_unknown"
    answer = crm.send("DELETE", "/clock")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, PUT"


def test_a_fault_of_ours_is_told_by_its_number_alone(
    api: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("secret of the house")

    crm = api()
    monkeypatch.setattr("kvit.web.api.tenant._clock", fail)
    answer = crm.get("/clock")
    assert (answer.status, answer.code) == (500, "unexpected")
    assert b"secret" not in answer.body
    monkeypatch.setattr("kvit.web.api.core.authenticate", fail)
    answer = crm.get("/clock")
    assert (answer.status, answer.code) == (500, "unexpected")


def test_a_repeat_is_answered_as_the_first_time_and_does_nothing(api: Callers) -> None:
    crm = api()
    body = {"to": "2027-01-01T00:00:00Z", "reason": "проба"}
    first = crm.put("/clock", body, once="k1")
    assert (first.status, first.json) == (200, {"now": "2027-01-01T00:00:00Z", "is_test": True})
    assert crm.put("/clock", {**body, "to": "2027-02-01T00:00:00Z"}).status == 200
    again = crm.put("/clock", body, once="k1")
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert crm.get("/clock").json["now"] == "2027-02-01T00:00:00Z"


def test_another_request_under_a_used_key_is_refused(api: Callers) -> None:
    crm = api()
    crm.put("/clock", {"to": "2027-01-01T00:00:00Z", "reason": "x"}, once="k1")
    answer = crm.put("/clock", {"to": "2028-01-01T00:00:00Z", "reason": "x"}, once="k1")
    assert (answer.status, answer.code) == (409, "idempotency_key_reused")
    assert crm.get("/clock").json["now"] == "2027-01-01T00:00:00Z"


def test_a_refusal_leaves_the_key_free(api: Callers) -> None:
    crm = api()
    crm.put("/clock", {"to": "2027-01-01T00:00:00Z", "reason": "x"})
    refused = crm.put("/clock", {"to": "2026-01-01T00:00:00Z", "reason": "x"}, once="k1")
    assert (refused.status, refused.code) == (422, "clock_goes_back")
    assert IdempotencyKey.objects.exists() is False
    assert crm.put("/clock", {"to": "2027-03-01T00:00:00Z", "reason": "x"}, once="k1").status == 200


def test_keys_of_two_machines_do_not_meet(api: Callers) -> None:
    one, other = api(), api()
    one.put("/clock", {"to": "2027-01-01T00:00:00Z", "reason": "x"}, once="k1")
    answer = other.put("/clock", {"to": "2028-01-01T00:00:00Z", "reason": "x"}, once="k1")
    assert (answer.status, "Idempotent-Replayed" in answer.headers) == (200, False)


def test_what_was_read_before_is_not_sent_again(api: Callers) -> None:
    crm = api()
    first = crm.get("/tenants/me")
    again = crm.get("/tenants/me", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_changes_say_from_where_they_came(api: Callers) -> None:
    crm = api()
    crm.put("/clock", {"to": "2027-01-01T00:00:00Z", "reason": "x"})
    row = AuditRow.objects.get(action="clock.moved")
    assert (row.actor, row.origin) == (f"key:{crm.key_id}", "api: move_clock 127.0.0.1")


@pytest.mark.parametrize("name", urls.operations())
def test_no_operation_answers_whom_it_does_not_know(nobody: Caller, name: str) -> None:
    route = urls.operations()[name]
    if route.right == routes.PUBLIC:
        return
    place = "/" + re.sub(r"{[^}]+}", "019a0000-0000-7000-8000-000000000000", route.path[7:])
    method = next(iter(route.methods - {"HEAD"}))
    answer = nobody.send(method, place.replace("//", "/"), {} if method != "GET" else None)
    assert (answer.status, answer.code) == (401, "credentials_missing")


@pytest.mark.parametrize("name", urls.operations())
def test_no_operation_answers_a_key_without_its_right(
    api: Callers, tenant: Tenant, name: str
) -> None:
    route = urls.operations()[name]
    if route.right in routes.SPECIAL_RIGHTS:
        return
    other = "invoices.read" if route.right != "invoices.read" else "customers.read"
    place = "/" + re.sub(r"{[^}]+}", "019a0000-0000-7000-8000-000000000000", route.path[7:])
    method = next(iter(route.methods - {"HEAD"}))
    answer = api(other).send(method, place.replace("//", "/"), {} if method != "GET" else None)
    assert (answer.status, answer.code) == (403, "right_missing")


def test_who_asks_too_often_is_told_when_to_go_on(
    api: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = settings.load().model_copy(update={"api_burst": 3, "api_per_second": 1 / 30})
    monkeypatch.setattr("kvit.platform.settings.load", lambda: few)
    crm, other = api(), api()
    assert [crm.get("/clock").status for _ in range(4)] == [200, 200, 200, 429]
    refused = crm.get("/clock", headers={"Accept-Language": "en"})
    assert (refused.code, 0 < int(refused.headers["Retry-After"]) <= 30) == (
        "too_many_requests", True,
    )  # fmt: skip
    assert other.get("/clock").status == 200


def test_guessing_keys_is_slowed_down(nobody: Caller) -> None:
    nobody.headers["Authorization"] = "Bearer kvit_000000000000_x"
    assert {nobody.get("/clock").status for _ in range(20)} == {401}
    assert nobody.get("/clock").status == 429


def test_an_attempt_without_the_right_is_written_down(api: Callers) -> None:
    crm = api("catalogue.read")
    body = {"prices": [], "reason": "скидка другу"}
    assert crm.post("/catalogue", body).status == 403
    row = AuditRow.objects.get(action="attempt.refused")
    assert (row.actor, row.object_type) == (f"key:{crm.key_id}", "api")
    assert row.after["right"] == "catalogue.publish"
