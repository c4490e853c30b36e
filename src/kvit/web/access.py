"""The one door: who asks, for which company, with what right. Every request goes through it.

A session names a user; the memberships are read anew each time, so what was withdrawn a second ago
is gone. Staff need two factors, always: who has none enrols one, who has not shown it is asked for
it. Then the tenant's scope is entered and the route's right is looked at. A view that declares no
route does not run at all.
"""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from kvit.parties import queries as parties
from kvit.platform import audit, clock
from kvit.platform.tenancy import tenant_scope
from kvit.web.accounts import has_second_factor
from kvit.web.principal import Principal
from kvit.web.refusals import refused
from kvit.web.routes import ONE_FACTOR, PUBLIC, SIGNED_IN, Route, route_of

TENANT = "tenant"  # in the session: the company that was chosen
_KEPT = 2_000  # characters of what a refused attempt sent
_SECRET = ("password", "csrf", "code", "secret", "token")


class Undeclared(Exception):
    """A view without a route: a mistake of ours, found by a test before anybody meets it."""


class Access:
    """Middleware, after the session and the user are known."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        principal = principal_of(request)
        request.principal = principal
        request.now = datetime.now(UTC)
        with ExitStack() as stack:
            stack.enter_context(audit.acting_from(_place(request)))
            if principal is not None:
                stack.enter_context(tenant_scope(principal.tenant.id, switch=True))
                if principal.test_clock:
                    request.now = clock.now_for(principal.tenant.id)
            return self.answer(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        route = route_of(view)
        if route is None:
            raise Undeclared(getattr(view, "__qualname__", str(view)))
        if request.method not in route.methods:
            answer = HttpResponse(status=405)
            answer["Allow"] = ", ".join(sorted(route.methods))
            return answer
        if route.right == PUBLIC:
            return None
        if not request.user.is_authenticated:
            return _sent_to(request, "account_login", next_=request.get_full_path())
        if route.right == ONE_FACTOR:
            return None
        if request.principal is None:
            return _towards_both_factors(request)
        return _by_right(request, route)


def principal_of(request: HttpRequest) -> Principal | None:
    """Return who asks by this session, with both factors shown; None where anything lacks."""
    user: Any = request.user
    if not user.is_authenticated or not has_shown_both(request):
        return None
    found = parties.standing(user.pk, preferred=_chosen(request))
    if found is None:
        return None
    with tenant_scope(found.tenant_id, switch=True):
        return Principal(
            kind="user",
            id=user.pk,
            name=user.name or user.email,
            email=user.email,
            tenant=parties.tenant(),
            rights=found.rights,
            roles=found.roles,
            test_clock=clock.is_test(),
        )


def has_shown_both(request: HttpRequest) -> bool:
    """Whether this session has shown a second factor that the person still has."""
    records = get_authentication_records(request, request.user)
    is_shown = any(one.get("method") == "mfa" for one in records)
    return is_shown and has_second_factor(request.user.pk)


def tenant_of_scope(scope: dict[str, Any]) -> UUID | None:
    """Return the tenant of an ASGI request's session, for what runs beside Django."""
    jar = SimpleCookie()
    for name, value in scope["headers"]:
        if name == b"cookie":
            jar.load(value.decode("latin-1"))
    morsel = jar.get(settings.SESSION_COOKIE_NAME)
    if morsel is None:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(morsel.value)
    request.user = get_user(request)
    principal = principal_of(request)
    return None if principal is None else principal.tenant.id


def _by_right(request: HttpRequest, route: Route) -> HttpResponseBase | None:
    principal: Principal = request.principal
    if route.right != SIGNED_IN and route.right not in principal.rights:
        return _denied(request, route)
    if route.recent and request.method == "POST" and not did_recently_reauthenticate(request):
        return _sent_to(request, "account_reauthenticate", next_=_back(request))
    if route.personal:
        audit.record(
            action="personal.read", object_type="web.route", object_id=request.path[:300],
            after={"route": route.name}, actor=principal.actor, now=request.now,
        )  # fmt: skip
    return None


def _denied(request: HttpRequest, route: Route) -> HttpResponse:
    """Say which right is missing; what a refused attempt wanted to change is written down."""
    if request.method == "POST":
        sent = {
            key: value[:_KEPT]
            for key, value in request.POST.items()
            if not any(word in key.lower() for word in _SECRET)
        }
        audit.record(
            action="attempt.refused", object_type="web.route", object_id=request.path[:300],
            after={"route": route.name, "right": route.right, "sent": sent},
            actor=request.principal.actor, now=request.now,
        )  # fmt: skip
    text = _("Your role has no right “%(right)s”. Ask the owner of your company for it.")
    words = text % {"right": route.right}
    return refused(request, words, status=403, title=_("Not for your role"))


def _towards_both_factors(request: HttpRequest) -> HttpResponseBase:
    """Lead a person who is known by a password alone: to enrol, to show, or to be told."""
    if not has_second_factor(request.user.pk):
        return _sent_to(request, "mfa_activate_totp", next_=request.get_full_path())
    if not has_shown_both(request):
        return _sent_to(request, "mfa_reauthenticate", next_=request.get_full_path())
    text = _("You are a member of no company yet. Ask the owner to invite you.")
    return refused(request, text, status=403, title=_("No company"))


def _sent_to(request: HttpRequest, name: str, *, next_: str) -> HttpResponseBase:
    target = f"{reverse(name)}?{urlencode({'next': next_})}"
    if request.headers.get("HX-Request") == "true":  # htmx would put the login into the page
        answer = HttpResponse(status=401)
        answer["HX-Redirect"] = target
        return answer
    return HttpResponseRedirect(target)


def _back(request: HttpRequest) -> str:
    """The page to come back to: a form's own address answers no GET."""
    referer = request.headers.get("Referer", "")
    here = f"{request.scheme}://{request.get_host()}"
    return referer.removeprefix(here) if referer.startswith(f"{here}/") else "/"


def _chosen(request: HttpRequest) -> UUID | None:
    try:
        return UUID(str(request.session.get(TENANT, "")))
    except ValueError:
        return None


def _place(request: HttpRequest) -> str:
    """Where a change is made from: the address and the device, for the audit row."""
    device = request.headers.get("User-Agent", "")[:80]
    return f"{request.META.get('REMOTE_ADDR', '')} {device}".strip()[:120]
