"""Corrections: the list, and one page where a correction is chosen, looked at and made."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.core.money import exponent
from kvit.core.wording import money_text
from kvit.invoicing import queries, services
from kvit.invoicing.queries import InvoiceFilter
from kvit.invoicing.services import CorrectionIn, CorrectionPreview, Standing
from kvit.platform.tenancy import tenant_scope
from kvit.web import lists
from kvit.web.authorship import actor_text
from kvit.web.forms import DateField, OfficeForm, SumField
from kvit.web.lists import Column
from kvit.web.office.invoices import EXPORTED, KINDS, InvoicesFilter
from kvit.web.office.links import customers, people
from kvit.web.routes import action, page
from kvit.web.tags import lang

COLUMNS = (
    Column("number", gettext_lazy("Number and date"), sort="day", falls_first=True),
    Column("corrects", gettext_lazy("Of invoice")),
    Column("customer", gettext_lazy("Customer")),
    Column("reason", gettext_lazy("Reason")),
    Column("total", gettext_lazy("Difference"), kind="num", sort="total"),
    Column("vat", gettext_lazy("of it VAT"), kind="num"),
    Column("author", gettext_lazy("Who")),
)
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
            )  # fmt: skip
            self.fields[f"whole-{line.position}"] = forms.BooleanField(
                label=_("all that is left"), required=False
            )
            self.fields[f"sum-{line.position}"].widget.attrs["class"] = "form-control num"
            self.fields[f"whole-{line.position}"].widget.attrs["class"] = "form-check-input"

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
    order = lists.order_of(request, COLUMNS, "-day")
    found = queries.listed(wanted, order=order, after=request.GET.get("after", ""))
    who = customers(row.customer_id for row in found.rows)
    return lists.listed(
        request,
        "office/corrections/list.html",
        columns=COLUMNS,
        page=found.of(
            lambda row: {"row": row, "who": who.get(row.customer_id), "kind": KINDS[row.kind]}
        ),
        form=form,
        order=order,
        total=queries.totals(wanted)["corrections"],
        people=people(row.author for row in found.rows),
    )


@page("corrections/export/", name="corrections-export", right="invoices.read", personal=True)
def export(request: HttpRequest) -> HttpResponseBase:
    """The corrections of the filter, all pages of it, in its order."""
    wanted = CorrectionsFilter(request.GET).filter()
    order = lists.order_of(request, COLUMNS, "-day")
    heads = (
        _("Number"), _("Date"), _("Document"), _("Of invoice"), _("Customer"), _("Code"),
        _("Reason"), _("Currency"), _("Difference"), _("of it VAT"), _("Who"),
    )  # fmt: skip
    rows = _export_rows(request.principal.tenant.id, wanted, order)
    return lists.exported(request, "corrections", heads, rows)


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
        if request.method == "POST" and form.cleaned_data["token"]:
            made = services.correct_as_previewed(
                invoice, wanted, token=form.cleaned_data["token"],
                reason=form.cleaned_data["reason"], author=actor, now=now,
            )  # fmt: skip
            _tell(request, made)
            return redirect("office:invoice", invoice=made)
        preview = services.preview_correction(invoice, wanted, author=actor, now=now)
    row = queries.rows_of([invoice])[invoice]
    return render(
        request,
        "office/corrections/correct.html",
        {
            "form": form,
            "standing": standing,
            "row": row,
            "who": customers([row.customer_id])[row.customer_id],
            "preview": preview,
            "preview_kind": KINDS[preview.kind] if preview else "",
            "sent": _sent(form) if preview else (),
            "button": _button(preview) if preview else "",
            "earliest": row.issued_on or date.min,
        },
    )


def _export_rows(tenant: UUID, wanted: InvoiceFilter, order: str) -> Iterator[tuple[Any, ...]]:
    after: str | None = ""
    while after is not None:
        with tenant_scope(tenant, switch=True):
            found = queries.listed(wanted, order=order, after=after, limit=EXPORTED)
            who = customers(row.customer_id for row in found.rows)
            names = people(row.author for row in found.rows)
        for row in found.rows:
            sums = (row.total_minor, row.vat_minor)
            yield (
                row.number, row.issued_on, KINDS[row.kind], row.corrects_number,
                who[row.customer_id].name, who[row.customer_id].code, row.reason, row.currency,
                *(lists.plain_sum(one, row.currency) for one in sums),
                actor_text(row.author, names, lang()),
            )  # fmt: skip
        after = found.next


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
