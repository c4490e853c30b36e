"""Turns each event's amount into its charge: rate, fixed fee, allowance, bounds."""

from fractions import Fraction

from kvit.core.money import exact_text
from kvit.core.pricing.compiled import PercentStep
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.steps import Step, Sums

ZERO = Fraction(0)


def charge_events(event: PercentStep, amounts: tuple[Fraction, ...]) -> list[Step]:
    """Return the steps of all events in order, one a kind of outcome."""
    sums = Sums()
    rate = Fraction(*event.rate)
    fixed = Fraction(event.fixed, event.scale)
    seen = ZERO
    for place, amount in enumerate(amounts):
        if amount < 0:
            raise PriceError("out_of_range", "events", value=exact_text(amount), bounds="≥ 0")
        paying = _paying_part(event, place, seen, amount)
        seen += amount
        if paying is None:
            sums.add(Step("events.free", ZERO, units=amount, count=1))
            continue
        if paying != amount:
            sums.add(Step("free", ZERO, units=amount - paying))
        sums.add(_bounded(event, paying, rate, fixed))
    return sums.steps()


def _paying_part(
    event: PercentStep, place: int, seen: Fraction, amount: Fraction
) -> Fraction | None:
    """Return the part of the event that pays; None: the event is free.

    An event is free while every given limit holds. The one that crosses the free sum, within the
    free events, pays for the excess alone.
    """
    if event.free_events is None and event.free_amount is None:
        return amount
    if event.free_events is not None and place >= event.free_events:
        return amount
    if event.free_amount is None:
        return None
    left = Fraction(event.free_amount, event.scale) - seen
    if amount <= left:
        return None
    return amount - max(left, ZERO)


def _bounded(event: PercentStep, paying: Fraction, rate: Fraction, fixed: Fraction) -> Step:
    """Charge the rate and the fixed fee: at most the maximum of one event, then at least its
    minimum, in the order of a price's own bounds."""
    charge = paying * rate + fixed
    key, bound = "events.rate", charge
    if event.most is not None and (most := Fraction(event.most, event.scale)) < bound:
        key, bound = "events.most", most
    if event.least is not None and (least := Fraction(event.least, event.scale)) > bound:
        key, bound = "events.least", least
    if key != "events.rate":
        return Step(key, bound, units=paying, flat=bound, count=1, params=(("bound", bound),))
    params = (("percent", rate * 100), ("fee", fixed))
    return Step(key, charge, units=paying, unit=rate, flat=fixed, count=1, params=params)
