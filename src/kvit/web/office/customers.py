"""Customers: who they are, what they have and owe, what happened, and how they are changed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from kvit.catalog import queries as catalog
from kvit.core.periods import local_date
from kvit.insight import customers as insight
from kvit.insight.customers import CustomerLine, CustomersAsked
from kvit.insight.timeline import KINDS, Stream, timeline
from kvit.invoicing import services as invoicing
from kvit.ledger import queries as ledger
from kvit.parties import queries as parties
from kvit.parties import services
from kvit.parties.rows import Customer
from kvit.platform.paging import Page
from kvit.web import lists, story
from kvit.web.authorship import actor_text, reason_text
from kvit.web.columns import Column, Listing, Part, Sum
from kvit.web.forms import FilterForm
from kvit.web.office.sources import documents_of
from kvit.web.routes import action, page
from kvit.web.tags import lang

CUSTOMER_KINDS = {
    "company": gettext_lazy("Company"),
    "sole": gettext_lazy("Sole proprietor"),
    "person": gettext_lazy("Person"),
}


def _said(code: str) -> Callable[[CustomerLine], object]:
    return lambda line: getattr(line.customer.row, code)


LISTING = Listing(
    "customers",
    (
        Column("name", gettext_lazy("Customer"), sort="name",
               of=lambda one: one.customer.row.name,
               parts=(Part(gettext_lazy("INN"), lambda one: one.customer.row.inn),)),
        Column("code", gettext_lazy("Code"), sort="code", of=lambda one: one.customer.row.code),
        Column("plans", gettext_lazy("Plans"), of=lambda one: ", ".join(one.plans)),
        Column("owed", gettext_lazy("Debt"), kind="num", sort="owed", falls_first=True,
               of=lambda one: Sum(*_only(one)[::-1]),
               parts=(Part(gettext_lazy("Currency"), lambda one: _only(one)[0]),)),
        Column("issued", gettext_lazy("Last document"), of=lambda one: one.last_issued),
        Column("segment", gettext_lazy("Segment"), of=lambda one: one.customer.row.segment),
        Column("kind", gettext_lazy("Kind"), is_usual=False,
               of=lambda one: CUSTOMER_KINDS[one.customer.row.kind]),
        *(
            Column(code, title, is_usual=False,
                   of=_said(code))
            for code, title in (
                ("inn", gettext_lazy("INN")), ("kpp", gettext_lazy("KPP")),
                ("email", gettext_lazy("E-mail")), ("phone", gettext_lazy("Phone")),
                ("branch", gettext_lazy("Branch")),
            )
        ),
    ),
    order="name",
)  # fmt: skip
STORY_KINDS = {
    "invoice": gettext_lazy("Documents"),
    "charge": gettext_lazy("Charges"),
    "usage": gettext_lazy("Usage"),
    "subscription": gettext_lazy("Subscriptions"),
    "amendment": gettext_lazy("Amendments"),
    "note": gettext_lazy("Notes"),
    "change": pgettext_lazy("of a customer", "Changes"),
}
ICONS = {
    "invoice": "file-invoice", "charge": "calculator", "usage": "activity",
    "subscription": "repeat", "amendment": "edit", "note": "note", "change": "history",
}  # fmt: skip
FIRST_STORY = 12  # things that the first screen tells
FIRST_DAY = date(1, 1, 2)


class CustomersFilter(FilterForm):
    """What the list is narrowed to."""

    q = forms.CharField(
        label=gettext_lazy("Name, INN, code, phone"), max_length=200,
        widget=forms.TextInput(attrs={"type": "search"}),
    )  # fmt: skip
    kind = forms.ChoiceField(label=gettext_lazy("Kind"))
    segment = forms.ChoiceField(label=gettext_lazy("Segment"))
    branch = forms.ChoiceField(label=gettext_lazy("Branch"))
    owing = forms.BooleanField(label=gettext_lazy("With a debt"))
    idle = forms.BooleanField(label=gettext_lazy("No active subscription"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = parties.customer_choices()
        for name, choices in (
            ("kind", list(CUSTOMER_KINDS.items())),
            ("segment", [(one, one) for one in known.segments]),
            ("branch", list(known.branches.items())),
        ):
            if choices:
                field = self.fields[name]
                assert isinstance(field, forms.ChoiceField)
                field.choices = [("", _("Any")), *choices]
            else:
                del self.fields[name]

    def filter(self, branches: frozenset[str]) -> CustomersAsked:
        """Return what was asked; `branches` are those that the reader is bound to."""
        asked = self.asked()
        wanted = {asked["branch"]} if "branch" in asked else set(branches)
        bound = wanted & branches if branches else wanted
        return CustomersAsked(
            text=asked.get("q", ""),
            kind=asked.get("kind", ""),
            segment=asked.get("segment", ""),
            branches=sorted(bound) if bound or branches else None,
            is_owing=bool(asked.get("owing")),
            is_idle=bool(asked.get("idle")),
        )


@page("customers/", name="customers", right="customers.read", personal=True)
def customers(request: HttpRequest) -> HttpResponse:
    form = CustomersFilter(request.GET)
    wanted = form.filter(request.principal.branches)
    order = lists.order_of(request, LISTING)
    on = today(request)
    found = insight.customers_page(
        wanted, now=request.now, on=on, order=order, after=request.GET.get("after", "")
    )
    is_small = found.count is not None and found.count <= 10_000
    is_summed = is_small or "sum" in request.GET
    return lists.listed(
        request,
        "office/customers/list.html",
        listing=LISTING,
        page=found,
        form=form,
        order=order,
        export=reverse("office:customers-export"),
        is_summed=is_summed,
        sums=insight.owed_in_all(wanted, now=request.now, on=on) if is_summed else {},
        plans=catalog.plan_names(),
    )


@page("customers/export/", name="customers-export", right="customers.read", personal=True)
def export(request: HttpRequest) -> HttpResponseBase:
    """The rows of the filter, all pages of it, in its order; a debt in each currency is a row."""
    wanted = CustomersFilter(request.GET).filter(request.principal.branches)
    order, on, now = lists.order_of(request, LISTING), today(request), request.now

    def fetch(after: str, limit: int) -> Page[CustomerLine]:
        return insight.customers_page(wanted, now=now, on=on, order=order, after=after, limit=limit)

    return lists.exported_all(request, LISTING, fetch, name="customers", each=_each_currency)


def _each_currency(line: CustomerLine) -> Iterator[CustomerLine]:
    for currency, minor in (line.owed or {line.customer.currency: 0}).items():
        yield replace(line, owed={currency: minor})


def _only(line: CustomerLine) -> tuple[str, int]:
    """The (currency, minor) of a row of the file."""
    [owed] = line.owed.items()
    return owed


@page("customers/<uuid:customer>/", name="customer", right="customers.read", personal=True)
def customer(request: HttpRequest, customer: UUID) -> HttpResponse:
    """What they have now, what they owe, what happened last."""
    card = insight.customer_card(
        customer, now=request.now, on=today(request), branches=request.principal.branches
    )
    if card is None:
        raise Http404
    found = card.customer
    stream = timeline(found, limit=FIRST_STORY)
    return render(
        request,
        "office/customers/card.html",
        _around(found, "customer")
        | {
            "card": card,
            "plans": catalog.plan_names(),
            "story": told(stream, found),
            "is_more": stream.next is not None,
            "alive": [one for one in card.subscriptions if one.state != "ended"],
        },
    )


@page("customers/<uuid:customer>/story/", name="customer-story", right="customers.read",
      personal=True)  # fmt: skip
def customer_story(request: HttpRequest, customer: UUID) -> HttpResponse:
    """Everything that happened, by kinds."""
    found = find(request, customer)
    kinds = {kind for kind in request.GET.getlist("kind") if kind in KINDS}
    stream = timeline(found, kinds=kinds, after=request.GET.get("after", ""))
    chips = [{"code": code, "title": title, "here": code in kinds}
             for code, title in STORY_KINDS.items()]  # fmt: skip
    context = {"story": told(stream, found), "next": stream.next, "chips": chips, "kinds": kinds}
    return render(request, "office/customers/story.html",
                  _around(found, "customer-story") | context)  # fmt: skip


@page("customers/<uuid:customer>/balance/", name="customer-balance", right="books.read",
      reach="branch", personal=True)  # fmt: skip
def customer_balance(request: HttpRequest, customer: UUID) -> HttpResponse:
    """Every movement, from nothing to what is owed."""
    found = find(request, customer)
    end = date(9999, 12, 30)
    asked = ledger.Asked(None, FIRST_DAY, end, customer=customer)
    card = ledger.card_page(asked, after=request.GET.get("after", ""))
    context = {"movements": card, "documents": documents_of(one.source for one in card.lines)}
    return render(request, "office/customers/balance.html",
                  _around(found, "customer-balance") | context)  # fmt: skip


@page("customers/<uuid:customer>/requisites/", name="customer-requisites", right="customers.read",
      personal=True)  # fmt: skip
def customer_requisites(request: HttpRequest, customer: UUID) -> HttpResponse:
    found = find(request, customer)
    payer = parties.customers_by_id([found.payer_id])[found.payer_id]
    context = {"kind": CUSTOMER_KINDS[found.row.kind], "payer": payer}
    return render(request, "office/customers/requisites.html",
                  _around(found, "customer-requisites") | context)  # fmt: skip


@page("customers/<uuid:customer>/next-bill/", name="customer-next-bill", right="invoices.read")
def customer_next_bill(request: HttpRequest, customer: UUID) -> HttpResponse:
    """What the bill of this period and the next would be, by the very bill run, rolled back."""
    found = find(request, customer)
    bills = invoicing.preview_payer(found.payer_id, now=request.now)
    shown = [
        {"window": bill.window, "documents": bill.documents,
         "sums": {one.currency: bill.total_minor(one.currency) for one in bill.documents}}
        for bill in bills
    ]  # fmt: skip
    return render(request, "office/customers/next_bill.html", {"bills": shown, "customer": found})


@action("customers/<uuid:customer>/notes/", name="customer-note", right="customers.write",
        operation="add_customer_note")  # fmt: skip
def customer_note(request: HttpRequest, customer: UUID) -> HttpResponse:
    found = find(request, customer)
    services.add_note(
        found.id, request.POST.get("text", ""), actor=request.principal.actor, now=request.now
    )
    messages.success(request, _("The note is kept."))
    return redirect("office:customer", customer=customer)


def find(request: HttpRequest, key: UUID) -> Customer:
    """Return the customer, or 404 where there is none that the reader may see."""
    found = insight.customer_of(key, branches=request.principal.branches)
    if found is None:
        raise Http404
    return found


def today(request: HttpRequest) -> date:
    """Return the day on the tenant's wall."""
    return local_date(request.now, request.principal.tenant.row.zone)


def told(stream: Stream, customer: Customer) -> list[dict[str, Any]]:
    """Return a page of the timeline in words, each with the door to what it speaks of."""
    return [
        {
            "at": one.at,
            "kind": one.kind,
            "icon": ICONS[one.kind],
            "title": STORY_KINDS[one.kind],
            "text": story.sentence(one, lang(), customer.zone),
            "who": actor_text(one.actor, stream.people, lang()),
            "reason": reason_text(one.reason, lang()),
            "invoice": one.facts["id"] if one.kind == "invoice" else None,
            "subscription": one.facts.get("code") if one.kind != "invoice" else None,
        }
        for one in stream.entries
    ]


def _around(found: Customer, here: str) -> dict[str, Any]:
    return {"customer": found, "row": found.row, "here": here}
