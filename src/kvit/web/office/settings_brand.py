"""How a seller's documents look: colour and logo, seen on a sheet before they hold."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.documents.compose import sample
from kvit.documents.render import render as print_sheet
from kvit.parties import brands
from kvit.parties import queries as parties
from kvit.parties.brands import BrandRefused, BrandRow
from kvit.parties.rows import Seller
from kvit.web.office.editing import Changing, SettingForm, edited
from kvit.web.principal import by
from kvit.web.routes import SIGNED_IN, action, page
from kvit.web.tags import lang

# A picture opened by itself is a page of ours: nothing in it may run or be fetched.
LOGO_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


class BrandForm(SettingForm):
    """Colour and logo. A file that was taken is kept at once and named by its digest from then."""

    colour = forms.CharField(
        label=gettext_lazy("Colour"), required=False, max_length=9,
        help_text=gettext_lazy(
            "Six digits, as in #0b57b7: the title and the rules of documents. Empty: black."
        ),
    )  # fmt: skip
    file = forms.FileField(
        label=gettext_lazy("Logo, PNG or SVG"), required=False,
        help_text=gettext_lazy("At most 256 KB. An SVG of shapes alone, letters as outlines."),
        widget=forms.FileInput(attrs={"accept": ".png,.svg,image/png,image/svg+xml"}),
    )  # fmt: skip
    logo = forms.CharField(label=gettext_lazy("Logo"), required=False, widget=forms.HiddenInput)
    plain = forms.BooleanField(label=gettext_lazy("No logo"), required=False)
    field_order = ("colour", "file", "plain", "reason")
    data: Any

    def clean_colour(self) -> str:
        """Return the colour as it is kept, readable on paper."""
        try:
            return brands.checked_colour(self.cleaned_data["colour"])
        except BrandRefused as error:
            raise ValidationError(error.text(lang())) from None

    def clean(self) -> dict[str, Any]:
        """Put the digest of the file that came into the hidden field, for the next step."""
        asked: dict[str, Any] = super().clean() or self.cleaned_data
        given = asked.get("file")
        if given is not None:
            try:
                asked["logo"] = brands.keep_logo(given.read(brands.LARGEST + 1))
            except BrandRefused as error:
                self.add_error("file", error.text(lang()))
        elif asked.get("plain"):
            asked["logo"] = ""
        sent = self.data.copy()
        sent["logo"] = asked.get("logo", "")
        sent["colour"] = asked.get("colour", sent.get("colour", ""))
        self.data = sent
        return asked

    def values(self) -> dict[str, Any]:
        """Return what is kept: the file itself is by now."""
        return {name: self.cleaned_data[name] for name in ("colour", "logo")}

    def said(self, name: str, value: Any) -> str:
        """A logo is shown beside, so it is named here alone."""
        if name == "logo":
            return _("a logo, no. %(mark)s") % {"mark": value[:6]} if value else _("none")
        return super().said(name, value)

    @property
    def shown(self) -> BrandRow:
        """What the sheet beside the form shows: what was typed, once it can be right."""
        source = self.cleaned_data if self.is_bound and self.is_valid() else self.initial
        return BrandRow(source.get("colour") or "", source.get("logo") or "")


@action(
    "settings/sellers/<str:code>/brand/", name="settings-brand", right="settings.write",
    operation="save_brand", form=True,
)  # fmt: skip
def brand(request: HttpRequest, code: str) -> HttpResponse:
    seller = _seller(code)
    row = brands.brands([seller.id]).get(seller.id, BrandRow())

    def save(values: dict[str, Any], reason: str, seen: str | None) -> object:
        return brands.save_brand(
            code, BrandRow(**values), seen=seen, reason=reason, **by(request)
        )  # fmt: skip

    change = Changing(
        form=BrandForm,
        row=row,
        save=save,
        title=_("Looks of documents"),
        lead=_("%(seller)s: documents to come. What is printed already keeps its looks.")
        % {"seller": seller.row.name},
        back="office:settings-sellers",
        object=("parties.brand", str(seller.id)),
        template="office/settings/brand.html",
        extra={"seller": seller.row, "code": code},
    )
    return edited(request, change)


@page("settings/sellers/<str:code>/brand/sample.pdf", name="settings-brand-sample",
      right="settings.read")  # fmt: skip
def sample_paper(request: HttpRequest, code: str) -> HttpResponse:
    """A sheet with made-up lines, as it would be printed with this colour and this logo."""
    asked = BrandRow(request.GET.get("colour", ""), request.GET.get("logo", ""))
    row = BrandRow(brands.checked_colour(asked.colour), asked.logo)
    document = sample(_seller(code), row, on=request.now.date())
    answer = HttpResponse(print_sheet(document), content_type="application/pdf")
    answer["Content-Disposition"] = 'inline; filename="sample.pdf"'
    return answer


@page("logos/<str:digest>/", name="logo", right=SIGNED_IN)
def logo(request: HttpRequest, digest: str) -> HttpResponse:
    """A logo that the company keeps; another company's is not found."""
    found = brands.logos([digest]).get(digest)
    if found is None:
        raise Http404
    answer = HttpResponse(found.content, content_type=found.media_type)
    answer["Content-Security-Policy"] = LOGO_POLICY
    answer["Cache-Control"] = "private, max-age=31536000, immutable"
    return answer


def _seller(code: str) -> Seller:
    found = parties.sellers().get(code)
    if found is None:
        raise Http404
    return found
