"""Lists of the office: columns that sort, a filter, a page of rows, totals of the whole filter.

A page declares its columns (`kvit.web.columns`) and hands over what its query answered:

    return listed(request, "office/invoices/list.html", listing=LISTING, page=found, form=form)

The template includes `parts/list.html`, and one more draws a row. The address is the state: filter,
order, columns and place. `exported_all` answers with the same rows and columns as a file.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import get_language, override

from kvit.core.money import minor_text
from kvit.parties import queries as parties
from kvit.platform.paging import COUNTED, Page, uncounted
from kvit.platform.tenancy import tenant_scope
from kvit.web import spreadsheets
from kvit.web.columns import Column, Listing, Part, Sum, parts_of

# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{MINUS SIGN}", *"\uff1d\uff0b\uff0d\uff20")
_BOM = "\ufeff"


SHOWN = 50  # rows of a page
EXPORTED = 1_000  # rows read at once for a file
_WORDS = 1_000  # words that are kept translated for a file
SENT = 200  # lines of a file sent at once
Fetch = Callable[[str, int], Page[Any]]  # a page of items after a cursor, so many at most


def order_of(request: HttpRequest, listing: Listing) -> str:
    """Return the order asked for: a column's `sort`, maybe with "-"; else the list's own."""
    asked = request.GET.get("sort", "")
    known = {column.sort for column in listing.columns if column.sort}
    return asked if asked.removeprefix("-") in known else listing.order


def listed(
    request: HttpRequest,
    template: str,
    *,
    listing: Listing,
    page: Page[Any],
    form: forms.Form | None = None,
    order: str = "",
    export: str = "",
    **context: Any,
) -> HttpResponse:
    """Render a list page, or for htmx its part `list` alone.

    Args:
        export: the address that answers with the same list as a file.
    """
    kept = parties.list_kept(listing.code, request.principal.actor)
    first = kept.opening()
    if first and first.query and request.method == "GET" and not request.GET:
        return HttpResponseRedirect(f"{request.path}?{first.query}")
    columns = listing.chosen(request.GET.get("cols", ""), kept.columns)
    state = parties.normal_query(request.GET.urlencode())
    context |= {
        "views": kept.views,
        "opens": first,
        "here": next((one for one in kept.views if one.query == state), None),
        "refillable": _refillable(kept.views, request, state),
        "removed": _id_of(request.GET.get("removed", "")),
        "view_query": state,
        "columns": [_heading(column, order) for column in columns],
        "listing": listing,
        "export": export,
        "choices": _choices(listing, columns),
        "is_chosen": columns != listing.usual(),
        "page": page,
        "form": form,
        "is_counted": page.count is not None and page.count <= COUNTED,
        "is_filtered": form is not None and form.is_bound and _is_narrowed(form),
        "is_partial": request.headers.get("HX-Target") == "list",
    }
    return render(request, template, context)


def _refillable(
    views: Iterable[parties.ListViewRow], request: HttpRequest, state: str
) -> list[parties.ListViewRow]:
    """Return the views that may take over the filter, order and columns that stand."""
    principal = request.principal
    return [
        one
        for one in views
        if one.query != state
        and (one.owner == principal.actor or "settings.write" in principal.rights)
    ]


def chosen(request: HttpRequest, listing: Listing) -> tuple[Column, ...]:
    """Return the columns that the address names, else those that the person chose last."""
    kept = parties.list_kept(listing.code, request.principal.actor)
    return listing.chosen(request.GET.get("cols", ""), kept.columns)


def _id_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _choices(listing: Listing, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Every column: what is shown in its order, then what is not."""
    rest = [one for one in listing.columns if one not in columns]
    return [{"column": one, "is_on": one in columns} for one in (*columns, *rest)]


def _is_narrowed(form: forms.Form) -> bool:
    """Whether a person has narrowed the list; a tab, which is hidden in the form, is no filter."""
    return any(not form.fields[name].widget.is_hidden for name in form.changed_data)


def _heading(column: Column, order: str) -> dict[str, Any]:
    by, falling = order.lstrip("-"), order.startswith("-")
    is_sorted = bool(column.sort) and by == column.sort
    following = f"-{column.sort}" if column.falls_first else column.sort
    if is_sorted:
        following = column.sort if falling else f"-{column.sort}"
    return {
        "column": column,
        "sorted": ("descending" if falling else "ascending") if is_sorted else "",
        "next": following,
    }


def exported_all(
    request: HttpRequest,
    listing: Listing,
    fetch: Fetch,
    *,
    name: str,
    each: Callable[[Any], Iterable[Any]] = lambda item: (item,),
) -> HttpResponseBase:
    """Answer with the chosen columns of all rows of the filter, in the list's order.

    Args:
        fetch: makes items as the page's rows are made.
        each: the file's rows of an item, where a sum in each currency needs its own.
    """
    parts = parts_of(chosen(request, listing))
    rows = _all_rows(request, parts, fetch, each)
    return exported(request, name, [one.title for one in parts], rows)


def _all_rows(
    request: HttpRequest,
    parts: Sequence[Part],
    fetch: Fetch,
    each: Callable[[Any], Iterable[Any]],
) -> Iterator[list[Any]]:
    own, language = request.principal.tenant, get_language() or "ru"
    plain = _Plain(ZoneInfo(own.row.zone))
    after: str | None = ""
    while after is not None:
        # A streamed body is made after the middleware has left the scope.
        with tenant_scope(own.id, switch=True), override(language), uncounted():
            found = fetch(after, EXPORTED)
            told = [
                [plain.of(part.of(one)) for part in parts]
                for item in found.rows
                for one in each(item)
            ]
        yield from told
        after = found.next


class _Plain:
    """Values as a file has them: a sum is a number, a moment is on the company's wall."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._words: dict[int, tuple[Promise, str]] = {}

    def of(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or value is None:
            return value
        if kind is Sum:
            return None if value.minor is None else plain_sum(value.minor, value.currency)
        if isinstance(value, Promise):
            return self._word(value)
        if isinstance(value, datetime):
            return value.astimezone(self._zone).replace(tzinfo=None, microsecond=0)
        return value

    def _word(self, word: Promise) -> str:
        """Translate a word: once, where it is one of a list's own, as nearly always."""
        kept = self._words.get(id(word))
        if kept is not None and kept[0] is word:
            return kept[1]
        text = str(word)
        if len(self._words) < _WORDS:
            self._words[id(word)] = word, text
        return text


def exported(
    request: HttpRequest, name: str, heads: Sequence[Any], rows: Iterable[Sequence[Any]]
) -> HttpResponseBase:
    """Answer with the rows as a CSV or as a workbook (`?format=xlsx`), sent as they are read.

    No cell can become a formula. Numbers are numbers (`plain_sum` of a sum), days and moments are
    of their types; everything else is text, digits alone too: an ИНН is no number.
    """
    russian = (get_language() or "ru").startswith("ru")
    titles = [str(head) for head in heads]
    if request.GET.get("format") == "xlsx":
        book = spreadsheets.workbook(titles, rows, russian=russian)
        response = StreamingHttpResponse(book, content_type=spreadsheets.MEDIA_TYPE)
        response["Content-Disposition"] = f'attachment; filename="{name}.xlsx"'
        return response
    response = StreamingHttpResponse(
        _lines(titles, rows, russian=russian), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def plain_sum(minor: int, currency: str) -> Decimal:
    """Return a sum as a cell has it: major units, with the currency's digits."""
    return Decimal(minor_text(minor, currency))


def _lines(titles: list[str], rows: Iterable[Sequence[Any]], *, russian: bool) -> Iterator[str]:
    buffer = _Lines()
    writer = csv.writer(buffer, delimiter=";" if russian else ",", lineterminator="\r\n")
    yield _BOM
    writer.writerow(titles)
    yield buffer.take()
    unsent = iter(rows)
    while some := list(islice(unsent, SENT)):
        writer.writerows([_cell(cell, russian=russian) for cell in row] for row in some)
        yield buffer.take()


def _cell(value: Any, *, russian: bool) -> str:
    kind = type(value)  # what most cells are is told at once: a fraction is dear to be asked for
    if kind is str:
        return f"'{value}" if value.startswith(_FORMULA) else value
    if value is None:
        return ""
    if kind is Decimal:
        return f"{value:f}".replace(".", ",") if russian else f"{value:f}"
    if kind is date:
        return str(value)
    text = spreadsheets.text_of(value)
    if isinstance(value, (int, Decimal, Fraction)):
        return text.replace(".", ",") if russian else text
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Lines:
    """A file of what is not sent yet, for csv.writer."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def write(self, text: str) -> None:
        self.texts.append(text)

    def take(self) -> str:
        text = "".join(self.texts)
        self.texts.clear()
        return text
