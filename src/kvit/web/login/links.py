"""Links by which a person sets their password: of an invitation, or of a lost password."""

from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.utils import user_pk_to_url_str
from django.http import HttpRequest
from django.urls import reverse

from kvit.parties import queries as parties
from kvit.platform import settings
from kvit.web.tags import lang


def password_link(user: Any) -> str:
    """Return the link, good once and for three days; `KVIT_ADDRESS` begins it."""
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    parts = {"uidb36": user_pk_to_url_str(user), "key": token}
    return address(reverse("account_reset_password_from_key", kwargs=parts))


def address(path: str) -> str:
    """Return an address of ours as it is opened from outside."""
    return settings.load().address.rstrip("/") + path


def send_invitation(request: HttpRequest, user: Any, *, role: str, is_new: bool) -> None:
    """Mail an invitation; who has an account already is only told of the company."""
    principal = request.principal
    words = {
        "company": principal.tenant.row.name,
        "inviter": principal.name,
        "role": parties.role_names([role], lang())[role],
        "link": password_link(user) if is_new else "",
        "address": address(reverse("account_login")),
    }
    get_adapter(request).send_mail("account/email/invitation", user.email, words)
