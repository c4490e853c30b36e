"""Which pages of allauth there are, under our addresses, each with its right.

Not here, and so not reachable: sign-up, e-mail addresses, login by a mailed code, social accounts.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.webauthn import views as webauthn
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, re_path

from kvit.web.login import views
from kvit.web.routes import ONE_FACTOR, PUBLIC, SIGNED_IN, Route, declare

READ = frozenset({"GET", "HEAD"})
FORM = frozenset({"GET", "HEAD", "POST"})
SEND = frozenset({"POST"})
KEY = r"password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"


def _entry(
    address: str, name: str, right: str, methods: frozenset[str], view: Callable[..., Any]
) -> URLPattern:
    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer: HttpResponseBase = view(request, *args, **kwargs)
        return answer

    kind = "page" if methods == READ else "action"
    declare(Route(address, name, right, methods, kind))(shown)  # type: ignore[arg-type]
    if address.endswith("$"):
        return re_path(f"^{address}", shown, name=name)
    return path(address, shown, name=name)


_ACCOUNT = (
    ("login/", "account_login", PUBLIC, FORM, account.login),
    ("logout/", "account_logout", PUBLIC, FORM, account.logout),
    ("inactive/", "account_inactive", PUBLIC, READ, account.account_inactive),
    ("again/", "account_reauthenticate", ONE_FACTOR, FORM, account.reauthenticate),
    ("password/", "account_change_password", SIGNED_IN, FORM, account.password_change),
    ("password/set/", "account_set_password", SIGNED_IN, FORM, account.password_set),
    ("password/reset/", "account_reset_password", PUBLIC, FORM, account.password_reset),
    ("password/reset/sent/", "account_reset_password_done", PUBLIC, READ,
     account.password_reset_done),
    ("password/reset/done/", "account_reset_password_from_key_done", PUBLIC, READ,
     account.password_reset_from_key_done),
    (KEY, "account_reset_password_from_key", PUBLIC, FORM, account.password_reset_from_key),
    ("sessions/", "account_sessions", SIGNED_IN, READ, views.sessions),
    ("sessions/<int:session>/end/", "account_session_end", SIGNED_IN, SEND, views.end_session),
    ("sessions/end-others/", "account_sessions_end", SIGNED_IN, SEND, views.end_other_sessions),
    ("company/", "account_company", SIGNED_IN, SEND, views.choose_company),
)  # fmt: skip
_FACTORS = (
    ("", "mfa_index", ONE_FACTOR, READ, mfa.index),
    ("prove/", "mfa_authenticate", PUBLIC, FORM, mfa.authenticate),
    ("again/", "mfa_reauthenticate", ONE_FACTOR, FORM, mfa.reauthenticate),
    ("app/", "mfa_activate_totp", ONE_FACTOR, FORM, views.ActivateApp.as_view()),
    ("app/remove/", "mfa_deactivate_totp", SIGNED_IN, FORM, views.RemoveApp.as_view()),
    ("codes/", "mfa_view_recovery_codes", SIGNED_IN, READ, codes.view_recovery_codes),
    ("codes/new/", "mfa_generate_recovery_codes", SIGNED_IN, FORM, views.GenerateCodes.as_view()),
    ("passkeys/", "mfa_list_webauthn", SIGNED_IN, READ, webauthn.list_webauthn),
    ("passkeys/add/", "mfa_add_webauthn", ONE_FACTOR, FORM, views.AddPasskey.as_view()),
    ("passkeys/login/", "mfa_login_webauthn", PUBLIC, FORM, webauthn.login_webauthn),
    ("passkeys/again/", "mfa_reauthenticate_webauthn", ONE_FACTOR, FORM,
     webauthn.reauthenticate_webauthn),
    ("passkeys/<int:pk>/remove/", "mfa_remove_webauthn", SIGNED_IN, FORM,
     views.RemovePasskey.as_view()),
    ("passkeys/<int:pk>/edit/", "mfa_edit_webauthn", SIGNED_IN, FORM, webauthn.edit_webauthn),
)  # fmt: skip

patterns = [
    _entry("", "home", SIGNED_IN, READ, views.home),
    *(_entry(f"account/{address}", *rest) for address, *rest in _ACCOUNT),
    *(_entry(f"account/factors/{address}", *rest) for address, *rest in _FACTORS),
]
