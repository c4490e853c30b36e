"""Texts in two languages: plurals, sums, numbers, dates, periods and sums in words."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.money import Money, UnknownCurrency, minor_text
from kvit.core.periods import Period, parse_billing_period
from kvit.core.wording import (
    UnknownLanguage,
    date_text,
    money_text,
    number_text,
    period_text,
    rate_text,
    say,
    sum_in_words,
)

S = "\N{NO-BREAK SPACE}"
WORDS = {
    "rows": ("{n} {n:plural:строка|строки|строк} из {file}", "{n} {n:plural:row|rows} of {file}"),
    "all": ("{sum}, {rate} %, {day}, {period}", "{sum}, {rate} %, {day}, {period}"),
    "plain": ("готово", "done"),
    "padded": ("{n:05}", "{n:05}"),
}


def test_plurals_agree_in_both_languages() -> None:
    assert [say(WORDS, "rows", "ru", n=n, file="a.csv") for n in (1, 3, 12)] == [
        "1 строка из a.csv",
        "3 строки из a.csv",
        "12 строк из a.csv",
    ]
    assert say(WORDS, "rows", "en", n=21, file="a.csv") == "21 rows of a.csv"


def test_values_are_written_as_the_language_has_them() -> None:
    values = {
        "sum": Money(123456, "RUB"),
        "rate": Fraction(5, 2),
        "day": date(2026, 11, 22),
        "period": Period(date(2026, 10, 1), date(2026, 11, 1)),
    }
    assert (
        say(WORDS, "all", "ru", **values)
        == f"1{S}234,56{S}₽, 2,5 %, 22 ноября 2026 г., октябрь 2026 г."
    )
    assert say(WORDS, "all", "en", **values) == "₽1,234.56, 2.5 %, 22 November 2026, October 2026"


def test_a_format_of_its_own_wins_and_values_are_never_read_as_formats() -> None:
    assert say(WORDS, "padded", "ru", n=7) == "00007"
    assert say(WORDS, "rows", "ru", n=1, file="{n}{0.__class__}") == "1 строка из {n}{0.__class__}"


def test_what_is_missing_is_refused() -> None:
    assert say(WORDS, "plain", "ru") == "готово"
    with pytest.raises(KeyError):
        say(WORDS, "nothing", "ru")
    with pytest.raises(KeyError):
        say(WORDS, "rows", "ru", n=1)
    with pytest.raises(UnknownLanguage):
        say(WORDS, "plain", "de")


@pytest.mark.parametrize(
    ("minor", "currency", "russian", "english"),
    [
        (123456, "RUB", f"1{S}234,56{S}₽", "₽1,234.56"),
        (0, "RUB", f"0,00{S}₽", "₽0.00"),
        (-5, "USD", f"−0,05{S}$", "−$0.05"),
        (1234567, "JPY", f"1{S}234{S}567{S}¥", "¥1,234,567"),
        (1500, "KWD", f"1,500{S}KWD", f"KWD{S}1.500"),
        (99, "BYN", f"0,99{S}Br", f"Br{S}0.99"),
    ],
)
def test_money(minor: int, currency: str, russian: str, english: str) -> None:
    assert money_text(minor, currency, "ru") == russian
    assert money_text(minor, currency, "en") == english


@given(st.integers(-(10**20), 10**20), st.sampled_from(["RUB", "JPY", "KWD", "CHF"]))
def test_money_text_loses_no_digit(minor: int, currency: str) -> None:
    digits = "".join(c for c in money_text(minor, currency, "ru") if c in "0123456789")
    assert digits == minor_text(abs(minor), currency).replace(".", "")


def test_numbers() -> None:
    assert number_text(Fraction("1234567.25"), "ru") == f"1{S}234{S}567,25"
    assert number_text(Fraction("-1234.5"), "en") == "−1,234.5"
    assert number_text(Fraction(74, 31), "ru") == "74/31"
    assert number_text(1000, "ru") == f"1{S}000"


@pytest.mark.parametrize(
    ("start", "end", "russian", "english"),
    [
        ("2026-10-01", "2026-11-01", "октябрь 2026 г.", "October 2026"),
        ("2026-12-01", "2027-01-01", "декабрь 2026 г.", "December 2026"),
        ("2026-10-01", "2026-10-16", "с 1 по 15 октября 2026 г.", "1–15 October 2026"),
        ("2026-10-16", "2026-11-01", "с 16 по 31 октября 2026 г.", "16–31 October 2026"),
        (
            "2026-01-31", "2026-02-28",
            "с 31 января по 27 февраля 2026 г.", "31 January – 27 February 2026",
        ),
        (
            "2026-12-15", "2027-01-15",
            "с 15 декабря 2026 г. по 14 января 2027 г.", "15 December 2026 – 14 January 2027",
        ),
        ("2026-10-05", "2026-10-06", "5 октября 2026 г.", "5 October 2026"),
        ("2026-10-05", "2026-10-05", "5 октября 2026 г.", "5 October 2026"),
    ],
)  # fmt: skip
def test_periods(start: str, end: str, russian: str, english: str) -> None:
    period = Period(date.fromisoformat(start), date.fromisoformat(end))
    assert (period_text(period, "ru"), period_text(period, "en")) == (russian, english)


def test_every_month_has_both_its_names() -> None:
    months = [parse_billing_period(f"2026-{m:02}") for m in range(1, 13)]
    assert [period_text(m, "ru").split()[0] for m in months] == (
        "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь".split()
    )
    assert [date_text(m.start, "ru").split()[1] for m in months] == (
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()
    )


@pytest.mark.parametrize(
    ("minor", "currency", "russian", "english"),
    [
        (
            2215009, "RUB", "Двадцать две тысячи сто пятьдесят рублей 09 копеек",
            "Twenty-two thousand one hundred and fifty roubles 09 kopecks",
        ),
        (101, "RUB", "Один рубль 01 копейка", "One rouble 01 kopeck"),
        (0, "RUB", "Ноль рублей 00 копеек", "Zero roubles 00 kopecks"),
        (-250, "RUB", "Минус два рубля 50 копеек", "Minus two roubles 50 kopecks"),
        (2102, "USD", "Двадцать один доллар США 02 цента", "Twenty-one US dollars 02 cents"),
        (500, "EUR", "Пять евро 00 центов", "Five euros 00 cents"),
        (200, "CAD", "Два канадских доллара 00 центов", "Two Canadian dollars 00 cents"),
        (121, "KZT", "Один тенге 21 тиын", "One tenge 21 tiyn"),
        (
            500, "BYN", "Пять белорусских рублей 00 копеек", "Five Belarusian roubles 00 kopecks"
        ),
        (22, "JPY", "Двадцать две иены", "Twenty-two yen"),
        (1, "JPY", "Одна иена", "One yen"),
        (3003, "KWD", "Три кувейтских динара 003 филса", "Three Kuwaiti dinars 003 fils"),
        (1209, "CHF", "Двенадцать CHF 09/100", "Twelve CHF 09/100"),
        (2, "XAF", "Два XAF", "Two XAF"),
        (10**17, "RUB", "Один квадриллион рублей 00 копеек", "One quadrillion roubles 00 kopecks"),
    ],
)  # fmt: skip
def test_sums_in_words(minor: int, currency: str, russian: str, english: str) -> None:
    assert sum_in_words(minor, currency, "ru") == russian
    assert sum_in_words(minor, currency, "en") == english


def test_a_value_that_ends_in_a_point_ends_the_sentence() -> None:
    words = {
        "till": ("До {day}.", "Until {day}."),
        "then": ("До {day}. Потом {name}.", "Until {day}. Then {name}."),
        "more": ("{day}…, {day}... и {name}", "{day}…, {day}... and {name}"),
    }
    day = date(2026, 10, 31)
    assert say(words, "till", "ru", day=day) == "До 31 октября 2026 г."
    assert say(words, "till", "en", day=day) == "Until 31 October 2026."
    assert say(words, "then", "en", day=day, name="ACME Inc.") == (
        "Until 31 October 2026. Then ACME Inc."
    )
    assert say(words, "more", "ru", day="г.", name="т. п.") == "г.…, г.... и т. п."


def test_an_unknown_currency_has_no_words() -> None:
    with pytest.raises(UnknownCurrency):
        sum_in_words(100, "ZZZ", "ru")
    with pytest.raises(UnknownCurrency):
        money_text(100, "ZZZ", "en")


@pytest.mark.parametrize(
    ("rate", "currency", "russian", "english"),
    [
        ("990", "RUB", "990 ₽", "₽990"),
        ("32.4", "RUB", "32,40 ₽", "₽32.40"),
        ("0.0037", "RUB", "0,0037 ₽", "₽0.0037"),
        ("-1.5", "KWD", "−1,500 KWD", "−KWD 1.500"),
        ("1.5", "JPY", "1,5 ¥", "¥1.5"),
        ("74/31", "RUB", "74/31 ₽", "₽74/31"),
    ],
)
def test_a_rate_keeps_its_digits_and_has_those_of_its_currency(
    rate: str, currency: str, russian: str, english: str
) -> None:
    for lang, expected in (("ru", russian), ("en", english)):
        assert (
            rate_text(Fraction(rate), currency, lang).replace("\N{NO-BREAK SPACE}", " ") == expected
        )
