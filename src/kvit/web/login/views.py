"""Pages of one's own account: second factors, sessions and devices, the company one works in."""

from datetime import UTC, datetime
from typing import Any

from allauth.account.internal.flows import logout as flows
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from kvit.parties import services as parties
from kvit.platform import audit
from kvit.web import refusals
from kvit.web.access import TENANT_KEY
from kvit.web.login import arrivals, proof
from kvit.web.login.adapters import MFAAdapter
from kvit.web.office import navigation


def home(request: HttpRequest) -> HttpResponse:
    """Open the first page of the office that one may see."""
    places = navigation.first_open(request.principal.rights)
    if places:
        return redirect(places)
    text = _("Your role has no right to see anything yet. Ask the owner of the company.")
    return refusals.refused(request, text, status=403, title=_("Nothing to see"))


# --- second factors -----------------------------------------------------------------------------


class ActivateApp(ActivateTOTPView):
    """An authenticator app: the code that sets it up proves it, and is used up by that."""

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        user = self.request.user
        app = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP)
        app.wrap().validate_code(form.cleaned_data["code"])
        proof.note_second_factor(self.request, user, Authenticator.Type.TOTP)
        _note(self.request, "factor.added", Authenticator.Type.TOTP)
        return response


class AddPasskey(AddWebAuthnView):
    """A passkey or a security key."""

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        proof.note_second_factor(self.request, self.request.user, Authenticator.Type.WEBAUTHN)
        _note(self.request, "factor.added", Authenticator.Type.WEBAUTHN)
        return response


class RemoveApp(DeactivateTOTPView):
    """The app goes, if another second factor stays."""

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        _note(self.request, "factor.removed", Authenticator.Type.TOTP)
        return response


class RemovePasskey(RemoveWebAuthnView):
    """A passkey goes, if another second factor stays."""

    def form_valid(self, form: Any) -> HttpResponse:
        if not MFAAdapter().can_delete_authenticator(self.get_object()):
            messages.error(self.request, MFAAdapter.error_messages["cannot_delete_authenticator"])
            return HttpResponseRedirect(self.get_success_url())
        response = super().form_valid(form)
        _note(self.request, "factor.removed", Authenticator.Type.WEBAUTHN)
        return response


class GenerateCodes(GenerateRecoveryCodesView):
    """New recovery codes; the old ones open nothing from then on."""

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        _note(self.request, "factor.added", Authenticator.Type.RECOVERY_CODES)
        return response


def _note(request: HttpRequest, action: str, kind: str) -> None:
    with audit.acting_from(arrivals.origin_of(request, "account")):
        parties.note_login(
            request.user.pk, action, after={"factor": str(kind)}, now=datetime.now(UTC)
        )


# --- sessions and companies ---------------------------------------------------------------------


def sessions(request: HttpRequest) -> HttpResponse:
    """Show where the person is logged in."""
    found = UserSession.objects.purge_and_list(request.user)
    rows = [
        {
            "id": one.pk,
            "device": proof.device_name(one.user_agent),
            "ip": one.ip,
            "since": one.created_at,
            "seen": one.last_seen_at,
            "is_this": one.session_key == request.session.session_key,
        }
        for one in sorted(found, key=lambda one: one.last_seen_at, reverse=True)
    ]
    return render(request, "usersessions/usersession_list.html", {"sessions": rows})


def end_session(request: HttpRequest, session: int) -> HttpResponse:
    """End one session of one's own; this one means to log out."""
    found = UserSession.objects.filter(user=request.user, pk=session).first()
    if found is None:
        raise Http404
    if found.session_key == request.session.session_key:
        flows.logout(request)
        return redirect("account_login")
    found.end()
    _ended(request, 1)
    return redirect("account_sessions")


def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """End all sessions of one's own but this one."""
    others = UserSession.objects.filter(user=request.user).exclude(
        session_key=request.session.session_key
    )
    count = 0
    for one in others:
        one.end()
        count += 1
    _ended(request, count)
    return redirect("account_sessions")


def choose_company(request: HttpRequest) -> HttpResponse:
    """Work in another of one's companies."""
    wanted = request.POST.get("company", "")
    if wanted not in {str(company) for company, _name in request.principal.companies}:
        raise Http404
    request.session[TENANT_KEY] = wanted
    return redirect("home")


def _ended(request: HttpRequest, count: int) -> None:
    parties.note_login(
        request.user.pk, "session.ended", after={"count": count}, now=datetime.now(UTC)
    )
    messages.success(request, _("Ended. Whoever works there has to log in anew."))
