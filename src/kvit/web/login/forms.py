"""Forms of the second factor that also write down what was refused, and refuse what is no answer
of a passkey."""

import json
import struct
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm as Authenticate
from allauth.mfa.base.forms import ReauthenticateForm as Reauthenticate
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from cryptography.exceptions import InvalidSignature
from django import forms
from django.core.exceptions import ValidationError

from kvit.web.login import arrivals

_UNREADABLE = (
    TypeError, ValueError, LookupError, AttributeError, RecursionError, struct.error,
    InvalidSignature,
)  # fmt: skip


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


class _OfPasskey(forms.Form):
    """A form with what a passkey answered: an object that can be read, or it is refused. allauth
    looks into no answer that is empty or 0, and keeps it as a passkey that opens and shows nothing.
    """

    data: Any

    def full_clean(self) -> None:
        """Refuse what cannot be read in the words for a wrong code."""
        try:
            super().full_clean()
        except _UNREADABLE:
            self.cleaned_data: dict[str, Any] = {}
            self.data = {**self.data.dict(), "credential": ""}  # it is not shown again either
            self.add_error("credential", get_adapter().validation_error("incorrect_code"))

    def _clean_fields(self) -> None:
        if isinstance(json.loads(self.data.get("credential") or "0"), dict):
            super()._clean_fields()
        else:
            raise TypeError("no answer of a passkey")


class AddPasskeyForm(_OfPasskey, AddWebAuthnForm):
    """A new passkey."""


class AuthenticatePasskeyForm(_OfPasskey, AuthenticateWebAuthnForm):
    """A passkey after the password."""


class LoginPasskeyForm(_OfPasskey, LoginWebAuthnForm):
    """A passkey in place of a password."""


class ReauthenticatePasskeyForm(_OfPasskey, ReauthenticateWebAuthnForm):
    """A passkey before a sensitive act."""
