"""Routes with their rights. A view that declares none is refused at start and by a test.

    @page("invoices/", name="invoices", right="invoices.read")
    def invoices(request): ...

    @action("invoices/<uuid:invoice>/void/", name="invoice-void", right="invoices.correct",
            operation="void_invoice")
    def void(request, invoice): ...

`kvit.web.access` reads the declaration before it lets the view run.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import ModuleType
from typing import Any, Literal, TypeVar

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from kvit.parties import queries as parties
from kvit.platform.reading import reading, remember
from kvit.web.principal import Principal

PUBLIC = "public"  # anybody
ONE_FACTOR = "one-factor"  # known by one factor: on the way to the second, or enrolling it
SIGNED_IN = "signed-in"  # a member of the staff with both factors, whatever their rights
SPECIAL_RIGHTS = frozenset({PUBLIC, ONE_FACTOR, SIGNED_IN})

Kind = Literal["page", "action", "api", "live"]
Reach = Literal["", "branch", "whole"]
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Route:
    """What a route needs before its view may run, and what is told about it.

    `right` is a right of a role (`invoices.read`) or one of `SPECIAL_RIGHTS`. `personal`: it shows
    personal data, so its reads are logged. `recent`: the person must have proved themselves again
    a short while ago. `operation` is the id of the API operation that does what an action does.

    `reach` is how it treats a member of a branch who lacks rights over the whole company: "branch"
    opens it by a right over their own branch, since all that it shows is narrowed to that; "whole"
    closes it to them whatever their rights, since it acts on everybody.
    """

    path: str
    name: str
    right: str
    methods: frozenset[str]
    kind: Kind
    personal: bool = False
    recent: bool = False
    operation: str = ""
    reach: Reach = ""

    def opens_to(self, principal: Principal) -> bool:
        """Whether who asks has the right that the route needs."""
        if self.reach == "whole" and principal.branches:
            return False
        own = principal.of_branch if self.reach == "branch" else frozenset()
        return self.right in SPECIAL_RIGHTS or self.right in principal.rights | own


def page(
    path: str, *, name: str, right: str, personal: bool = False, reach: Reach = ""
) -> Callable[[View], View]:
    """Declare a page or a fragment: it reads, and changes nothing."""
    methods = frozenset({"GET", "HEAD"})
    return declare(Route(path, name, right, methods, "page", personal, reach=reach))


def action(
    path: str, *, name: str, right: str, operation: str, recent: bool = False, form: bool = False,
    reach: Reach = "",
) -> Callable[[View], View]:  # fmt: skip
    """Declare what changes something, by POST; with `form` its GET shows the form or the preview.

    `operation` is "" only for what concerns nobody but the person's own session.
    """
    methods = frozenset({"GET", "HEAD", "POST"} if form else {"POST"})
    return declare(Route(path, name, right, methods, "action", False, recent, operation, reach))


def declare(route: Route) -> Callable[[View], View]:
    """Attach a declaration to a view, as `.route`."""

    def attach(view: View) -> View:
        view.route = route  # type: ignore[attr-defined]
        return view

    return attach


def on_denial(note: Callable[..., None]) -> Callable[[View], View]:
    """Have `note(request, **path)` keep what a refused attempt would have changed."""

    def attach(view: View) -> View:
        view.on_denial = note  # type: ignore[attr-defined]
        return view

    return attach


def note_denial(view: Any, request: Any, path: Mapping[str, object]) -> None:
    """Let a view that knows what it would have changed write that down, once it was refused."""
    note = getattr(view, "on_denial", None)
    if note is not None and request.method == "POST":
        note(request, **path)


def route_of(view: Any) -> Route | None:
    """Return what a view declares."""
    found = getattr(view, "route", None)
    return found if isinstance(found, Route) else None


def patterns(modules: Iterable[ModuleType]) -> list[URLPattern]:
    """Return the URL patterns of all views that these modules declare, in the order of the text."""
    found: dict[str, URLPattern] = {}
    for module in modules:
        for view in list(vars(module).values()):
            route = route_of(view)
            if route is None or getattr(view, "__module__", "") != module.__name__:
                continue
            if route.name in found:
                raise ValueError(f"two routes are named {route.name}")
            found[route.name] = path(route.path, _read_at_once(view, route), name=route.name)
    return list(found.values())


def _read_at_once(view: Any, route: Route) -> Any:
    """Let a view read inside one transaction; a POST leaves that to the services it calls."""
    if route.right == PUBLIC:
        return view

    @wraps(view)
    def read(request: HttpRequest, **path: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD"):
            return view(request, **path)
        with reading():
            remember(parties.tenant, request.principal.tenant)
            return view(request, **path)

    return read
