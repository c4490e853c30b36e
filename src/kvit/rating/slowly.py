"""A charge priced once more by the slow oracle, which shares no code with the engine.

The oracle is asked where a quantity is a number of units: fees, and usage that is added up. Sums
and counts of events are added here by hand, not by the aggregations.
"""

from fractions import Fraction

from kvit.core.money import exponent
from kvit.core.oracle import price_document
from kvit.core.oracle.whole import BY_UNITS
from kvit.core.stretches import Charge
from kvit.rating.explain import Explained

ASKED = frozenset({"flat", *BY_UNITS})


def gross_slowly(found: Explained) -> Fraction | None:
    """Return what the charge costs before discounts, in major units; None: the oracle is not
    asked about such a price."""
    charge = found.computed
    if charge is None:
        return None
    stretch = charge.stretch
    document = dict(stretch.price.document())
    if document.get("model") not in ASKED or not stretch.terms.version_id:
        return None
    if stretch.terms.meter:
        if stretch.price.reads != {"units"}:
            return None
        quantity: dict[str, object] = {"units": str(_units(found, charge))}
        before = _before(found, charge)
        if before:
            quantity["already"] = {"units": str(before)}
    else:
        quantity = {"units": str(stretch.quantity if stretch.terms.counts_quantity else 1)}
    digits = exponent(found.contract.currency)
    return price_document(document, quantity, minor_digits=digits).exact * charge.share


def _units(found: Explained, charge: Charge) -> Fraction:
    """Add the events up, where adding is what the meter does."""
    kind = found.catalogue.meters[charge.stretch.terms.meter].aggregation
    if kind == "count":
        return Fraction(len(found.events))
    if kind != "sum":
        return charge.units
    return sum((Fraction(one.value) for one in found.events), Fraction(0))


def _before(found: Explained, charge: Charge) -> Fraction:
    """Return the units that the price had counted in the period when the stretch began."""
    units = Fraction(0)
    place = found.chain.index(charge)
    for earlier, later in zip(found.chain[:place], found.chain[1:], strict=False):
        units += earlier.units
        if earlier.stretch.price != later.stretch.price and not later.stretch.terms.continues:
            units = Fraction(0)
    return units
