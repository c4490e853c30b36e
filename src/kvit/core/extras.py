"""Charges that stand beside a plan's prices: a commitment's true-up, an advance and its offset.

Worked examples:

    commitment 10 000.00 a month, from 16 October (16/31): 5 161.29 promised, 3 000.00 used
        → true-up 2 161.29
    advance + balance: a fee of 10 000.00 is asked for on 1 October; the month costs 14 930.00
        → October's bill: 14 930.00 of lines and −10 000.00 of advance, 4 930.00 to pay

They are charges like any other: revised by differences, taxed, explained.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from kvit.core.catalogue import PlanTerms, PriceTerms
from kvit.core.money import exponent, to_minor
from kvit.core.periods import Period
from kvit.core.pricing import Priced, parse_price
from kvit.core.proration import share
from kvit.core.schedule import Contract, ServicePeriod
from kvit.core.stretches import Charge, Stretch

COMMITMENT, ADVANCE, OFFSET = "commitment", "advance", "advance_offset"
"""Keys of the charges; their names are words of the one who prints them."""
NOTHING = parse_price({"model": "flat", "amount": "0"})


@dataclass(frozen=True, slots=True)
class Advanced:
    """What was charged as an advance for a service period, in minor units; None: nothing yet."""

    minor: int | None = None


NOT_ADVANCED = Advanced()


def true_ups(contract: Contract, service: ServicePeriod, charges: Sequence[Charge]) -> list[Charge]:
    """Top up each plan with a commitment to what it promises for the days that it was held.

    What counts towards it is everything charged under the plan in the period, after discounts.
    A charge of zero stands where nothing is missing, so that a later difference finds it.
    """
    plans: dict[str, list[Charge]] = {}
    for charge in charges:
        if charge.stretch.plan.commitment is not None:
            plans.setdefault(charge.stretch.plan.code, []).append(charge)
    return [_true_up(contract, service, many) for many in plans.values()]


def _true_up(contract: Contract, service: ServicePeriod, charges: Sequence[Charge]) -> Charge:
    plan = charges[0].stretch.plan
    assert plan.commitment is not None  # the caller chose plans that have one
    first = min(charges, key=lambda one: one.stretch.start).stretch
    held = _days(charges)
    part = share("days", service.period, held)
    promised = to_minor(plan.commitment * part, contract.currency)
    missing = max(0, promised - sum(one.amount_minor for one in charges))
    stretch = replace(
        _pseudo(first, COMMITMENT, "arrears"),
        key=COMMITMENT if first.key == first.terms.code else f"{plan.code}/{COMMITMENT}",
        end=max(one.stretch.end for one in charges),
        days=held,
    )
    return _fixed(contract, stretch, missing)


def _days(charges: Sequence[Charge]) -> Period:
    return Period(
        min(one.stretch.days.start for one in charges), max(one.stretch.days.end for one in charges)
    )


def advances(
    contract: Contract,
    service: ServicePeriod,
    fees: Sequence[Charge],
    advanced: Advanced,
    *,
    is_settled: bool,
) -> list[Charge]:
    """Ask for a period's fees in advance, or take back what was asked when it is settled.

    Args:
        fees: the period's fees as known now, whether or not they are charged yet.
        advanced: what was asked already; once asked it stands, whatever the fees become.
        is_settled: the period itself is charged now. Then an advance that was never asked for is
            not asked any more.
    """
    if not fees or (is_settled and advanced.minor is None):
        return []
    first = min(fees, key=lambda one: one.stretch.start).stretch
    whole = replace(first, end=max(one.stretch.end for one in fees), days=_days(fees))
    minor = sum(one.amount_minor for one in fees) if advanced.minor is None else advanced.minor
    asked = _fixed(contract, _pseudo(whole, ADVANCE, "advance"), minor)
    if not is_settled:
        return [asked]
    return [asked, _fixed(contract, _pseudo(whole, OFFSET, "arrears"), -minor)]


def _pseudo(stretch: Stretch, code: str, when: str) -> Stretch:
    """A stretch of no price of the catalogue."""
    plan: PlanTerms = stretch.plan
    terms = PriceTerms(plan=plan.code, code=code, name="", price=NOTHING, when=when,
                       price_basis=stretch.terms.price_basis)  # fmt: skip
    return replace(stretch, key=code, terms=terms, price=NOTHING, when=when, discounts=())


def _fixed(contract: Contract, stretch: Stretch, minor: int) -> Charge:
    exact = Fraction(minor, 10 ** exponent(contract.currency))
    units = Fraction(1 if minor else 0)  # what asks for nothing makes no line
    priced = Priced(exact, units, ())
    return Charge(stretch, "", units, 0, Fraction(1), exact, exact, minor, minor, (), priced)
