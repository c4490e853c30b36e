"""Staff and roles: who is invited, which role has which right, in which branch."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.parties import queries as parties
from kvit.parties import services
from kvit.platform import audit_log
from kvit.web.forms import OfficeForm
from kvit.web.login.links import send_invitation
from kvit.web.office.links import people
from kvit.web.routes import action, page
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

    email = forms.EmailField(
        label=gettext_lazy("E-mail"), max_length=254,
        error_messages={"invalid": gettext_lazy("Write the address as name@example.ru.")},
    )  # fmt: skip
    name = forms.CharField(label=gettext_lazy("Person's name"), max_length=150)
    field_order = ("email", "name", "role", "branch")


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
