"""What allauth does differently here: no sign-up, our mail, sealed secrets, an audit trail."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from kvit.platform import sealed
from kvit.web.login import arrivals, proof

SECRETS = "second factor"


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by an invitation alone; what happens at the door is written down."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": _("This account is closed. Ask the owner of your company."),
        "email_password_mismatch": _("The e-mail or the password is wrong."),
        "incorrect_password": _("The password is wrong."),
        "incorrect_code": _("The code is wrong or was used already. Wait for the next one."),
        "enter_current_password": _("Enter your present password."),
        "too_many_login_attempts": _("Too many attempts. Try again in ten minutes."),
        "rate_limited": _("Too many requests. Try again in a few minutes."),
        "invalid_password_reset": _("The link is out of date. Ask for a new one."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_reauthentication_required(self, app: str) -> bool:
        return not proof.is_recent(proof.proof_of(self.request))

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Who has a second factor proves that one; the password alone is not enough then."""
        found: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if user.is_authenticated and proof.has_second_factor(user):
            found = [one for one in found if one["id"].startswith("mfa")]
        return found

    def post_login(self, request: HttpRequest, user: Any, **rest: Any) -> HttpResponse:
        response = super().post_login(request, user, **rest)
        arrivals.greet(request, response, user)
        return response

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        arrivals.note_failed(request, str(credentials.get("email", "")), "password")

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send in the reader's language, with the address under which Kvit is opened."""
        super().send_mail(template_prefix, email, {**context, "device": self._device()})

    def send_notification_mail(
        self, template_prefix: str, user: Any, context: Any = None, email: str | None = None
    ) -> None:
        """Tell the owner of the account what changed in it."""
        super().send_notification_mail(template_prefix, user, context, email or user.email)

    def format_email_subject(self, subject: str) -> str:
        return str(subject)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return reverse("home")

    def _device(self) -> str:
        return proof.device_name(self.get_http_user_agent(self.request))


class MFAAdapter(DefaultMFAAdapter):
    """Second factors: secrets are sealed, the last one is replaced but never just removed."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
        "cannot_delete_authenticator": _("This is your last second factor: add another one first."),
    }

    def encrypt(self, text: str) -> str:
        return sealed.seal(text, purpose=SECRETS)

    def decrypt(self, encrypted_text: str) -> str:
        return sealed.open_sealed(encrypted_text, purpose=SECRETS)

    def get_totp_issuer(self) -> str:
        return "Kvit"

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        others = Authenticator.objects.filter(
            user=authenticator.user_id, type__in=proof.SECOND_FACTORS
        )
        return bool(others.exclude(pk=authenticator.pk).exists())
