"""A row whose columns a person has chosen: `{% cells %}{% cell "number" %}<td>…{% endcells %}`.

A cell is drawn where its column stands in the list's `columns`; a column without one is drawn from
its value. A footer's row holds `{% foot %}`: a label, then the cells that are totals.
"""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django import template
from django.template.base import NodeList, Parser, Token
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from kvit.web.columns import Column, Sum
from kvit.web.tags import day, moment, money, number

register = template.Library()


class _Cell(template.Node):
    def __init__(self, code: str, drawn: NodeList) -> None:
        self.code, self.drawn = code, drawn

    def render(self, context: template.Context) -> SafeString:
        return self.drawn.render(context)


class _Cells(template.Node):
    def __init__(self, cells: dict[str, _Cell]) -> None:
        self.cells = cells

    def render(self, context: template.Context) -> SafeString:
        drawn = []
        for heading in context["columns"]:
            column = heading["column"]
            cell = self.cells.get(column.code)
            drawn.append(cell.render(context) if cell else plain_cell(context, column))
        return mark_safe("".join(drawn))


class _Foot(template.Node):
    def __init__(self, label: NodeList, cells: dict[str, _Cell]) -> None:
        self.label, self.cells = label, cells

    def render(self, context: template.Context) -> SafeString:
        codes = [heading["column"].code for heading in context["columns"]]
        if not self.cells.keys() & set(codes):
            return mark_safe("")  # no total was chosen
        before = next(place for place, code in enumerate(codes) if code in self.cells)
        head = format_html(
            '<tr><th scope="row" colspan="{}" data-phone>{}</th>{}',
            before or len(codes), self.label.render(context),
            mark_safe("" if before else "</tr><tr>"),
        )  # fmt: skip
        rest = "".join(
            self.cells[code].render(context) if code in self.cells else "<td></td>"
            for code in codes[before:]
        )
        return mark_safe(f"{head}{rest}</tr>")


@register.tag("cell")
def cell(parser: Parser, token: Token) -> _Cell:
    """One cell, `<td>` and all; the word after the tag's name is its column."""
    code = token.split_contents()[1].strip("\"'")
    drawn = parser.parse(("endcell",))
    parser.delete_first_token()
    return _Cell(code, drawn)


@register.tag("cells")
def cells(parser: Parser, token: Token) -> _Cells:
    """The chosen cells of a row, in their order."""
    del token
    found = parser.parse(("endcells",))
    parser.delete_first_token()
    return _Cells(_by_code(found))


@register.tag("foot")
def foot(parser: Parser, token: Token) -> _Foot:
    """A row of totals: what stands before `{% totals %}` is its label."""
    del token
    label = parser.parse(("totals",))
    parser.delete_first_token()
    found = parser.parse(("endfoot",))
    parser.delete_first_token()
    return _Foot(label, _by_code(found))


def _by_code(found: NodeList) -> dict[str, _Cell]:
    return {one.code: one for one in found if isinstance(one, _Cell)}


def plain_cell(context: template.Context, column: Column) -> SafeString:
    """Draw a cell from its value; on a phone, where headings are gone, its title is shown."""
    told = [_written(context, part.of(context["item"])) for part in column.in_file()]
    rest = format_html_join("", '<span class="sub">{}</span>', ([one] for one in told[1:] if one))
    return format_html(
        '<td class="{}"><span class="phone-title">{}</span>{}{}</td>',
        column.kind, column.title, told[0] if told else "", rest,
    )  # fmt: skip


def _written(context: template.Context, value: Any) -> Any:
    if value is None or value == "":
        return "—"
    if isinstance(value, Sum):
        return money(value.minor, value.currency)
    if isinstance(value, datetime):
        return moment(context, value)
    if isinstance(value, date):
        return day(value)
    if isinstance(value, (int, Decimal, Fraction)):
        return number(value)
    return value
