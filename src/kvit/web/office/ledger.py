"""The books: trial balance, an account's card and its customers, receivables, the journal.

Any figure is a door: a cell of the trial balance opens the card of those days, a line of the card
its document, and the document why it is so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.core.periods import (
    BadPeriod,
    Period,
    add_months,
    instant_of,
    local_date,
    period_before,
)
from kvit.ledger import queries
from kvit.ledger.queries import Asked, Compared
from kvit.ledger.rows import PostingsAsked
from kvit.parties import queries as parties
from kvit.parties.rows import Seller
from kvit.platform.paging import COUNTED, Page
from kvit.platform.tenancy import tenant_scope
from kvit.web import lists
from kvit.web.columns import Column, Listing, Part, Sum
from kvit.web.forms import DateField, FilterForm
from kvit.web.office.links import customers
from kvit.web.office.sources import documents_of
from kvit.web.routes import page

DAY = timedelta(days=1)
EXPORTED = 1_000
POSTINGS = Listing(
    "postings",
    (
        Column("day", gettext_lazy("Date"), of=lambda one: one["row"].effective_on),
        Column("document", gettext_lazy("Document"), of=lambda one: one["document"].text),
        Column("customer", gettext_lazy("Customer"),
               of=lambda one: one["who"].name if one["who"] else ""),
        Column("debit", gettext_lazy("Debit"), of=lambda one: one["row"].debit),
        Column("credit", gettext_lazy("Credit"), of=lambda one: one["row"].credit),
        Column("sum", gettext_lazy("Sum"), kind="num",
               of=lambda one: Sum(one["row"].amount_minor, one["row"].currency),
               parts=(Part(gettext_lazy("Currency"), lambda one: one["row"].currency),)),
        Column("code", gettext_lazy("Customer code"), is_usual=False,
               of=lambda one: one["who"].code if one["who"] else ""),
    ),
)  # fmt: skip
RECEIVABLES = Listing(
    "receivables",
    (
        Column("customer", gettext_lazy("Customer"), parts=(
            Part(gettext_lazy("Code"), lambda one: one["who"].code if one["who"] else ""),
            Part(gettext_lazy("Customer"), lambda one: one["who"].name if one["who"] else ""),
            Part(gettext_lazy("INN"), lambda one: one["who"].inn if one["who"] else ""),
        )),
        Column("sum", gettext_lazy("Owes"), kind="num",
               of=lambda one: Sum(one["row"].closing_minor, one["row"].currency),
               parts=(Part(gettext_lazy("Currency"), lambda one: one["row"].currency),)),
        Column("inn", gettext_lazy("INN"), is_usual=False,
               of=lambda one: one["who"].inn if one["who"] else ""),
    ),
)  # fmt: skip


class DaysForm(FilterForm):
    """From which day to which, both included; as it was known at the end of which."""

    since = DateField(label=gettext_lazy("From day"))
    to = DateField(label=gettext_lazy("To day"))
    seller = forms.ChoiceField(label=gettext_lazy("Seller"))
    known = DateField(label=gettext_lazy("As known on"))

    def __init__(self, *args: Any, sellers: Sequence[Seller], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(sellers) < 2:
            del self.fields["seller"]
        else:
            field = self.fields["seller"]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", _("Any")), *((one.row.code, one.row.name) for one in sellers)]


class OsvForm(DaysForm):
    """The same, maybe beside the period before."""

    compare = forms.BooleanField(label=gettext_lazy("Beside the period before"))


class AccountForm(DaysForm):
    """The same of one account, maybe of one customer."""

    customer = forms.UUIDField(widget=forms.HiddenInput)


class ReceivablesForm(FilterForm):
    """What was owed at the end of a day."""

    on = DateField(label=gettext_lazy("At the end of day"))


class PostingsForm(FilterForm):
    """What the journal is narrowed to."""

    account = forms.CharField(label=gettext_lazy("Account"), max_length=20)
    since = DateField(label=gettext_lazy("From day"))
    to = DateField(label=gettext_lazy("To day"))
    customer = forms.UUIDField(widget=forms.HiddenInput)
    source = forms.CharField(widget=forms.HiddenInput, max_length=120)

    def wanted(self) -> PostingsAsked:
        """Return what was asked, as the query has it."""
        asked = self.asked()
        return PostingsAsked(
            since=asked.get("since"),
            until=asked.get("to"),
            account=asked.get("account", ""),
            customer=asked.get("customer"),
            source=asked.get("source", ""),
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose books, of which days (both included), as known at a moment."""

    seller: Seller
    since: date
    to: date
    known: datetime | None

    @property
    def period(self) -> Period:
        return Period(self.since, self.to + DAY)

    def query(self, **more: object) -> str:
        """Return the same choice as a query of an address."""
        said: dict[str, object] = {"since": self.since, "to": self.to}
        said |= {"seller": self.seller.row.code, **more}
        return urlencode({key: value for key, value in said.items() if value})

    def asked(self, account: str = "", customer: UUID | None = None) -> Asked:
        return Asked(self.seller.id, self.since, self.to + DAY, account, customer, self.known)


@page("ledger/osv/", name="trial-balance", right="books.read", reach="branch")
def trial_balance(request: HttpRequest) -> HttpResponse:
    form, chosen = _chosen(request, OsvForm)
    if chosen is None:
        return render(request, "office/ledger/no_seller.html")
    before = _before(form, chosen)
    tables = [
        _table(one, before, currency, rows)
        for one in _each_seller(request, chosen)
        for currency, rows in _by_currency(one, before)
    ]
    return render(
        request,
        "office/ledger/trial_balance.html",
        {"form": form, "chosen": chosen, "tables": tables, "presets": _presets(request),
         "before": before, "is_one": bool(request.GET.get("seller"))},
    )  # fmt: skip


@page("ledger/osv/export/", name="trial-balance-export", right="books.read", reach="branch")
def trial_balance_export(request: HttpRequest) -> HttpResponseBase:
    form, chosen = _chosen(request, OsvForm)
    if chosen is None:
        raise Http404
    before = _before(form, chosen)
    sides = (
        _("Opening, debit"), _("Opening, credit"), _("Debit"), _("Credit"), _("Closing, debit"),
        _("Closing, credit"),
    )  # fmt: skip
    heads = [_("Seller"), _("Account"), _("Name"), _("Currency"), *sides]
    if before is not None:
        heads += [_("Before: %(column)s") % {"column": one} for one in sides]
        heads += [_("Change: %(column)s") % {"column": one} for one in sides]
    rows = [
        (one.seller.row.name, row.account, row.name, currency,
         *(lists.plain_sum(minor, currency) for minor in _exported_sums(row, before)))
        for one in _each_seller(request, chosen)
        for currency, found in _by_currency(one, before)
        for row in found
    ]  # fmt: skip
    return lists.exported(request, f"osv-{chosen.since}-{chosen.to}", heads, rows)


@page(
    "ledger/accounts/<str:account>/card/", name="account-card", right="books.read", reach="branch"
)
def account_card(request: HttpRequest, account: str) -> HttpResponse:
    """Every movement of an account, of one customer if asked, with the balance after each."""
    form, chosen, name = _of_account(request, account)
    customer = form.asked().get("customer")
    card = queries.card_page(chosen.asked(account, customer), after=request.GET.get("after", ""))
    who = customers({customer, *(line.customer_id for line in card.lines)})
    return render(
        request,
        "office/ledger/card.html",
        {
            "form": form, "chosen": chosen, "account": account, "name": name, "card": card,
            "who": who, "whose": who.get(customer) if customer else None,
            "documents": documents_of(line.source for line in card.lines),
            "same": chosen.query(customer=customer),
        },
    )  # fmt: skip


@page(
    "ledger/accounts/<str:account>/card/export/",
    name="account-card-export",
    right="books.read",
    reach="branch",
)
def account_card_export(request: HttpRequest, account: str) -> HttpResponseBase:
    form, chosen, name = _of_account(request, account)
    asked = chosen.asked(account, form.asked().get("customer"))
    heads = (
        _("Date"), _("Document"), _("Against"), _("Customer"), _("Currency"), _("Debit"),
        _("Credit"), _("Running balance"),
    )  # fmt: skip
    rows = _card_rows(request.principal.tenant.id, asked)
    title = f"card-{account}-{name}-{chosen.since}-{chosen.to}"
    return lists.exported(request, title, heads, rows)


@page(
    "ledger/accounts/<str:account>/customers/",
    name="account-customers",
    right="books.read",
    reach="branch",
)
def account_customers(request: HttpRequest, account: str) -> HttpResponse:
    """An account customer by customer: what they had, what moved, what they have."""
    form, chosen, name = _of_account(request, account)
    found = queries.customers_page(chosen.asked(account), after=request.GET.get("after", ""))
    return render(
        request,
        "office/ledger/customers.html",
        {
            "form": form, "chosen": chosen, "account": account, "name": name, "found": found,
            "who": customers(row.customer_id for row in found.rows), "same": chosen.query(),
            "is_counted": found.count <= COUNTED,
        },
    )  # fmt: skip


@page("ledger/accounts/<str:account>/customers/export/", name="account-customers-export",
      right="books.read", reach="branch")  # fmt: skip
def account_customers_export(request: HttpRequest, account: str) -> HttpResponseBase:
    chosen = _of_account(request, account)[1]
    heads = (
        _("Code"), _("Customer"), _("Currency"), _("Opening balance"), _("Debit"), _("Credit"),
        _("Closing balance"),
    )  # fmt: skip
    rows = _customer_rows(request.principal.tenant.id, chosen.asked(account))
    return lists.exported(request, f"customers-{account}-{chosen.since}-{chosen.to}", heads, rows)


@page("ledger/receivables/", name="receivables", right="books.read", reach="branch")
def receivables(request: HttpRequest) -> HttpResponse:
    """Who owes how much at the end of any day: claims less advances, of all sellers."""
    form = ReceivablesForm(request.GET)
    on = form.asked().get("on") or _today(request)
    found = _owed(on, request.GET.get("after", ""))
    return lists.listed(
        request,
        "office/ledger/receivables.html",
        listing=RECEIVABLES,
        page=_with_names(found),
        form=form,
        export=reverse("office:receivables-export"),
        on=on,
        sums=found.sums,
    )


@page("ledger/receivables/export/", name="receivables-export", right="books.read", reach="branch")
def receivables_export(request: HttpRequest) -> HttpResponseBase:
    on = ReceivablesForm(request.GET).asked().get("on") or _today(request)
    return lists.exported_all(
        request, RECEIVABLES, lambda after, limit: _with_names(_owed(on, after, limit)),
        name=f"receivables-{on}",
    )  # fmt: skip


def _with_names(found: Any) -> Page[dict[str, Any]]:
    who = customers(row.customer_id for row in found.rows)
    rows = tuple({"row": row, "who": who.get(row.customer_id)} for row in found.rows)
    return Page(rows, found.next, found.count)


@page("ledger/postings/", name="postings", right="books.read", reach="branch")
def postings(request: HttpRequest) -> HttpResponse:
    """The journal: every posting, narrowed by account, days, customer, document."""
    form = PostingsForm(request.GET)
    found, sums = queries.postings_page(form.wanted(), after=request.GET.get("after", ""))
    return lists.listed(
        request,
        "office/ledger/postings.html",
        listing=POSTINGS,
        page=_told(found),
        form=form,
        export=reverse("office:postings-export"),
        sums=sums,
    )


@page("ledger/postings/export/", name="postings-export", right="books.read", reach="branch")
def postings_export(request: HttpRequest) -> HttpResponseBase:
    wanted = PostingsForm(request.GET).wanted()

    def fetch(after: str, limit: int) -> Page[dict[str, Any]]:
        return _told(queries.postings_page(wanted, after=after, limit=limit)[0])

    return lists.exported_all(request, POSTINGS, fetch, name="postings")


def _told(found: Page[Any]) -> Page[dict[str, Any]]:
    who = customers(row.customer_id for row in found.rows)
    documents = documents_of(row.source for row in found.rows)
    return found.of(
        lambda row: {
            "row": row, "who": who.get(row.customer_id), "document": documents[row.source]
        }
    )  # fmt: skip


def _owed(on: date, after: str, limit: int = 50) -> Any:
    end = on + DAY
    return queries.customers_page(Asked(None, end, end), after=after, limit=limit)


def _chosen(request: HttpRequest, kind: type[DaysForm]) -> tuple[Any, Chosen | None]:
    """Return the form and what it says; this month of the first seller where it says nothing."""
    sellers = parties.sellers()
    today = _today(request)
    data = request.GET.copy()
    month = {"since": today.replace(day=1), "to": today}
    data.update({name: day.isoformat() for name, day in month.items() if not data.get(name)})
    form = kind(data, sellers=list(sellers.values()))
    asked = form.asked()
    since = asked.get("since", month["since"])
    to = max(asked.get("to", today), since)
    known = asked.get("known")
    zone = request.principal.tenant.row.zone
    if not sellers:
        return form, None
    seller = sellers.get(asked.get("seller", "")) or next(iter(sellers.values()))
    return form, Chosen(seller, since, to, instant_of(known + DAY, zone) if known else None)


def _of_account(request: HttpRequest, account: str) -> tuple[Any, Chosen, str]:
    form, chosen = _chosen(request, AccountForm)
    chart = queries.accounts(chosen.seller.id) if chosen else {}
    if chosen and account not in chart and not request.GET.get("seller"):
        for one in parties.sellers().values():  # the first that has the account
            if account in (chart := queries.accounts(one.id)):
                chosen = replace(chosen, seller=one)
                break
    if chosen is None or account not in chart:
        raise Http404
    return form, chosen, chart[account]


def _today(request: HttpRequest) -> date:
    return local_date(request.now, request.principal.tenant.row.zone)


def _presets(request: HttpRequest) -> list[dict[str, str]]:
    today = _today(request)
    month = today.replace(day=1)
    quarter = month.replace(month=(today.month - 1) // 3 * 3 + 1)
    spans = (
        (_("This month"), month, today),
        (_("Last month"), add_months(month, -1), month - DAY),
        (_("Quarter"), quarter, today),
        (_("Year"), month.replace(month=1), today),
    )
    return [
        {"title": title, "query": urlencode({"since": since, "to": to})}
        for title, since, to in spans
    ]


def _each_seller(request: HttpRequest, chosen: Chosen) -> list[Chosen]:
    """The same days of every seller, unless one is asked for."""
    if request.GET.get("seller"):
        return [chosen]
    return [replace(chosen, seller=one) for one in parties.sellers().values()]


def _before(form: Any, chosen: Chosen) -> Period | None:
    """Return the period to compare with, where one is asked for and the calendar has it."""
    try:
        return period_before(chosen.period) if form.asked().get("compare") else None
    except BadPeriod:
        return None


def _by_currency(chosen: Chosen, before: Period | None) -> list[tuple[str, list[Compared]]]:
    found = queries.compared(chosen.seller.id, chosen.period, before, as_recorded_by=chosen.known)
    return [
        (currency, [row for row in found if row.currency == currency])
        for currency in sorted({row.currency for row in found})
    ]


def _table(
    chosen: Chosen, before: Period | None, currency: str, rows: Sequence[Compared]
) -> dict[str, Any]:
    """One currency's accounts with both sides of each, their sums, and whether these hold."""
    sums = queries.total([row.now for row in rows])
    then = replace(chosen, since=before.start, to=before.end - DAY) if before else chosen
    return {
        "seller": chosen.seller.row.name,
        "same": chosen.query(),
        "then": then.query(),
        "currency": currency,
        "rows": rows,
        "sums": sums,
        "before": queries.total([row.before for row in rows]),
        "change": queries.total([row.change for row in rows]),
        "holds": sums.holds,
    }


def _exported_sums(row: Compared, before: Period | None) -> Iterator[int]:
    yield from row.now
    if before is not None:
        yield from row.before
        yield from row.change


def _card_rows(tenant: UUID, asked: Asked) -> Iterator[tuple[object, ...]]:
    after = ""
    while True:
        with tenant_scope(tenant):
            card = queries.card_page(asked, after=after, limit=EXPORTED)
            documents = documents_of(line.source for line in card.lines)
            who = customers(line.customer_id for line in card.lines)
        for line in card.lines:
            name = who[line.customer_id].name if line.customer_id in who else ""
            sums = (line.debit_minor, line.credit_minor, line.balance_minor)
            yield (
                line.effective_on, documents[line.source].text, line.against, name, line.currency,
                *(lists.plain_sum(one, line.currency) for one in sums),
            )  # fmt: skip
        if card.next is None:
            return
        after = card.next


def _customer_rows(tenant: UUID, asked: Asked) -> Iterator[tuple[object, ...]]:
    after: str | None = ""
    while after is not None:
        with tenant_scope(tenant):
            found = queries.customers_page(asked, after=after, limit=EXPORTED)
            who = customers(row.customer_id for row in found.rows)
        for row in found.rows:
            one = who.get(row.customer_id) if row.customer_id else None
            sums = (row.opening_minor, row.debit_minor, row.credit_minor, row.closing_minor)
            yield (
                *((one.code, one.name) if one else ("", "")), row.currency,
                *(lists.plain_sum(minor, row.currency) for minor in sums),
            )  # fmt: skip
        after = found.next
