"""Corrections: the list, and one page where a correction is chosen, looked at and made."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.core.money import exponent
from kvit.core.wording import money_text
from kvit.invoicing import queries, services
from kvit.invoicing.queries import InvoiceFilter
from kvit.invoicing.services import CorrectionIn, CorrectionPreview, CorrectionRefused, Standing
from kvit.platform.paging import Page
from kvit.web import lists
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part, Sum
from kvit.web.forms import DateField, OfficeForm, SumField
from kvit.web.office.invoices import KINDS, InvoicesFilter
from kvit.web.office.links import customers, people
from kvit.web.routes import action, page
from kvit.web.tags import lang

LISTING = Listing(
    "corrections",
    (
        Column("number", gettext_lazy("Number and date"), sort="day", falls_first=True, parts=(
            Part(gettext_lazy("Number"), lambda one: one["row"].number),
            Part(gettext_lazy("Date"), lambda one: one["row"].issued_on),
            Part(gettext_lazy("Document"), lambda one: one["kind"]),
        )),
        Column("corrects", gettext_lazy("Of invoice"), of=lambda one: one["row"].corrects_number),
        Column("customer", gettext_lazy("Customer"), of=lambda one: one["who"].name),
        Column("reason", gettext_lazy("Reason"), of=lambda one: one["row"].reason),
        Column("total", gettext_lazy("Difference"), kind="num", sort="total",
               of=lambda one: Sum(one["row"].total_minor, one["row"].currency),
               parts=(Part(gettext_lazy("Currency"), lambda one: one["row"].currency),)),
        Column("vat", gettext_lazy("of it VAT"), kind="num",
               of=lambda one: Sum(one["row"].vat_minor, one["row"].currency)),
        Column("author", gettext_lazy("Who"), of=lambda one: one["author"]),
        Column("code", gettext_lazy("Code"), of=lambda one: one["who"].code, is_usual=False),
        Column("net", gettext_lazy("Net"), kind="num", is_usual=False,
               of=lambda one: Sum(one["row"].net_minor, one["row"].currency)),
    ),
    order="-day",
)  # fmt: skip
# Refusals after which what was looked at is shown again, as it comes to by now.
LOOKED_AT = ("reason_missing", "preview_is_old")
WAYS = (
    ("credit", gettext_lazy("Give back part (credit note)")),
    ("debit", gettext_lazy("Ask for more (debit note)")),
    ("void", gettext_lazy("Take the whole invoice back")),
)


class CorrectionForm(OfficeForm):
    """What shall be corrected: a way, sums by line in each line's basis, a date, a reason.

    A sum is typed in major units; a tick on a line credits all that is left of it.
    """

    way = forms.ChoiceField(label=gettext_lazy("What to do"), choices=WAYS)
    issue_on = DateField(label=gettext_lazy("Date of the document"), required=False)
    again = forms.BooleanField(
        label=gettext_lazy("Bill the same service again with the next run"), required=False
    )
    reason = forms.CharField(
        label=gettext_lazy("Basis: why, and by which paper"), max_length=500, required=False
    )
    token = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, standing: Standing, **kwargs: Any) -> None:
        self.standing = standing
        super().__init__(*args, **kwargs)
        digits = exponent(standing.currency)
        for line in standing.lines:
            self.fields[f"sum-{line.position}"] = SumField(
                label=line.name, required=False, min_value=0, max_digits=20,
                decimal_places=digits,
                error_messages={"min_value": _("Enter a sum above zero; the way above says where"
                                               " it goes.")},
            )  # fmt: skip
            self.fields[f"whole-{line.position}"] = forms.BooleanField(
                label=_("all that is left"), required=False
            )
            self.fields[f"sum-{line.position}"].widget.attrs["class"] = "form-control num"
            self.fields[f"whole-{line.position}"].widget.attrs["class"] = "form-check-input"

    def refuse(self, error: CorrectionRefused) -> None:
        """Say a refusal at the line that it names, or above the form."""
        field = f"sum-{error.params.get('line', '')}"
        self.add_error(field if field in self.fields else None, error.text(lang()))
        if field in self.fields:
            self.fields[field].widget.attrs |= {
                "aria-invalid": "true", "aria-describedby": f"id_{field}-error",
            }  # fmt: skip

    def lines(self) -> list[dict[str, Any]]:
        """Return what the template draws a row of."""
        return [
            {
                "line": line,
                "sum": self[f"sum-{line.position}"],
                "whole": self[f"whole-{line.position}"],
            }
            for line in self.standing.lines
        ]

    def wanted(self) -> CorrectionIn:
        """Return the correction asked for; the form is valid."""
        asked = self.cleaned_data
        if asked["way"] == "void":
            return CorrectionIn("void", issue_on=asked["issue_on"], again=asked["again"])
        found: dict[int, int | None] = {}
        for line in self.standing.lines:
            if asked[f"whole-{line.position}"] and asked["way"] == "credit":
                found[line.position] = None
            elif asked[f"sum-{line.position}"]:
                found[line.position] = self._minor(asked[f"sum-{line.position}"])
        return CorrectionIn(asked["way"], found, issue_on=asked["issue_on"])

    def _minor(self, value: Decimal) -> int:
        return int(value.scaleb(exponent(self.standing.currency)))


class CorrectionsFilter(InvoicesFilter):
    """What the list of corrections is narrowed to."""

    reason = forms.CharField(label=gettext_lazy("Basis holds"), max_length=200)
    author = forms.ChoiceField(label=gettext_lazy("Who"))

    def __init__(self, asked: QueryDict) -> None:
        data = asked.copy()
        data["tab"] = "corrections"
        super().__init__(data)
        kind, author = self.fields["kind"], self.fields["author"]
        assert isinstance(kind, forms.ChoiceField)
        assert isinstance(author, forms.ChoiceField)
        kind.choices = [one for one in kind.choices if one[0] != "invoice"]
        authors = queries.correctors()
        names = people(authors)
        author.choices = [
            ("", _("Any")),
            *((one, actor_text(one, names, lang())) for one in authors),
        ]

    def filter(self) -> InvoiceFilter:
        """Return what was asked, as the query has it."""
        asked = self.asked()
        return replace(
            super().filter(), reason=asked.get("reason", "").strip(),
            author=asked.get("author", ""),
        )  # fmt: skip


@page("corrections/", name="corrections", right="invoices.read")
def corrections(request: HttpRequest) -> HttpResponse:
    form = CorrectionsFilter(request.GET)
    wanted = form.filter()
    order = lists.order_of(request, LISTING)
    return lists.listed(
        request,
        "office/corrections/list.html",
        listing=LISTING,
        page=_fetch(wanted, order)(request.GET.get("after", ""), lists.SHOWN),
        form=form,
        order=order,
        export=reverse("office:corrections-export"),
        total=queries.totals(wanted)["corrections"],
    )


@page("corrections/export/", name="corrections-export", right="invoices.read", personal=True)
def export(request: HttpRequest) -> HttpResponseBase:
    """The corrections of the filter, all pages of it, in its order."""
    wanted = CorrectionsFilter(request.GET).filter()
    fetch = _fetch(wanted, lists.order_of(request, LISTING))
    return lists.exported_all(request, LISTING, fetch, name="corrections")


def _fetch(wanted: InvoiceFilter, order: str) -> lists.Fetch:
    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        found = queries.listed(wanted, order=order, after=after, limit=limit)
        who = customers(row.customer_id for row in found.rows)
        names = people(row.author for row in found.rows)
        return found.of(
            lambda row: {
                "row": row, "who": who.get(row.customer_id), "kind": KINDS[row.kind],
                "author": actor_text(row.author, names, lang()),
            }
        )  # fmt: skip

    return fetch


@action("invoices/<uuid:invoice>/correct/", name="invoice-correct", right="invoices.correct",
        operation="correct_invoice", form=True)  # fmt: skip
def correct(request: HttpRequest, invoice: UUID) -> HttpResponse:
    """Choose, look, make: what is made comes to what was looked at, or is refused."""
    standing = services.standing(invoice)
    if standing is None:
        raise Http404
    is_asked = "way" in request.GET or request.method == "POST"
    given = request.POST if request.method == "POST" else request.GET
    form = CorrectionForm(given if is_asked else None, standing=standing)
    preview: CorrectionPreview | None = None
    if is_asked and form.is_valid():
        wanted = form.wanted()
        actor, now = request.principal.actor, request.now
        try:
            if request.method == "POST" and form.cleaned_data["token"]:
                made = services.correct_as_previewed(
                    invoice, wanted, token=form.cleaned_data["token"],
                    reason=form.cleaned_data["reason"], author=actor, now=now,
                )  # fmt: skip
                _tell(request, made)
                return redirect("office:invoice", invoice=made)
            preview = services.preview_correction(invoice, wanted, author=actor, now=now)
        except CorrectionRefused as error:
            form.refuse(error)
            if error.code in LOOKED_AT:
                preview = services.preview_correction(invoice, wanted, author=actor, now=now)
    return _correcting(request, invoice, form, preview)


def _correcting(
    request: HttpRequest, invoice: UUID, form: CorrectionForm, preview: CorrectionPreview | None
) -> HttpResponse:
    """Show the form, why it was refused, what it comes to. What was typed stays where it was."""
    row = queries.rows_of([invoice])[invoice]
    return render(
        request,
        "office/corrections/correct.html",
        {
            "form": form,
            "standing": form.standing,
            "row": row,
            "who": customers([row.customer_id])[row.customer_id],
            "preview": preview,
            "preview_kind": KINDS[preview.kind] if preview else "",
            "sent": _sent(form) if preview else (),
            "button": _button(preview) if preview else "",
            "earliest": row.issued_on or date.min,
        },
        status=422 if form.errors else 200,
    )


def _sent(form: CorrectionForm) -> list[tuple[str, str]]:
    """What the second form repeats of the first: exactly what was previewed."""
    return [
        (name, str(value))
        for name, value in form.data.items()
        if name in form.fields and name not in ("token", "reason") and value
    ]


def _button(preview: CorrectionPreview) -> str:
    total = money_text(preview.change.total, preview.currency, lang())
    if preview.waits_for:
        return _("Send a correction of %(total)s for approval") % {"total": total}
    return _("Post a correction of %(total)s") % {"total": total}


def _tell(request: HttpRequest, made: UUID) -> None:
    row = queries.rows_of([made])[made]
    if row.number:
        text = _("Document no. %(number)s was issued.") % {"number": row.number}
    else:
        text = _("The correction waits for approval among the drafts.")
    messages.success(request, text)
