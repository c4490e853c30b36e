"""Changes of subscriptions: chosen, priced on this and the next bill, made as they were shown."""

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, get_args

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kvit.catalog import queries as catalog
from kvit.core.catalogue import Catalogue
from kvit.core.periods import Period, local_date
from kvit.core.pricing.labels import choice_label
from kvit.core.statements import Scheme
from kvit.integrations.port import Fault
from kvit.invoicing.rows import Bill, CustomerPreview
from kvit.subscriptions import queries
from kvit.subscriptions.rows import SubscriptionInfo
from kvit.web import previewed
from kvit.web.amending import Given, read_one
from kvit.web.forms import whole
from kvit.web.office import _rows, _shapes
from kvit.web.office.catalogue import price_words
from kvit.web.office.links import customers
from kvit.web.office.subscriptions import CHANGES, KINDS
from kvit.web.previewed import Priced
from kvit.web.refusals import refused
from kvit.web.routes import action
from kvit.web.tags import lang

WITHOUT_VALUE = frozenset({"pause", "resume", "cancel"})
MOST_BYTES = 4 * 2**20
SHOWN_ROWS = 200
SHOWN_PAYERS = 50


@action(
    "subscriptions/<path:code>/change/", name="subscription-change", right="subscriptions.write",
    operation="change_subscription", form=True,
)  # fmt: skip
def change(request: HttpRequest, code: str) -> HttpResponse:
    """Show the form; by POST the preview, and with its token make the change."""
    info = _info(code)
    asked = request.POST if request.method == "POST" else request.GET
    kind = asked.get("change", "plan")
    if kind not in dict(CHANGES):
        raise Http404
    context = _context(request, info, kind, asked)
    doing = request.POST.get("do", "")
    if request.method != "POST" or doing == "show":
        return render(request, "office/subscriptions/change.html", context)
    given = read_one(code, kind, asked.get("at", ""), _value(kind, asked))
    return _priced_or_made(request, given, context, code)


@action(
    "subscriptions/<path:code>/withdraw/<int:number>/", name="subscription-withdraw",
    right="subscriptions.write", operation="withdraw_change", form=True,
)  # fmt: skip
def withdraw(request: HttpRequest, code: str, number: int) -> HttpResponse:
    """Show what taking a change back makes of the bills; by POST, take it back."""
    info = _info(code)
    amendments = {one.number: one for one in queries.amendments_of_codes([code]).get(code, [])}
    if number not in amendments:
        raise Http404
    one = amendments[number]
    context = {
        "info": info, "taking_back": one, "title": KINDS.get(one.change, one.change),
        "code": code,
    }  # fmt: skip
    given = previewed.withdrawal(code, number, reason="", now=request.now)
    if request.method != "POST":
        priced = _price(request, given)
        return render(request, "office/subscriptions/withdraw.html", context | _shown(priced))
    return _priced_or_made(request, given, context, code)


@action(
    "subscriptions/bulk/", name="subscriptions-bulk", right="subscriptions.write",
    operation="change_subscriptions", form=True,
)  # fmt: skip
def bulk(request: HttpRequest) -> HttpResponse:
    """Changes from a file: a verdict each, the bills before and after, then all or none."""
    template = "office/subscriptions/bulk.html"
    if request.method != "POST":
        return render(request, template, {})
    text, name = _file(request)
    if text is None:
        return refused(request, _("Choose a CSV file of at most 4 MB, in UTF-8."))
    given = previewed.read_text(name, text)
    reason = request.POST.get("reason", "")
    context: dict[str, Any] = {"text": text, "name": name, "reason": reason}
    if request.POST.get("do") == "make":
        answer = previewed.make(
            given, reason=reason, token=request.POST.get("token", ""),
            actor=request.principal.actor, now=request.now,
        )  # fmt: skip
        if answer.recorded:
            number = len(answer.numbers)
            words = ngettext("%(n)s change recorded.", "%(n)s changes recorded.", number)
            messages.success(request, words % {"n": number})
            return redirect("office:subscriptions")
    priced = _price(request, given)
    verdicts = [
        {"row": row, "title": KINDS.get(row.change, row.change), "faults": list(_said(faults))}
        for row, faults in previewed.verdicts(priced.answer)
    ]
    verdicts.sort(key=lambda one: not one["faults"])
    read = {one["row"].place.row for one in verdicts}
    unread = [one for one in priced.answer.faults if one.place.row not in read]
    context |= _shown(priced) | {
        "verdicts": verdicts[:SHOWN_ROWS], "more_rows": max(0, len(verdicts) - SHOWN_ROWS),
        "unread": list(_said(unread)), "whole": len(verdicts),
        "faulty": len(priced.answer.faults),
    }  # fmt: skip
    status = 422 if priced.answer.faults else 200
    return render(request, template, context, status=status)


def _info(code: str) -> SubscriptionInfo:
    info = queries.by_codes([code]).get(code)
    if info is None:
        raise Http404
    return info


def _file(request: HttpRequest) -> tuple[str | None, str]:
    upload = request.FILES.get("file")
    if upload is None:
        text = request.POST.get("text", "")
        return text or None, request.POST.get("name", "changes.csv")[:100]
    if upload.size is None or upload.size > MOST_BYTES:
        return None, ""
    try:
        return upload.read().decode("utf-8-sig"), str(upload.name)[:100]
    except UnicodeDecodeError:
        return None, ""


def _price(request: HttpRequest, given: Given) -> Priced:
    return previewed.price(
        given, reason=request.POST.get("reason", ""), actor=request.principal.actor,
        now=request.now,
    )  # fmt: skip


def _priced_or_made(
    request: HttpRequest, given: Given, context: dict[str, Any], code: str
) -> HttpResponse:
    template = "change" if "changes" in context else "withdraw"
    place = f"office/subscriptions/{template}.html"
    if request.POST.get("do") != "make":
        priced = _price(request, given)
        status = 422 if priced.answer.faults else 200
        return render(request, place, context | _shown(priced), status=status)
    try:
        answer = previewed.make(
            given, reason=request.POST.get("reason", ""), token=request.POST.get("token", ""),
            actor=request.principal.actor, now=request.now,
        )  # fmt: skip
    except previewed.PreviewStale as error:
        stale = {"stale": error.text(lang())}
        return render(request, place, context | _shown(_price(request, given)) | stale, status=422)
    if answer.faults:
        said = {"faults": list(_said(answer.faults))}
        return render(request, place, context | said, status=422)
    messages.success(request, _("Recorded. The bills are those that were shown."))
    return redirect("office:subscription", code)


def _shown(priced: Priced) -> dict[str, Any]:
    """Return a preview as the pages show it."""
    answer = priced.answer
    preview = answer.preview
    context: dict[str, Any] = {
        "priced": True, "token": priced.token, "faults": list(_said(answer.faults)),
        "figures": priced.figures[:SHOWN_PAYERS],
        "more_figures": max(0, len(priced.figures) - SHOWN_PAYERS),
    }  # fmt: skip
    if preview is None:
        return context
    who = customers(one.customer_id for one in preview.customers[:SHOWN_PAYERS])
    context["who"] = who
    context["payers"] = [
        {"who": who.get(one.customer_id), "windows": list(_windows(preview.windows, one))}
        for one in preview.customers[:SHOWN_PAYERS]
    ]
    context["problems"] = [
        f"{one.subscription}: {one.params.get(lang(), one.code)}" for one in preview.problems
    ]
    return context


def _windows(windows: Sequence[Period], one: CustomerPreview) -> Iterator[dict[str, Any]]:
    for window, before, after in zip(windows, one.before, one.after, strict=True):
        for currency in sorted(
            {document.currency for bill in (before, after) for document in bill.documents}
        ):
            was, becomes = before.total_minor(currency), after.total_minor(currency)
            yield {
                "window": window, "currency": currency, "was": was, "becomes": becomes,
                "difference": becomes - was, "lines": _lines(before, after, currency),
            }  # fmt: skip


def _lines(before: Bill, after: Bill, currency: str) -> list[dict[str, Any]]:
    """Return the lines of both bills side by side: those that differ first."""
    was = {_line_key(one): one for one in _lines_of(before, currency)}
    becomes = {_line_key(one): one for one in _lines_of(after, currency)}
    rows = [
        {
            "line": becomes.get(key) or was[key], "was": was.get(key), "becomes": becomes.get(key),
            "days": (line.ends_on - line.starts_on).days,
            "differs": key not in was or key not in becomes
            or was[key].total_minor != becomes[key].total_minor,
        }
        for key in dict.fromkeys([*was, *becomes])
        for line in [becomes.get(key) or was[key]]
    ]  # fmt: skip
    return sorted(rows, key=lambda one: not one["differs"])


def _lines_of(bill: Bill, currency: str) -> Iterator[Any]:
    for document in bill.documents:
        if document.currency == currency:
            yield from document.lines


def _line_key(line: Any) -> tuple[Any, ...]:
    return (line.subscription, line.price, line.name, line.starts_on, line.ends_on)


def _said(faults: Sequence[Fault]) -> Iterator[str]:
    speech = lang()
    for one in faults:
        place = f"{one.place.row}: " if one.place.row else ""
        yield f"{place}{one.message(speech)} {one.remedy(speech)}".strip()


def _context(
    request: HttpRequest, info: SubscriptionInfo, kind: str, asked: QueryDict
) -> dict[str, Any]:
    known = catalog.catalogue()
    standing = queries.standing([info.id], now=request.now)[info.id]
    today = local_date(request.now, info.zone)
    first_of_next = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    day = max(today, info.starts_on)
    context: dict[str, Any] = {
        "info": info,
        "code": info.code,
        "standing": standing,
        "plan": known.plans[standing.plan][-1].name if standing.plan in known.plans else "",
        "changes": CHANGES,
        "kind": kind,
        "title": dict(CHANGES)[kind],
        "at": asked.get("at") or first_of_next.isoformat(),
        "days": [(today, _("today")), (first_of_next, _("from the next month"))],
        "value": asked.get("value", ""),
        "asked": asked,
        "reason": asked.get("reason", ""),
        "needs_value": kind not in WITHOUT_VALUE,
        "plans": _plans(known),
        "now_words": [price_words(one, known) for one in known.prices_on(standing.plan, day)],
        "price_codes": [one.code for one in known.prices_on(standing.plan, day)],
        "schemes": [(one, choice_label(one, lang())) for one in get_args(Scheme)],
    }
    if kind == "plan" and asked.get("value"):
        on = _day(asked.get("at", ""), day)
        context["new_words"] = [
            price_words(one, known) for one in known.prices_on(asked["value"], on)
        ]
    if kind == "terms":
        document = _shapes.price_of(asked, "own") if "own.model" in asked else {}
        pressed = _rows.press(document, "own", asked.get("do", ""), asked)
        context["own"] = _shapes.Making(
            lang(), columns=pressed.columns, faults=pressed.faults, typed=pressed.typed
        ).price(document, "own")
    return context


def _plans(known: Catalogue) -> list[tuple[str, str]]:
    return sorted((code, many[-1].name) for code, many in known.plans.items())


def _day(text: str, default: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return default


def _value(kind: str, asked: QueryDict) -> str | None:
    """Put the fields of a kind together as a value of changes.csv."""
    text = asked.get("value", "").strip()
    if kind in WITHOUT_VALUE:
        return None
    if kind == "quantity":
        return _shapes.number_typed(text)
    if kind == "addon":
        quantity = _shapes.number_typed(asked.get("quantity", "").strip()) or "1"
        return json.dumps({"plan": text, "quantity": quantity}, ensure_ascii=False)
    if kind == "discount":
        return _discount(asked)
    if kind == "terms":
        price = _shapes.price_of(asked, "own")
        own = price or None  # an empty model puts the plan's own price back
        return json.dumps({asked.get("price", ""): own}, ensure_ascii=False)
    return text


def _discount(asked: QueryDict) -> str:
    if asked.get("remove"):
        return json.dumps({"remove": asked["remove"]}, ensure_ascii=False)
    amount = _shapes.number_typed(asked.get("value", "").strip().removesuffix("%"))
    given: dict[str, Any] = {asked.get("unit") or "percent": amount}
    for name in ("code", "price", "until", "periods"):
        if text := asked.get(name, "").strip():
            given[name] = (whole(text) or text) if name == "periods" else text
    return json.dumps(given, ensure_ascii=False)
