"""Live pages: which parts of a tenant's data have just changed, as server-sent events.

    <div hx-get="…" hx-trigger="sse:invoicing" …>

`platform.events` notifies in the transaction of each fact; one connection of a process listens, and
tells every open page of that tenant the context of the fact, at most once a second. A page then
asks for its own part anew: no figure travels by this road, and none can leak by it.

This runs beside Django, on the event loop of `kvit.web.asgi`: an open page costs no thread.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from kvit.platform.events import FACTS
from kvit.web.hearing import hear

PATH = "/live/"
TOGETHER_S = 1.0  # facts of so long are told as one
BEAT_S = 15.0  # a comment now and then, so that proxies keep the stream
PROVE_S = 60.0  # a membership that was withdrawn ends the stream within this
MOST_STREAMS = 1_000  # of a process

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Prove = Callable[[Scope], UUID | None]
"""Returns the tenant of a request's session, or None where it may not look (any longer)."""


class Pages:
    """The open pages of this process, and the one connection that hears facts for them."""

    def __init__(self) -> None:
        self.changed: dict[UUID, dict[asyncio.Event, set[str]]] = defaultdict(dict)
        self.listening: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """How many pages are open."""
        return sum(map(len, self.changed.values()))

    def open(self, tenant: UUID) -> asyncio.Event:
        """Remember a page; its event is set when there is something to tell."""
        if self.listening is None or self.listening.done():
            self.listening = asyncio.create_task(hear(FACTS, self.tell, self.tell_all))
        bell = asyncio.Event()
        self.changed[tenant][bell] = set()
        return bell

    def close(self, tenant: UUID, bell: asyncio.Event) -> None:
        """Forget a page."""
        pages = self.changed[tenant]
        pages.pop(bell, None)
        if not pages:
            del self.changed[tenant]

    def take(self, tenant: UUID, bell: asyncio.Event) -> list[str]:
        """Return the contexts that changed since the last look, and begin anew."""
        bell.clear()
        areas = sorted(self.changed[tenant][bell])
        self.changed[tenant][bell].clear()
        return areas

    def tell(self, text: str) -> None:
        """Hear one notification: a tenant and a topic, or a tenant alone for "anything"."""
        tenant, _, topic = text.partition(" ")
        for bell, areas in self.changed.get(UUID(tenant), {}).items():
            areas.add(topic.partition(".")[0] or "anything")
            bell.set()

    def tell_all(self) -> None:
        """Tell every page to look: what happened meanwhile is unknown."""
        for tenant in list(self.changed):
            self.tell(str(tenant))


PAGES = Pages()


async def stream(scope: Scope, receive: Receive, send: Send, prove: Prove) -> None:
    """Answer `GET /live/`: who has no session is refused, others hear until they leave."""
    tenant = await sync_to_async(prove, thread_sensitive=False)(scope)
    if scope["method"] != "GET" or tenant is None or PAGES.count >= MOST_STREAMS:
        status = 405 if scope["method"] != "GET" else 403 if tenant is None else 503
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    bell = PAGES.open(tenant)
    telling = asyncio.create_task(_tell(scope, send, prove, tenant, bell))
    leaving = asyncio.create_task(_until_gone(receive))
    try:
        await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        telling.cancel()
        leaving.cancel()
        PAGES.close(tenant, bell)


async def _tell(scope: Scope, send: Send, prove: Prove, tenant: UUID, bell: asyncio.Event) -> None:
    clock = asyncio.get_running_loop().time
    proved = clock()
    await _say(send, "retry: 2000\n\n")
    while True:
        try:
            await asyncio.wait_for(bell.wait(), BEAT_S)
        except TimeoutError:
            await _say(send, ": still here\n\n")
        if clock() - proved > PROVE_S:
            if await sync_to_async(prove, thread_sensitive=False)(scope) != tenant:
                await send({"type": "http.response.body", "body": b""})
                return
            proved = clock()
        if bell.is_set():
            await asyncio.sleep(TOGETHER_S)
            for area in PAGES.take(tenant, bell):
                await _say(send, f"event: {area}\ndata: {area}\n\n")


async def _say(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
