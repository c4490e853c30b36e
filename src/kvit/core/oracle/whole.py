"""A price with what any price may carry, what was billed before, and the one rounding."""

from collections.abc import Collection
from datetime import date
from fractions import Fraction

from kvit.core.oracle import events, sessions, units
from kvit.core.oracle.answers import Answer, Document, number, optional, rounded
from kvit.core.oracle.expressions import computed

ZERO = Fraction(0)
BY_UNITS = {
    "per_unit": units.per_unit,
    "graduated": units.graduated,
    "graduated_percentage": units.graduated_percentage,
    "volume": units.volume,
    "stairstep": units.stairstep,
    "package": units.package,
    "blocks": units.blocks,
}


def price_document(
    price: Document,
    quantity: Document,
    *,
    minor_digits: int = 2,
    rounding: str = "half-up",
    holidays: Collection[date] = (),
) -> Answer:
    """Price a quantity of the quote contract.

    Args:
        price: the document under "price".
        quantity: the fields beside it: `units`, `events`, `peaks`, `usage`, `start` and `seconds`,
            `readings`, `already`; nothing for a flat price.
        minor_digits: decimals of the currency's minor unit.
        rounding: as the contract names it.
        holidays: the days of the calendar.

    Raises:
        NoPrice: nothing in the price applies.
        NoBand: a moment that is used lies in no band.
    """
    already = quantity.get("already")
    if already is None:
        exact = _cost(price, quantity, holidays)
        return Answer(exact, rounded(exact * 10**minor_digits, rounding))
    before = number(already, "units")
    whole = {**quantity, "units": str(before + number(quantity, "units"))}
    all_of_it = _cost(price, whole, holidays)
    billed = _cost(price, {**quantity, "units": str(before)}, holidays) if before else ZERO
    exact = all_of_it - billed
    paid = optional(already, "amount")
    if paid is None:
        return Answer(exact, rounded(exact * 10**minor_digits, rounding))
    minor = rounded(all_of_it * 10**minor_digits, rounding) - paid * 10**minor_digits
    return Answer(exact, int(minor))


def _cost(price: Document, quantity: Document, holidays: Collection[date]) -> Fraction:
    """Discount, then maximum, then minimum."""
    cost = _bare(price, quantity, holidays)
    cost -= cost * number(price, "discount_percent", "0") / 100
    most, least = optional(price, "maximum"), optional(price, "minimum")
    if most is not None and cost > most:
        cost = most
    if least is not None and cost < least:
        cost = least
    return cost


def _bare(price: Document, quantity: Document, holidays: Collection[date]) -> Fraction:
    model = price["model"]
    if model in BY_UNITS:
        return BY_UNITS[model](price, number(quantity, "units"))
    match model:
        case "flat":
            return units.flat(price)
        case "capacity":
            return units.capacity(price, quantity["peaks"])
        case "percentage":
            return events.percentage(price, quantity["events"])
        case "dynamic":
            return events.dynamic(quantity["events"])
        case "matrix":
            shared = events.cells(price, quantity["usage"])
            parts = (_cost(one, {"units": str(n)}, holidays) for one, n in shared)
            return sum(parts, ZERO)
        case "allowance":
            free = number(price, "included") + sum(map(Fraction, quantity.get("carried", ())))
            over = max(number(quantity, "units") - free, ZERO)
            return _cost(price["price"], {"units": str(over)}, holidays)
        case "composed":
            return _composed(price, quantity, holidays)
        case "timed" if "sessions" in quantity:
            calls = quantity["sessions"]
            return sum((_bare(price, one, holidays) for one in calls), ZERO)
        case "timed":
            seconds = number(quantity, "seconds")
            return sessions.timed(price, quantity["start"], seconds, holidays)
        case "banded":
            return sessions.banded(price, quantity["readings"], holidays)
    raise ValueError(model)


def _composed(price: Document, quantity: Document, holidays: Collection[date]) -> Fraction:
    """The parts on the same quantity, then the expression over their sums."""
    parts = price.get("parts") or {}
    amount = number(quantity, "units", "0")
    names: dict[str, Fraction | str] = {
        **quantity.get("attributes", {}),
        "units": amount,
        "quantity": amount,
        "events": Fraction(len(quantity.get("events", ()))),
    }
    names |= {name: _cost(part, quantity, holidays) for name, part in parts.items()}
    return computed(
        price["expression"],
        names=names,
        counters={name: Fraction(n) for name, n in quantity.get("counters", {}).items()},
        tables=price.get("tables") or {},
    )
