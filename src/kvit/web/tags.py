"""What templates may call: sums, dates, states, icons. They format; none of them computes."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.http import QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from kvit.core.money import exact_text, exponent, round_fraction
from kvit.core.periods import Period
from kvit.core.units import unit_after, unit_name
from kvit.core.wording import amount_text, date_text, money_text, number_text, period_text
from kvit.parties import queries as parties
from kvit.web import states
from kvit.web.assets import ICONS
from kvit.web.authorship import actor_text, reason_text
from kvit.web.journal_words import action_text, field_text, value_text

register = template.Library()
OF_THE_MOMENT = frozenset({"after", "choosing", "removed"})  # of an address; links leave them


def lang() -> str:
    """Return the reader's language, "ru" or "en"."""
    return "en" if (get_language() or "ru").startswith("en") else "ru"


@register.filter
def money(minor: int | None, currency: str) -> str:
    """«1 234,56 ₽»; no value is a dash."""
    return "—" if minor is None else money_text(minor, currency, lang())


@register.filter
def amount(minor: int | None, currency: str) -> str:
    """The sum without its sign, for columns whose heading names the currency."""
    return "—" if minor is None else amount_text(minor, currency, lang())


@register.filter
def difference(minor: int | None, currency: str) -> str:
    """A sum that always bears its sign: «+1 180,00 ₽», «−588,00 ₽»."""
    if minor is None:
        return "—"
    return ("+" if minor > 0 else "") + money_text(minor, currency, lang())


@register.filter
def signed_amount(minor: int, currency: str) -> str:
    """The same without the currency, for columns whose heading names it: «+1 180,00»."""
    return ("+" if minor > 0 else "") + amount_text(minor, currency, lang())


@register.filter
def number(value: Any) -> str:
    """An exact number with the language's separators; trailing zeros of a column are dropped."""
    if value is None:
        return "—"
    if isinstance(value, str):
        value = Decimal(value)
    return number_text(Fraction(value), lang())


@register.filter
def counted(unit: str, value: Any) -> str:
    """The unit as it stands after the number: «320 000 вызовов»."""
    try:
        return unit_after(Fraction(value), unit)
    except (TypeError, ValueError, ZeroDivisionError):  # no number: "—", or a text
        return unit_name(unit)


@register.filter
def unit_one(unit: str) -> str:
    """What one unit is called, where no number stands before it."""
    return unit_name(unit)


@register.filter
def get(found: Mapping[Any, Any], key: Any) -> Any:
    """The value of a key that only the row knows; None where there is none."""
    return found.get(key)


@register.filter
def exact(text: str) -> str:
    """An exact number that comes as text ("1240.5"); of one without end, six decimals and «≈»."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return text
    if "/" in exact_text(value):
        return "≈ " + number_text(Fraction(round_fraction(value * 10**6), 10**6), lang())
    return number_text(value, lang())


@register.filter
def written(text: str, currency: str) -> str:
    """A sum that comes as text in major units ("4387.10"), as a sum: «4 387,10 ₽»."""
    return money_text(round_fraction(Fraction(text) * 10 ** exponent(currency)), currency, lang())


@register.simple_tag
def measured(value: Any) -> str:
    """What an event says: a number, or a text."""
    return number_text(value, lang()) if isinstance(value, Fraction) else str(value or "—")


@register.filter
def rounded(value: Fraction | None) -> str:
    """A figure that is no sum, to four decimals: an average, a quantity on an axis."""
    return "—" if value is None else number_text(round(value, 4), lang())


@register.filter
def day(value: date | None) -> str:
    """In a table: 22.11.2026, in English 22 Nov 2026."""
    if value is None:
        return "—"
    return value.strftime("%d.%m.%Y") if lang() == "ru" else f"{value.day} {value:%b} {value.year}"


@register.filter
def day_in_words(value: date | None) -> str:
    """In a sentence: «22 ноября 2026 г.»."""
    return "—" if value is None else date_text(value, lang())


@register.filter
def period(bounds: "Period | tuple[date, date]") -> str:
    """A half-open period as people write it, both days included."""
    whole = bounds if isinstance(bounds, Period) else Period(*bounds)
    return period_text(whole, lang())


@register.simple_tag
def spell(start: date, end: date) -> str:
    """A period given by its first day and the day after its last."""
    return period_text(Period(start, end), lang())


@register.simple_tag
def through(first: date, last: date) -> str:
    """A period given by its first and its last day."""
    return period_text(Period(first, last + timedelta(days=1)), lang())


@register.simple_tag
def author(actor: str, names: Mapping[str, str]) -> str:
    """Who did it: a person by name, a program by what it is."""
    return actor_text(actor, names, lang())


@register.filter
def role_name(code: str) -> str:
    """What a role is called."""
    return parties.role_names([code], lang()).get(code, code)


@register.filter
def done(action: str) -> str:
    """What was done, by the name of an action in the journal."""
    return action_text(action, lang())


@register.filter
def field_said(name: str) -> str:
    """What a field of the journal is called; a code of no entry stays as it is."""
    return field_text(name, lang())


@register.filter
def value_said(value: Any) -> str:
    """A value of the journal: no word of a programming language."""
    return value_text(value, lang())


@register.filter
def because(reason: str) -> str:
    """Why it was done, in the reader's language where a program did it."""
    return reason_text(reason, lang())


@register.simple_tag(takes_context=True)
def moment(context: template.Context, value: datetime | None, seconds: bool = False) -> SafeString:
    """A moment on the tenant's wall, the exact one in the title: <time>22.11.2026, 14:05</time>."""
    if value is None:
        return mark_safe("—")
    principal = context.get("principal")
    zone = ZoneInfo(principal.tenant.row.zone if principal else "UTC")
    local = value.astimezone(zone)
    clock = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    return format_html(
        '<time datetime="{}" title="{}">{}, {}</time>',
        value.isoformat(), f"{local:%d.%m.%Y %H:%M:%S %Z}", day(local.date()), clock,
    )  # fmt: skip


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A Tabler icon, drawn inline; without a label it is decoration."""
    drawing = _drawing(name)
    if label:
        return format_html(
            '<span class="icon" role="img" aria-label="{}">{}</span>', label, drawing
        )
    return format_html('<span class="icon" aria-hidden="true">{}</span>', drawing)


@cache
def _drawing(name: str) -> SafeString:
    path = ICONS / f"{name}.svg"
    if not path.is_file():  # the pages are not built: words stand beside every icon
        return mark_safe("")
    text = path.read_text(encoding="utf-8")
    return mark_safe(text[text.index("<svg") :].replace("\n", " "))


@register.inclusion_tag("parts/state.html")
def state(code: str, detail: str = "") -> dict[str, Any]:
    """A state as icon, word, shape and colour; `detail` follows the word («на 5 дней»)."""
    found = states.STATES[code]
    return {"state": found, "detail": detail}


@register.simple_tag
def unsent(reason: str) -> str:
    """Why a message got no answer, in words."""
    return str(states.UNSENT[reason])


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The address's query with some values changed; an empty value is left out, and so is a cursor
    of the list before the change."""
    request = context["request"]
    found: QueryDict = request.GET.copy()
    for name in OF_THE_MOMENT - changes.keys():
        found.pop(name, None)
    for name, value in changes.items():
        if value in ("", None):
            found.pop(name, None)
        else:
            found[name] = str(value)
    return f"?{found.urlencode()}" if found else "?"


@register.filter
def control(field: Any) -> SafeString:
    """Draw a field of somebody else's form with our looks and with what a screen reader needs."""
    attrs = {"class": "form-control", "placeholder": ""}
    if field.errors:
        attrs |= {"aria-invalid": "true", "aria-describedby": f"{field.id_for_label}-error"}
    return mark_safe(field.as_widget(attrs=attrs))


@register.simple_tag
def address(name: str, *arguments: Any) -> str:
    """The address of a page of the office; "" where this installation has no such page, or there
    is nothing to open."""
    if not all(arguments):
        return ""
    try:
        return reverse(f"office:{name}", args=arguments)
    except NoReverseMatch:
        return ""


@register.filter
def may(principal: Any, right: str) -> bool:
    """Whether the reader has a right: a page offers nothing that would be refused."""
    return principal is not None and right in principal.rights


@register.filter
def reads(principal: Any, right: str) -> bool:
    """Whether the reader has a right, be it over their own branch alone: for doors to what narrows
    itself to that."""
    return principal is not None and right in principal.rights | principal.of_branch
