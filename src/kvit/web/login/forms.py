"""Forms of the second factor that also write down what was refused."""

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm as Authenticate
from allauth.mfa.base.forms import ReauthenticateForm as Reauthenticate
from django.core.exceptions import ValidationError

from kvit.web.login import arrivals


class AuthenticateForm(Authenticate):
    """The code after the password."""

    def clean_code(self) -> str:
        try:
            return str(super().clean_code())
        except ValidationError:
            arrivals.note_failed(context.request, self.user.email, "code")
            raise


class ReauthenticateForm(Reauthenticate):
    """The code before a sensitive act."""

    def clean_code(self) -> str:
        try:
            return str(super().clean_code())
        except ValidationError:
            arrivals.note_failed(context.request, self.user.email, "code")
            raise
