"""Staff and roles: who is invited, which role has which right, in which branch."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.core.money import exponent
from kvit.core.wording import money_text, say
from kvit.parties import limits, services
from kvit.parties import queries as parties
from kvit.parties.queries import RoleCard
from kvit.parties.rights import AREAS, OWNER, RIGHTS
from kvit.platform import audit_log
from kvit.platform.revisions import Stale, revision_of
from kvit.web import looking
from kvit.web.forms import OfficeForm, SumField
from kvit.web.login.links import send_invitation
from kvit.web.office.editing import Meanwhile
from kvit.web.office.links import people
from kvit.web.principal import by
from kvit.web.routes import SIGNED_IN, action, page
from kvit.web.tags import lang


class RoleForm(OfficeForm):
    """A role, maybe of one branch alone."""

    role = forms.ChoiceField(label=gettext_lazy("Role"))
    branch = forms.ChoiceField(label=gettext_lazy("Branch"), required=False)

    def __init__(self, *args: Any, rights: frozenset[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role, branch = self.fields["role"], self.fields["branch"]
        assert isinstance(role, forms.ChoiceField)
        assert isinstance(branch, forms.ChoiceField)
        role.choices = [
            (one.code, one.name(lang())) for one in parties.roles() if one.rights <= rights
        ]
        branch.choices = [
            ("", _("The whole company")),
            *((code, one.name) for code, one in parties.branches().items()),
        ]


class InviteForm(RoleForm):
    """Whom to invite."""

    email = forms.EmailField(label=gettext_lazy("E-mail"), max_length=254)
    name = forms.CharField(label=gettext_lazy("Person's name"), max_length=150)
    field_order = ("email", "name", "role", "branch")


class LimitsForm(OfficeForm):
    """Up to which sum a role corrects by itself: a field a currency, named by it."""

    reason = forms.CharField(label=gettext_lazy("Why"), required=False, max_length=500)

    def __init__(self, *args: Any, card: RoleCard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currencies = list(dict.fromkeys((*parties.currencies(), *card.limits)))
        for currency in self.currencies:
            digits = exponent(currency)
            standing = card.limits.get(currency)
            self.fields[currency] = SumField(
                label=_("Up to, %(currency)s") % {"currency": currency}, required=False,
                min_value=0, max_digits=18, decimal_places=digits,
                initial=None if standing is None else Decimal(standing).scaleb(-digits),
            )  # fmt: skip
            self.fields[currency].widget.attrs["class"] = "form-control num"
        self.order_fields((*self.currencies, "reason"))

    def minors(self) -> dict[str, int]:
        """Return the limits that were filled in, in minor units."""
        return {
            currency: int(self.cleaned_data[currency].scaleb(exponent(currency)))
            for currency in self.currencies
            if self.cleaned_data[currency] is not None
        }

    def compared(self, stands: Mapping[str, int]) -> list[dict[str, Any]]:
        """Return the limits that stand otherwise than was typed, as sums."""
        typed = self.minors()
        return [
            {"label": self.fields[one].label, "before": _sum(stands.get(one), one),
             "after": _sum(typed.get(one), one)}
            for one in self.currencies
            if stands.get(one) != typed.get(one)
        ]  # fmt: skip


def _sum(minor: int | None, currency: str) -> str:
    return "" if minor is None else money_text(minor, currency, lang())


@page("settings/staff/", name="settings-staff", right="members.read", personal=True)
def staff(request: HttpRequest) -> HttpResponse:
    return _staff(request, InviteForm(rights=request.principal.rights))


@action(
    "settings/staff/invite/", name="staff-invite", right="members.write",
    operation="invite_member", recent=True,
)  # fmt: skip
def invite(request: HttpRequest) -> HttpResponse:
    form = InviteForm(request.POST, rights=request.principal.rights)
    if not form.is_valid():
        return _staff(request, form, status=422)
    try:
        made = services.invite(**form.cleaned_data, **_asker(request))
    except services.StaffRefused as error:
        form.add_error(None, error.text(lang()))
        return _staff(request, form, status=422)
    user = get_user_model().objects.get(pk=made.user_id)
    is_new = not user.has_usable_password()
    send_invitation(request, user, role=form.cleaned_data["role"], is_new=is_new)
    messages.success(request, _("Invited: a letter is on its way to %(email)s.")
                     % {"email": made.email})  # fmt: skip
    return redirect("office:settings-staff")


@action(
    "settings/staff/<uuid:user>/", name="staff-member", right="members.write",
    operation="grant_role", recent=True, form=True,
)  # fmt: skip
def member(request: HttpRequest, user: UUID) -> HttpResponse:
    """One person: their roles, one more role, what was done with them."""
    found = next((one for one in parties.members() if one.user_id == user), None)
    if found is None:
        raise Http404
    form = RoleForm(request.POST or None, rights=request.principal.rights)
    if request.method == "POST" and form.is_valid():
        try:
            services.grant(user_id=user, **form.cleaned_data, **_asker(request))
        except services.StaffRefused as error:
            form.add_error(None, error.text(lang()))
        else:
            messages.success(request, _("The role is given; it holds from now on."))
            return redirect("office:staff-member", user=user)
    names = {one.code: one.name(lang()) for one in parties.roles()}
    past = audit_log.history("parties.user", str(user))
    context = {
        "member": found,
        "held": [(role, names[role], branch) for role, branch in found.held],
        "form": form,
        "past": past,
        "people": people(one.actor for one in past),
    }
    status = 422 if form.is_bound else 200
    return render(request, "office/settings/member.html", context, status=status)


@action(
    "settings/staff/<uuid:user>/revoke/", name="staff-revoke", right="members.write",
    operation="revoke_role", recent=True,
)  # fmt: skip
def revoke(request: HttpRequest, user: UUID) -> HttpResponse:
    services.revoke(
        user_id=user, role=request.POST.get("role", ""), branch=request.POST.get("branch", ""),
        **(_asker(request) | {"reason": request.POST.get("reason", "")[:500]}),
    )  # fmt: skip
    messages.success(request, _("The role is taken; it opens nothing from now on."))
    return redirect("office:settings-staff")


@page("settings/roles/", name="settings-roles", right="members.read")
def roles(request: HttpRequest) -> HttpResponse:
    """The matrix: which role has which right."""
    cards = parties.roles()
    areas = [
        {
            "title": say(AREAS, area, lang()),
            "rights": [
                {
                    "text": right.text(lang()),
                    "has": [right.code in card.rights for card in cards],
                }
                for right in RIGHTS.values()
                if right.area == area
            ],
        }
        for area in AREAS
    ]
    names = [{"card": card, "name": card.name(lang())} for card in cards]
    return render(request, "office/settings/roles.html", {"cards": names, "areas": areas})


@action(
    "settings/roles/<str:role>/", name="settings-role", right="members.write",
    operation="change_role", recent=True, form=True,
)  # fmt: skip
def role(request: HttpRequest, role: str) -> HttpResponse:
    """The rights of a role in this company; what one does not have oneself cannot be moved."""
    card = next((one for one in parties.roles() if one.code == role), None)
    if card is None or role == OWNER:
        raise Http404
    if request.method == "POST":
        chosen = frozenset(request.POST.getlist("right"))
        try:
            done = services.change_role(
                role, chosen | (card.rights - request.principal.rights),
                seen=request.POST.get("seen"),
                **(_asker(request) | {"reason": request.POST.get("reason", "")[:500]}),
            )  # fmt: skip
        except Stale as error:
            return _role_meanwhile(request, card, chosen, error)
        messages.success(request, _("Saved.") if done else _("Nothing differs from what stands."))
        return redirect("office:settings-roles")
    return render(request, "office/settings/role.html", _role_context(request, card))


@action(
    "settings/roles/<str:role>/limits/", name="settings-role-limits", right="members.write",
    operation="set_role_limits", recent=True,
)  # fmt: skip
def role_limits(request: HttpRequest, role: str) -> HttpResponse:
    """Up to which sum the role corrects invoices by itself."""
    card = next((one for one in parties.roles() if one.code == role), None)
    if card is None:
        raise Http404
    form = LimitsForm(request.POST, card=card)
    if form.is_valid():
        try:
            done = limits.set_limits(
                role, form.minors(), seen=request.POST.get("seen"),
                reason=form.cleaned_data["reason"], **by(request),
            )  # fmt: skip
        except Stale as error:
            card = replace(card, limits=error.stands)
            rows = form.compared(error.stands)
            context = _role_context(request, card) | {
                "limits": form, "limits_meanwhile": Meanwhile(error, rows)
            }  # fmt: skip
            return render(request, "office/settings/role.html", context, status=409)
        except limits.LimitRefused as error:
            name = error.params.get("field")
            form.add_error(name if name in form.fields else None, error.text(lang()))
        else:
            told = _("Saved.") if done else _("Nothing differs from what stands.")
            messages.success(request, told)
            return redirect("office:settings-role", role=role)
    context = _role_context(request, card) | {"limits": form}
    return render(request, "office/settings/role.html", context, status=422)


@action("settings/roles/<str:role>/look/", name="role-look", right="members.read", operation="")
def look(request: HttpRequest, role: str) -> HttpResponse:
    """See the office as the role does. It concerns one's own session alone."""
    with transaction.atomic():
        looking.begin(request, role, now=request.now)
    return redirect("office:overview")


@action("look/stop/", name=looking.STOP, right=SIGNED_IN, operation="")
def look_stop(request: HttpRequest) -> HttpResponse:
    role = request.principal.looks_as
    with transaction.atomic():
        looking.end(request, now=request.now)
    return redirect("office:settings-role", role=role) if role else redirect("office:overview")


def _role_meanwhile(
    request: HttpRequest, card: RoleCard, chosen: frozenset[str], error: Stale
) -> HttpResponse:
    """Show the rights that stand beside those that were ticked; the ticks stay as they were set."""
    stands, own = frozenset(error.stands), request.principal.rights
    wanted = chosen | (stands - own)
    has = {True: _("yes"), False: _("no")}
    rows = [
        {
            "label": RIGHTS[one].text(lang()),
            "before": has[one in stands],
            "after": has[one in wanted],
        }
        for one in RIGHTS
        if (one in stands) != (one in wanted)
    ]
    context = _role_context(request, replace(card, rights=wanted)) | {
        "seen": error.revision, "meanwhile": Meanwhile(error, rows),
    }  # fmt: skip
    return render(request, "office/settings/role.html", context, status=409)


def _role_context(request: HttpRequest, card: RoleCard) -> dict[str, Any]:
    past = audit_log.history("parties.role", card.code)
    areas = [
        {
            "title": say(AREAS, area, lang()),
            "rights": [
                {
                    "right": right,
                    "text": right.text(lang()),
                    "has": right.code in card.rights,
                    "mine": right.code in request.principal.rights,
                }
                for right in RIGHTS.values()
                if right.area == area
            ],
        }
        for area in AREAS
    ]
    return {
        "card": card,
        "name": card.name(lang()),
        "areas": areas,
        "limits": LimitsForm(card=card),
        "seen": revision_of(sorted(card.rights)),
        "limits_seen": revision_of(card.limits),
        "may_look": OWNER in request.principal.roles,
        "past": past,
        "people": people(one.actor for one in past),
    }


def _staff(request: HttpRequest, form: InviteForm, *, status: int = 200) -> HttpResponse:
    names = {one.code: one.name(lang()) for one in parties.roles()}
    rows = [
        {"member": one, "held": [(names[role], branch) for role, branch in one.held]}
        for one in parties.members()
    ]
    context = {"rows": rows, "form": form}
    return render(request, "office/settings/staff.html", context, status=status)


def _asker(request: HttpRequest) -> dict[str, Any]:
    return {
        "granter": request.principal.rights,
        "actor": request.principal.actor,
        "now": datetime.now(UTC),
    }
