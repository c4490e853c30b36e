"""Whether this process lives, and whether it can do its work. For load balancers; no figures."""

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse

from kvit.web.routes import PUBLIC, Route, declare

_GET = frozenset({"GET", "HEAD"})


@declare(Route("healthz", "healthz", PUBLIC, _GET, "page"))
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@declare(Route("readyz", "readyz", PUBLIC, _GET, "page"))
def readyz(request: HttpRequest) -> HttpResponse:
    """The process reaches its database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return HttpResponse("no database\n", content_type="text/plain", status=503)
    return HttpResponse("ok\n", content_type="text/plain")
