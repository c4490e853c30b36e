"""Named presets: which of our declared policies reproduces which other system's figures.

A company that comes from another system keeps its customers' sums: the importer takes the preset
of that system, writes its proration policy into the prices and its tax method into the seller.

    POLICIES["lago"].proration == "days_inclusive"
    as_vendor({"model": "volume", "tiers": […]}, POLICIES["lago"])["flat_at_zero"] is True

A preset says what that system's own published tests show and nothing else: None where they show
nothing. Case by case: docs/reference/worked-cases.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kvit.core.money import Rounding
from kvit.core.tax import Method

_WITH_FLAT = frozenset({"graduated", "graduated_percentage", "volume"})


class UnknownVendor(ValueError):
    """No preset has that name."""


@dataclass(frozen=True, slots=True)
class VendorPolicy:
    """How one system counts, in our words."""

    code: str
    name: str
    reproduces: str
    proration: str | None = None  # of `kvit.core.proration`
    cycles: str | None = None  # how a subscription billed in advance counts its stubs
    flat_at_zero: bool = False  # the first tier's flat fee is charged at zero units
    tax_method: Method | None = None
    rounding: Rounding = "half-up"


_PRESETS = (
    VendorPolicy(
        "lago",
        "Lago",
        "The first and the last day are both billed, by the days of the whole period; a change at "
        "any hour gives its day to the new plan. Tax is rounded once, from the exact sum.",
        proration="days_inclusive",
        flat_at_zero=True,
        tax_method="document",
    ),
    VendorPolicy(
        "killbill",
        "Kill Bill",
        "The last day is not billed; a leading stub is divided by the days of the interval before "
        "the first billing date, a trailing one by those of its own period.",
        proration="days",
        cycles="previous_period_stub",
    ),
    VendorPolicy(
        "killbill_fixed_30",
        "Kill Bill, fixed 30-day month",
        "Its optional month of 30 days: 23 May to 15 June is 22 of 30.",
        proration="fixed_30",
        cycles="previous_period_stub",
    ),
    VendorPolicy(
        "openmeter",
        "OpenMeter",
        "The first tier's flat fee is due at zero units; minimum and maximum hold for the period "
        "as a whole, a later line pays what is left of them.",
        flat_at_zero=True,
    ),
    VendorPolicy(
        "polar",
        "Polar",
        "Exact elapsed time, to the second; credit and charge are each rounded once.",
        proration="seconds",
    ),
    VendorPolicy(
        "flexprice",
        "Flexprice",
        "The end date of a period is its last day (1 to 31 March are 31 days). Each tax is "
        "rounded, then they are added.",
        proration="days_inclusive",
        tax_method="line",
    ),
    VendorPolicy(
        "meteroid",
        "Meteroid",
        "The end date is not billed: 1 to 31 January are 30 days.",
        proration="days",
    ),
    VendorPolicy(
        "cgrates",
        "CGRateS",
        "Sessions in whole increments of the interval in which each begins. Its rounding of an "
        "increment's price before multiplying is a known defect and is not reproduced.",
    ),
)

POLICIES: Mapping[str, VendorPolicy] = {preset.code: preset for preset in _PRESETS}


def vendor_policy(code: str) -> VendorPolicy:
    """Find a preset.

    Raises:
        UnknownVendor: there is none of that name.
    """
    try:
        return POLICIES[code]
    except KeyError:
        raise UnknownVendor(code) from None


def as_vendor(price: Mapping[str, object], policy: VendorPolicy) -> dict[str, object]:
    """Write the vendor's policy into a price document where the document itself is silent."""
    document = dict(price)
    if document.get("model") in _WITH_FLAT:
        document.setdefault("flat_at_zero", policy.flat_at_zero)
    return document
