"""Clients of the office: people who have logged in with both factors."""

import time
from collections.abc import Callable
from datetime import datetime

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from kvit.parties.models import User
from kvit.parties.rows import Tenant
from kvit.parties.services import add_member

Office = Callable[..., Client]


@pytest.fixture
def office(tenant: Tenant, now: datetime) -> Office:
    """Return a function: `office("accountant")` is a client of a person with that role.

    `factors=1` has shown the password alone; `factors=0` is a person who is not logged in.
    """

    def enter(role: str = "owner", *, factors: int = 2, lang: str = "ru") -> Client:
        email = f"{role}@example.com"
        user_id = add_member(email=email, name=role.title(), role=role, actor="cli:test", now=now)
        client = Client(headers={"accept-language": lang})
        if factors:
            user = User.objects.get(pk=user_id)
            client.force_login(user, "allauth.account.auth_backends.AuthenticationBackend")
            session = client.session
            records = [{"method": "password", "at": time.time()}]
            if factors > 1:
                Authenticator.objects.get_or_create(
                    user=user, type="totp", defaults={"data": {"secret": "x"}}
                )
                records.append({"method": "mfa", "at": time.time(), "type": "totp"})
            session["account_authentication_methods"] = records
            session["account_authentication_methods_user"] = str(user_id)
            session["tenant"] = str(tenant.id)
            session.save()
        return client

    return enter
