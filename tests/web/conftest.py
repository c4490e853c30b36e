"""Clients of the office: people who have logged in with both factors.

def test_it(office: Office) -> None:
    page = office("accountant").get("/office/invoices/")
    page = office("accountant", without={"invoices.correct"}).post(…)
    page = office("support", branch="north").get(…)
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest
from django.test import Client

from kvit.parties.models import Membership, RoleRight, TenantRole, User
from kvit.parties.rows import Tenant
from kvit.parties.services import add_member
from kvit.web.login.sessions import SessionStore

Office = Callable[..., Client]


def log_in(client: Client, user: User, *, factors: int = 2, ago_s: float = 0) -> None:
    """Let the client's session have shown so many factors, so long ago."""
    request = HttpRequest()
    request.session = session = SessionStore()
    login(request, user, "allauth.account.auth_backends.AuthenticationBackend")
    at = time.time() - ago_s
    records = [{"method": "password", "at": at}]
    if factors > 1:
        if not Authenticator.objects.filter(user=user).exists():
            Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
        records.append({"method": "mfa", "at": at, "type": "totp"})
    session["account_authentication_methods"] = records
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.token


def session_of(client: Client) -> SessionStore:
    """Return the session that the client's cookie opens."""
    return SessionStore.of_token(client.cookies[settings.SESSION_COOKIE_NAME].value)


@pytest.fixture
def office(tenant: Tenant, now: datetime) -> Office:
    """Return a function: `office("accountant")` is a client of a person with that role.

    `factors=1` has shown the password alone; `factors=0` is a person who is not logged in.
    `without` and `extra` change the role's rights in the tenant; `branch` binds the person to one.
    """

    def enter(
        role: str = "owner", *, factors: int = 2, lang: str = "ru", without: Iterable[str] = (),
        extra: Iterable[str] = (), branch: str = "", ago_s: float = 0,
    ) -> Client:  # fmt: skip
        email = f"{role}{branch and '-'}{branch}@example.com"
        user_id = add_member(email=email, name=role.title(), role=role, actor="cli:test", now=now)
        if branch:
            Membership.objects.filter(user=user_id).update(branch=branch)
        if without or extra:
            rights = set(RoleRight.objects.filter(role=role).values_list("right", flat=True))
            own = {"rights": sorted((rights - set(without)) | set(extra))}
            TenantRole.objects.update_or_create(tenant_id=tenant.id, role_id=role, defaults=own)
        client = Client(headers={"accept-language": lang})
        if factors:
            log_in(client, User.objects.get(pk=user_id), factors=factors, ago_s=ago_s)
            session = session_of(client)
            session["tenant"] = str(tenant.id)
            session.save()
        return client

    return enter
