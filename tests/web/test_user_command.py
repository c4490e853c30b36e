"""Logins made outside of the pages: by the operator, and for the demo."""

import json
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client

from kvit.parties.models import User
from kvit.parties.rows import Tenant
from kvit.platform.models import AuditRow
from kvit.web.cli import main
from kvit.web.demo_login import ensure_login


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("kvit.web.cli.company.ready", lambda: None)
    yield
    cache.clear()


def test_the_operator_invites_the_first_owner_by_a_link(
    tenant: Tenant, ready: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["user", "add", "Anna@Acme.Example", "--tenant", "acme", "--role", "owner", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["email"], told["role"]) == ("anna@acme.example", "owner")
    path = told["link"].removeprefix("http://localhost:8000")
    client = Client()
    form = client.get(path)["Location"]
    new = "длинная-фраза-для-входа"
    assert client.post(form, {"password1": new, "password2": new}).status_code == 302
    assert User.objects.get().check_password(new)
    assert Client().get(path).status_code == 200  # the link opens once
    assert AuditRow.objects.get(action="member.added").after == {"role": "owner"}


def test_a_demo_login_opens_the_office_and_is_told_once(tenant: Tenant) -> None:
    login = ensure_login(tenant)
    assert login is not None
    client = Client()
    client.post("/account/login/", {"login": login.email, "password": login.password})
    answer = client.post("/account/factors/prove/", {"code": login.codes[0]})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/office/").status_code == 200
    assert login.uri.startswith("otpauth://totp/owner%40acme.example?secret=")
    assert ensure_login(tenant) is None
    assert login.password not in repr(login)


def test_who_lost_phone_and_codes_is_rescued_by_the_operator(
    tenant: Tenant, ready: None, capsys: pytest.CaptureFixture[str]
) -> None:
    login = ensure_login(tenant)
    assert login is not None
    client = Client()
    client.post("/account/login/", {"login": login.email, "password": login.password})
    client.post("/account/factors/prove/", {"code": login.codes[0]})
    assert main(["user", "rescue", login.email, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"email": login.email, "removed": 2}
    assert client.get("/office/").status_code == 302
    again = Client()
    again.post("/account/login/", {"login": login.email, "password": login.password})
    assert again.get("/office/")["Location"] == "/account/factors/?next=%2Foffice%2F"
    row = AuditRow.objects.get(action="factor.removed")
    assert row.after == {"by": "operator", "factor": "all"}
    assert main(["user", "rescue", "nobody@acme.example"]) == 1
    assert "nobody@acme.example" in capsys.readouterr().err
