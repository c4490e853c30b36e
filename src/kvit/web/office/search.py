"""Search and palette: `/office/go/<text>` opens what the text means, or shows what it may mean."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from kvit.core.searching import folded, other_layout
from kvit.invoicing import queries as invoicing
from kvit.parties import queries as parties
from kvit.web import finding
from kvit.web.finding import Answer, Found
from kvit.web.office.navigation import GROUPS
from kvit.web.operators import OperatorWrong
from kvit.web.routes import SIGNED_IN, page
from kvit.web.tags import lang

KINDS = {
    "invoice": (_("Documents"), "file-invoice"),
    "customer": (_("Customers"), "users"),
    "subscription": (_("Subscriptions"), "repeat"),
    "event": (_("Events"), "activity"),
    "plan": (_("Plans"), "tags"),
}


@dataclass(frozen=True, slots=True)
class Command:
    """Something to do: it opens a form, and does nothing itself."""

    title: "Promise | str"
    icon: str
    name: str
    right: str


COMMANDS = (
    Command(_("Add a customer"), "user-plus", "customer-new", "customers.write"),
    Command(_("Start a bill run"), "player-play", "runs", "runs.start"),
    Command(_("New plan"), "tag", "catalogue", "catalogue.write"),
    Command(_("Find an event"), "activity", "usage", "usage.read"),
    Command(_("Trial balance of the month"), "scale", "trial-balance", "books.read"),
    Command(_("New key"), "key", "settings-keys", "keys.write"),
)


@page("search/", name="search", right=SIGNED_IN)
def search(request: HttpRequest) -> HttpResponse:
    """The palette's list; without JavaScript a page of it."""
    text = request.GET.get("q", "")
    is_part = request.headers.get("HX-Request") == "true"
    template = "results.html" if is_part else "page.html"
    return render(request, f"office/search/{template}", _context(request, text))


@page("go/<path:text>", name="go", right=SIGNED_IN, personal=True)
def go(request: HttpRequest, text: str) -> HttpResponse:
    """Open the one thing that the text names, or show what it may mean."""
    address = _by_id(request, text)
    if address:
        return redirect(address)
    context = _context(request, text)
    answer: Answer = context["answer"]
    exact = [one for one in answer.found if one.is_exact]
    one = exact[0] if len(exact) == 1 else answer.found[0] if len(answer.found) == 1 else None
    if one is not None and (address := _address(one)):
        return redirect(address)
    return render(request, "office/search/page.html", context)


def _context(request: HttpRequest, text: str) -> dict[str, Any]:
    principal = request.principal
    wrong = ""
    try:
        answer = finding.find(
            text, rights=principal.rights, lang=lang(), currency=principal.tenant.row.currency,
            branches=principal.branches,
        )  # fmt: skip
    except OperatorWrong as error:  # it is being typed: the page stays, and says how it is written
        answer, wrong = Answer(), error.text(lang())
    groups = [
        {"title": title, "icon": icon,
         "found": [{"one": one, "url": _address(one)} for one in answer.found if one.kind == kind]}
        for kind, (title, icon) in KINDS.items()
    ]  # fmt: skip
    return {
        "q": text,
        "answer": answer,
        "wrong": wrong,
        "groups": [group for group in groups if group["found"]],
        "places": _places(text, principal.rights),
        "commands": _commands(text, principal.rights),
    }


def _places(text: str, rights: frozenset[str]) -> list[dict[str, Any]]:
    """Pages of the office by a part of their name; all where nothing was typed."""
    return [
        {"title": place.title, "icon": place.icon, "url": url}
        for group in GROUPS
        for place in group.places
        if place.right in rights and (url := _page(place.name)) and _fits(text, str(place.title))
    ]


def _commands(text: str, rights: frozenset[str]) -> list[dict[str, Any]]:
    return [
        {"title": one.title, "icon": one.icon, "url": url}
        for one in COMMANDS
        if one.right in rights and (url := _page(one.name)) and _fits(text, str(one.title))
    ]


def _fits(text: str, title: str) -> bool:
    said = folded(title)
    return any(folded(one.strip()) in said for one in (text, other_layout(text)))


def _by_id(request: HttpRequest, text: str) -> str:
    """The address of an invoice or a customer whose id somebody pasted."""
    key = finding.as_uuid(text)
    rights = request.principal.rights
    if key is None:
        return ""
    if "invoices.read" in rights and invoicing.rows_of([key]):
        return _page("invoice", key)
    if "customers.read" in rights and parties.customers_by_id([key]):
        return _page("customer", key)
    return ""


def _address(one: Found) -> str:
    match one.kind:
        case "event":
            usage = _page("usage")
            return f"{usage}?event={one.key}" if usage else ""
        case _:
            return _page(one.kind, one.key)


def _page(name: str, *arguments: object) -> str:
    try:
        return reverse(f"office:{name}", args=arguments)
    except NoReverseMatch:  # that area is not part of this installation
        return ""
