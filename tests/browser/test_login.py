"""Login as a person does it: typed, with both factors, refused when wrong, enrolled by a link."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import hotp_value

from tests.browser.served import Served, session_of

pytestmark = pytest.mark.browser
STEP_S = 30
PASSWORD = "пять слов не подберёт никто"


def code_of(secret: str, step: int) -> str:
    """Return what an authenticator app shows in a step of half a minute (RFC 6238)."""
    return f"{hotp_value(secret, step):06d}"


@pytest.fixture(scope="module")
def link(installation: Served) -> str:
    """An invitation: its link sets the password."""
    said = installation.kvit(
        "user", "add", "anna@example.com", "--role", "accountant", "--name", "Анна",
        "--tenant", "severny-kontur",
    )  # fmt: skip
    found = re.search(r"https?://\S+", said)
    assert found, said
    return re.sub(r"^https?://[^/]+", installation.url, found[0])


def test_an_invited_person_sets_a_password_enrols_an_app_and_logs_in_again(
    open_browser: Callable[..., Any], link: str
) -> None:
    page = open_browser()
    page.goto(link)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.get_by_role("button", name="Задать пароль").click()
    page.get_by_role("link", name="Войти").click()
    log_in(page)
    page.get_by_role("link", name="Настроить приложение").click()
    secret = page.locator("#secret").input_value()
    step = int(time.time()) // STEP_S
    page.get_by_label("Код из приложения").fill(code_of(secret, step))
    page.get_by_role("button", name="Настроить").click()
    page.goto("/office/")
    assert page.locator("nav.sidebar a").count() >= 3

    again = open_browser()
    again.goto("/office/invoices/")
    log_in(again)
    prove(again, code_of(secret, step))  # it enrolled the app, so it is used up
    assert "invoices" not in again.url
    prove(again, code_of(secret, step + 1))  # a step before and after is taken
    again.wait_for_url("**/office/invoices/")


def prove(page: Any, code: str) -> None:
    page.locator("input[name=code]").fill(code)
    page.get_by_role("button", name="Войти", exact=True).click()
    page.wait_for_load_state()


def log_in(page: Any, password: str = PASSWORD) -> None:
    page.locator("#id_login").fill("anna@example.com")
    page.locator("#id_password").fill(password)
    page.locator("main button.btn-primary").first.click()


def test_a_wrong_password_is_told_and_tells_nothing(open_browser: Callable[..., Any]) -> None:
    page = open_browser()
    page.goto("/account/login/")
    log_in(page, "не тот пароль совсем")
    first = page.locator("main").inner_text()
    page.locator("#id_login").fill("nobody@example.com")
    page.locator("#id_password").fill("не тот пароль совсем")
    page.locator("main button.btn-primary").first.click()
    assert page.locator("main").inner_text() == first


def test_a_passkey_opens_the_office_by_itself(open_browser: Callable[..., Any]) -> None:
    page = open_browser("support")
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
            "hasUserVerification": True, "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }},
    )  # fmt: skip
    page.goto("/account/factors/passkeys/add/")
    page.locator("input[name=name]").fill("Ноутбук")
    page.locator("input[name=passwordless]").check()
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url(re.compile(r"/account/factors/(passkeys|codes|$)"))
    page.context.clear_cookies()
    page.goto("/account/login/")
    page.locator("#passkey_login").click()
    page.wait_for_url(re.compile(r"/office/"))


def test_a_session_that_ends_in_mid_form_takes_nothing_of_what_was_typed(
    open_browser: Callable[..., Any], installation: Served
) -> None:
    """To the login and back, the same person in the same tab: the form is as it was left."""
    page = open_browser("owner")
    page.goto("/office/customers/new/")
    page.fill("[name=name]", "ООО «Недописанное»")
    page.select_option("[name=kind]", "person")
    page.context.clear_cookies(name="sessionid")
    page.locator("main form button.btn-primary").last.click()
    page.wait_for_url("**/account/login/**")
    key = session_of(installation, "owner")
    page.context.add_cookies([{"name": "sessionid", "value": key, "url": installation.url}])
    page.goto("/office/customers/new/")
    assert page.input_value("[name=name]") == "ООО «Недописанное»"
    assert page.input_value("[name=kind]") == "person"
    page.get_by_text("Введённое до входа на месте").wait_for()
    page.goto("/office/customers/new/")
    assert page.input_value("[name=name]") == ""
    page.fill("[name=name]", "ООО «Старая метка»")
    page.context.clear_cookies(name="csrftoken")  # as of who has logged in anew elsewhere
    page.locator("main form button.btn-primary").last.click()
    page.get_by_text("Форма открыта до нового входа").wait_for()
    assert page.input_value("[name=name]") == "ООО «Старая метка»"
