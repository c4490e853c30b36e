"""Subscriptions: the list, the card with its line of time, opening one."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.catalog import queries as catalog
from kvit.core.catalogue import Catalogue
from kvit.core.periods import Period, local_date
from kvit.core.pricing.labels import FIELDS
from kvit.core.terms import Terms
from kvit.core.wording import say
from kvit.invoicing import queries as invoicing
from kvit.invoicing import services as invoicing_services
from kvit.parties import queries as parties
from kvit.platform.paging import Page
from kvit.rating import queries as rating
from kvit.subscriptions import queries
from kvit.subscriptions.queries import Asked, Standing
from kvit.subscriptions.rows import SubscriptionInfo
from kvit.web import lists, opening, states
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part, Sum
from kvit.web.forms import DateField, FilterForm, OfficeForm
from kvit.web.office.catalogue import price_words
from kvit.web.office.links import customers, people
from kvit.web.routes import action, page
from kvit.web.tags import lang
from kvit.web.tags import number as written

INSTANT = timedelta(microseconds=1)
STATES = {code: states.STATES[code].word for code in queries.STATES}
LISTING = Listing(
    "subscriptions",
    (
        Column("code", gettext_lazy("Subscription"), sort="code",
               of=lambda one: one["one"].code,
               parts=(Part(gettext_lazy("Customer"), lambda one: one["who"] and one["who"].name),)),
        Column("plan", gettext_lazy("Plan"), of=lambda one: one["plan"],
               parts=(Part(gettext_lazy("Quantity"), lambda one: one["one"].quantity),)),
        Column("state", gettext_lazy("State"), of=lambda one: STATES[one["one"].state]),
        Column("charged", gettext_lazy("Charged last month"), kind="num",
               of=lambda one: one["charged"] and Sum(*one["charged"][0][::-1]),
               parts=(Part(gettext_lazy("Currency"),
                           lambda one: one["charged"] and one["charged"][0][0]),)),
        Column("change", gettext_lazy("Scheduled"), sort="change",
               of=lambda one: one["one"].changes_at,
               parts=(Part(gettext_lazy("What changes"), lambda one: one["becomes"]),)),
        Column("starts", gettext_lazy("Since"), sort="starts", falls_first=True,
               of=lambda one: one["one"].starts_on),
        Column("ends", gettext_lazy("Until"), of=lambda one: one["one"].ends_on, is_usual=False),
        Column("customer", gettext_lazy("Customer"), is_usual=False,
               of=lambda one: one["who"] and one["who"].name),
        Column("customer-code", gettext_lazy("Customer code"), is_usual=False,
               of=lambda one: one["who"] and one["who"].code),
        Column("plan-code", gettext_lazy("Plan code"), of=lambda one: one["one"].plan,
               is_usual=False),
        Column("quantity", gettext_lazy("Quantity"), kind="num", is_usual=False,
               of=lambda one: one["one"].quantity),
    ),
    order="code",
)  # fmt: skip
KINDS = {
    "restate": gettext_lazy("Restated"),
    "plan": gettext_lazy("Another plan"),
    "quantity": gettext_lazy("Quantity"),
    "transfer": gettext_lazy("Another payer"),
    "scheme": gettext_lazy("Billing scheme"),
    "terms": gettext_lazy("Terms of its own"),
    "discount": gettext_lazy("Discount"),
    "coupon": gettext_lazy("Coupon"),
    "addon": gettext_lazy("Add-on"),
    "trial": gettext_lazy("Trial"),
    "milestone": gettext_lazy("Milestone reached"),
    "resume": gettext_lazy("Resumed"),
    "pause": gettext_lazy("Paused from then"),
    "cancel": gettext_lazy("Ended from then"),
    "withdraw": gettext_lazy("A change is taken back"),
}


class SubscriptionsFilter(FilterForm):
    """What the list is narrowed to; `customer` comes by a link."""

    q = forms.CharField(
        label=gettext_lazy("Code, customer or INN"), max_length=200,
        widget=forms.TextInput(attrs={"type": "search"}),
    )  # fmt: skip
    plan = forms.ChoiceField(label=gettext_lazy("Plan"))
    state = forms.ChoiceField(label=gettext_lazy("State"))
    since = DateField(label=gettext_lazy("Begun from"))
    until = DateField(label=gettext_lazy("Begun before"))
    scheduled = forms.BooleanField(label=gettext_lazy("A change is scheduled"))
    special = forms.BooleanField(label=gettext_lazy("Terms of its own"))
    customer = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, known: Catalogue, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plans = sorted((code, many[-1].name) for code, many in known.plans.items())
        for name, choices in (("plan", plans), ("state", list(STATES.items()))):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", _("Any")), *choices]

    def wanted(self) -> Asked:
        """Return what was asked, as the query has it."""
        asked = self.asked()
        text = str(asked.get("q", "")).strip()
        payers = {asked["customer"]} if "customer" in asked else None
        code = text
        if text and payers is None and (found := parties.named_like(text)):
            payers, code = found, ""
        return Asked(
            code=code, plan=asked.get("plan", ""), state=asked.get("state", ""), customers=payers,
            scheduled=bool(asked.get("scheduled")), special=bool(asked.get("special")),
            since=asked.get("since"), until=asked.get("until"),
        )  # fmt: skip


@page("subscriptions/", name="subscriptions", right="subscriptions.read")
def subscriptions(request: HttpRequest) -> HttpResponse:
    known = catalog.catalogue()
    form = SubscriptionsFilter(request.GET, known=known)
    wanted = form.wanted()
    order = lists.order_of(request, LISTING)
    last = invoicing.last_billed()
    whole = [] if last is None else rating.charged_in_all(
        queries.asked_ids(wanted, now=request.now), billed_in=last.start
    )  # fmt: skip
    fetch = _fetch(known, wanted, order, last, now=request.now)
    return lists.listed(
        request, "office/subscriptions/list.html", listing=LISTING,
        page=fetch(request.GET.get("after", ""), lists.SHOWN),
        form=form, order=order, export=reverse("office:subscriptions-export"), whole=whole,
        month=last,
    )  # fmt: skip


def _fetch(
    known: Catalogue, wanted: Asked, order: str, last: Period | None, *, now: datetime
) -> lists.Fetch:
    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        found = queries.listed(wanted, now=now, sort=order, after=after, limit=limit)
        ids = [one.id for one in found.rows]
        charged = {} if last is None else rating.charged_of(ids, billed_in=last.start)
        who = customers(one.customer_id for one in found.rows)
        return found.of(
            lambda one: {
                "one": one, "who": who.get(one.customer_id), "plan": _plan_name(known, one.plan),
                "charged": charged.get(one.id, []),
                "becomes": _becomes(known, one),
            }
        )  # fmt: skip

    return fetch


def _plan_name(known: Catalogue, code: str) -> str:
    versions = known.plans.get(code)
    return versions[-1].name if versions else code


def _becomes(known: Catalogue, one: Standing) -> str:
    if one.becomes is None:
        return ""
    plan, state = one.becomes
    if state == "ended":
        return _("ends")
    if state == "paused":
        return _("is paused")
    return _plan_name(known, plan) if plan != one.plan else _("other terms")


@page("subscriptions/export/", name="subscriptions-export", right="subscriptions.read")
def export(request: HttpRequest) -> HttpResponseBase:
    """The rows of the filter, all pages of it; what was charged in each currency is a row."""
    known = catalog.catalogue()
    wanted = SubscriptionsFilter(request.GET, known=known).wanted()
    order = lists.order_of(request, LISTING)
    fetch = _fetch(known, wanted, order, invoicing.last_billed(), now=request.now)
    return lists.exported_all(request, LISTING, fetch, name="subscriptions", each=_each_currency)


def _each_currency(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for pair in item["charged"] or [None]:
        yield item | {"charged": [pair] if pair else None}


class OpeningForm(OfficeForm):
    """Who takes which plan from which day on."""

    customer = forms.CharField(label=gettext_lazy("Customer code"), max_length=80)
    plan = forms.ChoiceField(label=gettext_lazy("Plan"))
    code = forms.CharField(
        label=gettext_lazy("Code of the subscription"), max_length=64,
        help_text=gettext_lazy("Usage names it: the contract's number, a device, an account."),
    )  # fmt: skip
    start = DateField(label=gettext_lazy("From"))
    quantity = forms.CharField(label=gettext_lazy("Quantity"), initial="1", max_length=40)

    def __init__(self, *args: Any, known: Catalogue, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["plan"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = sorted((code, many[-1].name) for code, many in known.plans.items())


@action(
    "subscriptions/new/", name="subscription-new", right="subscriptions.write",
    operation="open_subscription", form=True,
)  # fmt: skip
def new(request: HttpRequest) -> HttpResponse:
    """Open a subscription: the form, and by POST the deed."""
    known = catalog.catalogue()
    today = local_date(request.now, parties.tenant().row.zone)
    begun = {"start": today, "customer": request.GET.get("customer", ""),
             "plan": request.GET.get("plan", "")}  # fmt: skip
    form = OpeningForm(request.POST or None, known=known, initial=begun)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        opening.open_one(
            code=said["code"], customer=said["customer"], plan=said["plan"], start=said["start"],
            quantity=said["quantity"], actor=request.principal.actor, now=request.now,
        )  # fmt: skip
        messages.success(request, _("Opened. It is billed from the day it begins."))
        return redirect("office:subscription", said["code"])
    status = 422 if request.method == "POST" else 200
    return render(request, "office/subscriptions/new.html", {"form": form}, status=status)


@page(
    "subscriptions/<path:code>/next/", name="subscription-next", right="subscriptions.read"
)  # fmt: skip
def following(request: HttpRequest, code: str) -> HttpResponse:
    """The next bills' lines of this subscription: billed and rolled back, so they are the bill."""
    info = _info(code)
    payer = parties.customers_by_id([info.customer_id])[info.customer_id].payer_id
    bills = [
        {
            "window": bill.window,
            "lines": [
                {"line": line, "currency": document.currency}
                for document in bill.documents
                for line in document.lines
                if line.subscription == code
            ],
        }
        for bill in invoicing_services.preview_payer(payer, now=request.now)
    ]
    return render(request, "office/subscriptions/next.html", {"bills": bills})


@page("subscriptions/<path:code>/", name="subscription", right="subscriptions.read")
def subscription(request: HttpRequest, code: str) -> HttpResponse:
    info = _info(code)
    known = catalog.catalogue()
    standing = queries.standing([info.id], now=request.now)[info.id]
    spells = _spells(info, known, request.now)
    amendments = queries.amendments_of_codes([code]).get(code, [])
    withdrawn = {str(one.value) for one in amendments if one.change == "withdraw"}
    names = people(one.author for one in amendments)
    who = customers([info.customer_id])
    day = max(local_date(request.now, info.zone), info.starts_on)
    history = [
        {
            "one": one, "title": KINDS.get(one.change, one.change),
            "author": actor_text(one.author, names, lang()), "value": _value(one.value, known),
            "withdrawn": str(one.number) in withdrawn,
            "scheduled": one.at > request.now and one.change != "withdraw",
        }
        for one in reversed(amendments)
    ]  # fmt: skip
    return render(
        request,
        "office/subscriptions/card.html",
        {
            "info": info,
            "standing": standing,
            "who": who.get(info.customer_id),
            "plan": _plan_name(known, standing.plan),
            "prices": [price_words(one, known) for one in known.prices_on(standing.plan, day)],
            "spells": spells,
            "history": history,
            "scheduled": [one for one in history if one["scheduled"] and not one["withdrawn"]],
            "changes": CHANGES,
        },
    )


CHANGES = (
    ("plan", gettext_lazy("Change the plan")),
    ("quantity", gettext_lazy("Change the quantity")),
    ("discount", gettext_lazy("Give a discount")),
    ("addon", gettext_lazy("Add an add-on")),
    ("terms", gettext_lazy("Agree a price of its own")),
    ("transfer", gettext_lazy("Pass to another payer")),
    ("pause", gettext_lazy("Pause")),
    ("resume", gettext_lazy("Resume")),
    ("cancel", gettext_lazy("End")),
    ("coupon", gettext_lazy("Use a coupon")),
    ("trial", gettext_lazy("Give a trial")),
    ("scheme", gettext_lazy("Change the billing scheme")),
    ("milestone", gettext_lazy("Note a milestone")),
)


def _info(code: str) -> SubscriptionInfo:
    info = queries.by_codes([code]).get(code)
    if info is None:
        raise Http404
    return info


def _spells(info: SubscriptionInfo, known: Catalogue, now: datetime) -> list[dict[str, Any]]:
    taker = UUID(str(info.first["customer"]))
    currency = parties.customers_by_id([taker])[taker].currency
    [contract] = queries.contracts([info.id], {taker: currency})
    who = customers(UUID(one.terms.customer) for one in contract.spells)
    return [
        {
            "start": local_date(one.start, info.zone),
            # The last day, as people say it: a change at midnight begins the day after.
            "end": None if one.end is None else local_date(one.end - INSTANT, info.zone),
            "is_now": one.start <= now and (one.end is None or now < one.end),
            "is_future": one.start > now,
            "plan": _plan_name(known, one.terms.plan),
            "state": one.terms.state,
            "quantity": one.terms.quantity,
            "payer": who.get(UUID(one.terms.customer)),
            "special": list(_special(one.terms)),
        }
        for one in contract.spells
    ]


def _special(terms: Terms) -> Iterator[str]:
    for discount in terms.discounts:
        amount = f"−{_plain(discount.percent)} %" if discount.percent is not None else _plain(
            discount.fixed
        )  # fmt: skip
        yield f"{_('discount')} {amount}" + (f" ({discount.price})" if discount.price else "")
    for code in terms.overrides:
        yield f"{_('own price')}: {code}"
    for code, quantity in terms.add_ons:
        yield f"+ {code} × {_plain(quantity)}"
    if terms.pinned_on:
        yield f"{_('prices as of')} {terms.pinned_on}"


def _plain(number: Fraction | None) -> str:
    return written(number)


def _value(value: Any, known: Catalogue) -> str:
    if isinstance(value, dict):
        shown = {name: one for name, one in value.items() if one not in (None, "")}
        return ", ".join(_part(name, one) for name, one in shown.items())
    text = "" if value is None else str(value)
    return _plan_name(known, text) if text in known.plans else text


def _part(name: str, value: Any) -> str:
    if name == "percent":
        return f"{written(value)}\N{NO-BREAK SPACE}%"
    return f"{say(FIELDS, name, lang()) if name in FIELDS else name}: {value}"
