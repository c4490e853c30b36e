"""What a hostile page, person or program tries: none of it works, and logs keep no secret."""

import logging
import re
import time
from datetime import datetime

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings

from kvit.parties.models import TenantRole, User
from kvit.parties.rows import CustomerRow, Tenant
from kvit.parties.services import add_member, apply_customers, create_key
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow
from kvit.platform.throttle import take
from tests.web.conftest import Office, session_of
from tests.web.security.walk import pages

XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
PASSWORD = "канарейка-в-шахте-771"


def test_what_is_typed_is_shown_and_never_run(
    office: Office, tenant: Tenant, now: datetime
) -> None:
    rows = [CustomerRow("evil", XSS, email="a@b.example", address=XSS, segment="x")]
    apply_customers(rows, actor="t", now=now, reason=XSS)
    owner = office("owner")
    shown = 0
    for one in pages():
        if one.places or "GET" not in one.route.methods or one.route.name == "account_logout":
            continue
        answer = owner.get(one.filled(), {"q": XSS, "sort": XSS, "tab": XSS, "name": XSS})
        if answer.streaming or not answer["Content-Type"].startswith("text/html"):
            continue
        body = answer.content.decode()
        assert "<script>alert" not in body, one.path
        assert "<img src=x" not in body, one.path
        shown += "&lt;script&gt;alert" in body
    assert shown > 1


def test_a_form_without_the_mark_of_the_session_changes_nothing(office: Office) -> None:
    owner, accepted = office("owner"), []
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = owner.cookies
    before = AuditRow.objects.count()
    for one in pages():
        if "POST" in one.route.methods:
            answer = strict.post(one.filled(), {"x": "1"})
            if answer.status_code != 403:
                accepted.append(one.path)
    assert accepted == []
    assert AuditRow.objects.count() == before


@pytest.mark.parametrize(
    "place",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)",
     "http:evil.example", "\thttps://evil.example"],
)  # fmt: skip
def test_no_page_sends_to_another_site(office: Office, place: str) -> None:
    client = office("owner")
    for path, data in (
        ("/language/", {"language": "en", "next": place}),
        ("/account/login/", {"next": place}),
        ("/account/factors/again/", {"next": place, "code": "x"}),
        ("/account/logout/", {"next": place}),
    ):
        answer = client.post(path, data)
        assert "evil" not in answer.get("Location", "")
        assert not answer.get("Location", "").lower().startswith("javascript")


def test_a_form_takes_no_field_that_it_does_not_show(office: Office, tenant: Tenant) -> None:
    owner = office("owner")
    page = owner.get("/office/settings/company/")
    form = page.context["form"]
    sent = {name: form[name].value() or "" for name in form.fields} | {
        "seen": page.context["seen"], "confirm": "1", "name": "Новое имя", "code": "stolen",
        "id": "00000000-0000-7000-8000-000000000000", "machine_factors": "2", "is_active": "",
    }  # fmt: skip
    assert owner.post("/office/settings/company/", sent).status_code == 302
    row = AuditRow.objects.get(action="tenant.changed")
    changed = {name for name in row.after if row.after[name] != row.before[name]}
    assert changed == {"name"}


def test_rights_cannot_be_smuggled_into_a_role_or_an_invitation(office: Office) -> None:
    officer = office("security_officer")
    answer = officer.post(
        "/office/settings/staff/invite/",
        {"email": "x@acme.example", "name": "x", "role": "support", "granter": "owner"},
    )
    assert answer.status_code == 422
    assert not User.objects.filter(email="x@acme.example").exists()
    assert TenantRole.objects.count() == 0


def test_a_body_that_is_too_large_is_refused_before_it_is_read(office: Office) -> None:
    owner = office("owner")
    owner.raise_request_exception = False
    big = owner.post("/office/settings/company/", {"name": "я" * 9_000_000})
    assert (big.status_code, big.templates[0].name) == (413, "refused.html")
    many = owner.post("/office/settings/company/", {f"f{i}": "1" for i in range(6_000)})
    assert (many.status_code, many.templates[0].name) == (413, "refused.html")


def test_what_no_text_can_hold_is_refused_wherever_it_stands(office: Office) -> None:
    client, why = office(lang="en"), f"/office/invoices/{uuid7()}/lines/1/why"
    for address in (f"{why}/record/?event=%00", f"{why}/record/?a%00=b", f"{why}/days/%00/"):
        answer = client.get(address)
        assert (answer.status_code, "(NUL)" in answer.content.decode()) == (422, True)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_foreign_name_is_refused_in_words(method: str) -> None:
    told = {"host": "evil.example", "referer": "http://evil.example/account/login/"}
    ask = getattr(Client(headers={"accept-language": "en"}), method)
    answer = ask("/account/login/", headers=told)
    assert answer.status_code == 400
    assert "does not answer under this name" in answer.content.decode()
    posted = Client(headers={"accept-language": "en"}).post(
        "/account/login/", headers={"host": "evil.example", "referer": "http://[::1"}
    )
    assert "does not answer under this name" in posted.content.decode()


def test_secrets_reach_no_log(
    tenant: Tenant, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    add_member(
        email="anna@acme.example", name="Анна", role="owner", actor="t", now=now,
        password=PASSWORD,
    )  # fmt: skip
    key = create_key(
        name="x", rights=("invoices.read",), granter=frozenset({"invoices.read"}), actor="t",
        now=now,
    )  # fmt: skip
    with caplog.at_level(logging.DEBUG):
        client = Client()
        client.post("/account/login/", {"login": "anna@acme.example", "password": PASSWORD})
        secret = client.get("/account/factors/app/").context["form"].secret
        client.post("/account/factors/app/", {"code": "000000"})
        client.post("/account/login/", {"login": "x@acme.example", "password": PASSWORD + "x"})
        headers = {"Authorization": f"Bearer {key.key}"}
        client.get("/api/v1/invoices", headers=headers)
        client.get("/api/v1/settings", headers=headers)
    said = "\n".join(f"{one.name} {one.getMessage()}" for one in caplog.records
                     if not one.name.startswith("django.db"))  # fmt: skip
    for canary in (PASSWORD, secret, key.key, key.signing_secret, "sessionid"):
        assert canary not in said
    kept = " ".join(
        f"{row.before} {row.after} {row.reason} {row.origin}" for row in AuditRow.objects.all()
    )
    for canary in (PASSWORD, secret, key.key, key.signing_secret):
        assert canary not in kept


def test_tables_hold_no_password_and_no_key_in_clear(tenant: Tenant, now: datetime) -> None:
    add_member(
        email="anna@acme.example", name="Анна", role="owner", actor="t", now=now,
        password=PASSWORD,
    )  # fmt: skip
    made = create_key(
        name="x", rights=("invoices.read",), granter=frozenset({"invoices.read"}), actor="t",
        now=now,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(u)::text FROM parties_user u")
        users = cursor.fetchall()
        cursor.execute("SELECT row_to_json(k)::text FROM parties_apikey k")
        keys = cursor.fetchall()
    assert PASSWORD not in str(users)
    assert made.key.split("_", 2)[2] not in str(keys)
    assert made.signing_secret not in str(keys)


def test_passwords_are_slow_hashes() -> None:
    """The tests take a fast one; what an installation uses is told by its settings alone."""
    from kvit.web import settings as ours

    assert ours.PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    names = [one["NAME"].rsplit(".", 1)[1] for one in ours.AUTH_PASSWORD_VALIDATORS]
    assert names == [
        "MinimumLengthValidator", "UserAttributeSimilarityValidator", "CommonPasswordValidator",
    ]  # fmt: skip


def test_every_page_bears_the_headers(office: Office) -> None:
    for path in ("/office/settings/", "/account/login/", "/nowhere/"):
        answer = office("owner").get(path)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert (answer["X-Frame-Options"], answer["Referrer-Policy"]) == ("DENY", "same-origin")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in answer["Cache-Control"]


@override_settings(SECURE_HSTS_SECONDS=31_536_000, SESSION_COOKIE_SECURE=True)
def test_behind_tls_the_browser_is_told_to_stay_there(office: Office) -> None:
    answer = office("owner").get("/office/settings/", secure=True)
    assert answer["Strict-Transport-Security"] == "max-age=31536000"


def test_a_session_is_a_cookie_that_no_script_reads(tenant: Tenant, now: datetime) -> None:
    add_member(
        email="anna@acme.example", name="Анна", role="owner", actor="t", now=now,
        password=PASSWORD,
    )  # fmt: skip
    client = Client()
    client.post("/account/login/", {"login": "anna@acme.example", "password": PASSWORD})
    cookie = client.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_a_session_that_nobody_used_for_two_hours_is_over(office: Office) -> None:
    client = office("owner")
    assert client.get("/office/settings/").status_code == 200
    session = session_of(client)
    session["seen"] = time.time() - 7_300
    session.save()
    assert client.get("/office/settings/").status_code == 302


def test_a_password_alone_does_not_open_the_removal_of_the_second_factor(office: Office) -> None:
    from allauth.mfa.models import Authenticator

    client = office("owner", ago_s=3600)
    User.objects.get().set_password(PASSWORD)
    answer = client.post("/account/again/", {"password": PASSWORD})
    assert answer["Location"].startswith("/account/factors/again/")
    answer = client.post("/account/factors/app/remove/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/factors/again/")
    assert Authenticator.objects.count() == 1


def test_the_last_second_factor_stays(office: Office) -> None:
    from allauth.mfa.models import Authenticator

    client = office("owner")
    answer = client.post("/account/factors/app/remove/")
    assert "сначала добавьте другой" in answer.content.decode()
    assert Authenticator.objects.count() == 1


@pytest.mark.django_db
def test_a_bucket_of_tokens_is_shared_by_all_processes() -> None:
    assert [take("x", capacity=2, every_s=30) for _ in range(3)] == [0, 0, 30]
    assert take("y", capacity=1, every_s=30) == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE platform_tokenbucket SET full_at = full_at - interval '31 s'")
    assert take("x", capacity=2, every_s=30) == 0


@pytest.mark.django_db
def test_the_cache_adds_once_and_forgets_in_time() -> None:
    assert (cache.add("a", [1], 60), cache.add("a", [2], 60)) == (True, False)
    assert cache.get("a") == [1]
    cache.set("a", {"b": 1.5}, 60)
    assert (cache.get("a"), cache.delete("a"), cache.get("a", "none")) == ({"b": 1.5}, True, "none")
    cache.set("c", 1, -1)
    assert (cache.get("c"), cache.add("c", 2, 60)) == (None, True)


def test_origins_name_the_device_and_no_more_than_fits() -> None:
    from kvit.web.login.proof import device_name

    agents = {
        "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/145.0": "Firefox 145, Windows",
        "Mozilla/5.0 (iPhone; CPU) Version/18.1 Mobile/15E148 Safari/604.1": "Safari 18, iPhone",
        "Mozilla/5.0 (X11; Linux) Chrome/130.0 YaBrowser/24.1 Safari/537": "Yandex 24, Linux",
        "curl/8.5.0": "curl/8.5.0",
        "\x00<script>" * 20: "<script>" * 5,
        "": "?",
    }
    assert {agent: device_name(agent) for agent in agents} == agents
    assert re.fullmatch(r"[\x20-\x7e]+", device_name("\x00<script>" * 20))


def test_an_attempt_at_prices_is_kept_with_what_was_sent_and_alarms(
    office: Office, tenant: Tenant, now: datetime
) -> None:
    from procrastinate.contrib.django.models import ProcrastinateJob

    from kvit.parties.jobs import alarm

    office("owner")
    office("security_officer")
    support = office("support")
    sent = {"name": "Дешевле", "why": "x" * 400}
    for _ in range(8):
        assert support.post("/office/catalogue/drafts/new/", sent).status_code == 403
    rows = AuditRow.objects.filter(action="attempt.refused")
    assert [row.after["sent"] for row in rows] == [{"name": "Дешевле", "why": "x" * 300}] * 8
    jobs = ProcrastinateJob.objects.filter(task_name="parties.alarm")
    assert jobs.count() == 5  # a flood is in the journal whole, in the mail for its beginning
    told = {name: value for name, value in jobs[0].args.items() if name != "tenant"}
    alarm.run(now=now, **told)
    assert {one.to[0] for one in mail.outbox} == {
        "owner@example.com", "security_officer@example.com",
    }  # fmt: skip
    assert "Support пытается сделать то, на что нет права «Готовить тарифы и цены»" in (
        mail.outbox[0].body
    )


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/office/settings/company/", {"name": "a\x00b"}, 422),
        ("/office/catalogue/drafts/new/", {"kind": "\u0663"}, 404),
        ("/office/catalogue/drafts/new/", {"kind": "coup/on"}, 404),
    ],
)
def test_a_form_that_no_page_sent_is_refused_and_changes_nothing(
    office: Office, path: str, sent: dict[str, str], status: int
) -> None:
    owner = office("owner")
    before = AuditRow.objects.count()
    assert owner.post(path, sent).status_code == status
    assert AuditRow.objects.count() == before
