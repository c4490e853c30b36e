"""Everything that an action of the office does, an operation of the API does."""

from importlib import import_module

from django.urls import URLPattern, URLResolver, get_resolver

from kvit.web import office, routes
from kvit.web.api import urls

# What concerns nobody but the person's own session or screen.
OWN = {"language", "company-choose", "role-look", "role-look-stop"}


def actions() -> dict[str, routes.Route]:
    found = {}
    for name in office.MODULES:
        for view in vars(import_module(f"kvit.web.office.{name}")).values():
            route = routes.route_of(view)
            if route is not None and route.kind == "action":
                found[route.name] = route
    return found


def test_every_action_of_the_office_names_its_operation_of_the_api() -> None:
    known = urls.operations()
    found = actions()
    assert len(found) > 20
    lost = {
        name: route.operation
        for name, route in found.items()
        if name not in OWN and route.operation not in known
    }
    assert lost == {}


def test_the_operation_asks_for_no_more_than_the_action() -> None:
    known = urls.operations()
    other = {
        name: (route.right, known[route.operation].right)
        for name, route in actions().items()
        if route.operation in known
        and known[route.operation].right not in (route.right, *routes.SPECIAL_RIGHTS)
    }
    assert other == {}


def test_every_address_declares_what_it_needs() -> None:
    """A view without a declaration is refused by the gate; the build says so first."""

    def views(resolver: URLResolver) -> list[URLPattern]:
        found = []
        for one in resolver.url_patterns:
            found += views(one) if isinstance(one, URLResolver) else [one]
        return found

    bare = [str(v.pattern) for v in views(get_resolver()) if routes.route_of(v.callback) is None]
    assert bare == []
