"""What every request of a line shares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from kvit.core.money import Rounding, UnknownCurrency, exponent, minor_text, to_minor
from kvit.core.pricing.errors import PriceError, unknown_field

Catalogue = Mapping[str, Mapping[str, object]]
"""Plans by code, as documents of the company folder."""

COMMON = frozenset({"id", "currency", "lang", "rounding"})


@dataclass(frozen=True, slots=True)
class Context:
    """Currency, rounding and language of a line, and the plans that it may name."""

    currency: str
    rounding: Rounding
    lang: str
    catalogue: Catalogue

    def round(self, exact: Fraction) -> int:
        """Round an exact sum once, to minor units."""
        return to_minor(exact, self.currency, self.rounding)

    def text(self, minor: int) -> str:
        """Write minor units."""
        return minor_text(minor, self.currency)

    def minor(self, amount: Fraction, field: str) -> int:
        """Take a sum that must be whole in minor units.

        Raises:
            PriceError: out_of_range, the sum is finer than the currency.
        """
        scaled: Fraction = amount * 10 ** exponent(self.currency)
        if scaled.denominator != 1:
            places = f"{self.currency}: 10^-{exponent(self.currency)}"
            raise PriceError("out_of_range", field, value=amount, bounds=places)
        return scaled.numerator


def check_currency(value: object, field: str) -> str:
    """Return the code of a currency that is known.

    Raises:
        PriceError: unknown_currency.
    """
    try:
        if isinstance(value, str):
            exponent(value)
            return value
    except UnknownCurrency:
        pass
    raise PriceError("unknown_currency", field, value=str(value)[:40])


def only(document: Mapping[str, object], allowed: Iterable[str], path: str = "") -> None:
    """Refuse fields that the request does not know.

    Raises:
        PriceError: unknown_field.
    """
    known = {*allowed, *(COMMON if not path else ())}
    for name in document:
        if name not in known:
            raise unknown_field(path, name, sorted(known))
