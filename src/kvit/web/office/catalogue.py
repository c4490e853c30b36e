"""Catalogue: plans with their prices in words, a plan's card with its history, meters, taxes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.catalog import queries
from kvit.core.catalogue import Catalogue, PlanTerms, PriceTerms, StandingDiscount
from kvit.core.periods import local_date
from kvit.core.pricing.in_words import in_words
from kvit.core.pricing.labels import choice_label, model_label
from kvit.core.pricing.shape import models
from kvit.core.tax import vat_rate
from kvit.invoicing import queries as invoicing
from kvit.parties import queries as parties
from kvit.platform.paging import Page
from kvit.rating import queries as rating
from kvit.subscriptions import queries as subscriptions
from kvit.web import lists
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part, Sum
from kvit.web.forms import FilterForm
from kvit.web.office._diffs import differences
from kvit.web.office.links import people
from kvit.web.office.settings_sellers import VAT
from kvit.web.routes import page
from kvit.web.states import word as state_word
from kvit.web.tags import lang

LISTING = Listing(
    "plans",
    (
        Column("name", gettext_lazy("Plan"), sort="name", of=lambda one: one.plan.name,
               parts=(Part(gettext_lazy("Code"), lambda one: one.plan.code),)),
        Column("version", gettext_lazy("In force from"), sort="version", falls_first=True,
               of=lambda one: one.plan.effective_from),
        Column("words", gettext_lazy("Price in words"), of=lambda one: "; ".join(one.words)),
        Column("taken", gettext_lazy("Subscriptions"), kind="num", sort="taken",
               falls_first=True, of=lambda one: one.taken),
        Column("charged", gettext_lazy("Charged last month"), kind="num",
               of=lambda one: Sum(*one.charged[0][::-1]) if one.charged else None,
               parts=(Part(gettext_lazy("Currency"),
                           lambda one: one.charged[0][0] if one.charged else ""),)),
        Column("state", gettext_lazy("State"),
               of=lambda one: state_word("future" if one.is_future else "published")),
    ),
    order="-taken",
)  # fmt: skip
METERS = Listing(
    "meters",
    (
        Column("name", gettext_lazy("Meter"), of=lambda one: one["meter"].name,
               parts=(Part(gettext_lazy("Code"), lambda one: one["meter"].code),)),
        Column("unit", gettext_lazy("Unit"), of=lambda one: one["meter"].unit),
        Column("aggregation", gettext_lazy("How events add up"), of=lambda one: one["how"]),
        Column("dimensions", gettext_lazy("Dimensions"),
               of=lambda one: ", ".join(one["meter"].dimensions)),
        Column("prices", gettext_lazy("Prices that read it"),
               of=lambda one: ", ".join(one["prices"])),
    ),
)  # fmt: skip
SHOWN_PRICES = 4


class CatalogueFilter(FilterForm):
    """What the list of plans is narrowed to."""

    q = forms.CharField(
        label=gettext_lazy("Name or code"), max_length=200,
        widget=forms.TextInput(attrs={"type": "search"}),
    )  # fmt: skip
    meter = forms.ChoiceField(label=gettext_lazy("Meter"))
    model = forms.ChoiceField(label=gettext_lazy("Pricing model"))

    def __init__(self, *args: Any, known: Catalogue, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        any_ = [("", _("Any"))]
        for name, choices in (
            ("meter", [(code, one.name) for code, one in known.meters.items()]),
            ("model", [(one, model_label(one, lang())) for one in models()]),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = any_ + choices


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan as the list shows it."""

    plan: PlanTerms
    words: tuple[str, ...]
    more: int
    taken: int
    charged: tuple[tuple[str, int], ...]
    is_future: bool


@page("catalogue/", name="catalogue", right="catalogue.read")
def catalogue(request: HttpRequest) -> HttpResponse:
    known = queries.catalogue()
    form = CatalogueFilter(request.GET, known=known)
    today = local_date(request.now, parties.tenant().row.zone)
    order = lists.order_of(request, LISTING)
    rows = _ordered(list(_plan_rows(known, form.asked(), today, request.now)), order)
    return lists.listed(
        request, "office/catalogue/list.html", listing=LISTING,
        page=Page(tuple(rows), None, len(rows)), form=form, order=order,
        export=reverse("office:catalogue-export"), total=_total(rows),
        drafts=queries.drafts(limit=5).rows, is_partial=False,
    )  # fmt: skip


@page("catalogue/export/", name="catalogue-export", right="catalogue.read")
def export(request: HttpRequest) -> HttpResponseBase:
    """The plans of the filter; what each brought in each currency is a row."""
    known = queries.catalogue()
    asked = CatalogueFilter(request.GET, known=known).asked()
    today = local_date(request.now, parties.tenant().row.zone)
    rows = _ordered(
        list(_plan_rows(known, asked, today, request.now)), lists.order_of(request, LISTING)
    )
    return lists.exported_all(
        request, LISTING, lambda _after, _limit: Page(tuple(rows), None), name="plans",
        each=_each_currency,
    )  # fmt: skip


def _each_currency(row: PlanRow) -> Iterator[PlanRow]:
    for pair in row.charged or [None]:
        yield replace(row, charged=(pair,) if pair else ())


def _plan_rows(known: Catalogue, asked: dict[str, Any], today: date, now: Any) -> Iterator[PlanRow]:
    taken = subscriptions.taken(now=now)
    charged = _charged(known)
    for code, versions in known.plans.items():
        plan = known.plan_on(code, today) or versions[0]
        prices = known.prices_on(code, max(today, plan.effective_from))
        text = str(asked.get("q", "")).casefold()
        if text and text not in f"{plan.name} {code}".casefold():
            continue
        if "meter" in asked and asked["meter"] not in {one.meter for one in prices}:
            continue
        if "model" in asked and asked["model"] not in {one.price.model for one in prices}:
            continue
        words = tuple(price_words(one, known) for one in prices)
        yield PlanRow(
            plan, words[:SHOWN_PRICES], max(0, len(words) - SHOWN_PRICES), taken.get(code, 0),
            tuple(sorted(charged.get(code, {}).items())), plan.effective_from > today,
        )  # fmt: skip


def _ordered(rows: list[PlanRow], order: str) -> list[PlanRow]:
    keys: dict[str, Any] = {
        "name": lambda one: one.plan.name.casefold(),
        "version": lambda one: one.plan.effective_from,
        "taken": lambda one: one.taken,
    }
    rows.sort(key=lambda one: one.plan.code)
    return sorted(rows, key=keys[order.lstrip("-")], reverse=order.startswith("-"))


def _total(rows: Iterable[PlanRow]) -> dict[str, Any]:
    charged: dict[str, int] = defaultdict(int)
    taken = 0
    for row in rows:
        taken += row.taken
        for currency, minor in row.charged:
            charged[currency] += minor
    return {"taken": taken, "charged": sorted(charged.items())}


def _charged(known: Catalogue) -> dict[str, dict[str, int]]:
    """Return what the last run charged for the prices of each plan, by currency."""
    last = invoicing.last_billed()
    if last is None:
        return {}
    plan_of = {one.version_id: one.plan for many in known.prices.values() for one in many}
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for version, currency, minor in rating.charged_by_version(last.start):
        if version in plan_of:
            found[plan_of[version]][currency] += minor
    return found


def price_words(terms: PriceTerms, known: Catalogue) -> str:
    """Say a price of a plan in words: what for, and how much."""
    if terms.ends:
        return f"{terms.name}: {_('the price ends')}"
    meter = known.meters.get(terms.meter)
    said = in_words(
        terms.price, unit=meter.unit if meter else "", currency=parties.tenant().row.currency,
        lang=lang(),
    )  # fmt: skip
    return f"{terms.name}: {said}"


@page("catalogue/plans/<path:code>/", name="plan", right="catalogue.read")
def plan(request: HttpRequest, code: str) -> HttpResponse:
    known = queries.catalogue()
    versions = known.plans.get(code)
    if versions is None:
        raise Http404
    today = local_date(request.now, parties.tenant().row.zone)
    now = known.plan_on(code, today) or versions[0]
    history = queries.history(code)
    names = people(one.author for one in history)
    return render(
        request,
        "office/catalogue/plan.html",
        {
            "plan": now,
            "terms": list(_terms(now)),
            "prices": list(_prices(known, code, max(today, now.effective_from))),
            "coming": [
                {"price": one, "words": price_words(one, known)}
                for one in known.prices.get(code, ())
                if one.effective_from > today
            ],
            "discounts": [
                one for one in _discounts(known, today)
                if not one.scope or one.scope.partition("/")[0] == code
            ],
            "taken": subscriptions.taken(now=request.now).get(code, 0),
            "history": [
                {"version": one, "author": actor_text(one.author, names, lang()),
                 "changes": differences(one.before, one.document, one.kind, lang())}
                for one in history
            ],
            "today": today,
        },
    )  # fmt: skip


def _prices(known: Catalogue, code: str, day: date) -> Iterator[dict[str, Any]]:
    for one in known.prices_on(code, day):
        yield {
            "price": one,
            "words": price_words(one, known),
            "meter": known.meters.get(one.meter),
            "when": choice_label(one.when, lang()),
            "prorate": choice_label(one.prorate, lang()),
        }


def _discounts(known: Catalogue, today: date) -> list[StandingDiscount]:
    """What is taken today in its order, then what begins later, by its day."""
    coming = [one for one in known.discounts if one.effective_from > today]
    return [*known.discounts_on(today), *coming]


def _terms(plan: PlanTerms) -> Iterator[tuple[str, str]]:
    speech = lang()
    yield _("Period"), f"{choice_label(plan.cycle, speech)}, {choice_label(plan.anchor, speech)}"
    yield _("Billing"), choice_label(plan.scheme, speech)
    yield _("VAT in the price"), choice_label(plan.price_basis, speech)
    if plan.service:
        yield _("Service on documents"), plan.service
    if plan.seller:
        yield _("Seller"), plan.seller
    if plan.trial_days:
        yield _("Trial days"), str(plan.trial_days)
    if plan.includes:
        yield _("Includes plans"), ", ".join(plan.includes)
    if plan.phases:
        yield _("Phases"), ", ".join(f"{code}: {cycles}" for code, cycles in plan.phases)


@page("catalogue/meters/", name="meters", right="catalogue.read")
def meters(request: HttpRequest) -> HttpResponse:
    return lists.listed(
        request, "office/catalogue/meters.html", listing=METERS,
        page=_meters("", lists.SHOWN), export=reverse("office:meters-export"),
    )  # fmt: skip


@page("catalogue/meters/export/", name="meters-export", right="catalogue.read")
def meters_export(request: HttpRequest) -> HttpResponseBase:
    """All meters."""
    return lists.exported_all(request, METERS, _meters, name="meters")


def _meters(_after: str, _limit: int) -> Page[dict[str, Any]]:
    known = queries.catalogue()
    readers: dict[str, list[str]] = defaultdict(list)
    for code, many in known.prices.items():
        for one in dict.fromkeys((one.code, one.meter) for one in many):
            if one[1]:
                readers[one[1]].append(f"{code}/{one[0]}")
    rows = [
        {"meter": one, "how": choice_label(one.aggregation, lang()), "prices": readers[code]}
        for code, one in known.meters.items()
    ]
    return Page(tuple(rows), None, len(rows))


@page("catalogue/discounts/", name="discounts", right="catalogue.read")
def discounts(request: HttpRequest) -> HttpResponse:
    today = local_date(request.now, parties.tenant().row.zone)
    return render(
        request,
        "office/catalogue/discounts.html",
        {"discounts": _discounts(queries.catalogue(), today), "today": today,
         "coupons": queries.coupon_infos().values(), "currency": parties.tenant().row.currency},
    )  # fmt: skip


@page("catalogue/taxes/", name="taxes", right="catalogue.read")
def taxes(request: HttpRequest) -> HttpResponse:
    """VAT by seller: the rate follows from the law's dated table, and is not typed here."""
    today = local_date(request.now, parties.tenant().row.zone)
    regimes = dict(VAT)
    sellers = [
        {
            "seller": one,
            "rate": vat_rate(one.row.vat, today),
            "regime": regimes.get(one.row.vat, one.row.vat),
            "basis": choice_label(one.row.price_basis, lang()),
        }
        for one in parties.sellers().values()
    ]
    return render(request, "office/catalogue/taxes.html", {"sellers": sellers, "today": today})
