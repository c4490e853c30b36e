"""Calling the API as a machine does.

def test_it(api: Callers) -> None:
    crm = api("invoices.read", "usage.write")        # a key with those rights; none: all rights
    answer = crm.get("/invoices", limit=10)
    assert (answer.status, answer.json["count"]) == (200, 0)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from django.test import Client

from kvit.parties.rows import Tenant

PREFIX = "/api/v1"


@dataclass(frozen=True)
class Answer:
    """What came back; `headers` ignore case."""

    status: int
    body: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        return str(self.json["code"])


@dataclass
class Caller:
    """A machine with its key."""

    key: str = ""
    signing_secret: str = ""
    key_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def get(self, path: str, /, *, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        return self.send("GET", path, query=query, headers=headers)

    def post(self, path: str, body: Any = None, **rest: Any) -> Answer:
        return self.send("POST", path, body, **rest)

    def put(self, path: str, body: Any = None, **rest: Any) -> Answer:
        return self.send("PUT", path, body, **rest)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        once: str | None = None,
        query: Any = None,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request; `body` is a document, or bytes as they are; `once` its key."""
        sent = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        sent |= self.headers | (headers or {})
        if once is not None:
            sent["Idempotency-Key"] = once
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        got = self.client.generic(
            method, PREFIX + path, data, kind if data else "application/octet-stream",
            headers=sent, query_params=query,
        )  # fmt: skip
        return Answer(got.status_code, got.content, got.headers)


Callers = Callable[..., Caller]


@pytest.fixture
def api(tenant: Tenant) -> Callers:
    from kvit.parties import models
    from kvit.parties.services import create_key

    everything = frozenset(models.RoleRight.objects.values_list("right", flat=True))

    def make(*rights: str, **given: Any) -> Caller:
        made = create_key(
            name="test",
            rights=rights or tuple(everything),
            granter=everything,
            actor="cli:test",
            now=datetime.now(UTC),
            **given,
        )
        return Caller(made.key, made.signing_secret, str(made.row.id))

    return make


@pytest.fixture
def nobody(db: None) -> Caller:
    """Calls without a key."""
    return Caller()
