"""Events in bulk over HTTP: on the disk before the answer, told of later; and the quick lane."""

import asyncio
import gzip
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from django.db import OperationalError

from kvit.metering import queries, services
from kvit.metering.models import UsageEvent
from kvit.parties.rows import Tenant
from kvit.parties.services import revoke_key
from kvit.platform import durable_log, settings
from kvit.web import lane, sealing
from kvit.web.sealing import take_up_tenant
from tests.api.conftest import Callers

EVENT = {"id": "e1", "subscription": "S-1", "meter": "api_calls",
         "time": "2026-10-16T12:00:00+03:00", "value": "5"}  # fmt: skip
MIXED = [EVENT, {**EVENT, "value": "6"}, {**EVENT, "id": "e2", "value": "many"}, EVENT, "nonsense",
         {**EVENT, "id": "e3", "source": "x" * 201}, {**EVENT, "id": "e4", "value": "1_000"}
         ]  # fmt: skip


@pytest.fixture(autouse=True)
def _closed(file_store: Path) -> Iterator[None]:
    yield
    durable_log.writer().close()


def take_up() -> None:
    durable_log.writer().close()
    take_up_tenant(now=datetime(2026, 11, 1, tzinfo=UTC))


def test_a_batch_is_taken_at_once_and_told_of_later(api: Callers) -> None:
    crm = api("usage.write")
    sent = crm.post("/events/bulk", MIXED)
    assert (sent.status, sent.json["state"], sent.json["offered"]) == (202, "waiting", 7)
    where = f"/events/bulk/{sent.json['id']}"
    assert crm.get(where).json["state"] == "waiting"
    assert UsageEvent.objects.count() == 0
    [fate] = api("usage.read").get("/usage/fate?id=e1").json["fates"]
    assert (fate["source"], fate["outcome"]) == ("api", "waits")
    assert api("usage.read").get("/usage/fate?id=e7").code == "never_seen"
    take_up()
    told = crm.get(where, headers={"Accept-Language": "en"}).json
    assert (told["state"], told["accepted"], told["rejected"]) == ("done", 1, 4)
    # The same verdicts, word for word, as when they are told at once.
    at_once = api("usage.write").post("/events?source=b", MIXED, headers={"Accept-Language": "en"})
    faults = [one for one in at_once.json["data"] if one["verdict"] != "accepted"]
    assert told["data"] == faults
    assert [one["verdict"] for one in faults] == [
        "conflict", "rejected", "repeated", "rejected", "rejected", "rejected",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"), [(b"[", 400), (b"[]", 422), (b"nonsense", 400), (b"[1" * 100_000, 400)]
)
def test_what_could_never_be_read_is_not_taken(api: Callers, body: bytes, status: int) -> None:
    assert api().post("/events/bulk", body).status == status
    assert queries.unread().requests == 0


def test_a_full_disk_is_a_refusal_that_says_when_to_come_again(
    api: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm = api()
    monkeypatch.setattr(durable_log, "RESERVE", 2**60)
    refused = crm.post("/events/bulk", EVENT)
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (
        503, "log_disk_full", "30",
    )  # fmt: skip
    monkeypatch.undo()
    assert crm.post("/events/bulk", EVENT).status == 202


@pytest.mark.django_db(transaction=True)
def test_where_nobody_works_on_the_log_a_batch_is_refused_until_somebody_has(
    api: Callers, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log grows no further; the lane hands the refusal on, and nothing waits in memory."""
    crm = api()
    assert crm.post("/events/bulk", EVENT).status == 202
    durable_log.writer().close()
    monkeypatch.setattr(durable_log, "MOST_KEPT", 100)
    calls = Calls(crm.key)
    assert asyncio.run(calls(lane.BULK, EVENT))[0] == 299
    refused = crm.post("/events/bulk", EVENT)
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (
        503, "log_behind", "30",
    )  # fmt: skip
    assert (queries.unread().requests, calls.lane._bytes) == (1, 0)
    take_up()
    assert asyncio.run(calls(lane.BULK, EVENT))[0] == 202


def test_a_batch_of_another_company_or_of_nobody_is_not_found(api: Callers) -> None:
    assert api().get("/events/bulk/01234567-89ab-7def-8123-456789abcdef").status == 404


# --- the lane -----------------------------------------------------------------------------------


class Calls:
    """Sends requests through a lane; what it hands on is answered by 299."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.lane = lane.Lane(self._otherwise)
        self.handed_on: list[bytes] = []

    async def _otherwise(self, scope: Any, receive: Any, send: Any) -> None:
        self.handed_on.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"null"})

    async def __call__(
        self, path: str, body: Any, *, query: str = "", at_once: bool = False, **headers: str
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        named = {"authorization": f"Bearer {self.key}", "content-type": "application/json",
                 "content-length": str(len(data)), **headers}  # fmt: skip
        scope = {
            "type": "http", "method": "POST", "path": path, "query_string": query.encode(),
            "client": ("10.0.0.1", 5), "headers": [
                (name.rstrip("_").replace("_", "-").encode(), text.encode())
                for name, text in named.items()
            ],
        }  # fmt: skip
        assert lane.wants(scope)
        sent: list[Any] = []

        async def receive() -> Any:
            assert not at_once
            return {"type": "http.request", "body": data}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.lane(scope, receive, send, data if at_once else None)
        return sent[0]["status"], orjson.loads(sent[1]["body"])


@pytest.mark.django_db(transaction=True)
def test_the_lane_answers_as_the_operation_does(api: Callers, tenant: Tenant) -> None:
    key = api("usage.write").key
    weak = api("usage.read").key
    slow = api("usage.write").post("/events?source=b", MIXED).json

    async def walk() -> None:
        calls = Calls(key)
        together = await asyncio.gather(
            calls(lane.ONE_BY_ONE, MIXED), calls(lane.ONE_BY_ONE, {**EVENT, "id": "e9"}),
            calls(lane.ONE_BY_ONE, b"["), calls(lane.BULK, MIXED, at_once=True),
            calls(lane.ONE_BY_ONE, gzip.compress(orjson.dumps({**EVENT, "id": "e10"})),
                  content_encoding="gzip"),
        )  # fmt: skip
        assert [status for status, _ in together] == [200, 200, 299, 202, 200]
        assert together[0][1]["data"] == slow["data"]
        assert together[1][1]["accepted"] == 1
        assert together[4][1]["accepted"] == 1
        assert calls.handed_on == [b"["]
        for given in (
            {"idempotency_key": "1"}, {"kvit_signature": "v1=0"}, {"content_type": "text/plain"},
            {"content_length": str(2**30)}, {"query": "source=a&source=b"}, {"query": "x=1"},
            {"authorization": "Bearer kvit_nobody_x"}, {"authorization_": "Bearer kvit_nobody_x"},
            {"authorization": f"Bearer {weak}"},
        ):  # fmt: skip
            for at_once in (False, True):
                told = await calls(lane.ONE_BY_ONE, EVENT, at_once=at_once, **given)
                assert (told, calls.handed_on[-1]) == ((299, None), orjson.dumps(EVENT)), given
        bomb = gzip.compress(b" " * (lane.MOST_UNPACKED + 1))
        assert (await calls(lane.BULK, bomb, content_encoding="gzip"))[0] == 299

    asyncio.run(walk())
    assert queries.unread().events == len(MIXED)


@pytest.mark.django_db(transaction=True)
def test_a_revoked_key_opens_the_lane_no_more_once_that_is_told(
    api: Callers, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another key of the company it is only asked again what it opens."""
    monkeypatch.setattr(lane, "KEY_S", 1_000.0)
    caller, other = api("usage.write"), api("usage.write")

    async def walk() -> None:
        calls = Calls(caller.key)
        async with asyncio.timeout(60):
            while not calls.lane._heard:  # until the lane hears
                assert (await calls(lane.BULK, EVENT))[0] == 202
            assert (await calls(lane.BULK, EVENT))[0] == 202
            await asyncio.to_thread(_revoke, tenant, caller.key_id)
            while calls.lane._heard < 2:
                await asyncio.sleep(0.001)
        assert (await calls(lane.BULK, EVENT))[0] == 299
        calls.key = other.key
        assert (await calls(lane.BULK, EVENT))[0] == 202

    asyncio.run(walk())


@pytest.mark.django_db(transaction=True)
def test_where_nothing_is_told_a_revoked_key_opens_the_lane_for_seconds_at_most(
    api: Callers, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(lane, "hear", deaf)
    caller = api("usage.write")

    async def walk() -> None:
        calls = Calls(caller.key)
        assert (await calls(lane.BULK, EVENT))[0] == 202
        await asyncio.to_thread(_revoke, tenant, caller.key_id)
        assert (await calls(lane.BULK, EVENT))[0] == 202
        for opened in calls.lane._open.values():
            assert opened.until <= time.monotonic() + lane.KEY_S
            opened.until = 0.0  # as when its time is over
        assert (await calls(lane.BULK, EVENT))[0] == 299

    asyncio.run(walk())


@pytest.mark.django_db(transaction=True)
def test_a_key_revoked_while_it_is_looked_up_is_looked_up_again(
    api: Callers, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, known = api("usage.write"), lane._known

    async def walk() -> None:
        calls = Calls(caller.key)

        def told_meanwhile(header: str, address: str) -> Any:
            found = known(header, address)
            calls.lane._changed(str(tenant.id))
            return found

        monkeypatch.setattr(lane, "_known", told_meanwhile)
        assert (await calls(lane.BULK, EVENT))[0] == 202
        assert [opened.until for opened in calls.lane._open.values()] == [0.0]

    asyncio.run(walk())


@pytest.mark.django_db(transaction=True)
def test_a_key_asks_the_lane_and_the_api_no_oftener_than_it_may(
    api: Callers, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = settings.load().model_copy(update={"api_burst": 30, "api_per_second": 0.001})
    monkeypatch.setattr("kvit.platform.settings.load", lambda: few)
    caller, other = api("usage.write"), api("usage.write")
    assert caller.get(f"/events/bulk/{tenant.id}").status == 404  # one of the thirty

    async def walk() -> None:
        calls = Calls(caller.key)
        answers = [(await calls(lane.BULK, EVENT))[0] for _ in range(32)]
        assert answers == [202] * 29 + [299] * 3
        assert (await Calls(other.key)(lane.BULK, EVENT))[0] == 202

    asyncio.run(walk())
    assert queries.unread().events == 30
    refused = caller.post("/events/bulk", EVENT)  # whom the lane hands on to
    assert (refused.status, refused.code) == (429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lost", ["kvit.parties.queries.known_key", "kvit.web.lane.take_requests"])
def test_a_database_that_is_away_is_told_by_the_operation(
    api: Callers, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("the server closed the connection")

    calls = Calls(api("usage.write").key)
    monkeypatch.setattr(lost, fail)
    assert asyncio.run(calls(lane.BULK, EVENT))[0] == 299
    monkeypatch.undo()
    assert asyncio.run(calls(lane.BULK, EVENT))[0] == 202


def _revoke(tenant: Tenant, key: str) -> None:
    from uuid import UUID

    from django.db import connection

    from kvit.platform.tenancy import tenant_scope

    with tenant_scope(tenant.id):
        revoke_key(UUID(key), reason="lost", actor="cli:test", now=datetime.now(UTC))
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_worker_takes_up_what_came_though_one_company_stumbles(
    api: Callers, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    api().post("/events/bulk", EVENT)
    durable_log.writer().keep("0-no-company", [b""])
    monkeypatch.setattr(durable_log, "FILE_S", 0.01)
    monkeypatch.setattr(sealing, "LOOK_S", 0.01)
    durable_log.writer().close()
    until = time.monotonic() + 60
    with sealing.taking_up():
        while queries.unread().events and time.monotonic() < until:
            time.sleep(0.02)
    assert (queries.unread().events, UsageEvent.objects.count()) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_works_once_goes_on_though_one_company_stumbles(
    api: Callers, caplog: pytest.LogCaptureFixture
) -> None:
    """Its name comes before that of any company, and another's after it: both are told."""
    api().post("/events/bulk", EVENT)
    for name in ("0-no-company", "x-none-either"):
        durable_log.writer().keep(name, [b""])
    durable_log.writer().close()
    with pytest.raises(ExceptionGroup) as raised:
        sealing.take_up_all()
    assert [type(one) for one in raised.value.exceptions] == [ValueError, ValueError]
    told = [one for one in caplog.records if "stumbled" in one.getMessage()]
    assert (len(told), queries.unread().events, UsageEvent.objects.count()) == (2, 0, 1)


def test_a_full_disk_of_the_database_is_told_as_such(
    api: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError from psycopg.errors.DiskFull("could not extend file")

    crm = api()
    with monkeypatch.context() as patch:
        patch.setattr(services, "ingest_together", fail)
        refused = crm.post("/events", EVENT)
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (
        503, "database_disk_full", "30",
    )  # fmt: skip
    assert crm.post("/events", EVENT).json["accepted"] == 1
