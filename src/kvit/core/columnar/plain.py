"""Which subscriptions may be rated together, a column a price, and what one of them costs unused.

Subscriptions of the same terms, zone, currency and service period differ in nothing but usage,
payer and name. Where every price holds unchanged for the whole period, one of them stands for all:
its charges, rated without usage, are the pattern, and only units and sums vary. What needs more
(amendments, discounts, allowances carried over, groups) is rated by itself.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

from kvit.core.catalogue import Catalogue, Meter
from kvit.core.charges import rate
from kvit.core.columnar.prices import is_columnar
from kvit.core.measured import CARRYING, Measured
from kvit.core.pricing.allowance import Allowance
from kvit.core.pricing.compiled import Compiled
from kvit.core.pricing.composed import Composed
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.price import compile_price
from kvit.core.schedule import Contract, ServicePeriod
from kvit.core.stretches import Charge, Stretch, stretches

AGGREGATIONS: Final = frozenset(
    {"sum", "count", "max", "unique", "latest", "time_weighted", "difference"}
)
ADDING: Final = frozenset({"sum", "count"})
"""Of these, parts by dimension add up to the whole: a matrix may be read from its cells."""


def pattern(
    contract: Contract,
    service: ServicePeriod,
    catalogue: Catalogue,
    whens: frozenset[str],
    held: frozenset[tuple[str, str]],
) -> tuple[Charge, ...] | None:
    """Return the charges of the period without usage; None where it must be rated by itself."""
    spell = contract.spells[0]
    if len(contract.spells) > 1 or spell.terms.discounts:
        return None
    if any(catalogue.share_of(one, service.period) for one in catalogue.discounts):
        return None
    if contract.milestones or not whens <= {"arrears", "advance", "once"}:
        return None
    try:
        chains = stretches(contract, service, catalogue)
    except PriceError:
        return None
    for chain in chains.values():
        if len(chain) > 1 or not _is_plain(chain[0], service, catalogue, whens, held):
            return None
    if spell.terms.scheme == "advance_balance":
        return None
    rated = rate(contract, service, catalogue, Measured(), whens=whens, held=held)
    return None if rated.unpriced or rated.waiting else rated.charges


def _is_plain(
    stretch: Stretch,
    service: ServicePeriod,
    catalogue: Catalogue,
    whens: frozenset[str],
    held: frozenset[tuple[str, str]],
) -> bool:
    terms, plan = stretch.terms, stretch.plan
    if stretch.when not in whens or {(terms.plan, terms.code), (terms.plan, "*")} & held:
        return False
    if plan.commitment is not None or plan.threshold is not None:
        return False
    if plan.scheme == "advance_balance" or any(code == plan.code for code, _ in held):
        return False
    # What reads more than its own quantity: of the customer, of earlier periods, of a pool.
    if isinstance(stretch.price, Composed | Allowance):
        return False
    if not terms.meter:
        return True
    if (stretch.start, stretch.end) != (service.start, service.end):
        return False  # usage of the rest of the period is not this price's
    meter = catalogue.meters.get(terms.meter)
    if meter is None or terms.group_by or meter.aggregation not in AGGREGATIONS:
        return False
    return fits(compile_price(stretch.price), meter)


def fits(compiled: Compiled, meter: Meter) -> bool:
    """Whether the price can be read in columns from the meter."""
    return is_columnar(compiled) and (compiled.aggregation != "keys" or meter.aggregation in ADDING)


def carrying(patterns: Iterable[Charge], catalogue: Catalogue) -> list[str]:
    """Return the meters that go on from what they showed before the period."""
    meters = {one.stretch.terms.meter for one in patterns if one.stretch.terms.meter}
    return sorted(one for one in meters if catalogue.meters[one].aggregation in CARRYING)


def is_timeless(catalogue: Catalogue, plan: str) -> bool:
    """Whether the day on which a subscription took the plan decides nothing once it lies before
    the periods looked at: calendar months, no phases, no trial."""
    versions = catalogue.plans.get(plan, ())
    bundled = catalogue.plans_within(plan, date.max)
    known = [one for code in bundled for one in catalogue.plans.get(code, ())]
    return (
        bool(versions)
        and all((one.cycle, one.anchor) == ("month", "calendar") for one in versions)
        and not any(one.phases or one.trial_days for one in known)
    )
