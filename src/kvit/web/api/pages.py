"""The description for machines and, made of it, the page for people."""

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from ninja import NinjaAPI

from kvit.web import routes
from kvit.web.api import bodies, openapi

READS = frozenset({"GET", "HEAD"})


def patterns(api: NinjaAPI) -> list[URLPattern]:
    """Return the addresses of the description."""

    @cache
    def described() -> bytes:
        return bodies.dumps(openapi.document(api))

    @routes.declare(routes.Route("api/v1/openapi.json", "api-openapi", routes.PUBLIC, READS, "api"))
    def openapi_json(request: HttpRequest) -> HttpResponse:
        return HttpResponse(described(), content_type="application/json")

    return [path("openapi.json", openapi_json, name="api-openapi")]
