"""Logging in: two factors always, a code once, limits for all processes, notices, sealed keys."""

import re
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from kvit.parties import models
from kvit.parties.rows import Tenant
from kvit.parties.services import add_member
from kvit.platform.models import AuditRow
from tests.web.conftest import Office, session_of

EMAIL, PASSWORD = "anna@acme.example", "синий-чайник-42-утра"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def anna(tenant: Tenant) -> UUID:
    return add_member(
        email=EMAIL, name="Анна", role="accountant", actor="cli:test", now=datetime.now(UTC),
        password=PASSWORD,
    )  # fmt: skip


@pytest.fixture
def app(anna: UUID) -> Authenticator:
    return TOTP.activate(models.User.objects.get(pk=anna), SECRET).instance


def code(step: int = 0) -> str:
    return format_hotp_value(hotp_value(SECRET, int(time.time()) // 30 + step))


def send_password(client: Client, password: str = PASSWORD, **more: Any) -> Any:
    data = {"login": EMAIL, "password": password, **more}
    return client.post("/account/login/", data)


def test_the_password_alone_opens_nothing(app: Authenticator) -> None:
    client = Client()
    answer = send_password(client)
    assert (answer.status_code, answer["Location"]) == (302, "/account/factors/prove/")
    answer = client.get("/office/")
    assert (answer.status_code, answer["Location"]) == (302, "/account/login/?next=%2Foffice%2F")


def test_password_and_code_open_the_office(app: Authenticator) -> None:
    client = Client()
    send_password(client)
    answer = client.post("/account/factors/prove/", {"code": code()})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/office/").status_code == 200


def test_a_code_opens_once(app: Authenticator) -> None:
    used = code()
    for client, status in ((Client(), 302), (Client(), 200)):
        send_password(client)
        answer = client.post("/account/factors/prove/", {"code": used})
        assert answer.status_code == status
    assert "Код неверный или уже использован" in answer.content.decode()
    assert client.get("/office/").status_code == 302


NO_PASSKEYS = (
    "0", "false", "-1", "null", "[]", "{}", '"x"', "", "x", "[" * 100_000, '{"id": 1}',
    '{"id": "ы", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "AA"}}',
    '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {"userHandle": 5,'
    ' "clientDataJSON": "e30", "authenticatorData": "AA", "attestationObject": "oA",'
    ' "signature": "AA"}}',
)  # fmt: skip


def test_what_is_no_answer_of_a_passkey_is_none(anna: UUID) -> None:
    fresh = Client()
    send_password(fresh)
    fresh.get("/account/factors/passkeys/add/")
    for told in NO_PASSKEYS:
        fresh.post("/account/factors/passkeys/add/", {"credential": told, "passwordless": "on"})
    assert not Authenticator.objects.exists()
    assert fresh.get("/office/")["Location"] == "/account/factors/?next=%2Foffice%2F"

    TOTP.activate(models.User.objects.get(pk=anna), SECRET)
    client, stranger = Client(), Client()
    send_password(client)
    for told in NO_PASSKEYS:
        again = client.post("/account/factors/prove/", {"credential": told})
        assert (again.status_code, "_auth_user_id" in session_of(client)) == (200, False)
    for told in NO_PASSKEYS[-5:]:  # so many may be tried
        turned = stranger.post("/account/factors/passkeys/login/", {"credential": told})
        assert (turned.status_code, turned["Location"]) == (302, "/account/login/")


def test_without_a_second_factor_one_is_set_up_first(anna: UUID) -> None:
    client = Client()
    assert send_password(client)["Location"] == "/"
    assert client.get("/office/")["Location"] == "/account/factors/?next=%2Foffice%2F"
    page = client.get("/account/factors/app/")
    secret = page.context["form"].secret
    step = int(time.time()) // 30
    shown = format_hotp_value(hotp_value(secret, step))
    answer = client.post("/account/factors/app/", {"code": shown})
    assert (answer.status_code, answer["Location"]) == (302, "/account/factors/codes/")
    codes = client.get("/account/factors/codes/").context["unused_codes"]
    assert len(codes) == 10
    assert client.get("/office/").status_code == 200
    # What set it up does not open the account a second time.
    other = Client()
    send_password(other)
    assert other.post("/account/factors/prove/", {"code": shown}).status_code == 200
    assert other.post("/account/factors/prove/", {"code": codes[0]})["Location"] == "/"


def test_the_secret_of_the_app_is_sealed_in_every_table(anna: UUID) -> None:
    client = Client()
    send_password(client)
    secret = client.get("/account/factors/app/").context["form"].secret
    assert all(secret not in one.session_data for one in Session.objects.all())
    client.post("/account/factors/app/", {"code": format_hotp_value(hotp_value(secret, int(time.time()) // 30))})  # fmt: skip  # noqa: E501
    stored = [str(one.data) for one in Authenticator.objects.all()]
    assert len(stored) == 2
    assert all(secret not in one for one in stored)


def test_five_wrong_passwords_lock_the_account_for_every_process(app: Authenticator) -> None:
    for _ in range(5):
        assert send_password(Client(), "неверный").status_code == 200
    answer = send_password(Client())
    assert answer.status_code == 200
    assert "Слишком много попыток" in answer.content.decode()
    refused = AuditRow.objects.filter(action="login.refused")
    assert refused.count() == 5


def test_an_unknown_address_is_answered_as_a_wrong_password(app: Authenticator) -> None:
    known = send_password(Client(), "неверный").content.decode()
    unknown = Client().post(
        "/account/login/", {"login": "nobody@acme.example", "password": "неверный"}
    )
    assert "Почта или пароль неверны" in known
    assert "Почта или пароль неверны" in unknown.content.decode()


def test_a_reset_of_the_password_leaves_the_second_factor(app: Authenticator) -> None:
    client = Client()
    client.post("/account/password/reset/", {"email": EMAIL})
    link = next(line for line in mail.outbox[0].body.splitlines() if "/account/" in line)
    path = client.get(link.removeprefix("http://testserver"))["Location"]
    new = "новый-чайник-43-вечера"
    answer = client.post(path, {"password1": new, "password2": new})
    assert answer["Location"] == "/account/password/reset/done/"
    answer = send_password(client, new)
    assert answer["Location"] == "/account/factors/prove/"
    assert Authenticator.objects.get().type == "totp"


def test_a_new_device_is_told_by_mail_and_written_down(app: Authenticator) -> None:
    first, second = Client(), Client(headers={"user-agent": "Mozilla/5.0 (X11; Linux) Firefox/145"})
    for client, step in ((first, 0), (second, 1), (first, -1)):
        if client is first and step == -1:
            client.post("/account/logout/")
        send_password(client)
        client.post("/account/factors/prove/", {"code": code(step)})
    assert [one.subject for one in mail.outbox] == ["Kvit: вход с нового устройства"]
    assert "Firefox 145, Linux" in mail.outbox[0].body
    rows = AuditRow.objects.filter(action="login.done").order_by("recorded_at")
    assert [row.after["device"] for row in rows] == ["?", "Firefox 145, Linux", "?"]
    assert rows[1].origin == "web: login 127.0.0.1 Firefox 145, Linux"


def test_there_is_no_sign_up(db: None) -> None:
    assert Client().get("/account/signup/").status_code == 404
    assert Client().post("/account/signup/", {"email": "x@y.example"}).status_code == 404


def test_the_login_leads_to_no_other_site(app: Authenticator) -> None:
    client = Client()
    send_password(client, next="https://evil.example/")
    answer = client.post("/account/factors/prove/", {"code": code()})
    assert answer["Location"] == "/"


OTHER_NAMES = {"Kvit", "English", "Aegis", "Google", "Authenticator", "Owner"}


def test_no_page_of_the_login_has_a_word_of_another_language(
    office: Office, app: Authenticator
) -> None:
    """What allauth and Django say themselves included, in answers to wrong input too."""
    client, stray = office("owner"), []
    half = Client()
    send_password(half)
    wrong = {"password": "x", "code": "x", "email": "x", "login": "x", "oldpassword": "x",
             "password1": "x", "password2": "y", "name": ""}  # fmt: skip
    for one, person in (
        *(("/account/" + place, Client()) for place in (
            "login/", "inactive/", "password/reset/", "password/reset/sent/",
            "password/reset/done/", "password/reset/key/1-x/",
        )),
        ("/account/factors/prove/", half),
        *(("/account/" + place, client) for place in (
            "logout/", "password/", "sessions/", "factors/", "factors/again/", "factors/app/",
            "factors/app/remove/", "factors/codes/new/", "factors/passkeys/",
            "factors/passkeys/add/",
        )),
    ):  # fmt: skip
        for answer in (
            person.get(one),
            *([person.post(one, wrong)] if "logout" not in one else []),
        ):
            if answer.status_code == 200:
                text = re.sub(
                    r"<(script|style|svg|code|kbd)\b.*?</\1>|value=\"[^\"]*\"|<[^>]+>",
                    " ", answer.content.decode(), flags=re.DOTALL,
                )  # fmt: skip
                bare = re.sub(r"\S+@\S+|Firefox \d+|\d+\.\d+\.\d+\.\d+", " ", text)
                stray += [(one, word) for word in re.findall(r"\b[A-Za-z]{3,}\b", bare)
                          if word not in OTHER_NAMES]  # fmt: skip
    assert stray == []


def test_what_the_tables_hold_opens_no_session(office: Office) -> None:
    client = office("owner")
    assert client.get("/office/settings/").status_code == 200
    stored = Session.objects.values_list("session_key", flat=True)
    token = client.cookies["sessionid"].value
    assert (len(stored), token in stored) == (1, False)
    for key in (*stored, UserSession.objects.values_list("session_key", flat=True).first()):
        thief = Client()
        thief.cookies["sessionid"] = str(key)
        assert thief.get("/office/settings/").status_code == 302


def test_the_cookie_keeps_its_token_while_the_session_changes(office: Office) -> None:
    client = office("owner")
    token = client.cookies["sessionid"].value
    session = session_of(client)
    session["seen"] = time.time() - 600  # noted again: the session is written, the cookie sent anew
    session.save()
    assert client.get("/office/settings/").cookies["sessionid"].value == token
