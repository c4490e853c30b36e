"""What a search narrows by «word:value»: documents of a customer, a sum, a day, a period.

    клиент:ромашка сумма:>5000        documents of Ромашка above 5 000
    сумма:1000..2000 период:2026-10   of that billing period, between the two, both included
    счёт:118                          the document of that number
    дата:>=2026-11-01                 issued on that day or later
    cevvf:>5000                       «сумма», typed in the other layout

A value with spaces stands in quotes. What no operator takes is looked for as it always is.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from kvit.core.money import exponent
from kvit.core.searching import folded, other_layout
from kvit.core.wording import Words
from kvit.platform.failures import Failure
from kvit.web.forms import ungrouped

_NAMES = {
    "клиент": "customer", "customer": "customer", "сумма": "sum", "sum": "sum", "amount": "sum",
    "дата": "date", "date": "date", "период": "period", "period": "period", "счет": "number",
    "номер": "number", "invoice": "number", "number": "number", "подписка": "subscription",
    "договор": "subscription", "subscription": "subscription", "событие": "event",
    "event": "event",
}  # fmt: skip
_PAIR = re.compile(r"""([^\s:"«»]+):\s*("[^"]*"|«[^»]*»|\S+)""")
_SUM = re.compile(r"\d{1,15}([.,]\d{1,4})?")
_MONTH = re.compile(r"\d{4}-\d{2}")
WORDS: Words = {
    "operator_sum_wrong": (
        "Сумму пишут так: сумма:>5000, сумма:<=5000,50 или сумма:1000..2000.",
        "A sum is written so: sum:>5000, sum:<=5000.50 or sum:1000..2000.",
    ),
    "operator_day_wrong": (
        "День пишут так: дата:2026-11-30, дата:>=2026-11-01; месяц: период:2026-10.",
        "A day is written so: date:2026-11-30, date:>=2026-11-01; a month: period:2026-10.",
    ),
}


class OperatorWrong(Failure):
    """The value of an operator cannot be read."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Bounds:
    """From and to, both included; None is open."""

    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Operators:
    """What the operators of a text say; `rest` is the text without them."""

    said: dict[str, str] = field(default_factory=dict)
    rest: str = ""

    @property
    def are_of_documents(self) -> bool:
        """Whether documents are narrowed, rather than one thing named."""
        return bool(self.said.keys() & {"sum", "date", "period"})

    def sums(self, currency: str) -> Bounds:
        """The bounds of a sum, in minor units of the currency.

        Raises:
            OperatorWrong: it is no sum.
        """
        return _bounds(self.said.get("sum", ""), lambda text: _minor(text, currency))

    def days(self) -> tuple[date | None, date | None]:
        """The first and the last day of issue.

        Raises:
            OperatorWrong: it is no day.
        """
        found = _bounds(self.said.get("date", ""), lambda text: _day(text).toordinal())
        return _date(found.least), _date(found.most)

    def period(self) -> date | None:
        """The first day of the billing period.

        Raises:
            OperatorWrong: it is no month.
        """
        text = self.said.get("period", "")
        if not text:
            return None
        return _day(f"{text}-01" if _MONTH.fullmatch(text) else text)


def read(text: str) -> Operators:
    """Take the operators out of a text; words before a colon that are none stay in it."""
    said: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        name = _named(match.group(1))
        if name is None:
            return match.group()
        said[name] = match.group(2).strip('"«»')
        return " "

    rest = " ".join(_PAIR.sub(take, text).split())
    return Operators(said, rest)


def _named(word: str) -> str | None:
    return _NAMES.get(folded(word)) or _NAMES.get(folded(other_layout(word)))


def _bounds(text: str, read_one: Callable[[str], int]) -> Bounds:
    if not text:
        return Bounds()
    if ".." in text:
        least, _, most = text.partition("..")
        return Bounds(read_one(least), read_one(most))
    for sign, step in ((">=", 0), ("<=", 0), (">", 1), ("<", -1)):
        if text.startswith(sign):
            bound = read_one(text.removeprefix(sign)) + step
            return Bounds(bound, None) if ">" in sign else Bounds(None, bound)
    return Bounds(read_one(text), read_one(text))


def _minor(text: str, currency: str) -> int:
    digits = exponent(currency)
    text = ungrouped(text)
    if not _SUM.fullmatch(text):
        raise OperatorWrong("operator_sum_wrong")
    major, _, rest = text.replace(",", ".").partition(".")
    if len(rest) > digits:
        raise OperatorWrong("operator_sum_wrong")
    return int(major + rest.ljust(digits, "0"))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise OperatorWrong("operator_day_wrong") from None


def _date(ordinal: int | None) -> date | None:
    return None if ordinal is None else date.fromordinal(ordinal)
