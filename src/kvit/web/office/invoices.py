"""Invoices: the list with its sums, the card as the client sees it, papers, drafts decided."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from kvit.core.money import exponent
from kvit.core.periods import Period
from kvit.invoicing import queries, services
from kvit.invoicing.queries import InvoiceFilter, InvoiceRow, TabTotal
from kvit.parties import queries as parties
from kvit.platform import audit_log
from kvit.platform.paging import COUNTED, Page, uncounted
from kvit.web import invoice_card, lists
from kvit.web.attempts import note_above_limit
from kvit.web.columns import Column, Listing, Part, Sum
from kvit.web.forms import DateField, FilterForm, SumField
from kvit.web.office.links import customers, people
from kvit.web.paper import paper_of
from kvit.web.routes import action, page
from kvit.web.states import word as state_word
from kvit.web.tags import lang

DAY = timedelta(days=1)
LISTING = Listing(
    "invoices",
    (
        Column("number", gettext_lazy("Number and date"), sort="day", falls_first=True, parts=(
            Part(gettext_lazy("Number"), lambda one: one["row"].number),
            Part(gettext_lazy("Date"), lambda one: one["row"].issued_on),
        )),
        Column("customer", gettext_lazy("Customer"), of=lambda one: one["who"].name),
        Column("period", gettext_lazy("Period"), sort="period", falls_first=True, parts=(
            Part(gettext_lazy("Period from"), lambda one: one["row"].period_start),
            Part(gettext_lazy("Period to"), lambda one: one["row"].period_end - DAY),
        )),
        Column("total", gettext_lazy("Total"), kind="num", sort="total", falls_first=True,
               of=lambda one: Sum(one["row"].total_minor, one["row"].currency),
               parts=(Part(gettext_lazy("Currency"), lambda one: one["row"].currency),)),
        Column("left", gettext_lazy("After corrections"), kind="num",
               of=lambda one: Sum(one["row"].left_minor, one["row"].currency)),
        Column("state", gettext_lazy("State"), of=lambda one: state_word(one["state"])),
        Column("kind", gettext_lazy("Document"), of=lambda one: one["kind"], is_usual=False),
        Column("code", gettext_lazy("Code"), of=lambda one: one["who"].code, is_usual=False),
        Column("inn", gettext_lazy("INN"), of=lambda one: one["who"].inn, is_usual=False),
        Column("net", gettext_lazy("Net"), kind="num", is_usual=False,
               of=lambda one: Sum(one["row"].net_minor, one["row"].currency)),
        Column("vat", gettext_lazy("VAT"), kind="num", is_usual=False,
               of=lambda one: Sum(one["row"].vat_minor, one["row"].currency)),
        Column("corrects", gettext_lazy("Corrects"), is_usual=False,
               of=lambda one: one["row"].corrects_number),
        Column("reason", gettext_lazy("Reason"), of=lambda one: one["row"].reason, is_usual=False),
    ),
    order="-day",
)  # fmt: skip
TABS = {
    "drafts": gettext_lazy("Drafts"),
    "issued": pgettext_lazy("tab", "Issued"),
    "corrected": pgettext_lazy("tab", "Corrected"),
    "void": pgettext_lazy("tab", "Void"),
    "all": gettext_lazy("All"),
}
KINDS = {
    "invoice": gettext_lazy("Invoice"),
    "credit_note": gettext_lazy("Credit note"),
    "debit_note": gettext_lazy("Debit note"),
    "void": gettext_lazy("Reversal"),
}
CAUSES = {
    "volume": gettext_lazy("usage and quantity"),
    "price": gettext_lazy("price, discount, tax"),
    "days": gettext_lazy("days of service"),
    "new": gettext_lazy("new"),
    "gone": gettext_lazy("no longer there"),
    "recalculated": gettext_lazy("recalculation of earlier periods"),
}
PAPERS = {
    "invoice": gettext_lazy("Invoice, PDF"),
    "act": gettext_lazy("Act, PDF"),
    "credit_note": gettext_lazy("Credit note, PDF"),
    "debit_note": gettext_lazy("Debit note, PDF"),
    "reversal": gettext_lazy("Reversal, PDF"),
}
MOST_CHOSEN = 500
MOST_PAST = 30  # rows of the journal on a card


class InvoicesFilter(FilterForm):
    """What the list is narrowed to; `tab` and `customer` come by links."""

    q = forms.CharField(
        label=gettext_lazy("Number, customer or INN"), max_length=200,
        widget=forms.TextInput(attrs={"type": "search"}),
    )  # fmt: skip
    period = forms.ChoiceField(label=gettext_lazy("Billing period"))
    issued_from = DateField(label=gettext_lazy("Issued from"))
    issued_to = DateField(label=gettext_lazy("Issued to"))
    least = SumField(label=gettext_lazy("Sum from"))
    most = SumField(label=gettext_lazy("Sum to"))
    kind = forms.ChoiceField(label=gettext_lazy("Document"))
    seller = forms.ChoiceField(label=gettext_lazy("Seller"))
    currency = forms.ChoiceField(label=gettext_lazy("Currency"))
    tab = forms.CharField(widget=forms.HiddenInput)
    customer = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        any_ = [("", _("Any"))]
        periods = [(start.isoformat(), _month(start, end)) for start, end in queries.periods()]
        sellers = [(str(one.id), one.row.name) for one in parties.sellers().values()]
        currencies = [(one, one) for one in parties.currencies()]
        for name, choices in (
            ("period", periods), ("kind", list(KINDS.items())), ("seller", sellers),
            ("currency", currencies),
        ):  # fmt: skip
            if name in ("seller", "currency") and len(choices) < 2:
                del self.fields[name]
            else:
                field = self.fields[name]
                assert isinstance(field, forms.ChoiceField)
                field.choices = any_ + choices

    def filter(self) -> InvoiceFilter:
        """Return what was asked, as the query has it."""
        asked = self.asked()
        period = date.fromisoformat(asked["period"]) if "period" in asked else None
        tab = asked.get("tab", "all")
        own = asked.get("customer")
        wanted = InvoiceFilter(
            tab=tab if tab in queries.TABS else "all",
            issued_from=asked.get("issued_from"),
            issued_to=asked.get("issued_to"),
            period_from=period,
            period_to=period,
            customers=None if own is None else {own},
            seller=UUID(asked["seller"]) if "seller" in asked else None,
            currency=asked.get("currency", ""),
            kind=asked.get("kind", ""),
            least_minor=_minor(asked.get("least"), asked),
            most_minor=_minor(asked.get("most"), asked),
        )
        return _searched(wanted, asked.get("q", "").strip())


@page("invoices/", name="invoices", right="invoices.read", personal=True)
def invoices(request: HttpRequest) -> HttpResponse:
    form = InvoicesFilter(request.GET)
    wanted = form.filter()
    order = lists.order_of(request, LISTING)
    totals = queries.totals(replace(wanted, tab="all"))
    with uncounted():  # the totals of the tabs have counted it
        found = _fetch(wanted, order)(request.GET.get("after", ""), lists.SHOWN)
    return lists.listed(
        request,
        "office/invoices/list.html",
        listing=LISTING,
        page=replace(found, count=min(totals[wanted.tab].count, COUNTED + 1)),
        form=form,
        order=order,
        export=reverse("office:invoices-export"),
        tabs=_tabs(totals, wanted.tab),
        tab=wanted.tab,
        total=totals[wanted.tab],
        is_choosing=wanted.tab == "drafts",
    )


@page("invoices/export/", name="invoices-export", right="invoices.read", personal=True)
def export(request: HttpRequest) -> HttpResponseBase:
    """The rows of the filter, all pages of it, in its order."""
    wanted = InvoicesFilter(request.GET).filter()
    fetch = _fetch(wanted, lists.order_of(request, LISTING))
    return lists.exported_all(request, LISTING, fetch, name="invoices")


def _fetch(wanted: InvoiceFilter, order: str) -> lists.Fetch:
    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        found = queries.listed(wanted, order=order, after=after, limit=limit)
        who = customers(row.customer_id for row in found.rows)
        return found.of(lambda row: _shown(row, who))

    return fetch


@page("invoices/<uuid:invoice>/", name="invoice", right="invoices.read", personal=True)
def invoice(request: HttpRequest, invoice: UUID) -> HttpResponse:
    card = invoice_card.card_of(invoice)
    if card is None:
        raise Http404
    who = customers([card.row.customer_id])[card.row.customer_id]
    made = [{"row": row, "kind": KINDS[row.kind]} for row in card.family]
    past = audit_log.history("invoicing.invoice", str(invoice), limit=MOST_PAST)
    return render(
        request,
        "office/invoices/card.html",
        {
            "card": card,
            "row": card.row,
            "who": who,
            "kind": KINDS[card.row.kind],
            "family": made,
            "people": people(
                {one.author for one in card.family}
                | {one.approver for one in card.family}
                | {one.actor for one in past}
            ),
            "past": past,
            "causes": [{"cause": one, "title": CAUSES[one.code]} for one in card.causes],
            "papers": [{"kind": one, "title": PAPERS[one]} for one in card.papers],
        },
    )


@page("invoices/<uuid:invoice>/<str:kind>.pdf", name="invoice-pdf", right="invoices.read",
      personal=True)  # fmt: skip
def pdf(request: HttpRequest, invoice: UUID, kind: str) -> HttpResponse:
    """The printed document: the bytes that were kept, or printed now and kept from now on."""
    found = paper_of(invoice, kind, actor=request.principal.actor, now=request.now)
    if found is None:
        raise Http404
    answer = HttpResponse(found.content, content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="{found.name}"'
    return answer


@action("invoices/decide/", name="invoices-decide", right="invoices.approve",
        operation="approve_drafts")  # fmt: skip
def decide(request: HttpRequest) -> HttpResponse:
    """Approve or refuse the drafts that were chosen: all of them, or none."""
    chosen = [UUID(one) for one in request.POST.getlist("invoice")[:MOST_CHOSEN]]
    actor, now = request.principal.actor, request.now
    if request.POST.get("way") == "refuse":
        done = services.refuse(chosen, reason=request.POST.get("reason", ""), actor=actor, now=now)
        text = ngettext(
            "%(counter)s draft refused: its charges go to the next run.",
            "%(counter)s drafts refused: their charges go to the next run.", len(done),
        )  # fmt: skip
    else:
        try:
            done = services.approve(chosen, approver=actor, now=now)
        except services.AboveLimit as error:
            note_above_limit(request, error)
            raise
        text = ngettext("%(counter)s document issued.", "%(counter)s documents issued.", len(done))
    if done:
        messages.success(request, text % {"counter": len(done)})
    if len(done) == 1 and request.POST.get("way") != "refuse":
        return redirect("office:invoice", invoice=done[0])
    return redirect(f"{reverse('office:invoices')}?tab=drafts")


def _shown(row: InvoiceRow, who: Any) -> dict[str, Any]:
    return {
        "row": row,
        "who": who.get(row.customer_id),
        "kind": KINDS[row.kind],
        "state": row.waits_for or row.state,
    }


def _tabs(totals: dict[Any, TabTotal], present: str) -> list[dict[str, Any]]:
    return [
        {
            "code": tab,
            "title": title,
            "count": totals[tab].count,
            "sums": list(totals[tab].sums.items()),
            "here": tab == present,
        }
        for tab, title in TABS.items()
    ]


def _searched(wanted: InvoiceFilter, text: str) -> InvoiceFilter:
    """A number is looked for first; what is no number names customers."""
    if not text:
        return wanted
    by_number = replace(wanted, number=text)
    if (
        any(sign.isdigit() for sign in text)
        and queries.listed(replace(by_number, tab="all"), limit=1).rows
    ):
        return by_number
    return replace(wanted, customers=parties.named_like(text))


def _minor(value: Any, asked: dict[str, Any]) -> int | None:
    if value is None:
        return None
    digits = exponent(asked.get("currency") or parties.tenant().row.currency)
    return int(value.scaleb(digits).to_integral_value())


def _month(start: date, end: date) -> str:
    from kvit.core.wording import period_text

    return period_text(Period(start, end), lang())
