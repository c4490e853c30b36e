"""Bodies whose end is not told in advance, over the very server: what clients send, and worse."""

import asyncio
import socket
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from kvit.web import arriving
from kvit.web.arriving import Arriving

pytestmark = pytest.mark.once
HEAD = b"POST /x HTTP/1.1\r\nHost: kvit\r\nAccept-Language: en\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Seen:
    """An application that tells its clients what it has read; `bodies` are all of them."""

    def __init__(self) -> None:
        self.bodies: list[tuple[bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers, body, is_more = dict(scope["headers"]), b"", True
        assert b"transfer-encoding" not in headers
        while is_more:
            message = await receive()
            body, is_more = body + message["body"], message["more_body"]
        self.bodies.append((headers[b"content-length"], body))
        told = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": told})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def served(seen: Seen, patience_s: float) -> Any:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server: Any = Server(
        Arriving(seen, patience_s=patience_s), port=port, interface=Interfaces.ASGINL,
        http=HTTPModes.http1, websockets=False, log_level=LogLevels.warning,
    )  # fmt: skip
    serving = asyncio.create_task(server.serve())
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                break
        yield port
    finally:
        server.stop()
        await serving


def talk(
    client: Callable[[Reader, Writer], Awaitable[None]], *, patience_s: float = 20.0
) -> tuple[int, bytes, Seen]:
    """Let a client speak; return the status, the rest of the answer and what was seen."""
    seen = Seen()

    async def walk() -> bytes:
        async with served(seen, patience_s) as port, asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            speaking = asyncio.ensure_future(client(reader, writer))
            head = await reader.readuntil(b"\r\n\r\n")
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            body = await reader.readexactly(length)
            writer.close()
            return head + body

    answer = asyncio.run(walk())
    return int(answer.split(b" ")[1]), answer, seen


def says(*parts: bytes) -> Callable[[Reader, Writer], Awaitable[None]]:
    async def client(reader: Reader, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return client


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "MOST_BYTES", 7_936)
    monkeypatch.setattr(arriving, "MOST_CRUMBS", 300)


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", b"abcde"),
        (b"2;name=value\r\nab\r\n0\r\nX-Trailer: 1\r\n\r\n", b"ab"),
        (b"0\r\n\r\n", b""),
        (b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n", b"x" * 4096),
    ],
)
def test_a_body_told_by_its_end_is_read_as_one_of_a_length(sent: bytes, body: bytes) -> None:
    status, _, seen = talk(says(CHUNKED, sent))
    assert (status, seen.bodies) == (200, [(str(len(body)).encode(), body)])


@pytest.mark.parametrize(
    "named",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ],
)
def test_the_parts_decide_and_what_follows_on_the_connection_is_not_read(named: bytes) -> None:
    """Whoever went by the length would take the rest for another request."""
    behind = HEAD + b"Content-Length: 1\r\n\r\n!"
    status, answer, seen = talk(says(HEAD + named + b"\r\n", b"1\r\nx\r\n0\r\n\r\n" + behind))
    assert (status, seen.bodies) == (200, [(b"1", b"x")])
    assert b"connection: close" in answer.lower()


def test_a_body_in_parts_over_time_waits_for_its_end() -> None:
    async def client(reader: Reader, writer: Writer) -> None:
        for part in (CHUNKED, b"2\r\na", b"b\r\n", b"1\r\nc\r\n", b"0\r\n\r\n"):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)

    status, _, seen = talk(client)
    assert (status, seen.bodies) == (200, [(b"3", b"abc")])


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    ("sent", "status", "told"),
    [
        (b"1000\r\n" + b"x" * 4096 + b"\r\n" + b"f01\r\n" + b"x" * 3841 + b"\r\n", 413,
         b"is larger than"),
        (b"1\r\nx\r\n" * 301, 400, b"in parts that are too small"),
    ],
)  # fmt: skip
def test_who_has_not_ended_is_refused_when_it_is_enough(
    sent: bytes, status: int, told: bytes
) -> None:
    answered, answer, seen = talk(says(CHUNKED, sent))
    assert (answered, told in answer, seen.bodies) == (status, True, [])
    assert b"connection: close" in answer.lower()


def test_who_stops_in_the_midst_of_a_part_is_refused() -> None:
    status, answer, seen = talk(says(CHUNKED, b"5\r\nab"), patience_s=0.2)
    assert (status, b"came too slowly" in answer, seen.bodies) == (408, True, [])


@pytest.mark.parametrize(
    "named",
    [
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
    ],
)
def test_a_body_whose_end_two_readers_would_find_elsewhere_is_refused(named: bytes) -> None:
    status, _, seen = talk(says(HEAD + named + b"\r\n", b"0\r\n\r\n"))
    assert (status, seen.bodies) == (400, [])


def test_parts_that_are_none_reach_nobody() -> None:
    status, answer, seen = talk(says(CHUNKED, b"2\r\nab\r\nxyz\r\n"))
    assert (status, b"unclear where the body ends" in answer, seen.bodies) == (400, True, [])
