"""Cases of whole service periods, rated as a bill run rates them: trials and commitments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fractions import Fraction as F  # noqa: N817

from kvit.core.catalogue import Meter, PlanTerms, PriceTerms, build
from kvit.core.charges import rate
from kvit.core.extras import COMMITMENT
from kvit.core.measured import Measured
from kvit.core.periods import Period
from kvit.core.pricing import parse_price
from kvit.core.schedule import Contract, service_periods
from kvit.core.terms import Amendment, Terms, timeline
from kvit.core.usage import UsageEvent
from kvit.core.vendor_policies import VendorPolicy
from tests.core.golden.register import Figures, case


def fee(plan: str, code: str, amount: str) -> PriceTerms:
    return PriceTerms(plan, code, code, parse_price({"model": "flat", "amount": amount}))


def usage(plan: str, meter: str) -> PriceTerms:
    """One a unit."""
    price = parse_price({"model": "per_unit", "unit": "1.00"})
    return PriceTerms(plan, meter, meter, price, prorate="none", meter=meter)


@dataclass(frozen=True, slots=True)
class Story:
    """A subscription of the first of `plans` and the window in which its period lies."""

    start: datetime
    window: Period
    plans: Sequence[PlanTerms]
    prices: Sequence[PriceTerms]
    amendments: Sequence[Amendment] = ()
    used: Mapping[str, int] | None = None  # units by meter, in one event on the window's first day

    def charged(self) -> dict[str, int]:
        """Minor units of the period's arrears by the key of their price."""
        used = self.used or {}
        at = datetime.combine(self.window.start, self.start.timetz())
        catalogue = build(
            meters=[Meter(code, code, "unit", "sum") for code in used],
            plans=self.plans,
            prices=self.prices,
            calendars={},
            revision=1,
        )
        first = Terms(plan=self.plans[0].code, customer="c")
        spells = timeline(start=self.start, end=None, first=first, amendments=self.amendments)
        contract = Contract("s", "s", "UTC", "USD", spells)
        (service,) = service_periods(contract, catalogue, self.window)
        events = {code: [UsageEvent(at, code, F(units))] for code, units in used.items()}
        rated = rate(contract, service, catalogue, Measured(events), whens=frozenset({"arrears"}))
        assert not rated.unpriced
        sums: dict[str, int] = {}
        for charge in rated.charges:
            key = charge.stretch.key
            sums[key] = sums.get(key, 0) + charge.amount_minor
        return sums


TRIAL = Story(
    start=datetime(2024, 3, 5, 12, 12, tzinfo=UTC),
    window=Period(date(2024, 3, 6), date(2024, 3, 31)),
    plans=[PlanTerms("basic", "basic", trial_days=10), PlanTerms("pro", "pro", trial_days=13)],
    prices=[fee("basic", "fee", "50000"), fee("pro", "fee", "100000")],
)


@case("lago-proration-018", "lago", fee_amount_cents=2741935)
def a_trial_ends_in_mid_month(policy: VendorPolicy) -> Figures:
    """Ten days of trial: the fee begins with its last day's date, 17 of 31 days."""
    return {"fee_amount_cents": TRIAL.charged()["fee"]}


@case(
    "lago-proration-019",
    "lago",
    fee_amount_cents=4516129,
    note="the new plan's trial counts from the subscription's start: 14 of 31 days",
)
def a_trial_goes_on_after_an_upgrade(policy: VendorPolicy) -> Figures:
    """An upgrade during the trial to a plan with 13 days of it."""
    upgrade = Amendment(1, datetime(2024, 3, 10, 12, 12, tzinfo=UTC), "plan", "pro")
    return {"fee_amount_cents": replace(TRIAL, amendments=[upgrade]).charged()["fee"]}


USED = {"calls": 10, "messages": 10, "seats": 10}
METERED = [usage("plan", meter) for meter in USED]


@case("lago-minimum-011", "lago", true_up_fee_cents=987000)
def a_commitment_of_a_whole_month(policy: VendorPolicy) -> Figures:
    """A month's commitment, the plan's fee and three charges of ten units."""
    plan = PlanTerms("plan", "plan", anchor="anniversary", commitment=F(10_000))
    story = Story(
        start=datetime(2024, 2, 28, tzinfo=UTC),
        window=Period(date(2024, 2, 29), date(2024, 3, 27)),
        plans=[plan],
        prices=[fee("plan", "fee", "100"), *METERED],
        used=USED,
    )
    return {"true_up_fee_cents": story.charged()[COMMITMENT]}


@case("lago-minimum-008", "lago", true_up_fee_cents=214582)
def a_commitment_of_a_part_of_a_quarter(policy: VendorPolicy) -> Figures:
    """Commitment and fee of a quarter begun on 12 March: 20 of 91 days of both."""
    story = Story(
        start=datetime(2024, 3, 12, tzinfo=UTC),
        window=Period(date(2024, 3, 13), date(2024, 3, 31)),
        plans=[PlanTerms("plan", "plan", cycle="quarter", commitment=F(10_000))],
        prices=[fee("plan", "fee", "100"), *METERED],
        used=USED,
    )
    return {"true_up_fee_cents": story.charged()[COMMITMENT]}


@case("lago-minimum-014", "lago", true_up_cents=9350)
def fees_of_the_next_period_do_not_count(policy: VendorPolicy) -> Figures:
    """A fee charged in advance for the next period is not one of this one."""
    ahead = replace(fee("plan", "ahead", "5"), when="advance")
    story = Story(
        start=datetime(2024, 3, 1, tzinfo=UTC),
        window=Period(date(2024, 3, 2), date(2024, 3, 31)),
        plans=[PlanTerms("plan", "plan", commitment=F(100))],
        prices=[*(fee("plan", f"fee{i}", sum) for i, sum in enumerate(("2", "3", "1.5"))), ahead],
    )
    return {"true_up_cents": story.charged()[COMMITMENT]}
