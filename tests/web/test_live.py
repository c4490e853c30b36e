"""Open pages hear that something changed, of their own company alone, once it is committed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction

from kvit.parties.rows import Tenant, TenantRow
from kvit.parties.services import create_tenant
from kvit.platform import events
from kvit.platform.tenancy import tenant_scope
from kvit.web import live
from kvit.web.access import tenant_of_scope
from tests.web.conftest import Office

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True, slots=True)
class Seen:
    """A fact of these tests."""

    n: int


SEEN = events.Topic("livetest.thing.seen", Seen)


class Browser:
    """Reads a stream as a page would, until it leaves."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.status = 0
        self.text = ""
        self.got = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)
        self.text += message.get("body", b"").decode()
        self.got.set()

    async def until(self, text: str) -> None:
        async with asyncio.timeout(60):
            while text not in self.text:
                self.got.clear()
                await self.got.wait()


def publish(tenant: Tenant, now: datetime, *, fails: bool = False, times: int = 1) -> None:
    try:
        for _ in range(times):
            with tenant_scope(tenant.id), transaction.atomic():
                events.publish(SEEN, key="k", payload=Seen(1), actor="cli:test", now=now)
                if fails:
                    raise KeyError
    except KeyError:
        pass
    finally:
        connections.close_all()


@pytest.fixture
def companies(now: datetime) -> list[Tenant]:
    return [
        create_tenant(TenantRow(code, code, "RUB", "Europe/Moscow"), actor="cli:test", now=now)
        for code in ("one", "two")
    ]


def watch(tenant: UUID | None) -> live.Prove:
    return lambda scope: tenant


SCOPE = {"type": "http", "method": "GET", "path": live.PATH}


def run(story: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAGES", live.Pages())
    monkeypatch.setattr(live, "TOGETHER_S", 0.05)

    async def whole() -> None:
        await story()
        task = live.PAGES.listening
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())


def test_a_page_hears_what_its_company_committed_and_nothing_else(
    companies: list[Tenant], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        one, two = Browser(), Browser()
        tasks = [
            asyncio.create_task(live.stream(SCOPE, who.receive, who.send, watch(company.id)))
            for who, company in zip((one, two), companies, strict=True)
        ]
        await asyncio.gather(one.until("event: anything"), two.until("event: anything"))
        publishing = sync_to_async(publish, thread_sensitive=False)
        await publishing(companies[0], now, fails=True)
        await publishing(companies[1], now)
        await two.until("event: livetest\ndata: livetest\n\n")
        assert "livetest" not in one.text
        await publishing(companies[0], now)
        await one.until("event: livetest")
        one.left.set()
        two.left.set()
        await asyncio.gather(*tasks)
        assert live.PAGES.count == 0

    run(story, monkeypatch)


def test_facts_of_one_moment_are_told_once(
    companies: list[Tenant], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setattr(live, "TOGETHER_S", 1.0)
        page = Browser()
        task = asyncio.create_task(
            live.stream(SCOPE, page.receive, page.send, watch(companies[0].id))
        )
        await page.until("event: anything")
        await sync_to_async(publish, thread_sensitive=False)(companies[0], now, times=5)
        await page.until("event: livetest")
        assert page.text.count("event: livetest") == 1
        page.left.set()
        await task

    run(story, monkeypatch)


@pytest.mark.parametrize(("method", "status"), [("GET", 403), ("POST", 405)])
def test_who_has_no_session_hears_nothing(
    method: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        page = Browser()
        await live.stream(SCOPE | {"method": method}, page.receive, page.send, watch(None))
        assert (page.status, page.text, live.PAGES.count) == (status, "", 0)

    run(story, monkeypatch)


def test_a_withdrawn_membership_ends_the_stream(
    companies: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setattr(live, "BEAT_S", 0.05)
        monkeypatch.setattr(live, "PROVE_S", 0.1)
        answers = iter([companies[0].id])
        page = Browser()
        async with asyncio.timeout(60):
            await live.stream(SCOPE, page.receive, page.send, lambda scope: next(answers, None))
        assert (page.status, live.PAGES.count) == (200, 0)

    run(story, monkeypatch)


def test_a_page_is_let_in_again_after_the_database_was_away(office: Office, tenant: Tenant) -> None:
    session = office("owner").cookies["sessionid"].value

    def lose() -> None:
        connections["default"].connection.close()

    scope = {**SCOPE, "headers": [(b"cookie", f"sessionid={session}".encode())]}
    with ThreadPoolExecutor(1) as threads:  # the same thread, and so the same connection
        assert threads.submit(tenant_of_scope, scope).result() == tenant.id
        threads.submit(lose).result()
        assert threads.submit(tenant_of_scope, scope).result() == tenant.id
        threads.submit(connections.close_all).result()
