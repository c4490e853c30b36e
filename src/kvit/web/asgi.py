"""What a web server runs: Django in threads, and beside it what must cost no thread.

granian --interface asginl kvit.web.asgi:application        (or ./kvit run web)
"""

import sys
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
from kvit.web.arriving import Arriving  # noqa: E402

_wsgi: Any = WSGIMiddleware(get_wsgi_application(), workers=THREADS)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] == "http" and scope["path"] == live.PATH:
        await live.stream(scope, receive, send, tenant_of_scope)
    elif scope["type"] == "http":
        await _arriving(scope, receive, send)
    else:
        await _django(scope, receive, send)


async def _arrived(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await (_lane if lane.wants(scope) else _django)(scope, receive, send)


async def _django(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await _wsgi(scope, _coroutine(receive), _coroutine(send))


_lane = lane.Lane(_django)
_arriving = Arriving(_arrived)


def _coroutine(call: Any) -> Any:
    """Granian hands out awaitables; a2wsgi passes them to another thread, which takes coroutines
    alone."""

    async def called(*words: Any) -> Any:
        return await call(*words)

    return called
