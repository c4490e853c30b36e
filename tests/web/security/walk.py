"""Every address that there is, with what it declares, and a way to fill its places in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

from kvit.web.api import urls as api
from kvit.web.routes import Route, route_of

NOBODY = "00000000-0000-7000-8000-000000000000"
GUESSES = {"uuid": NOBODY, "int": "1", "str": "nobody", "slug": "nobody", "path": "nobody"}
_PLACE = re.compile(r"<(?:(\w+):)?(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^()]*\)")
ALL_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Address:
    """An address with its declaration; `path` has places such as <uuid:invoice>."""

    path: str
    route: Route

    def filled(self, **values: Any) -> str:
        """The address with values, guessed where none is given."""

        def one(match: re.Match[str]) -> str:
            kind, name = match[1] or "str", match[2]
            guess = NOBODY if self.is_api and name not in ("code", "kind", "line") else None
            return str(values.get(name, guess or GUESSES[kind]))

        return "/" + _PLACE.sub(one, self.path)

    @property
    def places(self) -> frozenset[str]:
        return frozenset(match[2] for match in _PLACE.finditer(self.path))

    @property
    def is_api(self) -> bool:
        return self.route.kind == "api"


def pages() -> list[Address]:
    """Every address outside of the API's operations."""
    found = []
    for place, view in _flat(get_resolver().url_patterns):
        route = route_of(view)
        assert route is not None, place
        if place.startswith("api/v1/") and not place.endswith(("openapi.json", "docs")):
            continue  # what ninja answers there is told by `operations`
        clean = _GROUP.sub(lambda match: f"<{match[1]}>", place).replace("^", "")
        found.append(Address(clean.removesuffix("$"), route))
    return found


def operations() -> list[Address]:
    """Every operation of the API."""
    return [
        Address(re.sub(r"{(\w+)}", r"<\1>", route.path), route)
        for route in api.operations().values()
    ]


def method_of(address: Address) -> str:
    """The method that an operation answers to."""
    return next(iter(sorted(address.route.methods - {"HEAD"})))


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _flat(entries: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            yield from _flat(entry.url_patterns, prefix + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            yield prefix + str(entry.pattern), entry.callback
