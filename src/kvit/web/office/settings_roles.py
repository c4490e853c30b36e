"""Roles: which right each has, up to which sums it decides, and the office seen as one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
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
from kvit.web.office.editing import Meanwhile
from kvit.web.office.links import people
from kvit.web.principal import by
from kvit.web.routes import SIGNED_IN, action, page
from kvit.web.tags import lang


@dataclass(frozen=True, slots=True)
class Section:
    """Limits of one act, as the card of a role shows them."""

    title: "Promise | str"
    text: "Promise | str"
    route: str
    limits: Callable[[RoleCard], Mapping[str, int]]


SECTIONS = {
    limits.CORRECT: Section(
        gettext_lazy("Limits of corrections"),
        gettext_lazy(
            "A correction up to the limit, exactly equal to it included, is posted at once. One"
            " above becomes a draft for somebody who may decide as much. Empty: no limit in any"
            " currency; with one limit set, other currencies wait for approval."
        ),
        "settings-role-limits",
        lambda card: card.limits,
    ),
    limits.APPROVE: Section(
        gettext_lazy("Limits of approving invoices"),
        gettext_lazy(
            "A draft invoice up to the limit, exactly equal to it included, is approved by this"
            " role. One above is refused to it and stays a draft for somebody who may approve as"
            " much; a month approved at once leaves it aside. Empty: no limit in any currency."
        ),
        "settings-role-invoice-limits",
        lambda card: card.invoice_limits,
    ),
}


class LimitsForm(OfficeForm):
    """Up to which sum a role decides by itself: a field a currency, named by it."""

    reason = forms.CharField(label=gettext_lazy("Why"), required=False, max_length=500)

    def __init__(self, *args: Any, limits: Mapping[str, int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currencies = list(dict.fromkeys((*parties.currencies(), *limits)))
        for currency in self.currencies:
            digits = exponent(currency)
            standing = limits.get(currency)
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
    return _limited(request, role, limits.CORRECT)


@action(
    "settings/roles/<str:role>/invoice-limits/", name="settings-role-invoice-limits",
    right="members.write", operation="set_role_invoice_limits", recent=True,
)  # fmt: skip
def role_invoice_limits(request: HttpRequest, role: str) -> HttpResponse:
    """Up to which sum the role approves invoices."""
    return _limited(request, role, limits.APPROVE)


def _limited(request: HttpRequest, role: str, act: str) -> HttpResponse:
    card = next((one for one in parties.roles() if one.code == role), None)
    if card is None:
        raise Http404
    standing = SECTIONS[act].limits(card)
    form = LimitsForm(request.POST, limits=standing, auto_id=f"{act}_%s")
    shown: dict[str, Any] = {"form": form, "seen": revision_of(standing)}
    status = 422
    if form.is_valid():
        try:
            done = limits.set_limits(
                role, form.minors(), act=act, seen=request.POST.get("seen"),
                reason=form.cleaned_data["reason"], **by(request),
            )  # fmt: skip
        except Stale as error:
            rows = form.compared(error.stands)
            shown |= {"seen": error.revision, "meanwhile": Meanwhile(error, rows)}
            status = 409
        except limits.LimitRefused as error:
            name = error.params.get("field")
            form.add_error(name if name in form.fields else None, error.text(lang()))
        else:
            told = _("Saved.") if done else _("Nothing differs from what stands.")
            messages.success(request, told)
            return redirect("office:settings-role", role=role)
    context = _role_context(request, card, limits_shown={act: shown})
    return render(request, "office/settings/role.html", context, status=status)


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


def _role_context(
    request: HttpRequest, card: RoleCard, *,
    limits_shown: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:  # fmt: skip
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
        "seen": revision_of(sorted(card.rights)),
        "sections": [
            {
                "about": section,
                "url": reverse(f"office:{section.route}", args=[card.code]),
                "form": LimitsForm(limits=section.limits(card), auto_id=f"{act}_%s"),
                "seen": revision_of(section.limits(card)),
                **(limits_shown or {}).get(act, {}),
            }
            for act, section in SECTIONS.items()
        ],
        "may_look": OWNER in request.principal.roles,
        "past": past,
        "people": people(one.actor for one in past),
    }


def _asker(request: HttpRequest) -> dict[str, Any]:
    return {
        "granter": request.principal.rights,
        "actor": request.principal.actor,
        "now": datetime.now(UTC),
    }
