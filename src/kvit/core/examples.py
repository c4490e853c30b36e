"""Examples that a price carries: what some quantity must cost, checked before it is published."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvit.core.money import exact_text, exponent, minor_text, parse_decimal, to_minor
from kvit.core.pricing import Price, PriceError, evaluate
from kvit.core.pricing.errors import unknown_field
from kvit.core.quote.quantities import known_fields, read_calendar, read_quantity


@dataclass(frozen=True, slots=True)
class ExampleFailure:
    """An example that does not hold; `place` counts from 1."""

    place: int
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"example {self.place}: expected {self.expected}, the price gives {self.actual}"


def check_examples(
    price: Price, examples: Iterable[Mapping[str, object]], currency: str
) -> tuple[ExampleFailure, ...]:
    """Price each example's quantity, round once as a bill would, and compare with its `amount`.

    Raises:
        PriceError: an example cannot be read or priced.
    """
    failures = []
    for place, example in enumerate(examples, 1):
        path = f"examples[{place}]"
        given = {name: value for name, value in example.items() if name != "amount"}
        if "amount" not in example:
            raise PriceError("missing_field", f"{path}.amount", name="amount")
        known = known_fields(price) | {"calendar"}
        for name in given:
            if name not in known:
                raise unknown_field(path, name, sorted(known))
        expected = parse_decimal(example["amount"])
        quantity = read_quantity(price, given, f"{path}.")
        calendar = read_calendar(given.get("calendar"), f"{path}.calendar")
        actual = to_minor(evaluate(price, quantity, calendar=calendar).exact, currency)
        if actual != expected * 10 ** exponent(currency):
            failures.append(
                ExampleFailure(place, exact_text(expected), minor_text(actual, currency))
            )
    return tuple(failures)
