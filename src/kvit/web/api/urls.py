"""The API put together: one view an address, with the declaration of each of its operations."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.utils import normalize_path, replace_path_param_notation

from kvit.core.pricing import PriceError
from kvit.platform.failures import Failure
from kvit.web import api as areas
from kvit.web import routes
from kvit.web.api import bodies, pages, problems, validation

EVERYTHING = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE".split())


def _assemble() -> NinjaAPI:
    made = NinjaAPI(
        title="Kvit",
        version="1",
        description="Billing: usage in, exact invoices and books out.",
        openapi_url=None,
        docs_url=None,
        renderer=bodies.OrjsonRenderer(),
        parser=bodies.StrictParser(),
        urls_namespace="api",
    )
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        Failure: problems.of_failure,
        PriceError: problems.of_price,
        Http404: problems.of_missing,
        ValidationError: lambda request, error: validation.refused(request, error.errors),
        HttpError: _of_http_error,
        Exception: problems.unexpected,
    }
    for kind, handler in handlers.items():
        made.add_exception_handler(kind, handler)
    for name in areas.MODULES:
        module = import_module(f"kvit.web.api.{name}")
        made.add_router("", module.router, tags=[name])
    return made


def _of_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja wraps what its parser raises; a refusal of ours is the cause."""
    if isinstance(error.__cause__, Failure):
        return problems.of_failure(request, error.__cause__)
    return problems.said(request, "bad_request", status=error.status_code)


def _patterns() -> list[URLPattern]:
    """Return the addresses, a fixed part before one that varies: /runs/approve, /runs/{run}."""

    def place(one: URLPattern) -> list[tuple[bool, str]]:
        return [("<" in part, part) for part in str(one.pattern).split("/")]

    return sorted(_declared(), key=place)


def _declared() -> Iterator[URLPattern]:
    for bound in api._get_bound_routers():
        for place, view in bound.path_operations.items():
            joined = "/".join(one for one in (bound.prefix, place) if one)
            route = normalize_path(replace_path_param_notation(joined)).lstrip("/")
            declared = {
                method: route_of(op.view_func) for op in view.operations for method in op.methods
            }
            name = next(iter(declared.values())).name
            yield path(route, _dispatcher(view.get_view(), route, name, declared), name=name)


def route_of(view: Any) -> routes.Route:
    """Return the declaration of an operation; one without it cannot be added."""
    found = routes.route_of(view)
    if found is None:
        raise ValueError(f"{view} is no operation: use kvit.web.api.core.operation")
    return found


def _dispatcher(
    run: Callable[..., HttpResponse], place: str, name: str, declared: dict[str, routes.Route]
) -> Callable[..., HttpResponse]:
    """Return the view of one address. `routes` has the declaration of each method.

    For `kvit.web.access` the address itself is public: a machine has no session, and the guard of
    each operation asks for the right that its own declaration names.
    """
    allowed = set(declared) | ({"HEAD"} if "GET" in declared else set())

    def answer(request: HttpRequest, **given: Any) -> HttpResponse:
        if request.method not in allowed:
            return _not_allowed(request, allowed)
        try:
            if request.method == "HEAD":
                request.method = "GET"
            return run(request, **given)
        except Failure as error:
            return problems.of_failure(request, error)

    answer.csrf_exempt = True  # type: ignore[attr-defined]  # the guard asks, for a session
    answer.routes = declared  # type: ignore[attr-defined]
    whole = routes.Route(f"api/v1/{place}", name, routes.PUBLIC, EVERYTHING, "api")
    return routes.declare(whole)(answer)


def _not_allowed(request: HttpRequest, allowed: set[str]) -> HttpResponse:
    text = ", ".join(sorted(allowed))
    answer = problems.said(
        request, "method_not_allowed", status=405, method=request.method, allowed=text
    )
    answer["Allow"] = text
    return answer


@routes.declare(routes.Route("api/v1/<path:rest>", "api-unknown", routes.PUBLIC, EVERYTHING, "api"))
def unknown(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer for addresses that the API has not."""
    return problems.said(request, "path_unknown", status=404, path=request.path)


unknown.csrf_exempt = True  # type: ignore[attr-defined]
api = _assemble()
patterns = [
    *_patterns(),
    *pages.patterns(api),
    path("", unknown, name="api-root"),
    path("<path:rest>", unknown, name="api-unknown"),
]


def operations() -> dict[str, routes.Route]:
    """Return the declaration of every operation by its id."""
    return {
        str(op.operation_id): route_of(op.view_func)
        for bound in api._get_bound_routers()
        for view in bound.path_operations.values()
        for op in view.operations
    }
