"""What happens at the door: who came in from where, who was refused; a notice of a new device.

Rows go into the journal of every company that the person belongs to. Times are real ones.
"""

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Any

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse

from kvit.parties import queries, services
from kvit.platform import audit
from kvit.web.login.proof import device_name

COOKIE = "kvit_device"
_YEAR_S = 365 * 24 * 3600


def origin_of(request: HttpRequest, what: str = "login") -> str:
    """Name where a request comes from: page, address and device, as the journal keeps it."""
    device = device_name(request.headers.get("User-Agent", ""))
    return f"web: {what} {address_of(request)} {device}"[:120]


def address_of(request: HttpRequest) -> str:
    """Return the address of the person's machine; behind the operator's proxy, as it says."""
    return str(get_adapter(request).get_client_ip(request))


def greet(request: HttpRequest, response: HttpResponse, user: Any) -> None:
    """Write the login down; tell the person by mail when the device was not seen before."""
    now = datetime.now(UTC)
    name = device_name(request.headers.get("User-Agent", ""))
    mark = request.COOKIES.get(COOKIE, "")
    if len(mark) < 32:
        mark = secrets.token_urlsafe(32)
    digest = hashlib.sha256(mark.encode()).hexdigest()
    is_new, is_first = services.note_device(user.pk, digest=digest, name=name, now=now)
    response.set_cookie(
        COOKIE, mark, max_age=_YEAR_S, httponly=True, secure=request.is_secure(), samesite="Lax"
    )
    with audit.acting_from(origin_of(request)):
        services.note_login(user.pk, "login.done", after={"device": name}, now=now)
    if is_new and not is_first:
        get_adapter(request).send_notification_mail("account/email/new_device", user)


def note_failed(request: HttpRequest, email: str, factor: str) -> None:
    """Write a refused login down, if the account exists; the answer does not tell."""
    found = queries.user_by_email(email)
    if found is not None:
        with audit.acting_from(origin_of(request)):
            services.note_login(
                found, "login.refused", after={"factor": factor}, now=datetime.now(UTC)
            )
