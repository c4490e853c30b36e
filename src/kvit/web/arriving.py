"""A request is passed on once its body is here, whole: no thread waits for a client.

Django works in a few threads. One that reads a body from the network belongs to its sender until
the last byte has come, so a handful of senders who say nothing would be the end of the service.
Here they cost the event loop a little memory, and are refused when they are too slow.

What is spelled so that it would be misread further on is put right here too.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import Any

from kvit.core.wording import Words
from kvit.platform.failures import Failure
from kvit.web.api.problems import language_of

MOST_BYTES = 64 * 2**20  # of one body; what may be less is refused further on, in better words
MOST_HELD = 512 * 2**20  # of all that a process has received and not answered yet
IN_MEMORY = 8 * 2**20  # beyond, a body lies in a temporary file: uploads alone are so large
PART_BYTES = 64 * 2**10
PATIENCE_S = 20.0  # for the first byte, and each `LEAST_BYTES_S` give a second more
LEAST_BYTES_S = 16 * 2**10
LOOK_S = 1.0  # between looks for those who are too slow
WORDS: Words = {
    "request_slow": (
        "Тело запроса поступает слишком медленно: запрос не выполнен. Отправьте его снова.",
        "The body of the request came too slowly: nothing was done. Send it again.",
    ),
    "request_too_large": (
        "Тело запроса больше {limit} МиБ: запрос не выполнен. Разделите его на части.",
        "The body of the request is larger than {limit} MiB: nothing was done. Send it in parts.",
    ),
    "requests_held": (
        "Сервер занят другими запросами: запрос не выполнен. Повторите через секунду.",
        "The server is busy with other requests: nothing was done. Try again in a second.",
    ),
    "length_missing": (
        "Длина тела не названа: запрос не выполнен. Отправьте его с Content-Length.",
        "The length of the body is not told: nothing was done. Send it with Content-Length.",
    ),
}
_STATUS = {
    "request_slow": 408, "length_missing": 411, "request_too_large": 413, "requests_held": 503
}  # fmt: skip
_NOT_ASCII = re.compile(rb"[\x80-\xff]")

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class NotArrived(Failure):
    """The body was not taken to its end."""

    words = WORDS


class _ClientGone(Exception):
    """Nobody waits for an answer."""


class Arriving:
    """Receives the bodies of requests; `then` answers them."""

    def __init__(self, then: App, *, patience_s: float = PATIENCE_S) -> None:
        self._then = then
        self._patience_s = patience_s
        self._held = 0
        self._clients = _Clients(min(LOOK_S, patience_s / 2))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            scope, length = _put_right(scope)
            if not length:
                await self._then(scope, receive, send)
                return
            begun = time.monotonic()
            part, is_more = await self._clients.next(receive, begun + self._patience_s)
            # What is named is here: the server tells by one more message that no more will come.
            if len(part) == length or not is_more:
                await self._pass_on(scope, part, receive, send)
                return
            async with self._whole(receive, begun, part, length) as body:
                await self._then(scope, _again(body, receive), send)
        except NotArrived as refused:
            await _refuse(scope, send, refused)
        except _ClientGone:
            return

    async def _pass_on(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Answer a request whose body came at once, as nearly all do: there is none to gather."""
        if self._held + len(body) > MOST_HELD:
            raise NotArrived("requests_held")
        self._held += len(body)
        try:
            await self._then(scope, told_again(body, receive), send)
        finally:
            self._held -= len(body)

    @asynccontextmanager
    async def _whole(
        self, receive: Receive, begun: float, part: bytes, length: int
    ) -> "AsyncIterator[SpooledTemporaryFile[bytes]]":
        """Receive a body, of which `part` has come, and keep it for as long as the block lasts."""
        size, is_more = 0, True
        with SpooledTemporaryFile(IN_MEMORY) as body:
            try:
                while True:
                    size += len(part)
                    self._held += len(part)
                    if self._held > MOST_HELD:
                        raise NotArrived("requests_held")
                    _write(body, part)
                    if size >= length or not is_more:
                        break
                    until = begun + self._patience_s + size / LEAST_BYTES_S
                    part, is_more = await self._clients.next(receive, until)
                body.seek(0)
                yield body
            finally:
                self._held -= size


class _Clients:
    """Those whose bytes are waited for. One timer looks after all of them: a timer for each part of
    each body would cost more than the part."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._until: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # of the timer, as long as there is one

    async def next(self, receive: Receive, until: float) -> tuple[bytes, bool]:
        """Return the next part of a body and whether more may follow."""
        task = asyncio.current_task()
        assert task is not None
        self._until[task] = until
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(self._every_s, self._look)
        try:
            message = await receive()
        except asyncio.CancelledError:
            if task not in self._late or task.uncancel():  # somebody else ends it
                raise
            raise NotArrived("request_slow") from None
        finally:
            del self._until[task]
            self._late.discard(task)
        if message["type"] == "http.disconnect":
            raise _ClientGone
        return bytes(message.get("body", b"")), bool(message.get("more_body"))

    def _look(self) -> None:
        """Wait no longer for whom it is too late."""
        now = time.monotonic()
        for task, until in self._until.items():
            if until <= now and task not in self._late:
                self._late.add(task)
                task.cancel()
        if self._until and self._loop is not None:
            self._loop.call_later(self._every_s, self._look)
        else:
            self._loop = None


def _write(body: "SpooledTemporaryFile[bytes]", part: bytes) -> None:
    try:
        body.write(part)
    except OSError:  # no room for temporary files
        raise NotArrived("requests_held") from None


def told_again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a whole body once, and then what comes after it."""
    given = [body]

    async def called() -> Message:
        if given:
            return {"type": "http.request", "body": given.pop(), "more_body": False}
        return await _after(receive)

    return called


async def _after(receive: Receive) -> Message:
    """Return what comes after a body: not that it has ended, which is known already."""
    while (message := await receive())["type"] == "http.request":
        pass
    return message


def _again(body: "SpooledTemporaryFile[bytes]", receive: Receive) -> Receive:
    """Return what gives the body in parts, and then what comes after it."""
    is_given = False

    async def called() -> Message:
        nonlocal is_given
        if is_given:
            return await _after(receive)
        part = body.read(PART_BYTES)
        is_given = len(part) < PART_BYTES
        return {"type": "http.request", "body": part, "more_body": not is_given}

    return called


def _put_right(scope: Scope) -> tuple[Scope, int]:
    """Return the scope as Django reads it rightly, and the length of the body.

    An underscore in a header's name becomes a hyphen on the way: what a proxy tells of a client's
    certificate could be told by anybody. And a query's letters are to be written in ASCII, which
    not every client does.

    Raises:
        NotArrived: the body is larger than any may be, or of no length that is told: two readers
            would not agree where it ends.
    """
    length, is_plain = 0, scope["query_string"].isascii()
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value) if value.isdigit() else 0
        elif name == b"transfer-encoding":
            raise NotArrived("length_missing")
        elif b"_" in name:
            is_plain = False
    if length > MOST_BYTES:
        raise NotArrived("request_too_large", limit=MOST_BYTES // 2**20)
    if is_plain:
        return scope, length
    headers = [one for one in scope["headers"] if b"_" not in one[0]]
    query = _NOT_ASCII.sub(lambda one: b"%%%02X" % one[0][0], scope["query_string"])
    return {**scope, "headers": headers, "query_string": query}, length


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


async def _refuse(scope: Scope, send: Send, refused: NotArrived) -> None:
    text = refused.text(language_of(_header(scope, b"accept-language"), "ru")).encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    status = _STATUS[refused.code]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
