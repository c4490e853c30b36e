"""Sellers and branches: requisites with their check digits, VAT, prices, numbers, approval."""

from dataclasses import replace
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.core.numbering import number_text, series_of
from kvit.parties import queries as parties
from kvit.parties.one_seller import save_branch, save_seller
from kvit.parties.rows import BranchRow, SellerRow
from kvit.web.office.editing import Changing, SettingForm, edited
from kvit.web.office.settings import VAT_ROUNDING
from kvit.web.principal import by
from kvit.web.routes import action, page

VAT = (
    ("auto", gettext_lazy("Standard rate of the day")),
    ("10", "10 %"),
    ("0", "0 %"),
    ("none", gettext_lazy("Without VAT")),
    ("usn5", gettext_lazy("Simplified system, 5 %")),
    ("usn7", gettext_lazy("Simplified system, 7 %")),
)
BASIS = (
    ("net", gettext_lazy("Prices without VAT")),
    ("gross", gettext_lazy("Prices with VAT")),
)
SPLIT = (
    ("", gettext_lazy("One invoice a period")),
    ("service", gettext_lazy("An invoice for each service")),
)


class SellerForm(SettingForm):
    """A seller as its documents show it, and how it bills."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=500)
    inn = forms.CharField(label=gettext_lazy("INN"), required=False, max_length=20)
    kpp = forms.CharField(label=gettext_lazy("KPP"), required=False, max_length=20)
    ogrn = forms.CharField(label=gettext_lazy("OGRN"), required=False, max_length=20)
    address = forms.CharField(label=gettext_lazy("Address"), required=False, max_length=500)
    signer = forms.CharField(label=gettext_lazy("Who signs"), required=False, max_length=500)
    bank = forms.CharField(label=gettext_lazy("Bank"), required=False, max_length=500)
    bik = forms.CharField(label=gettext_lazy("BIK"), required=False, max_length=20)
    account = forms.CharField(
        label=gettext_lazy("Settlement account"), required=False, max_length=34
    )
    correspondent = forms.CharField(
        label=gettext_lazy("Correspondent account"), required=False, max_length=34
    )
    vat = forms.ChoiceField(label=gettext_lazy("VAT"), choices=VAT)
    price_basis = forms.ChoiceField(label=gettext_lazy("Prices"), choices=BASIS)
    vat_rounding = forms.ChoiceField(
        label=gettext_lazy("VAT is rounded"),
        choices=(("", gettext_lazy("As the company says")), *VAT_ROUNDING),
        required=False,
    )
    series = forms.CharField(
        label=gettext_lazy("Pattern of numbers"), max_length=80,
        help_text=gettext_lazy("{number} or {number:05}; also {year} and {branch}."),
    )  # fmt: skip
    split = forms.ChoiceField(label=gettext_lazy("Invoices"), choices=SPLIT, required=False)
    approval = forms.BooleanField(
        label=gettext_lazy("Drafts wait for a person"), required=False,
        help_text=gettext_lazy("Nothing is issued by a run itself then."),
    )  # fmt: skip
    four_eyes = forms.BooleanField(
        label=gettext_lazy("Another person approves than the author"), required=False,
        help_text=gettext_lazy("Nobody issues a draft of their own; drafts wait for approval."),
    )  # fmt: skip


class NewSellerForm(SellerForm):
    """A seller that is not there yet."""

    code = forms.CharField(label=gettext_lazy("Code"), max_length=80)
    field_order = ("code",)


class BranchForm(SettingForm):
    """A site of a seller."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=500)
    seller = forms.ChoiceField(label=gettext_lazy("Seller"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["seller"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(code, one.row.name) for code, one in parties.sellers().items()]


class NewBranchForm(BranchForm):
    """A branch that is not there yet."""

    code = forms.CharField(label=gettext_lazy("Code"), max_length=80)
    field_order = ("code",)


@page("settings/sellers/", name="settings-sellers", right="settings.read")
def sellers(request: HttpRequest) -> HttpResponse:
    today = request.now.date()
    rows = [
        {
            "row": one.row,
            "vat": dict(VAT)[one.row.vat],
            "basis": dict(BASIS)[one.row.price_basis],
            "sample": number_text(series_of(one.row.series, on=today), 1),
        }
        for one in parties.sellers().values()
    ]
    return render(
        request,
        "office/settings/sellers.html",
        {"sellers": rows, "branches": parties.branches().values()},
    )


@action(
    "settings/sellers/new/", name="settings-seller-new", right="settings.write",
    operation="save_seller", form=True, recent=True,
)  # fmt: skip
def new_seller(request: HttpRequest) -> HttpResponse:
    return _seller(request, SellerRow("", ""), is_new=True)


@action(
    "settings/sellers/<str:code>/", name="settings-seller", right="settings.write",
    operation="save_seller", form=True, recent=True,
)  # fmt: skip
def seller(request: HttpRequest, code: str) -> HttpResponse:
    found = parties.sellers().get(code)
    if found is None:
        raise Http404
    return _seller(request, found.row, key=str(found.id))


@action(
    "settings/branches/new/", name="settings-branch-new", right="settings.write",
    operation="save_branch", form=True,
)  # fmt: skip
def new_branch(request: HttpRequest) -> HttpResponse:
    return _branch(request, BranchRow("", "", ""), is_new=True)


@action(
    "settings/branches/<str:code>/", name="settings-branch", right="settings.write",
    operation="save_branch", form=True,
)  # fmt: skip
def branch(request: HttpRequest, code: str) -> HttpResponse:
    found = parties.branches().get(code)
    if found is None:
        raise Http404
    return _branch(request, found)


def _seller(
    request: HttpRequest, row: SellerRow, *, key: str = "", is_new: bool = False
) -> HttpResponse:
    def save(values: dict[str, Any], reason: str, seen: str | None) -> object:
        return save_seller(
            replace(row, **values), is_new=is_new, seen=seen, reason=reason, **by(request)
        )

    change = Changing(
        form=NewSellerForm if is_new else SellerForm,
        row=row,
        save=save,
        title=_("New seller") if is_new else row.name,
        lead=_("Where it applies: documents to come. Issued ones keep what they say."),
        back="office:settings-sellers",
        object=("parties.seller", key),
        is_new=is_new,
    )
    return edited(request, change)


def _branch(request: HttpRequest, row: BranchRow, *, is_new: bool = False) -> HttpResponse:
    def save(values: dict[str, Any], reason: str, seen: str | None) -> object:
        return save_branch(
            replace(row, **values), is_new=is_new, seen=seen, reason=reason, **by(request)
        )

    change = Changing(
        form=NewBranchForm if is_new else BranchForm,
        row=row,
        save=save,
        title=_("New branch") if is_new else row.name,
        lead=_("Customers name their branch; staff may be bound to one."),
        back="office:settings-sellers",
        is_new=is_new,
    )
    return edited(request, change)
