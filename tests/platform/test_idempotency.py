"""A repeated request."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from kvit.parties.rows import Tenant
from kvit.platform.idempotency import KeyReused, once
from kvit.platform.models import IdempotencyKey
from kvit.platform.tenancy import tenant_scope


def test_a_repeat_is_answered_alike_and_does_nothing(tenant: Tenant) -> None:
    calls: list[int] = []

    def act() -> dict[str, Any]:
        calls.append(1)
        return {"id": len(calls)}

    for _ in range(3):
        assert once(scope="s", key="k", request=b"body", act=act) == {"id": 1}
    assert once(scope="other", key="k", request=b"body", act=act) == {"id": 2}
    assert once(scope="s", key="k2", request=b"body", act=act) == {"id": 3}


def test_another_request_under_the_key_is_refused(tenant: Tenant) -> None:
    once(scope="s", key="k", request=b"body", act=lambda: {"id": 1})
    with pytest.raises(KeyReused) as caught:
        once(scope="s", key="k", request=b"BODY", act=lambda: {"id": 2})
    assert "k" in caught.value.text("ru")
    assert IdempotencyKey.objects.get().response == {"id": 1}


def test_a_failure_frees_the_key(tenant: Tenant) -> None:
    def fail() -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        once(scope="s", key="k", request=b"body", act=fail)
    assert IdempotencyKey.objects.count() == 0
    assert once(scope="s", key="k", request=b"body", act=lambda: {"id": 1}) == {"id": 1}


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_acts(tenant: Tenant) -> None:
    barrier = threading.Barrier(8)
    acted: list[int] = []

    def act() -> dict[str, Any]:
        acted.append(1)
        return {"id": len(acted)}

    def ask(_: int) -> dict[str, Any]:
        try:
            barrier.wait()
            with tenant_scope(tenant.id):
                return once(scope="s", key="k", request=b"body", act=act)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [{"id": 1}] * 8
    assert len(acted) == 1
