"""Prices of events and of groups: each is met in turn."""

from fractions import Fraction

from kvit.core.oracle.answers import Document, NoPrice, number, optional

ZERO = Fraction(0)


def percentage(price: Document, events: list[str]) -> Fraction:
    """Each event pays the rate and the fixed fee, unless every limit of the allowance holds."""
    free_events, free_amount = optional(price, "free_events"), optional(price, "free_amount")
    total, used = ZERO, ZERO
    for i, text in enumerate(events):
        amount = Fraction(text)
        used += amount
        by_count = free_events is None or i + 1 <= free_events
        by_amount = free_amount is None or used <= free_amount
        limited = free_events is not None or free_amount is not None
        if limited and by_count and by_amount:
            continue
        taxed = amount
        if by_count and free_amount is not None and used - amount < free_amount:
            taxed = used - free_amount  # this one crosses the free amount
        total += _bounded(price, taxed * number(price, "rate") / 100 + number(price, "fixed", "0"))
    return total


def dynamic(events: list[Document]) -> Fraction:
    """Each event brings its own amount."""
    return sum((number(event, "amount") for event in events), ZERO)


def cells(price: Document, usage: list[Document]) -> list[tuple[Document, Fraction]]:
    """Share the rows of `usage` among the prices of a matrix: (price, its units)."""
    found: list[tuple[Document, Fraction]] = []
    for row in usage:
        chosen = _cell(price, row["dimensions"])
        before = [i for i, (other, _) in enumerate(found) if other is chosen]
        if before:
            found[before[0]] = (chosen, found[before[0]][1] + number(row, "units"))
        else:
            found.append((chosen, number(row, "units")))
    return found


def _cell(price: Document, dimensions: dict[str, str]) -> Document:
    for entry in price["prices"]:
        if all(dimensions.get(name) == value for name, value in entry["match"].items()):
            chosen: Document = entry["price"]
            return chosen
    if price.get("default") is None:
        raise NoPrice
    default: Document = price["default"]
    return default


def _bounded(price: Document, fee: Fraction) -> Fraction:
    """The maximum, then the minimum, as for a price."""
    least, most = optional(price, "event_min"), optional(price, "event_max")
    if most is not None:
        fee = min(fee, most)
    return fee if least is None else max(fee, least)
