"""The one gate: nothing runs before it was decided here who asks, for whom, by which right.

    session → user, both factors → memberships, read anew → the company chosen → its scope
            → the right that the route declares → proof of a short while ago, where it asks for one
            → a journal row, where personal data will be shown → the view

Machines come to the API with keys: `kvit.web.api.core` decides there by the same declarations, and
asks this module about people. A view without a declaration is never run.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user, logout
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from kvit.parties import queries as parties
from kvit.platform import audit, clock
from kvit.platform.failures import Failure
from kvit.platform.tenancy import tenant_scope
from kvit.web import looking, refusals, routes
from kvit.web.attempts import note_read, refuse_right
from kvit.web.login import proof
from kvit.web.login.arrivals import address_of, origin_of
from kvit.web.login.sessions import SessionStore
from kvit.web.office.navigation import first_open
from kvit.web.principal import Principal

API, OFFICE, HOME = "/api/", "/office/", "overview"
TYPED = "typed"  # a message beside a form into which the browser puts what was typed
PERSONAL = "personal.read"
# A paper and a form show a person's data in clear or not at all: masked ones would be kept.
IN_CLEAR = frozenset(
    {"invoice-pdf", "api-read_invoice_pdf", "customer-edit", "api-change_customer"}
)
TENANT_KEY = "tenant"  # of the session: the company chosen
_SEEN_KEY = "seen"
_SEEN_EVERY_S = 300


class Access:
    """Middleware behind sessions, allauth and messages. The scope of the company lasts as long as
    the view and what it streams."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with ExitStack() as scopes:
            request.kvit_scopes = scopes
            request.now = datetime.now(UTC)
            answer = self.answer(request)
        principal = getattr(request, "principal", None)
        if answer.streaming and principal is not None and not answer.is_async:
            answer.streaming_content = _within(principal, answer.streaming_content)
        return answer

    def process_view(
        self, request: HttpRequest, view: object, args: object, kwargs: dict[str, object]
    ) -> HttpResponseBase | None:
        route = routes.route_of(view)
        if route is None:
            text = _("This address is not open to anybody: it declares no right.")
            return refusals.refused(request, text, status=403, title=_("Not open"))
        if request.method not in route.methods:
            return _wrong_method(request, route)
        if request.path_info.startswith(API):
            if "Authorization" not in request.headers:
                _person_of_api(request)
            return None
        if any("\x00" in text for text in _told(request, kwargs)):
            text = _("A field holds a character that cannot be kept (NUL): remove it.")
            return refusals.refused(request, text)
        answer = decide(request, route, kwargs)
        is_denied = answer is not None and answer.status_code == HTTPStatus.FORBIDDEN
        if is_denied and hasattr(request, "principal"):
            with suppress(Failure):  # it names nothing that there is: the attempt itself is kept
                routes.note_denial(view, request, kwargs)
        return answer


def _told(request: HttpRequest, kwargs: dict[str, object]) -> Iterator[str]:
    """Yield every text that the request brings: in its form, its query, its address."""
    for told in (request.POST, request.GET):
        for name, texts in told.lists():
            yield from (name, *texts)
    yield from map(str, kwargs.values())


def _within(principal: Principal, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Make a streamed body where its view was: for the same company and the same branches."""
    parts = iter(chunks)
    while True:
        with (
            tenant_scope(principal.tenant.id, switch=True),
            parties.reaching(principal.branches),
            parties.masking(PERSONAL not in principal.rights),
        ):
            part = next(parts, None)
        if part is None:
            return
        yield part


def decide(
    request: HttpRequest, route: routes.Route, kwargs: dict[str, object]
) -> HttpResponseBase | None:
    """Return why the view may not run, or None once everything about the person is set."""
    if route.right == routes.PUBLIC:
        return None
    if not _is_present(request):
        return _sent(request, reverse("account_login"))
    if route.right == routes.ONE_FACTOR:
        return None
    places, proved = _places_and_proof(request)
    if not proved.is_enrolled:
        return _sent(request, reverse("mfa_index"))
    if not proved.has_second:
        return _sent(request, reverse("mfa_reauthenticate"))
    if not _enter(request, route.name, places):
        text = _("Your account belongs to no company. Ask the owner of yours to invite you.")
        return refusals.refused(request, text, status=403, title=_("No company"))
    if is_only_looking(request) and route.name != looking.STOP:
        return refusals.refused(request, looking.refusal(), status=403, title=_("Only looking"))
    if not route.opens_to(request.principal):
        # Everybody begins at the same address; whose work is elsewhere goes on there.
        place = first_open(request.principal.rights) if route.name == HOME else ""
        return HttpResponseRedirect(place) if place else refuse_right(request, route, kwargs)
    if is_in_clear(route) and PERSONAL not in request.principal.rights:
        return refuse_right(request, replace(route, right=PERSONAL), kwargs)
    request.kvit_scopes.enter_context(parties.masking(is_masked(request, request.principal)))
    # A form asks when it is opened already, so that nothing that was typed is lost.
    if route.recent and not proof.is_recent(proved):
        return ask_again(request)
    if route.personal:
        note_read(request, route, kwargs)
    return None


def is_only_looking(request: HttpRequest) -> bool:
    """Whether something would be changed by who only looks, as a role does."""
    return bool(request.principal.looks_as) and request.method not in ("GET", "HEAD")


def is_in_clear(route: routes.Route) -> bool:
    """Whether the route needs the right to see personal data besides its own."""
    return route.name in IN_CLEAR


def is_masked(request: HttpRequest, principal: Principal) -> bool:
    """Whether personal data is masked in what is answered; what is kept or printed never is."""
    return PERSONAL not in principal.rights


def _person_of_api(request: HttpRequest) -> None:
    """Set the person who calls the API from a page; the API's guard asks for the right."""
    if _is_present(request):
        places, proved = _places_and_proof(request)
        if proved.is_enrolled and proved.has_second:
            _enter(request, "api", places)


def _is_present(request: HttpRequest) -> bool:
    """Whether somebody is logged in by a session that was used of late; notes that it is."""
    if not request.user.is_authenticated:
        return False
    now, seen = time.time(), request.session.get(_SEEN_KEY)
    if isinstance(seen, (int, float)) and now - seen > proof.IDLE_S:
        logout(request)
        return False
    if seen is None or now - seen > _SEEN_EVERY_S:
        request.session[_SEEN_KEY] = now
        UserSession.objects.filter(session_key=request.session.session_key).update(
            last_seen_at=datetime.now(UTC), ip=address_of(request)
        )
    return True


def _places_and_proof(request: HttpRequest) -> tuple[list[parties.Standing], proof.Proof]:
    """Return where the person belongs and what they proved: one query, at each request. The test
    clock of the company that the session names is asked in passing."""
    named = request.session.get(TENANT_KEY)
    with tenant_scope(UUID(named), switch=True) if named else nullcontext():
        moment = clock.moment_asked() if named else None
        places = parties.standings(request.user.pk, enrolled=proof.ENROLLED, moment=moment)
    is_enrolled = places[0].is_enrolled if places else None
    return places, proof.proof_of(request, is_enrolled=is_enrolled)


def _enter(request: HttpRequest, what: str, places: list[parties.Standing]) -> bool:
    """Enter the company chosen in the session, or the first one; False where there is none."""
    place = _chosen(request, places)
    if place is None:
        return False
    before, chosen = request.session.get(TENANT_KEY), str(place.tenant.id)
    if before != chosen:
        request.session[TENANT_KEY] = chosen
        if before is not None:
            messages.info(request, _("You do not belong to that company any more."))
    scopes: ExitStack = request.kvit_scopes
    scopes.enter_context(tenant_scope(place.tenant.id, switch=True))
    scopes.enter_context(parties.reaching(place.branches))
    scopes.enter_context(audit.acting_from(origin_of(request, what)))
    moment = place.moment if before == chosen else clock.test_moment()
    role = looking.role_of(request, place)
    request.principal = Principal(
        kind="user",
        id=request.user.pk,
        name=request.user.name or request.user.email,
        email=request.user.email,
        tenant=place.tenant,
        rights=looking.rights_of(role, place) if role else place.rights,
        roles=place.roles,
        branches=place.branches,
        of_branch=place.of_branch,
        companies=tuple((one.tenant.id, one.tenant.row.name) for one in places),
        test_clock=moment is not None,
        looks_as=role,
    )
    request.now = moment or datetime.now(UTC)
    return True


def _chosen(request: HttpRequest, places: list[parties.Standing]) -> parties.Standing | None:
    """Return the company that the session names, else the first one."""
    wanted = request.session.get(TENANT_KEY)
    return next(
        (one for one in places if str(one.tenant.id) == wanted), places[0] if places else None
    )


def tenant_of_scope(scope: dict[str, Any]) -> UUID | None:
    """Return the company of an ASGI request's session, for what runs beside Django; None where
    the person may not look (any longer)."""
    close_old_connections()  # no request of Django's begins here, and the server may have been away
    jar = SimpleCookie()
    for name, value in scope["headers"]:
        if name == b"cookie":
            jar.load(value.decode("latin-1"))
    morsel = jar.get(settings.SESSION_COOKIE_NAME)
    if morsel is None:
        return None
    request = HttpRequest()
    request.session = SessionStore.of_token(morsel.value)
    request.user = get_user(request)
    if not request.user.is_authenticated:
        return None
    proved = proof.proof_of(request)
    if not (proved.is_enrolled and proved.has_second):
        return None
    place = _chosen(request, parties.standings(request.user.pk))
    return None if place is None else place.tenant.id


def ask_again(request: HttpRequest) -> HttpResponseBase:
    """Send the person to prove themselves once more, and back to the page that they came from."""
    if request.method == "POST":
        text = _("Prove that it is you, then send it again. Nothing was changed yet.")
        messages.info(request, text)
    return _sent(request, reverse("mfa_reauthenticate"))


def forged(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """A form without the mark of this session: somebody has logged in or out since it was opened,
    or another site sent it. One of the office is opened anew, with what was typed."""
    if request.path_info.startswith(OFFICE):
        if not request.user.is_authenticated:
            return _sent(request, reverse("account_login"))
        back = refusals.form_of(request)
        if back and request.headers.get("HX-Request") != "true":
            text = _("The form was opened before you logged in anew. Nothing was changed: look it"
                     " over and send it again.")  # fmt: skip
            messages.info(request, text, extra_tags=TYPED)
            return HttpResponseRedirect(back)
    text = _("The form is out of date: open the page anew and send it again. Nothing was changed.")
    return refusals.refused(request, text, status=403, title=_("Not accepted"))


def _sent(request: HttpRequest, to: str) -> HttpResponseBase:
    """Send to a page of the login; it leads back to where the person wanted to be."""
    back = _back(request)
    place = f"{to}?{urlencode({'next': back})}" if back else to
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=401, headers={"HX-Redirect": place})
    if "text/event-stream" in request.headers.get("Accept", ""):
        return HttpResponse(status=401)
    return HttpResponseRedirect(place)


def _back(request: HttpRequest) -> str:
    """Return the page to come back to: this one, or the one whose form was sent."""
    from_page = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    home = f"{request.scheme}://{request.get_host()}/"
    is_page = request.method == "GET" and "HX-Current-URL" not in request.headers
    if is_page:
        return request.get_full_path()
    return from_page.removeprefix(home[:-1]) if from_page.startswith(home) else ""


def _wrong_method(request: HttpRequest, route: routes.Route) -> HttpResponseBase:
    text = _("This address answers to %(methods)s alone.")
    answer = refusals.refused(
        request, text % {"methods": ", ".join(sorted(route.methods))}, status=405,
        title=_("Not possible"),
    )  # fmt: skip
    answer["Allow"] = ", ".join(sorted(route.methods))
    return answer
