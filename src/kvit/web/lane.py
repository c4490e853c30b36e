"""The quick lane into metering: machines' events, beside Django and on its event loop.

    POST /api/v1/events         requests that come while a transaction lasts share the next one
    POST /api/v1/events/bulk    requests that come while a flush lasts share the next one

On the loop a request is little more than its bytes; groups of them are worked on by threads.

What is out of the ordinary is handed to the operation of the same address, which answers as this
does: a session, a signature, a second factor, an `Idempotency-Key`, a test clock, a fault of any
kind, and each request of a transaction that failed.

A key is looked up once in `KEY_S`, and anew as soon as PostgreSQL tells that what the company's
keys open has changed: a revoked one opens this lane until that is heard, or where the connection
that hears it is lost, for so long. It asks no oftener than the API lets it, here and there
together; a process takes what it may ask some at a time, and what is beyond is refused by the
operation.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

from django.db import DatabaseError, close_old_connections, connection

from kvit.metering import services as metering
from kvit.metering.rows import BulkIn
from kvit.parties import queries as parties
from kvit.parties.services import note_use
from kvit.platform import audit, clock, settings
from kvit.platform.events import KEYS
from kvit.platform.failures import Failure
from kvit.platform.tenancy import tenant_scope
from kvit.web.api import events, intake, problems
from kvit.web.api.auth import take_requests
from kvit.web.arriving import told_again
from kvit.web.hearing import hear
from kvit.web.turns import Asked, Turns

ONE_BY_ONE, BULK = "/api/v1/events", "/api/v1/events/bulk"
RIGHT = "usage.write"
KEY_S = 5.0
MOST_KEYS = 1_000
TAKEN_OF_BURST = 10  # a process takes a tenth of what a key may ask at once
MOST_BYTES = 256 * 2**20  # of bodies that a process works on
MOST_UNPACKED = events.BODY_LIMIT  # of a packed one; the operation takes what becomes larger
AT_ONCE = 4  # transactions of a caller
THREADS = 8

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Caller(NamedTuple):
    """Whose key it is. Requests of one caller may share a transaction."""

    tenant: UUID
    actor: str
    language: str
    address: str


@dataclass(slots=True)
class _Open:
    """What a key opens, until it is looked up again.

    `allowed`: requests that were taken from what the key may ask, and not used.
    """

    caller: Caller
    turns: Mapping[str, Turns]  # by the path
    until: float = 0.0
    allowed: int = 0
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Lane:
    """The lane of a process; `otherwise` is what answers everything else."""

    def __init__(self, otherwise: App) -> None:
        self._otherwise = otherwise
        self._open: dict[bytes, _Open] = {}  # by what the request says of who it is
        self._threads = ThreadPoolExecutor(THREADS, "kvit-lane")
        self._bytes = 0
        self._hearing: asyncio.Task[None] | None = None
        self._heard = 0

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, body: bytes | None = None
    ) -> None:
        """Answer a request; `body` where it is here already, and not to be received."""
        headers = dict(scope["headers"])
        length, opened = _length_of(scope["headers"], headers), None
        if length:
            text, address = headers.get(b"authorization", b""), (scope.get("client") or ("",))[0]
            name = hashlib.sha256(text + address.encode()).digest()
            opened = self._open.get(name)
            if opened is None or opened.until <= time.monotonic():
                opened = await self._looked_up(name, text, address)
        if opened is None or not (opened.allowed or await self._may_ask(opened)):
            again = receive if body is None else told_again(body, receive)
            await self._otherwise(scope, again, send)
            return
        opened.allowed -= 1
        if self._bytes + length > MOST_BYTES:
            await _say_busy(send)
            return
        self._bytes += length
        try:
            if body is None:
                body = await _body_of(receive)
            asked = _asked(scope, headers, opened.caller, body)
            told = await opened.turns[scope["path"]].answer(asked) if asked else None
        finally:
            self._bytes -= length
        if told is None:
            await self._otherwise(scope, told_again(body, receive), send)
        else:
            await _answer(send, _STATUS[scope["path"]], told)

    async def _looked_up(self, name: bytes, text: bytes, address: str) -> _Open | None:
        """Return what a key opens, looked up anew; None where Django has to look."""
        if self._hearing is None or self._hearing.done():
            self._hearing = asyncio.create_task(hear(KEYS, self._changed, self._changed))
        heard, loop = self._heard, asyncio.get_running_loop()
        caller = await loop.run_in_executor(self._threads, _known, text.decode("latin-1"), address)
        opened = self._open.get(name)
        if caller is None:
            self._open.pop(name, None)
            return None
        if opened is None or opened.caller != caller:
            if len(self._open) >= MOST_KEYS:
                self._open.clear()
            opened = self._open[name] = _Open(caller, self._turns_of(caller))
        # What changed while it was looked up is not known to have been seen.
        opened.until = time.monotonic() + KEY_S if heard == self._heard else 0.0
        return opened

    def _changed(self, tenant: str = "") -> None:
        """Have the keys of a company looked up anew; of all, where it is not known of which."""
        self._heard += 1
        for opened in self._open.values():
            if tenant in ("", str(opened.caller.tenant)):
                opened.until = 0.0

    def _turns_of(self, caller: Caller) -> Mapping[str, Turns]:
        return {
            ONE_BY_ONE: Turns(partial(_take_in, caller), self._threads, at_once=AT_ONCE),
            BULK: Turns(partial(_keep, caller), self._threads, at_once=1, share=2),
        }

    async def _may_ask(self, opened: _Open) -> bool:
        """Take some of the requests that a key may make; whether there is one."""
        async with opened.taking:
            if not opened.allowed:
                opened.allowed = await asyncio.get_running_loop().run_in_executor(
                    self._threads, _take_requests, opened.caller.actor
                )
        return opened.allowed > 0


def wants(scope: Scope) -> bool:
    """Whether a request is for the lane to look at."""
    return scope["path"] in (ONE_BY_ONE, BULK) and scope["method"] == "POST"


def _known(header: str, address: str) -> Caller | None:
    try:
        return _looked_up(header, address)
    except DatabaseError:  # in words, the operation says so
        return None


def _looked_up(header: str, address: str) -> Caller | None:
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
    some = max(1, settings.load().api_burst // TAKEN_OF_BURST)
    try:
        close_old_connections()
        return next((count for count in (some, 1) if not take_requests(actor, count)), 0)
    except DatabaseError:
        return 0


def _keep(caller: Caller, waiting: Sequence[Asked]) -> list[bytes | None]:
    """Put requests into the log by one flush; None for one that is to be refused."""
    counted = [_counted(one) for one in waiting]
    with tenant_scope(caller.tenant, switch=True):
        numbers = iter(
            metering.keep_bulk(
                [one for one in counted if one], actor=caller.actor, now=datetime.now(UTC)
            )
        )
    return [one and events.told_kept(next(numbers), one.offered) for one in counted]


def _counted(asked: Asked) -> BulkIn | None:
    try:
        body = intake.unpacked(asked.body, asked.encoding, most=MOST_UNPACKED)
        return BulkIn(body, intake.count(body), asked.query.get("source", intake.SOURCE))
    except Failure:
        return None


def _take_in(caller: Caller, waiting: Sequence[Asked]) -> list[bytes | None]:
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


def _read(asked: Asked, part: int) -> intake.Batch | None:
    try:
        body = intake.unpacked(asked.body, asked.encoding, most=MOST_UNPACKED)
        return intake.read(body, source=asked.query.get("source", intake.SOURCE), part=part)
    except Failure:
        return None


# --- of a request -------------------------------------------------------------------------------

_OTHERWISE = frozenset({b"idempotency-key", b"kvit-signature"})
_READ = _OTHERWISE | {
    b"authorization", b"content-type", b"content-length", b"content-encoding", b"accept-language",
}  # fmt: skip
_KINDS = frozenset(kind.encode() for kind in events.KINDS)


def _length_of(given: Sequence[tuple[bytes, bytes]], headers: Mapping[bytes, bytes]) -> int:
    """Return the length of a body that the lane takes; 0 where Django has to look."""
    length, kind = headers.get(b"content-length", b""), headers.get(b"content-type", b"")
    if kind not in _KINDS and kind.partition(b";")[0].strip() not in _KINDS:
        return 0
    if not length.isdigit() or not _OTHERWISE.isdisjoint(headers):
        return 0
    if len(headers) < len(given):
        read = [name for name, _ in given if name in _READ]
        # What is said twice the operation reads: nobody is to be let in by the second of two.
        if len(set(read)) < len(read):
            return 0
    return int(length) if int(length) <= events.BODY_LIMIT else 0


_NO_QUERY: Mapping[str, str] = {}


def _query_of(scope: Scope) -> Mapping[str, str] | None:
    """Return the query; None where it says anything that the operation would look at closer."""
    if not scope["query_string"]:
        return _NO_QUERY
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


def _asked(
    scope: Scope, headers: Mapping[bytes, bytes], caller: Caller, body: bytes
) -> Asked | None:
    """Return what a request brings; None where the operation would look closer at how it asks."""
    query = _query_of(scope)
    if query is None:
        return None
    language, encoding = caller.language, ""
    if accepted := headers.get(b"accept-language"):
        language = problems.language_of(accepted.decode("latin-1"), language)
    if packed := headers.get(b"content-encoding"):
        encoding = packed.decode("latin-1").lower()
    return Asked(body, encoding, query, language)


async def _body_of(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(bytes(message.get("body", b"")))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


_STATUS = {ONE_BY_ONE: 200, BULK: 202}
_HEADERS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [*_HEADERS, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _say_busy(send: Send) -> None:
    """Refuse at once, unread: whoever comes now would have to wait in memory."""
    headers = [(b"retry-after", b"1"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
