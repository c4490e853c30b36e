"""Lists of the office: columns that sort, a filter, a page of rows, totals of the whole filter.

A page declares its columns and hands over what its query answered:

    columns = (Column("number", _("Number"), sort="number"), Column("total", _("Sum"), kind="num"))
    return listed(request, "office/invoices/list.html", columns=columns, page=found, form=form)

The template extends `parts/list_page.html` (or includes `parts/list.html`) and draws one row. The
address is the state: filter, order and place. For htmx only the list itself is answered.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django import forms
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import get_language

from kvit.core.money import minor_text
from kvit.platform.paging import COUNTED, Page
from kvit.web import spreadsheets

# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\N{MINUS SIGN}")
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; with `sort` it is a button that sorts by that name, falling with a leading "-"."""

    code: str
    title: "Promise | str"
    kind: str = ""  # "num": right-aligned figures
    sort: str = ""
    falls_first: bool = False  # money and dates are looked at from the top


def order_of(request: HttpRequest, columns: Sequence[Column], default: str) -> str:
    """Return the order asked for: a column's `sort`, maybe with "-"; else the default."""
    asked = request.GET.get("sort", "")
    known = {column.sort for column in columns if column.sort}
    return asked if asked.removeprefix("-") in known else default


def listed(
    request: HttpRequest,
    template: str,
    *,
    columns: Sequence[Column],
    page: Page[Any],
    form: forms.Form | None = None,
    order: str = "",
    **context: Any,
) -> HttpResponse:
    """Render a list page, or for htmx its part `list` alone."""
    context |= {
        "columns": [_heading(column, order) for column in columns],
        "page": page,
        "form": form,
        "is_counted": page.count is not None and page.count <= COUNTED,
        "is_filtered": form is not None and form.is_bound and _is_narrowed(form),
        "is_partial": request.headers.get("HX-Target") == "list",
    }
    return render(request, template, context)


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


def exported(
    request: HttpRequest, name: str, heads: Sequence[Any], rows: Iterable[Sequence[Any]]
) -> HttpResponseBase:
    """Answer with the rows as a CSV, streamed, or as a workbook (`?format=xlsx`).

    No cell can become a formula. Numbers are numbers (`plain_sum` of a sum), days and moments are
    of their types; everything else is text, digits alone too: an ИНН is no number.
    """
    russian = (get_language() or "ru").startswith("ru")
    titles = [str(head) for head in heads]
    if request.GET.get("format") == "xlsx":
        file = spreadsheets.workbook(titles, rows, russian=russian)
        return FileResponse(
            file, as_attachment=True, filename=f"{name}.xlsx", content_type=spreadsheets.MEDIA_TYPE
        )
    response = StreamingHttpResponse(
        _lines(titles, rows, russian=russian), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def plain_sum(minor: int, currency: str) -> Decimal:
    """Return a sum as a cell has it: major units, with the currency's digits."""
    return Decimal(minor_text(minor, currency))


def _lines(titles: list[str], rows: Iterable[Sequence[Any]], *, russian: bool) -> Iterator[str]:
    buffer = _Line()
    writer = csv.writer(buffer, delimiter=";" if russian else ",", lineterminator="\r\n")
    yield _BOM
    writer.writerow(titles)
    yield buffer.take()
    for row in rows:
        writer.writerow([_cell(cell, russian=russian) for cell in row])
        yield buffer.take()


def _cell(value: Any, *, russian: bool) -> str:
    if value is None:
        return ""
    text = spreadsheets.text_of(value)
    if isinstance(value, (int, Decimal, Fraction)):
        return text.replace(".", ",") if russian else text
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Line:
    """A file of one line, for csv.writer."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def take(self) -> str:
        text, self.text = self.text, ""
        return text
