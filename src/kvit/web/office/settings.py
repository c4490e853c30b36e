"""Settings: what there is, the company and its policies, the test clock."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.core.searching import folded, other_layout
from kvit.invoicing import queries as invoicing
from kvit.parties import queries as parties
from kvit.parties import services
from kvit.platform import audit_log, clock
from kvit.web.forms import OfficeForm
from kvit.web.office.editing import Changing, SettingForm, edited
from kvit.web.office.links import people
from kvit.web.principal import by
from kvit.web.routes import action, page

VAT_ROUNDING = (
    ("document", gettext_lazy("Once a document (by rates)")),
    ("line", gettext_lazy("Each line by itself")),
)
LATE_EVENTS = (
    ("open_period", gettext_lazy("Into the next bill")),
    ("correction", gettext_lazy("A correcting document at once")),
)
LANGUAGES = (("ru", "Русский"), ("en", "English"))


class CompanyForm(SettingForm):
    """The company: name, language, currency, zone, policies of tax and late usage."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=500)
    language = forms.ChoiceField(
        label=gettext_lazy("Language of documents and letters"), choices=LANGUAGES
    )
    currency = forms.CharField(
        label=gettext_lazy("Currency of customers that name none"), max_length=3,
        help_text=gettext_lazy("Three letters of ISO 4217: RUB."),
    )  # fmt: skip
    zone = forms.ChoiceField(label=gettext_lazy("Time zone of customers that name none"))
    vat_rounding = forms.ChoiceField(
        label=gettext_lazy("VAT is rounded"), choices=VAT_ROUNDING,
        help_text=gettext_lazy("A seller may have its own rule. Issued documents stay so."),
    )  # fmt: skip
    late_events = forms.ChoiceField(
        label=gettext_lazy("Usage that came late goes"), choices=LATE_EVENTS
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["zone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(one, one) for one in sorted(available_timezones()) if "/" in one]


class ClockForm(OfficeForm):
    """Where the test clock is moved."""

    to = forms.DateTimeField(
        label=gettext_lazy("Move to"),
        input_formats=("%Y-%m-%dT%H:%M", "%d.%m.%Y %H:%M"),
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
        help_text=gettext_lazy("By the company's time zone. The clock only moves forward."),
    )
    reason = forms.CharField(label=gettext_lazy("Why"), max_length=500)


@page("settings/", name="settings", right="settings.read")
def settings(request: HttpRequest) -> HttpResponse:
    """All settings; with `q`, those whose name, value or field holds what was typed."""
    asked = request.GET.get("q", "").strip()
    places = list(_places(request))
    if asked:
        places = [one for one in places if _narrowed(one, asked)]
    context = {
        "q": asked,
        "places": places,
        "people": people(one["last"].actor for one in places if one["last"]),
    }
    return render(request, "office/settings/page.html", context)


@action(
    "settings/company/", name="settings-company", right="settings.write",
    operation="change_company", form=True,
)  # fmt: skip
def company(request: HttpRequest) -> HttpResponse:
    tenant = parties.tenant()

    def save(values: dict[str, Any], reason: str, seen: str | None) -> object:
        row = replace(tenant.row, **values)
        return services.change_tenant(row, seen=seen, reason=reason, **by(request))

    change = Changing(
        form=CompanyForm,
        row=tenant.row,
        save=save,
        title=_("Company"),
        lead=_("Where it applies: every customer and document that has no rule of its own."),
        back="office:settings-company",
        object=("parties.tenant", str(tenant.id)),
        fields_of={"tenant_zone_unknown": "zone", "tenant_currency_unknown": "currency"},
    )
    return edited(request, change)


@action(
    "settings/clock/", name="settings-clock", right="settings.write", operation="move_clock",
    form=True,
)  # fmt: skip
def test_clock(request: HttpRequest) -> HttpResponse:
    zone = ZoneInfo(request.principal.tenant.row.zone)
    form = ClockForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        to = form.cleaned_data["to"].replace(tzinfo=zone)
        try:
            clock.move_test_clock(
                request.principal.tenant.id, to=to, actor=request.principal.actor,
                reason=form.cleaned_data["reason"],
            )  # fmt: skip
        except clock.ClockRefused as error:
            form.add_error("to", error.text(request.LANGUAGE_CODE))
        else:
            messages.success(request, _("The clock is moved."))
            return redirect("office:settings-clock")
    past = audit_log.history("platform.test_clock", str(request.principal.tenant.id))
    context = {
        "form": form,
        "past": past,
        "people": people(one.actor for one in past),
    }
    status = 422 if form.is_bound else 200
    return render(request, "office/settings/clock.html", context, status=status)


def _narrowed(place: dict[str, Any], asked: str) -> bool:
    """Whether a place of settings fits; leaves it the fields that do."""
    wanted = [folded(text) for text in (asked, other_layout(asked))]

    def fits(text: str) -> bool:
        return any(one in folded(text) for one in wanted)

    place["fields"] = [label for label in place["fields"] if fits(label)]
    return bool(place["fields"]) or fits(place["title"]) or fits(place["value"])


def _places(request: HttpRequest) -> Iterator[dict[str, Any]]:
    """What can be set, each with its present value and who changed it last."""
    principal = request.principal
    row = principal.tenant.row
    company = ("parties.tenant", str(principal.tenant.id))
    test_clock = ("platform.test_clock", str(principal.tenant.id))
    rounding, late = dict(VAT_ROUNDING)[row.vat_rounding], dict(LATE_EVENTS)[row.late_events]
    sellers = ", ".join(one.row.name for one in parties.sellers().values())
    started = ", ".join(one.row.code for one in invoicing.triggers() if one.row.is_on)
    is_on = _("on") if principal.test_clock else _("off")
    write, read = "settings.write", "settings.read"
    fields = _fields()
    for name, right, title, value, made in (
        ("settings-company", write, _("Company"), f"{row.name} · {row.currency}", company),
        ("settings-company", write, _("Tax and late usage"), f"{rounding} · {late}", company),
        ("settings-sellers", read, _("Sellers, branches, numbering"), sellers, None),
        ("settings-triggers", read, _("Bills that start themselves"), started, None),
        ("settings-staff", "members.read", _("Staff and roles"), "", None),
        ("settings-keys", "keys.write", _("API keys"), "", None),
        ("webhooks", "webhooks.write", _("Webhooks"), "", None),
        ("settings-clock", write, _("Test clock"), is_on, test_clock),
        ("journal", "audit.read", _("Journal"), "", None),
    ):
        url = _address(name) if right in principal.rights else ""
        if url or value:
            past = audit_log.history(*made, limit=1) if made else []
            yield {
                "title": title, "value": value, "url": url, "last": past[0] if past else None,
                "fields": fields.get(name, []),
            }  # fmt: skip


def _fields() -> dict[str, list[str]]:
    """What can be set on each page, as its form calls it."""
    # They ask this module for choices, or their forms for the catalogue.
    from kvit.web.office.settings_sellers import SellerForm
    from kvit.web.office.settings_triggers import TriggerForm

    def labels(form: type[forms.Form]) -> list[str]:
        return [str(one.label) for name, one in form.base_fields.items() if name != "reason"]

    return {
        "settings-company": labels(CompanyForm),
        "settings-sellers": [
            *labels(SellerForm), _("Looks of documents"), _("Logo"), _("Colour"), _("Branches"),
        ],
        "settings-triggers": labels(TriggerForm),
        "settings-staff": [_("Role"), _("Branch"), _("Money limits"), _("E-mail")],
        "settings-keys": [_("Rights")],
        "settings-clock": labels(ClockForm),
    }  # fmt: skip


def _address(name: str) -> str:
    try:
        return reverse(f"office:{name}")
    except NoReverseMatch:
        return ""
