"""What a web server runs: Django in threads, and beside it what must cost no thread.

granian --interface asginl kvit.web.asgi:application        (or ./kvit run web)
"""

import sys
from collections.abc import Awaitable
from typing import Any

from a2wsgi import WSGIMiddleware

from kvit.platform import settings
from kvit.platform.db.base import break_off_after
from kvit.web.cli.ground import ready
from kvit.web.unwinding import end_with_parent

THREADS = 8
SWITCH_S = 0.001  # a thread that computes lets the event loop answer after so long

end_with_parent()
sys.setswitchinterval(SWITCH_S)
ready()
break_off_after(settings.load().statement_s)

from django.core.wsgi import get_wsgi_application  # noqa: E402 - only once Django stands

from kvit.web import lane, live  # noqa: E402
from kvit.web.access import tenant_of_scope  # noqa: E402
from kvit.web.arriving import Arriving, Receive, Scope, Send, told_again  # noqa: E402

_wsgi: Any = WSGIMiddleware(get_wsgi_application(), workers=THREADS)


def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Answer one request. (What only chooses is no coroutine: each costs every event its part.)"""
    if scope["type"] == "http" and scope["path"] == live.PATH:
        return live.stream(scope, receive, send, tenant_of_scope)
    if scope["type"] == "http":
        return _arriving(scope, receive, send)
    return _django(scope, receive, send)


def _arrived(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    return (_lane if lane.wants(scope) else _django)(scope, receive, send)


def _arrived_at_once(scope: Scope, receive: Receive, send: Send, body: bytes) -> Awaitable[None]:
    if lane.wants(scope):
        return _lane(scope, receive, send, body)
    return _django(scope, told_again(body, receive), send)


async def _django(scope: Scope, receive: Receive, send: Send) -> None:
    await _wsgi(scope, _coroutine(receive), _coroutine(send))


_lane = lane.Lane(_django)
_arriving = Arriving(_arrived, _arrived_at_once)


def _coroutine(call: Any) -> Any:
    """Granian hands out awaitables; a2wsgi passes them to another thread, which takes coroutines
    alone."""

    async def called(*words: Any) -> Any:
        return await call(*words)

    return called
