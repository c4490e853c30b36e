"""Every address × method × role: nobody gets further than what is declared, and nothing breaks."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from kvit.parties import queries
from kvit.parties.models import Role
from kvit.parties.rights import ALL
from kvit.parties.rows import Tenant
from kvit.parties.services import create_key, revoke_key
from kvit.web.access import HOME, is_in_clear
from kvit.web.routes import ONE_FACTOR, PUBLIC, SIGNED_IN, SPECIAL_RIGHTS
from tests.web.conftest import Office
from tests.web.security.walk import ALL_METHODS, method_of, operations, pages

pytestmark = pytest.mark.slow

ROLES = (
    "owner", "accountant", "product_manager", "collector", "support", "auditor",
    "security_officer",
)  # fmt: skip


def send(client: Client, method: str, path: str, **headers: str) -> Any:
    """Send it and take back what it may have done."""
    client.raise_request_exception = False
    with transaction.atomic():
        answer = client.generic(method, path, b"", "application/json", headers=headers)
        transaction.set_rollback(True)
    return answer


def test_the_walk_knows_every_role_and_every_right(db: None) -> None:
    assert set(Role.objects.values_list("code", flat=True)) == set(ROLES)
    declared = {one.route.right for one in (*pages(), *operations())}
    assert declared - SPECIAL_RIGHTS - ALL == set()
    assert len(pages()) > 80
    assert len(operations()) > 40


def test_what_is_public_is_said_here_and_nowhere_else() -> None:
    public = {one.route.name for one in (*pages(), *operations()) if one.route.right == PUBLIC}
    assert public == {
        "account_login", "account_logout", "account_inactive", "account_reset_password",
        "account_reset_password_done", "account_reset_password_from_key",
        "account_reset_password_from_key_done", "mfa_authenticate", "mfa_login_webauthn",
        "language", "api-openapi", "api-docs", "healthz", "readyz",
    }  # fmt: skip


@pytest.mark.once
def test_nobody_without_a_login_gets_past_the_gate(office: Office) -> None:
    client, open_ = office("owner", factors=0), []
    for one in pages():
        if one.route.right == PUBLIC:
            continue
        for method in ALL_METHODS:
            answer = send(client, method, one.filled())
            wanted = 302 if method in one.route.methods else 405
            if answer.status_code != wanted or (
                wanted == 302 and not answer["Location"].startswith("/account/login/")
            ):
                open_.append((method, one.path, answer.status_code))
    assert open_ == []


@pytest.mark.once
@pytest.mark.parametrize("enrolled", [True, False], ids=["not shown", "not set up"])
def test_one_factor_opens_nothing_but_the_way_to_the_second(office: Office, enrolled: bool) -> None:
    client, open_ = office("owner", factors=1), []
    if enrolled:
        from allauth.mfa.models import Authenticator
        from django.contrib.auth import get_user_model

        Authenticator.objects.create(
            user=get_user_model().objects.get(), type="totp", data={"secret": "x"}
        )
    for one in pages():
        if one.route.right in (PUBLIC, ONE_FACTOR):
            continue
        for method in sorted(one.route.methods):
            answer = send(client, method, one.filled())
            to = "/account/factors/again/" if enrolled else "/account/factors/?"
            if answer.status_code != 302 or not f"{answer['Location']}?".startswith(to):
                open_.append((method, one.path, answer.status_code))
    for one in operations():
        answer = send(client, method_of(one), one.filled())
        if answer.status_code != 401:
            open_.append((method_of(one), one.path, answer.status_code))
    assert open_ == []


@pytest.mark.parametrize(
    # The owner opens every page and operation: what a server does with their SQL is seen there.
    "role",
    ["owner", *(pytest.param(one, marks=pytest.mark.once) for one in ROLES[1:])],
)
def test_a_role_opens_what_its_rights_say_and_nothing_breaks(
    office: Office, tenant: Tenant, role: str
) -> None:
    client, wrong = office(role), []
    rights = queries.role_rights([tenant.id])[tenant.id][role] | SPECIAL_RIGHTS
    for one in (*pages(), *operations()):
        if one.route.name in ("account_logout", "account_session_end"):
            continue  # ends the session of the walk
        for method in sorted(one.route.methods - {"HEAD"}):
            answer = send(client, method, one.filled())
            # Whose work is elsewhere is led from the overview to it: nothing is shown either.
            is_led_away = one.route.name == HOME and answer.status_code == 302
            is_refused = answer.status_code == 403 or is_led_away
            needed = {one.route.right} | ({"personal.read"} if is_in_clear(one.route) else set())
            if is_refused == (needed <= rights) or answer.status_code >= 500:
                wrong.append((method, one.path, answer.status_code, answer.content[:300]))
    assert wrong == []


@pytest.mark.once
def test_methods_that_are_not_declared_are_refused(office: Office) -> None:
    client, wrong = office("owner"), []
    for one in pages():
        for method in {*ALL_METHODS} - one.route.methods:
            if send(client, method, one.filled()).status_code != 405:
                wrong.append((method, one.path))
    assert wrong == []


@pytest.mark.once
@pytest.mark.parametrize("kind", ["none", "unknown", "revoked", "rotated away"])
def test_a_key_that_opens_nothing_opens_no_operation(tenant: Tenant, kind: str) -> None:
    made = create_key(
        name="x", rights=tuple(ALL), granter=ALL, actor="cli:test", now=datetime.now(UTC)
    )
    text = {"none": "", "unknown": "kvit_000000000000_x"}.get(kind, made.key)
    if kind == "revoked":
        revoke_key(made.row.id, actor="cli:test", now=datetime.now(UTC))
    if kind == "rotated away":
        from datetime import timedelta

        from kvit.parties.services import rotate_key

        rotate_key(
            made.row.id, granter=ALL, overlap=timedelta(0), actor="cli:test", now=datetime.now(UTC)
        )
    headers = {"Authorization": f"Bearer {text}"} if text else {}
    open_ = [
        one.path
        for one in operations()
        if send(Client(), method_of(one), one.filled(), **headers).status_code != 401
    ]
    assert open_ == []


@pytest.mark.once
def test_a_key_that_lacks_one_right_is_refused_where_that_is_asked(tenant: Tenant) -> None:
    wrong = []
    for right in sorted({one.route.right for one in operations()} - {SIGNED_IN}):
        made = create_key(
            name="x", rights=tuple(ALL - {right}), granter=ALL, actor="cli:test",
            now=datetime.now(UTC),
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {made.key}"}
        for one in operations():
            if one.route.right != right:
                continue
            answer = send(Client(), method_of(one), one.filled(), **headers)
            if answer.status_code != 403:
                wrong.append((right, one.path, answer.status_code))
    assert wrong == []


@pytest.mark.once
def test_a_key_of_one_right_opens_what_asks_for_it_and_nothing_else(tenant: Tenant) -> None:
    made = create_key(
        name="x", rights=("catalogue.read",), granter=ALL, actor="cli:test", now=datetime.now(UTC)
    )
    headers = {"Authorization": f"Bearer {made.key}"}
    opened = {
        one.route.right
        for one in operations()
        if send(Client(), method_of(one), one.filled(), **headers).status_code != 403
    }
    assert opened == {"catalogue.read", SIGNED_IN}
