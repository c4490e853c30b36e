"""Login, factors and sessions: what of django-allauth is opened, and to whom.

allauth brings the flows (password, TOTP, passkeys, recovery codes, sessions); here each of its
addresses gets a right like any other route. What is not named here has no address: nobody signs up
by themselves, accounts are made by invitation (`kvit.parties.services`).
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from allauth.account import urls as account_urls
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa import urls as mfa_urls
from allauth.mfa.models import Authenticator
from allauth.usersessions import urls as session_urls
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver, path

from kvit.web.routes import ONE_FACTOR, PUBLIC, SIGNED_IN, Route, declare

FACTORS = ("totp", "webauthn")
_RIGHTS = {
    "account_login": PUBLIC,
    "account_logout": PUBLIC,
    "account_inactive": PUBLIC,
    "account_reset_password": PUBLIC,
    "account_reset_password_done": PUBLIC,
    "account_reset_password_from_key": PUBLIC,
    "account_reset_password_from_key_done": PUBLIC,
    "account_reauthenticate": ONE_FACTOR,
    "account_change_password": SIGNED_IN,
    "mfa_index": ONE_FACTOR,
    "mfa_authenticate": PUBLIC,  # its own stage of the login knows who is half-way
    "mfa_reauthenticate": ONE_FACTOR,
    "mfa_activate_totp": ONE_FACTOR,
    "mfa_deactivate_totp": SIGNED_IN,
    "mfa_view_recovery_codes": SIGNED_IN,
    "mfa_generate_recovery_codes": SIGNED_IN,
    "mfa_download_recovery_codes": SIGNED_IN,
    "mfa_list_webauthn": ONE_FACTOR,
    "mfa_add_webauthn": ONE_FACTOR,
    "mfa_remove_webauthn": SIGNED_IN,
    "mfa_edit_webauthn": SIGNED_IN,
    "mfa_reauthenticate_webauthn": ONE_FACTOR,
    "mfa_login_webauthn": PUBLIC,
    "usersessions_list": SIGNED_IN,
}
_ENROL = frozenset({"mfa_activate_totp", "mfa_add_webauthn"})


def has_second_factor(user_id: Any) -> bool:
    """Whether the person has a factor beside the password; recovery codes alone are none."""
    return Authenticator.objects.filter(user_id=user_id, type__in=FACTORS).exists()


def patterns() -> list[URLPattern]:
    """Return the addresses under `account/`, each with its declaration."""
    parts = (("", account_urls), ("2fa/", mfa_urls), ("sessions/", session_urls))
    found = [
        _declared(prefix + place, pattern)
        for prefix, module in parts
        for place, pattern in _flat("", module.urlpatterns)
        if pattern.name in _RIGHTS
    ]
    return found


def _flat(prefix: str, entries: list[Any]) -> Iterator[tuple[str, URLPattern]]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            yield from _flat(prefix + str(entry.pattern), entry.url_patterns)
        else:
            yield prefix, entry


def _declared(prefix: str, pattern: URLPattern) -> URLPattern:
    name = str(pattern.name)
    view: Callable[..., Any] = pattern.callback
    if name in _ENROL:
        view = _enrolling(view)
    route = Route(
        f"account/{prefix}{pattern.pattern}", name, _RIGHTS[name],
        frozenset({"GET", "HEAD", "POST"}), "action",
    )  # fmt: skip
    if not prefix:
        return URLPattern(pattern.pattern, declare(route)(view), name=name)
    return path(prefix + str(pattern.pattern), declare(route)(view), name=name)


def _enrolling(view: Callable[..., Any]) -> Callable[..., Any]:
    """Who has just shown that the new factor works need not show it once more."""

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        before = request.user.is_authenticated and has_second_factor(request.user.pk)
        response: HttpResponseBase = view(request, *args, **kwargs)
        if request.method == "POST" and not before and has_second_factor(request.user.pk):
            record_authentication(request, request.user, method="mfa", type="enrolled")
        return response

    return run
