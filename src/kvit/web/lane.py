"""The quick lane into metering: machines' events, beside Django and on its event loop.

    POST /api/v1/events         requests that come while a transaction lasts share the next one
    POST /api/v1/events/bulk    requests that come while a flush lasts share the next one

On the loop a request is little more than its bytes; groups of them are worked on by threads.

What is out of the ordinary is handed to the operation of the same address, which answers as this
does: a session, a signature, a second factor, an `Idempotency-Key`, a test clock, a fault of any
kind, and each request of a transaction that failed.

A key is looked up once in `KEY_S`: for so long a revoked one, or a right that was taken away,
still opens this lane. It asks no oftener than the API lets it, here and there together; a process
takes what it may ask some at a time, and what is beyond is refused by the operation.
"""

import asyncio
import hashlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

from django.db import close_old_connections, connection

from kvit.metering import services as metering
from kvit.metering.rows import BulkIn
from kvit.parties import queries as parties
from kvit.parties.services import note_use
from kvit.platform import audit, clock, settings
from kvit.platform.failures import Failure
from kvit.platform.tenancy import tenant_scope
from kvit.web.api import events, intake, problems
from kvit.web.api.auth import take_requests
from kvit.web.arriving import told_again

ONE_BY_ONE, BULK = "/api/v1/events", "/api/v1/events/bulk"
RIGHT = "usage.write"
KEY_S = 5.0
MOST_KEYS = 1_000
TAKEN_OF_BURST = 10  # a process takes a tenth of what a key may ask at once
MOST_BYTES = 256 * 2**20  # of bodies that a process works on
TOGETHER_BYTES = 256 * 2**10  # of bodies that share a transaction or a flush, if there are several
ENOUGH_BYTES = 96 * 2**10  # for which one more transaction begins before the last has ended
AT_ONCE = 4  # transactions of a caller
LINGER_S = 0.003  # at most, until those who were answered together have come again
THREADS = 8

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("kvit.lane")


class Caller(NamedTuple):
    """Whose key it is. Requests of one caller may share a transaction."""

    tenant: UUID
    actor: str
    language: str
    address: str


class _Asked(NamedTuple):
    """A request on its way into a transaction; None is the answer of one that did not come in."""

    body: bytes
    encoding: str
    query: Mapping[str, str]
    language: str
    answer: "asyncio.Future[bytes | None]"


_Work = Callable[[Caller, Sequence[_Asked]], list[bytes | None]]
_Group = tuple[Caller, _Work]


class Lane:
    """The lane of a process; `otherwise` is what answers everything else."""

    def __init__(self, otherwise: App) -> None:
        self._otherwise = otherwise
        self._callers: dict[bytes, tuple[float, Caller]] = {}
        self._allowed: Counter[str] = Counter()  # requests of an actor that were taken, not used
        self._allowing: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._threads = ThreadPoolExecutor(THREADS, "kvit-lane")
        self._waiting: dict[_Group, list[_Asked]] = defaultdict(list)
        self._working: Counter[_Group] = Counter()
        self._gathering: dict[_Group, tuple[int, asyncio.Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them weakly
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value for name, value in scope["headers"] if name in _READ}
        length = _length_of(scope, headers)
        caller = await self._caller(scope, headers) if length else None
        if caller is None or not await self._may_ask(caller.actor):
            await self._otherwise(scope, receive, send)
            return
        if self._bytes + length > MOST_BYTES:
            await _say_busy(send)
            return
        self._bytes += length
        try:
            body = await _body_of(receive)
            told = await self._take(scope, headers, caller, body)
        finally:
            self._bytes -= length
        if told is None:
            await self._otherwise(scope, told_again(body, receive), send)
        else:
            await _answer(send, 202 if scope["path"] == BULK else 200, told)

    async def _caller(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Caller | None:
        """Return whose key it is; None where Django has to look."""
        text = headers.get(b"authorization", b"")
        address = (scope.get("client") or ("",))[0]
        name = hashlib.sha256(text + address.encode()).digest()
        until, caller = self._callers.get(name, (0.0, None))
        if until > time.monotonic():
            return caller
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _known, text.decode("latin-1"), address)
        if found is None:
            self._callers.pop(name, None)
            return None
        if len(self._callers) >= MOST_KEYS:
            self._callers.clear()
            self._allowed.clear()
            self._allowing.clear()
        self._callers[name] = (time.monotonic() + KEY_S, found)
        return found

    async def _may_ask(self, actor: str) -> bool:
        """Use one of the requests that an actor may make."""
        if not self._allowed[actor]:
            async with self._allowing[actor]:
                if not self._allowed[actor]:
                    loop = asyncio.get_running_loop()
                    taken = await loop.run_in_executor(self._threads, _take_requests, actor)
                    self._allowed[actor] = taken
        if not self._allowed[actor]:
            return False
        self._allowed[actor] -= 1
        return True

    async def _take(
        self, scope: Scope, headers: Mapping[bytes, bytes], caller: Caller, body: bytes
    ) -> bytes | None:
        query = _query_of(scope)
        if query is None:
            return None
        loop = asyncio.get_running_loop()
        language = problems.language_of(
            headers.get(b"accept-language", b"").decode("latin-1"), caller.language
        )
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").lower()
        asked = _Asked(body, encoding, query, language, loop.create_future())
        group = (caller, _keep if scope["path"] == BULK else _take_in)
        waiting = self._waiting[group]
        waiting.append(asked)
        if group in self._gathering and len(waiting) >= self._gathering[group][0]:
            self._gathering[group][1].set()
        if not self._working[group] or self._is_worth_another(group):
            self._working[group] += 1
            task = loop.create_task(self._work(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asked.answer

    def _is_worth_another(self, group: _Group) -> bool:
        """Whether so much waits that a further transaction begins beside those under way."""
        if group[1] is _keep or self._working[group] >= AT_ONCE:
            return False
        return _bytes_of(self._waiting[group]) >= ENOUGH_BYTES

    async def _work(self, group: _Group) -> None:
        """Work on what a caller's requests bring, as much at a time as has come."""
        loop = asyncio.get_running_loop()
        caller, work = group
        while waiting := self._next(group):
            told = loop.run_in_executor(self._threads, work, caller, waiting)
            await asyncio.wait([told])
            if error := told.exception():
                _log.warning("requests of %s are tried one by one: %s", caller.tenant, error)
            answers = [None] * len(waiting) if error else told.result()
            for one, answer in zip(waiting, answers, strict=True):
                if not one.answer.done():  # its caller may have gone
                    one.answer.set_result(answer)
            if len(waiting) > 1 and _bytes_of(waiting) < ENOUGH_BYTES:
                await self._gather(group, len(waiting))
        self._working[group] -= 1

    async def _gather(self, group: _Group, number: int) -> None:
        """Wait a little for as many as were answered together: they may come again together."""
        enough = asyncio.Event()
        self._gathering[group] = number + len(self._waiting.get(group, ())), enough
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), LINGER_S)
        self._gathering.pop(group, None)

    def _next(self, group: _Group) -> list[_Asked]:
        """Return the requests of the next transaction or flush."""
        waiting, size = self._waiting.pop(group, []), 0
        for count, one in enumerate(waiting):
            size += len(one.body)
            if count and size > TOGETHER_BYTES:
                self._waiting[group] = waiting[count:]
                return waiting[:count]
        return waiting


def wants(scope: Scope) -> bool:
    """Whether a request is for the lane to look at."""
    return scope["path"] in (ONE_BY_ONE, BULK) and scope["method"] == "POST"


def _bytes_of(waiting: Sequence[_Asked]) -> int:
    return sum(len(one.body) for one in waiting)


def _known(header: str, address: str) -> Caller | None:
    close_old_connections()
    scheme, _, text = header.partition(" ")
    now = datetime.now(UTC)
    known = parties.known_key(text.strip(), now=now) if scheme.lower() == "bearer" else None
    if known is None or known.factors > 1 or RIGHT not in known.row.rights:
        return None
    with tenant_scope(known.tenant.id, switch=True):
        if clock.is_test():
            return None
    note_use(known.row, address=address, now=now)
    return Caller(known.tenant.id, f"key:{known.row.id}", known.tenant.row.language, address)


def _take_requests(actor: str) -> int:
    """Return how many requests an actor may make now, of those that it may make at once."""
    close_old_connections()
    some = max(1, settings.load().api_burst // TAKEN_OF_BURST)
    return next((count for count in (some, 1) if not take_requests(actor, count)), 0)


def _keep(caller: Caller, waiting: Sequence[_Asked]) -> list[bytes | None]:
    """Put requests into the log by one flush; None for one that is to be refused."""
    counted = [_counted(one) for one in waiting]
    with tenant_scope(caller.tenant, switch=True):
        numbers = iter(
            metering.keep_bulk(
                [one for one in counted if one], actor=caller.actor, now=datetime.now(UTC)
            )
        )
    return [one and events.told_kept(next(numbers), one.offered) for one in counted]


def _counted(asked: _Asked) -> BulkIn | None:
    try:
        body = intake.unpacked(asked.body, asked.encoding)
        return BulkIn(body, intake.count(body), asked.query.get("source", intake.SOURCE))
    except Failure:
        return None


def _take_in(caller: Caller, waiting: Sequence[_Asked]) -> list[bytes | None]:
    """Take in what requests bring, in one transaction; None for one that is to be refused."""
    if connection.errors_occurred:  # it is looked at then, not before each transaction
        close_old_connections()
    read = [_read(one, part) for part, one in enumerate(waiting)]
    batches = [one for one in read if one is not None]
    with (
        tenant_scope(caller.tenant, switch=True),
        audit.acting_from(f"api: send_events {caller.address}"[:120]),
    ):
        taken = metering.ingest_together(
            [one.offer for one in batches], actor=caller.actor, now=datetime.now(UTC), origin="api"
        )
    results = iter(taken)
    return [
        None
        if batch is None
        else events.told_of(
            batch, next(results), verdicts=one.query.get("verdicts", "all"), lang=one.language
        )
        for one, batch in zip(waiting, read, strict=True)
    ]


def _read(asked: _Asked, part: int) -> intake.Batch | None:
    try:
        body = intake.unpacked(asked.body, asked.encoding)
        return intake.read(body, source=asked.query.get("source", intake.SOURCE), part=part)
    except Failure:
        return None


# --- of a request -------------------------------------------------------------------------------

_OTHERWISE = frozenset({b"idempotency-key", b"kvit-signature"})
_READ = _OTHERWISE | {
    b"authorization", b"content-type", b"content-length", b"content-encoding", b"accept-language",
}  # fmt: skip


def _length_of(scope: Scope, headers: Mapping[bytes, bytes]) -> int:
    """Return the length of a body that the lane takes; 0 where Django has to look."""
    length = headers.get(b"content-length", b"")
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().decode("latin-1")
    if kind not in events.KINDS or not length.isdigit() or headers.keys() & _OTHERWISE:
        return 0
    return int(length) if int(length) <= events.BODY_LIMIT else 0


def _query_of(scope: Scope) -> Mapping[str, str] | None:
    """Return the query; None where it says anything that the operation would look at closer."""
    if not scope["query_string"]:
        return {}
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = dict(pairs)
    is_plain = (
        len(query) == len(pairs)
        and query.keys() <= ({"source"} if scope["path"] == BULK else {"source", "verdicts"})
        and query.get("verdicts", "all") in ("all", "faults")
        and query.get("source", "-").isascii()
        and query.get("source", "-").isprintable()
        and 0 < len(query.get("source", "-")) <= 200
    )
    return query if is_plain else None


async def _body_of(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(bytes(message.get("body", b"")))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _say_busy(send: Send) -> None:
    """Refuse at once, unread: whoever comes now would have to wait in memory."""
    headers = [(b"retry-after", b"1"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
