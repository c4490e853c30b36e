"""Money as integers of minor units, the one rounding, and division that loses nothing.

A worked example: 100.00 roubles shared in three,

    allocate(10000, [1, 1, 1]) == [3334, 3333, 3333]   → the parts add up to the whole

and a rate of 2.90 % of 17.45, which is 0.50605, rounded once to 0.51.

Quantities, rates and unrounded sums are `Fraction`: a rate per 60 seconds or 74/31 of a month
stays exact, and no digit can be dropped in silence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

Rounding = Literal["half-up", "half-even", "up", "down"]
ROUNDINGS: tuple[Rounding, ...] = ("half-up", "half-even", "up", "down")

# ISO 4217 minor units that are not two. Source: ISO 4217 list one (2026), column "Mnr unts".
_EXPONENTS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_TWO = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD
    HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK
    MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
    RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS
    UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG""".split()
)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
MAX_DIGITS = 60  # an amount longer than this is a mistake or an attack, not money


class UnknownCurrency(ValueError):
    """The code is not a currency of ISO 4217."""


class NotANumber(ValueError):
    """The text is not a decimal number."""


class FloatRefused(NotANumber):
    """A binary floating-point number stands where exact decimals are required."""


class CurrencyMismatch(ValueError):
    """Two currencies meet in one sum."""


def exponent(currency: str) -> int:
    """Return how many decimals the minor unit of `currency` has (RUB 2, JPY 0, KWD 3).

    Raises:
        UnknownCurrency: the code is not of ISO 4217.
    """
    if currency in _TWO:
        return 2
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(currency) from None


def round_fraction(value: Fraction, rounding: Rounding = "half-up") -> int:
    """Round to an integer: half-up away from zero at a tie, up towards +∞, down towards −∞."""
    return _rounded(value.numerator, value.denominator, rounding)


def _rounded(numerator: int, denominator: int, rounding: Rounding) -> int:
    if denominator == 1:
        return numerator
    if rounding == "down":
        return numerator // denominator
    if rounding == "up":
        return -(-numerator // denominator)
    if rounding == "half-even":
        return round(Fraction(numerator, denominator))
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def to_minor(major: Fraction, currency: str, rounding: Rounding = "half-up") -> int:
    """Round an exact sum in major units once, to an integer of minor units."""
    return _rounded(major.numerator * 10 ** exponent(currency), major.denominator, rounding)


def minor_text(minor: int, currency: str) -> str:
    """Write minor units with exactly the currency's digits: 2215009 RUB → 22150.09."""
    digits = exponent(currency)
    sign, whole = ("-" if minor < 0 else ""), abs(minor)
    if not digits:
        return f"{sign}{whole}"
    return f"{sign}{whole // 10**digits}.{whole % 10**digits:0{digits}}"


def parse_decimal(value: object) -> Fraction:
    """Read a decimal string or an integer exactly.

    Raises:
        FloatRefused: a float (it has already lost digits).
        NotANumber: anything else that is not a plain decimal; exponents, spaces and commas are
            refused here: a reader that allows them normalises first and says so.
    """
    if isinstance(value, bool):
        raise NotANumber(repr(value))
    if isinstance(value, int):
        if abs(value) >= 10**MAX_DIGITS:
            raise NotANumber(f"more than {MAX_DIGITS} digits")
        return Fraction(value)
    if isinstance(value, float):
        raise FloatRefused(repr(value))
    if isinstance(value, Fraction):
        return value
    if not isinstance(value, str) or len(value) > MAX_DIGITS or not _DECIMAL.fullmatch(value):
        raise NotANumber(repr(value)[:80])
    return Fraction(value)


def exact_text(value: Fraction) -> str:
    """Write a fraction exactly: a plain decimal where it is finite, else as "74/31"."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = max(twos, fives)
    scaled = cast(int, (value * 10**digits).numerator)
    if not digits:
        return str(scaled)
    sign, whole = ("-" if scaled < 0 else ""), abs(scaled)
    return f"{sign}{whole // 10**digits}.{whole % 10**digits:0{digits}}"


def allocate(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Divide `total` in proportion to `weights` by largest remainder; the parts sum to `total`.

    Ties go to the earlier part. A part of weight zero gets zero. A negative total is divided as
    its absolute value, so that a credit mirrors its charge.

    Raises:
        ValueError: a weight is negative, or all are zero.
    """
    if any(weight < 0 for weight in weights):
        raise ValueError("negative weight")
    whole = sum((Fraction(weight) for weight in weights), Fraction(0))
    if not whole:
        raise ValueError("all weights are zero")
    magnitude = abs(total)
    shares = [Fraction(weight) * magnitude / whole for weight in weights]
    parts = [share.numerator // share.denominator for share in shares]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - shares[i], i))
    for i in order[: magnitude - sum(parts)]:
        parts[i] += 1
    return parts if total >= 0 else [-part for part in parts]


@dataclass(frozen=True, slots=True)
class Money:
    """A sum of money: `minor` units (kopecks, cents, yen) of `currency`."""

    minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        return f"{minor_text(self.minor, self.currency)} {self.currency}"

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency}")
        return other.minor
