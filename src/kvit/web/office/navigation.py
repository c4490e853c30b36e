"""The map of the office: the order is the life of a rouble. What may not be opened is not shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the side bar. `key` is the letter of `g …`, "" for none."""

    title: "Promise | str"
    icon: str
    name: str  # of a route
    right: str
    key: str = ""
    is_narrowed: bool = False  # opens by a right over one's own branch too


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under one heading, or under none."""

    title: "Promise | str"
    places: tuple[Place, ...]


_SHORT_BALANCE = pgettext_lazy("navigation", "Trial balance")
_SHORT_DEBTS = pgettext_lazy("navigation", "Receivables")
GROUPS = (
    Group("", (
        Place(_("Overview"), "home", "overview", "invoices.read", "o"),
        Place(_("Customers"), "users", "customers", "customers.read", "c"),
        Place(_("Subscriptions"), "repeat", "subscriptions", "subscriptions.read", "s"),
    )),
    Group(_("Charging"), (
        Place(_("Usage"), "activity", "usage", "usage.read", "u", is_narrowed=True),
        Place(_("Bill runs"), "player-play", "runs", "runs.read", "r", is_narrowed=True),
    )),
    Group(_("Documents"), (
        Place(_("Invoices"), "file-invoice", "invoices", "invoices.read", "i"),
        Place(_("Corrections"), "file-minus", "corrections", "invoices.read", "k"),
    )),
    Group(_("Books"), (
        Place(_SHORT_BALANCE, "scale", "trial-balance", "books.read", "l", is_narrowed=True),
        Place(_SHORT_DEBTS, "cash", "receivables", "books.read", "m", is_narrowed=True),
        Place(_("Postings"), "list-details", "postings", "books.read", is_narrowed=True),
        Place(_("Signatures"), "shield-lock", "signed-log", "books.read"),
    )),
    Group(_("Catalogue"), (
        Place(_("Plans"), "tags", "catalogue", "catalogue.read", "p"),
        Place(_("Meters"), "gauge", "meters", "catalogue.read"),
    )),
    Group(_("System"), (
        Place(_("Journal"), "history", "journal", "audit.read", "j"),
        Place(_("Webhooks"), "webhook", "webhooks", "webhooks.write"),
        Place(_("Settings"), "settings", "settings", "settings.read", ","),
    )),
)  # fmt: skip


def context(request: HttpRequest) -> dict[str, Any]:
    """What every page of the office shows around itself."""
    principal = getattr(request, "principal", None)
    if principal is None:
        return {"principal": None}
    here = request.resolver_match.url_name if request.resolver_match else ""
    return {
        "principal": principal,
        "present": getattr(request, "now", None),
        "navigation": list(_shown(principal.rights, here or "", principal.of_branch)),
    }


def first_open(rights: frozenset[str]) -> str:
    """Return the address of the first page that these rights open, "" for none."""
    shown = (entry["url"] for group in _shown(rights, "") for entry in group["places"])
    return next(shown, "")


def _shown(
    rights: frozenset[str], here: str, of_branch: frozenset[str] = frozenset()
) -> Iterator[dict[str, Any]]:
    for group in GROUPS:
        places = [
            {"place": place, "url": _address(place.name), "here": _is_within(here, place.name)}
            for place in group.places
            if place.right in (rights | of_branch if place.is_narrowed else rights)
            and _address(place.name)
        ]
        if places:
            yield {"title": group.title, "places": places}


def _is_within(here: str, name: str) -> bool:
    """`customer` and `customer-edit` light up `customers`."""
    return here == name or here.split("-", maxsplit=1)[0] in (name, name.removesuffix("s"))


@cache
def _address(name: str) -> str:
    try:
        return reverse(f"office:{name}")
    except NoReverseMatch:  # the area is not part of this installation
        return ""
