"""Sums as callers send them: major units as a string, read exactly."""

from typing import Annotated

from pydantic import Field

from kvit.core.money import UnknownCurrency, exponent, parse_decimal
from kvit.core.wording import Words
from kvit.platform.failures import Failure

WORDS: Words = {
    "sum_too_fine": (
        "У суммы {amount} больше знаков после точки, чем у валюты {currency}.",
        "The sum {amount} has more decimals than the currency {currency}.",
    ),
    "sum_currency_unknown": ("Валюты {currency} нет.", "There is no currency {currency}."),
}
Sum = Annotated[str, Field(pattern=r"^[0-9]{1,13}(\.[0-9]{1,4})?$", examples=["300.00"])]


class SumRefused(Failure):
    """A sum is finer than its currency's minor unit, or of no currency."""

    words = WORDS


def minor_of(amount: str, currency: str) -> int:
    """Return the sum in minor units.

    Raises:
        SumRefused: it has more decimals than the currency, or there is no such currency.
    """
    try:
        scaled = parse_decimal(amount) * 10 ** exponent(currency)
    except UnknownCurrency:
        raise SumRefused("sum_currency_unknown", currency=currency) from None
    if scaled.denominator != 1:
        raise SumRefused("sum_too_fine", amount=amount, currency=currency)
    return int(scaled)
