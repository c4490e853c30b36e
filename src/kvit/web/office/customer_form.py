"""A customer made and changed at a form: what is wrong is told at its field, nothing is lost."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.parties import queries as parties
from kvit.parties import services
from kvit.parties.rows import CustomerRow
from kvit.parties.services import CustomerNotTaken, CustomerRefused
from kvit.platform.failures import Failure
from kvit.platform.revisions import Stale, revision_of
from kvit.web.forms import OfficeForm
from kvit.web.office.customers import CUSTOMER_KINDS, find
from kvit.web.office.editing import Meanwhile
from kvit.web.routes import action
from kvit.web.tags import lang

# Where the refusals that name no field belong.
_FIELDS = {"payer_unknown": "payer", "payer_is_self": "payer", "payer_has_payer": "payer",
           "zone_unknown": "zone", "currency_unknown": "currency"}  # fmt: skip


class CustomerForm(OfficeForm):
    """All that is said of a customer; an empty field means "not given"."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=500)
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=list(CUSTOMER_KINDS.items()))
    code = forms.CharField(
        label=gettext_lazy("Code"), max_length=80,
        help_text=gettext_lazy("How files and programs name this customer; it never changes."),
    )  # fmt: skip
    inn = forms.CharField(label=gettext_lazy("INN"), max_length=20)
    kpp = forms.CharField(label=gettext_lazy("KPP"), max_length=20)
    ogrn = forms.CharField(label=gettext_lazy("OGRN or OGRNIP"), max_length=20)
    email = forms.EmailField(
        label=gettext_lazy("E-mail"), max_length=254,
        error_messages={"invalid": gettext_lazy("Write the address as name@example.ru.")},
    )  # fmt: skip
    phone = forms.CharField(label=gettext_lazy("Phone"), max_length=40)
    address = forms.CharField(label=gettext_lazy("Address"), max_length=500)
    bik = forms.CharField(label=gettext_lazy("BIK"), max_length=12)
    bank = forms.CharField(label=gettext_lazy("Bank"), max_length=200)
    account = forms.CharField(label=gettext_lazy("Bank account"), max_length=30)
    correspondent = forms.CharField(label=gettext_lazy("Correspondent account"), max_length=30)
    payer = forms.CharField(
        label=gettext_lazy("Payer"), max_length=80,
        help_text=gettext_lazy("The code of who pays; empty: this customer pays for itself."),
    )  # fmt: skip
    segment = forms.CharField(label=gettext_lazy("Segment"), max_length=80)
    branch = forms.CharField(label=gettext_lazy("Branch"), max_length=80)
    zone = forms.CharField(
        label=gettext_lazy("Time zone"), max_length=60,
        help_text=gettext_lazy("Empty: that of the company. An example: Asia/Yekaterinburg."),
    )  # fmt: skip
    currency = forms.CharField(
        label=gettext_lazy("Currency"), max_length=3,
        help_text=gettext_lazy("Empty: that of the company."),
    )  # fmt: skip
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=500,
        help_text=gettext_lazy("Why; it is kept in the history."),
    )  # fmt: skip
    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, is_new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.required = name in ("name", "kind", "code")
        if not is_new:
            del self.fields["code"]

    def row(self, code: str) -> CustomerRow:
        """Return what was filled in; spaces around it mean nothing. What cannot be read is left
        out, and has its word already."""
        names = [field.name for field in fields(CustomerRow) if field.name != "code"]
        told = {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}
        return CustomerRow(code=code, **({"name": ""} | told))


@action("customers/new/", name="customer-new", right="customers.write",
        operation="create_customer", form=True)  # fmt: skip
def customer_new(request: HttpRequest) -> HttpResponse:
    form = CustomerForm(request.POST or None, is_new=True, initial={"kind": "company"})
    if form.is_bound and not form.is_valid():
        row = form.row(form.cleaned_data.get("code", ""))
        _tell(form, services.faults_of(row, besides=None))
    elif form.is_bound:
        row = form.row(form.cleaned_data["code"])
        try:
            made = services.create_customer(
                row,
                actor=request.principal.actor,
                now=request.now,
                reason=form.cleaned_data["reason"],
            )
        except (CustomerNotTaken, CustomerRefused) as error:
            _tell(form, [error, *services.faults_of(row, besides=None)])
        else:
            messages.success(request, _("The customer is there. Connect a plan next."))
            return redirect("office:customer", customer=made.id)
    return _shown(request, form, None)


@action("customers/<uuid:customer>/edit/", name="customer-edit", right="customers.write",
        operation="change_customer", form=True)  # fmt: skip
def customer_edit(request: HttpRequest, customer: UUID) -> HttpResponse:
    found = find(request, customer)
    initial = asdict(found.row) | {"seen": revision_of(found.row)}
    form = CustomerForm(request.POST or None, is_new=False, initial=initial)
    if form.is_bound and not form.is_valid():
        _tell(form, services.faults_of(form.row(found.row.code), besides=found.id))
    elif form.is_bound:
        row = form.row(found.row.code)
        try:
            changed = services.change_customer(
                found.row.code,
                row,
                seen=form.cleaned_data["seen"],
                actor=request.principal.actor,
                now=request.now,
                reason=form.cleaned_data["reason"],
            )
        except Stale as error:
            return _compared(request, form, found.id, error)
        except (CustomerNotTaken, CustomerRefused) as error:
            _tell(form, [error, *services.faults_of(row, besides=found.id)])
        else:
            said = _("Changed. Issued documents stay as they are.") if changed else (
                _("Nothing was changed: everything stands as you left it."))  # fmt: skip
            messages.success(request, said)
            return redirect("office:customer-requisites", customer=customer)
    return _shown(request, form, found.id)


def _tell(form: CustomerForm, faults: Iterable[Failure]) -> None:
    """Put the first fault of each field there, with a door to the customer it speaks of."""
    for fault in faults:
        told = str(fault.params.get("field") or _FIELDS.get(fault.code, ""))
        name = told if told in form.fields else None
        if form.has_error(name or NON_FIELD_ERRORS):
            continue
        text: Any = fault.text(lang())
        if "customer" in fault.params:
            address = reverse("office:customer", args=[fault.params["customer"]])
            text = format_html('{} <a href="{}">{}</a>', text, address, _("Open the customer"))
        form.add_error(name, text)


def _compared(
    request: HttpRequest, form: CustomerForm, key: UUID, error: Stale
) -> HttpResponse:  # fmt: skip
    """Show what stands beside what was typed; saved again, it is compared with what stands."""
    stands, typed = error.stands, form.row(error.stands.code)
    rows = [
        {"label": field.label, "before": getattr(stands, field.name),
         "after": getattr(typed, field.name)}
        for field in form.visible_fields()
        if field.name != "reason" and getattr(stands, field.name) != getattr(typed, field.name)
    ]  # fmt: skip
    data = form.data.copy()
    data["seen"] = error.revision
    again = CustomerForm(data, is_new=False)
    again.is_valid()
    return _shown(request, again, key, meanwhile=Meanwhile(error, rows), status=409)


def _shown(
    request: HttpRequest, form: CustomerForm, key: UUID | None, *,
    meanwhile: Meanwhile | None = None, status: int = 0,
) -> HttpResponse:  # fmt: skip
    found = parties.customers_by_id([key])[key] if key else None
    groups = (
        (_("Who it is"), ("name", "kind", "code", "inn", "kpp", "ogrn")),
        (_("How to reach it"), ("email", "phone", "address")),
        (_("Bank"), ("bik", "bank", "account", "correspondent")),
        (_("Billing"), ("payer", "segment", "branch", "zone", "currency")),
    )
    shown = [
        {"title": title, "fields": [form[name] for name in names if name in form.fields]}
        for title, names in groups
    ]
    context = {"form": form, "groups": shown, "customer": found, "meanwhile": meanwhile}
    usual = 422 if form.is_bound else 200
    return render(request, "office/customers/form.html", context, status=status or usual)
