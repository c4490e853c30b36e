"""Texts in Russian and English: messages with plurals, sums, dates, periods, sums in words.

A worked example:

    WORDS = {"rows_read": ("прочитано {n} {n:plural:строка|строки|строк}",
                           "{n} {n:plural:row|rows} read")}
    say(WORDS, "rows_read", "ru", n=2)   → «прочитано 2 строки»
    sum_in_words(2215009, "RUB", "ru")   → «Двадцать две тысячи сто пятьдесят рублей 09 копеек»

Each module that speaks keeps its own table of words beside its code. Numbers and sums carry
no-break spaces (U+00A0), so that a line never breaks inside a sum; dates carry plain ones.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from string import Formatter
from typing import Any

from kvit.core.foreign_words import in_russian
from kvit.core.money import Money, exact_text, exponent, minor_text
from kvit.core.numerals import Gender, cardinal_en, cardinal_ru, plural_en, plural_ru
from kvit.core.periods import Period

Words = Mapping[str, tuple[str, str]]
"""A key → (Russian, English)."""

LANGUAGES = ("ru", "en")
NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"

_MONTHS_OF_RU = """января февраля марта апреля мая июня июля августа сентября октября ноября
    декабря""".split()
_MONTHS_RU = """январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь
    декабрь""".split()
_MONTHS_EN = """January February March April May June July August September October November
    December""".split()
_SYMBOLS = {
    "RUB": "₽", "USD": "$", "EUR": "€", "GBP": "£", "CAD": "CA$", "CNY": "CN¥", "JPY": "¥",
    "KZT": "₸", "BYN": "Br", "UAH": "₴",
}  # fmt: skip
# Currency → its noun in Russian (gender, forms), in English (one, many), and of its minor unit.
_NOUNS: dict[str, tuple[Gender, str, str, str, str]] = {
    "RUB": ("m", "рубль|рубля|рублей", "rouble|roubles",
            "копейка|копейки|копеек", "kopeck|kopecks"),
    "USD": ("m", "доллар США|доллара США|долларов США", "US dollar|US dollars",
            "цент|цента|центов", "cent|cents"),
    "EUR": ("m", "евро|евро|евро", "euro|euros", "цент|цента|центов", "cent|cents"),
    "CAD": ("m", "канадский доллар|канадских доллара|канадских долларов",
            "Canadian dollar|Canadian dollars", "цент|цента|центов", "cent|cents"),
    "KZT": ("m", "тенге|тенге|тенге", "tenge|tenge", "тиын|тиына|тиынов", "tiyn|tiyn"),
    "BYN": ("m", "белорусский рубль|белорусских рубля|белорусских рублей",
            "Belarusian rouble|Belarusian roubles", "копейка|копейки|копеек", "kopeck|kopecks"),
    "JPY": ("f", "иена|иены|иен", "yen|yen", "", ""),
    "KWD": ("m", "кувейтский динар|кувейтских динара|кувейтских динаров",
            "Kuwaiti dinar|Kuwaiti dinars", "филс|филса|филсов", "fils|fils"),
}  # fmt: skip


class UnknownLanguage(ValueError):
    """Texts are kept in Russian ("ru") and English ("en")."""


def say(words: Words, key: str, lang: str, **params: Any) -> str:
    """Fill the text of `key` in, as `str.format` does, with plurals and localised values.

    `{n:plural:строка|строки|строк}` (English: two forms) writes the noun alone; `{detail:foreign}`
    is what a parser said, in English. A `Fraction`, a
    `Money`, a date or a `Period` without a format of its own is written as the reader's language
    has it; integers and texts stand as they are.

    Raises:
        KeyError: the key or a parameter is missing (a mistake in our code, not of the reader).
        UnknownLanguage: see the class.
    """
    text = words[key][_column(lang)]
    return _FORMATTERS[lang].vformat(text, (), params) if "{" in text or "}" in text else text


def money_text(minor: int, currency: str, lang: str) -> str:
    """Write a sum for people: «1 234,56 ₽», "$1,234.56"; a currency without a sign has its code.

    Raises:
        UnknownCurrency: see `money.exponent`.
    """
    return _with_symbol(minor < 0, amount_text(abs(minor), currency, lang), currency, lang)


def rate_text(rate: Fraction, currency: str, lang: str) -> str:
    """Write a rate with all its digits: «0,0037 ₽», «32,40 ₽», «990 ₽», "$0.0037".

    Raises:
        UnknownCurrency: see `money.exponent`.
    """
    text = exact_text(abs(rate))
    whole, dot, fraction = text.partition(".")
    if dot:
        text = f"{whole}.{fraction.ljust(exponent(currency), '0')}"
    return _with_symbol(rate < 0, _grouped(text, lang), currency, lang)


def _with_symbol(is_negative: bool, number: str, currency: str, lang: str) -> str:
    sign, symbol = MINUS if is_negative else "", _SYMBOLS.get(currency, currency)
    if lang == "ru":
        return f"{sign}{number}{NBSP}{symbol}"
    return f"{sign}{symbol}{NBSP if symbol.isalpha() else ''}{number}"


def amount_text(minor: int, currency: str, lang: str) -> str:
    """Write a sum without the currency's sign, with all its digits: «1 234,50», "1,234.50"."""
    number = _grouped(minor_text(abs(minor), currency), lang)
    return MINUS + number if minor < 0 else number


def number_text(number: Fraction | int, lang: str) -> str:
    """Write a number exactly: «1 234,5», "1,234.5"; what has no finite decimal stays "74/31"."""
    text = _grouped(exact_text(abs(Fraction(number))), lang)
    return MINUS + text if number < 0 else text


def date_text(day: date, lang: str) -> str:
    """Write a date: «22 ноября 2026 г.», "22 November 2026"."""
    return f"{_day_month(day, lang)} {_year(day.year, lang)}"


def period_text(period: Period, lang: str) -> str:
    """Write a period of days: «октябрь 2026 г.» or «с 1 по 15 октября 2026 г.» (both included)."""
    first, last = period.start, period.end - timedelta(days=1)
    russian = _column(lang) == 0
    if last <= first:
        return date_text(first, lang)
    if first.day == 1 and period.end.day == 1 and (first.year, first.month) == (
        last.year, last.month,
    ):  # fmt: skip
        return (
            f"{(_MONTHS_RU if russian else _MONTHS_EN)[first.month - 1]} {_year(first.year, lang)}"
        )
    if (first.year, first.month) == (last.year, last.month):
        start = str(first.day)
    elif first.year == last.year:
        start = _day_month(first, lang)
    else:
        start = date_text(first, lang)
    if russian:
        return f"с {start} по {date_text(last, lang)}"
    dash = "–" if start.isdigit() else " – "
    return f"{start}{dash}{date_text(last, lang)}"


def sum_in_words(minor: int, currency: str, lang: str) -> str:
    """Write a sum as documents want it: major units in words, minor units in digits.

    A currency whose nouns are not kept is named by its code: «Двадцать XAF», «Пять CHF 09/100».

    Raises:
        UnknownCurrency: see `money.exponent`.
        ValueError: 10**18 major units or more.
    """
    digits = exponent(currency)
    major, rest = divmod(abs(minor), 10**digits)
    russian = _column(lang) == 0
    plural = plural_ru if russian else plural_en
    gender, noun_ru, noun_en, minor_ru, minor_en = _NOUNS.get(currency, ("m", "", "", "", ""))
    words = cardinal_ru(major, gender) if russian else cardinal_en(major)
    if minor < 0:
        words = f"{'минус' if russian else 'minus'} {words}"
    noun = (noun_ru if russian else noun_en).split("|")
    text = f"{words[0].upper()}{words[1:]} {noun[plural(major)] if noun[0] else currency}"
    if not digits:
        return text
    if not noun[0]:
        return f"{text} {rest:0{digits}}/{10**digits}"
    minor_noun = (minor_ru if russian else minor_en).split("|")
    return f"{text} {rest:0{digits}} {minor_noun[plural(rest)]}"


class _Localised(Formatter):
    """`str.format` that knows plurals and how a language writes numbers, sums and dates."""

    def __init__(self, lang: str) -> None:
        self.lang = lang

    def vformat(self, text: str, args: Sequence[Any], params: Mapping[str, Any]) -> str:
        return _AFTER_POINT.sub("", super().vformat(text, args, params))

    def format_field(self, value: Any, format_spec: str) -> str:
        text = self.written(value, format_spec)
        return text + _POINT if text.endswith(".") else text

    def written(self, value: Any, format_spec: str) -> str:
        """Write a value as the language does."""
        if format_spec.startswith("plural:"):
            forms = format_spec.removeprefix("plural:").split("|")
            return forms[(plural_ru if self.lang == "ru" else plural_en)(value)]
        if format_spec == "foreign":
            return in_russian(str(value)) if self.lang == "ru" else str(value)
        if format_spec:
            return format(value, format_spec)
        match value:
            case Fraction():
                return number_text(value, self.lang)
            case Money():
                return money_text(value.minor, value.currency, self.lang)
            case Period():
                return period_text(value, self.lang)
            case date() if not isinstance(value, datetime):
                return date_text(value, self.lang)
        return str(value)


# A noncharacter, set behind a value that ends in a point («2026 г.»): the sentence's own is then
# left out.
_POINT = "\uffff"
_AFTER_POINT = re.compile(rf"{_POINT}(?:\.(?!\.))?")
_FORMATTERS = {lang: _Localised(lang) for lang in LANGUAGES}


def _column(lang: str) -> int:
    try:
        return LANGUAGES.index(lang)
    except ValueError:
        raise UnknownLanguage(lang) from None


def _grouped(decimal: str, lang: str) -> str:
    """Set group and decimal separators into the text of a number >= 0 (a fraction a/b stays)."""
    russian = _column(lang) == 0
    if "/" in decimal:
        return decimal
    whole, point, rest = decimal.partition(".")
    grouped = f"{int(whole):,}"
    if russian:
        return grouped.replace(",", NBSP) + ("," + rest if point else "")
    return grouped + point + rest


def _day_month(day: date, lang: str) -> str:
    months = _MONTHS_EN if _column(lang) else _MONTHS_OF_RU
    return f"{day.day} {months[day.month - 1]}"


def _year(year: int, lang: str) -> str:
    return str(year) if _column(lang) else f"{year} г."
