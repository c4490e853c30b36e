"""How a refusal is said to a person: in words, with what to do, and never as a trace.

An expected failure (`kvit.platform.failures.Failure`) raised in a view becomes a page, or for htmx
a fragment, with status 422; what was typed stays where it was. Anything else is our fault: it is
logged under a short code, and the page says that code.
"""

import logging
import secrets
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from django.core.exceptions import DisallowedHost, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from kvit.platform.failures import Failure
from kvit.platform.revisions import Stale
from kvit.web.api import problems
from kvit.web.authorship import failure_text
from kvit.web.troubles import Trouble, trouble_of

_log = logging.getLogger("kvit.web")
API = "/api/"


class Refusals:
    """Middleware: turns what a view raises into words. The API has handlers of its own."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.answer(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if request.path.startswith(API):
            return None
        if isinstance(error, Failure):
            text = failure_text(error, get_language() or "ru")
            status = 409 if isinstance(error, Stale) else 422
            return refused(request, text, code=error.code, status=status)
        if isinstance(error, (Http404, ImmediateHttpResponse, ReauthenticationRequired)):
            return None  # Django and allauth have their own answers
        if isinstance(error, PermissionDenied):
            text = _("That is not open to you here. Begin from the page that leads to it.")
            return refused(request, text, status=403, title=_("Not open"))
        if isinstance(error, SuspiciousOperation):
            return too_much(request)
        return broken(request, error)


def refused(
    request: HttpRequest, text: str, *, code: str = "", status: int = 422, title: str = ""
) -> HttpResponse:
    """Say why something was not done. htmx shows it where the form is, others as a page."""
    words = {"text": text, "code": code, "title": title or _("Not done"), "back": form_of(request)}
    is_fragment = request.headers.get("HX-Request") == "true"
    template = "parts/refused.html" if is_fragment else "refused.html"
    return render(request, template, words, status=status)


def form_of(request: HttpRequest) -> str:
    """Return the page of ours that the refused form was on; empty where there was none."""
    try:
        parts = urlsplit(request.headers.get("Referer", "")[:2000])
    except ValueError:  # no address
        return ""
    path = parts.path
    is_ours = (
        # As it was told: whether the host is one of ours may be what is refused.
        parts.netloc == request.headers.get("Host", "")
        and path[:1] == "/"
        and path[1:2] not in ("/", "\\")
    )
    if request.method != "POST" or not is_ours:
        return ""
    return path + (f"?{parts.query}" if parts.query else "")


def too_much(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What was sent is larger than any form of ours, or no form at all."""
    text = _("What was sent is too large, or is no form of ours. Nothing was changed.")
    return refused(request, text, status=413, title=_("Not accepted"))


def malformed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The request came under a foreign name, or is no request that a browser sends."""
    if isinstance(exception, DisallowedHost):
        host = request.headers.get("Host", "")[:100]
        _log.warning("%r was asked for as %r, which is not in KVIT_HOSTS", request.path[:100], host)
        if request.path.startswith(API):
            return problems.said(request, "host_unknown", status=400, host=host)
        text = _(
            "The office does not answer under this name. Open it by a name that its operator has"
            " set: KVIT_HOSTS."
        )
        return refused(request, text, status=400, title=_("Another name"))
    return too_much(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """There is no such page, or it is somebody else's: both look alike."""
    text = _("There is no such page, or it belongs to another company. Check the address.")
    return refused(request, text, status=404, title=_("Not found"))


def broken(request: HttpRequest, error: BaseException | None = None) -> HttpResponse:
    """A fault of ours: nothing was saved, and the code leads us to the cause. Trouble of the
    database that passes is told as such, wherever it was met."""
    error = error or sys.exc_info()[1] or RuntimeError("told by no exception")
    if request.path.startswith(API):  # before any handler of the API's own was reached
        return problems.unexpected(request, error)
    if trouble := trouble_of(error):
        return _troubled(request, trouble, error)
    code = secrets.token_hex(4).upper()
    _log.error("fault %s at %s %s", code, request.method, request.path, exc_info=error)
    text = _("Not saved: a fault on our side. Try again; if it repeats, tell us the code %(code)s.")
    return refused(request, text % {"code": code}, code=code, status=500, title=_("Our fault"))


def _troubled(request: HttpRequest, trouble: Trouble, error: BaseException) -> HttpResponse:
    _log.error("%s at %s %s: %s", trouble.code, request.method, request.path, error)
    text = failure_text(trouble, get_language() or "ru")
    request.principal = None  # the frame of the office reads the database
    answer = refused(request, text, code=trouble.code, status=trouble.status, title=_("Not now"))
    for name, value in trouble.headers.items():
        answer[name] = value
    return answer
