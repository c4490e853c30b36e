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
MOST_CRUMBS = 100_000  # parts of a body, if on average they are smaller than `CRUMB_BYTES`
CRUMB_BYTES = 64
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
    "length_unclear": (
        "Не ясно, где кончается тело: запрос не выполнен. Отправьте его с Content-Length или с"
        " одним Transfer-Encoding: chunked.",
        "It is unclear where the body ends: nothing was done. Send it with Content-Length, or with"
        " Transfer-Encoding: chunked alone.",
    ),
    "request_in_crumbs": (
        "Тело запроса пришло слишком мелкими частями: запрос не выполнен. Отправьте его целиком.",
        "The body of the request came in parts that are too small: nothing was done. Send it"
        " whole.",
    ),
}
_STATUS = {
    "request_slow": 408, "length_unclear": 400, "request_in_crumbs": 400,
    "request_too_large": 413, "requests_held": 503,
}  # fmt: skip
_ENDS = (b"content-length", b"transfer-encoding")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
AtOnce = Callable[[Scope, Receive, Send, bytes], Awaitable[None]]


class NotArrived(Failure):
    """The body was not taken to its end."""

    words = WORDS


class _ClientGone(Exception):
    """Nobody waits for an answer."""


class Arriving:
    """Receives the bodies of requests; `then` answers them.

    `at_once` answers those whose body came in one piece, as nearly all do, and is given it.
    """

    def __init__(
        self, then: App, at_once: AtOnce | None = None, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._then, self._at_once = then, at_once or _again_by(then)
        self._patience_s = patience_s
        self._held = 0
        self._clients = _Clients(min(LOOK_S, patience_s / 2))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length: int | None = 0
        try:
            scope, length = _put_right(scope)
            if length == 0:
                await self._then(scope, receive, send)
                return
            if length is None:
                send = _closing(send)
            begun = time.monotonic()
            part, is_more = await self._clients.next(receive, begun + self._patience_s)
            # What is named is here: the server tells by one more message that no more will come.
            if len(part) == length or not is_more:
                if self._held + len(part) > MOST_HELD:
                    raise NotArrived("requests_held")
                self._held += len(part)
                try:
                    await self._at_once(_measured(scope, length, len(part)), receive, send, part)
                finally:
                    self._held -= len(part)
                return
            async with self._whole(receive, begun, part, length) as (body, size):
                await self._then(_measured(scope, length, size), _again(body, receive), send)
        except NotArrived as refused:
            await _refuse(scope, send, refused)
        except _ClientGone:
            if length is None:  # or its parts are none; the server does not say
                await _refuse(scope, send, NotArrived("length_unclear"))

    @asynccontextmanager
    async def _whole(
        self, receive: Receive, begun: float, part: bytes, length: int | None
    ) -> "AsyncIterator[tuple[SpooledTemporaryFile[bytes], int]]":
        """Receive a body, of which `part` has come, and keep it for as long as the block lasts.

        With it comes its size.
        """
        size, parts, is_more = 0, 0, True
        with SpooledTemporaryFile(IN_MEMORY) as body:
            try:
                while True:
                    size, parts = size + len(part), parts + 1
                    self._held += len(part)
                    if self._held > MOST_HELD:
                        raise NotArrived("requests_held")
                    _check_size(size, parts)
                    _write(body, part)
                    if not is_more or size == length:
                        break
                    until = begun + self._patience_s + size / LEAST_BYTES_S
                    part, is_more = await self._clients.next(receive, until)
                body.seek(0)
                yield body, size
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


def _again_by(then: App) -> AtOnce:
    """Return what gives an application a body that is here already."""

    async def called(scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        await then(scope, told_again(body, receive), send)

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


def _check_size(size: int, parts: int) -> None:
    """Refuse what is too large, and what would be more work than it is bytes."""
    if size > MOST_BYTES:
        raise NotArrived("request_too_large", limit=MOST_BYTES // 2**20)
    if parts > MOST_CRUMBS and size < parts * CRUMB_BYTES:
        raise NotArrived("request_in_crumbs")


def _measured(scope: Scope, length: int | None, size: int) -> Scope:
    """Return a scope that tells the length of its body: nobody further on waits for an end."""
    if length is not None:
        return scope
    headers = [one for one in scope["headers"] if one[0] != b"transfer-encoding"]
    return {**scope, "headers": [*headers, (b"content-length", str(size).encode())]}


def _closing(send: Send) -> Send:
    """Return what ends the connection with the answer.

    A length that was told beside the parts is dropped by the server before we see it, and somebody
    between may have gone by it (RFC 9112, 6.1).
    """

    async def called(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return called


def _put_right(scope: Scope) -> tuple[Scope, int | None]:
    """Return the scope as Django reads it rightly, and the length of the body; None: it is told
    by its end, which the server finds.

    An underscore in a header's name becomes a hyphen on the way: what a proxy tells of a client's
    certificate could be told by anybody. And a query's letters are to be written in ASCII, which
    not every client does.

    Raises:
        NotArrived: the body is larger than any may be, or two readers would not agree where it
            ends.
    """
    told = dict(scope["headers"])  # said twice, the second: the server lets no two lengths pass
    length: int | None = 0
    if b"transfer-encoding" in told:
        length = None
        ends = [value for name, value in scope["headers"] if name in _ENDS]
        if [one.lower() for one in ends] != [b"chunked"]:
            raise NotArrived("length_unclear")
    elif (value := told.get(b"content-length", b"")).isdigit():
        length = int(value)
        if length > MOST_BYTES:
            raise NotArrived("request_too_large", limit=MOST_BYTES // 2**20)
    if b"_" not in b"".join(told) and scope["query_string"].isascii():
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
