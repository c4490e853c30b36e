"""Cases of metered prices: aggregations, ceilings and minimums, prorated tiers."""

from datetime import UTC, date, datetime
from fractions import Fraction as F  # noqa: N817

from kvit.core.money import round_fraction, to_minor
from kvit.core.periods import Period
from kvit.core.pricing import Priced, Quantity, evaluate, parse_price
from kvit.core.pricing.quantity import Session
from kvit.core.proration import share
from kvit.core.tax import TaxableLine, tax_lines, total_of
from kvit.core.usage import UsageEvent, aggregation
from kvit.core.vendor_policies import VendorPolicy
from tests.core.golden.register import Figures, case

MARCH, APRIL = datetime(2023, 3, 1, tzinfo=UTC), datetime(2023, 4, 1, tzinfo=UTC)


def cents(exact: F) -> int:
    return to_minor(exact, "USD")


def money(exact: F) -> F:
    return F(cents(exact), 100)


def step_sum(priced: Priced, kind: str) -> F:
    """What the steps of one kind add up to: charge, maximum, minimum."""
    return sum((step.exact for step in priced.steps if step.kind == kind), F(0))


@case("lago-aggregation-001", "lago", amount_cents=217742)
def a_level_is_weighted_by_time(policy: VendorPolicy) -> Figures:
    """A level of 2500 from 5 March on, weighted by time over the month."""
    events = [UsageEvent(datetime(2023, 3, 5, tzinfo=UTC), "e1", F(2500))]
    units = aggregation("time_weighted").units(events, start=MARCH, end=APRIL)
    price = parse_price({"model": "per_unit", "unit": "1"})
    return {"amount_cents": cents(evaluate(price, Quantity(units=units)).exact)}


@case("lago-aggregation-004", "lago", units="50", amount_cents=25000)
def the_latest_value_counts(policy: VendorPolicy) -> Figures:
    """The latest of three values."""
    events = [
        UsageEvent(datetime(2023, 3, day, tzinfo=UTC), f"e{day}", F(value))
        for day, value in ((1, 10), (2, 3), (3, 50))
    ]
    units = aggregation("latest").units(events, start=MARCH, end=APRIL)
    price = parse_price({"model": "per_unit", "unit": "5"})
    return {"units": units, "amount_cents": cents(evaluate(price, Quantity(units=units)).exact)}


@case(
    "openmeter-discount-001",
    "openmeter",
    billable_line_units=10,
    pre_units_after=0,
    discount_consumed_here=5,
    note="`allowance` of 10 units; what lines before it used stands in `already`",
)
def free_units_are_used_up_in_order(policy: VendorPolicy) -> Figures:
    """Ten units are free; the line before used five of them."""
    unit_price = {"model": "per_unit", "unit": "1"}
    price = parse_price({"model": "allowance", "included": "10", "price": unit_price})
    before = Quantity(units=F(5))
    line = evaluate(price, Quantity(units=F(15)), already=before)
    return {
        "billable_line_units": line.exact,
        "pre_units_after": evaluate(price, before).exact,
        "discount_consumed_here": 15 - line.exact,
    }


@case(
    "openmeter-dynamic-001",
    "openmeter",
    amount="13.33",
    note="a multiplier of 1.33333 is a `percentage` of 133.333",
)
def a_metered_amount_is_multiplied(policy: VendorPolicy) -> Figures:
    """A metered amount times 1.33333, rounded once."""
    price = parse_price({"model": "percentage", "rate": "133.333"})
    return {"amount": money(evaluate(price, Quantity(events=(F(10),))).exact)}


@case("openmeter-maximum-006", "openmeter", gross="50", discount="20", net="30")
def a_later_line_pays_up_to_the_maximum(policy: VendorPolicy) -> Figures:
    """A maximum of 100 for the period, 70 of it billed before."""
    price = parse_price({"model": "per_unit", "unit": "10", "maximum": "100"})
    line = evaluate(price, Quantity(units=F(5)), already=Quantity(units=F(7)))
    return {
        "gross": step_sum(line, "charge"),
        "discount": -step_sum(line, "maximum"),
        "net": line.exact,
    }


@case(
    "openmeter-maximum-005",
    "openmeter",
    gross="66.67",
    discount="60.00",
    net="6.67",
    note="billed before was 93.33, rounded: the line is round(P(all)) − 93.33",
)
def a_maximum_with_a_rounded_line_before(policy: VendorPolicy) -> Figures:
    """A multiplied amount meets the maximum of the period."""
    price = parse_price({"model": "percentage", "rate": "133.333", "maximum": "100"})
    before = Quantity(events=(F(70),))
    line = evaluate(price, Quantity(events=(F(50),)), already=before)
    whole = evaluate(price, Quantity(events=(F(70), F(50))))
    return {
        "gross": money(step_sum(line, "charge")),
        "discount": money(-step_sum(line, "maximum")),
        "net": money(whole.exact) - money(evaluate(price, before).exact),
    }


@case(
    "cgrates-increment_rating-005",
    "cgrates",
    correct_cost="0.3",
    differs="CGRateS itself gives 0.3001: it rounds the price of one second, then multiplies; its "
    "own test calls that wrong. We round a session once, and give 0.3 at any precision",
)
def an_increment_is_not_rounded(policy: VendorPolicy) -> Figures:
    """180 seconds at 0.1 a minute, to four decimals."""
    return {"correct_cost": session("0.1", 180, per="60", precision=4)}


@case("cgrates-increment_rating-008", "cgrates", cost="90")
def a_session_by_the_second(policy: VendorPolicy) -> Figures:
    """From 17:30:00 to 17:31:30, one a second."""
    return {"cost": session("1", 90, per="1")}


def session(rate: str, seconds: int, *, per: str, precision: int | None = None) -> F:
    band = {
        "days": [1, 2, 3, 4, 5, 6, 7],
        "from": "00:00",
        "to": "24:00",
        "rate": rate,
        "per": per,
        "steps": [{"after": "0", "step": "1"}],
    }
    price = parse_price({"model": "timed", "bands": [band], "precision": precision})
    start = datetime(2013, 8, 7, 17, 30, tzinfo=UTC)
    return evaluate(price, Quantity(sessions=(Session(start, seconds),))).exact


@case(
    "lago-minimum-001",
    "lago",
    usage_fee_cents=800,
    true_up_fee_cents=93,
    true_up_tax_cents=19,
    invoice_fees_cents=893,
    invoice_tax_cents=179,
    invoice_total_before_credits_cents=1072,
    composed="the price's `minimum`, prorated before the price is evaluated",
)
def a_charge_s_minimum_of_a_part_of_a_month(policy: VendorPolicy) -> Figures:
    """A charge's minimum, prorated to 25 of 28 days, with its tax."""
    february = Period(date(2023, 2, 1), date(2023, 2, 28))
    part = share(policy.proration or "", february, Period(date(2023, 2, 1), date(2023, 2, 25)))
    price = parse_price({"model": "per_unit", "unit": "8.00", "minimum": 10 * part})
    priced = evaluate(price, Quantity(units=F(1)))
    fees = [cents(step_sum(priced, kind)) for kind in ("charge", "minimum")]
    lines = [TaxableLine(fee, F(20)) for fee in fees]
    whole = total_of(tax_lines(lines, policy.tax_method or "document"))
    return {
        "usage_fee_cents": fees[0],
        "true_up_fee_cents": fees[1],
        "true_up_tax_cents": tax_lines(lines[1:], "line")[0].vat,
        "invoice_fees_cents": whole.net,
        "invoice_tax_cents": whole.vat,
        "invoice_total_before_credits_cents": whole.total,
    }


@case(
    "lago-progressive_billing-001",
    "lago",
    invoice_day5_total_cents=20000,
    month_end={"fees_cents": 43100, "progressive_credit_cents": 20000, "total_cents": 23100},
    composed="what was billed in between stands in `already`; what triggers the invoice of the 5th "
    "is not the core's",
)
def usage_billed_in_between_is_taken_off(policy: VendorPolicy) -> Figures:
    """Usage of the 5th reaches a threshold and is billed; the month's end bills the rest."""
    price = parse_price({"model": "per_unit", "unit": "0.0002"})
    first = evaluate(price, Quantity(units=F(1_000_000)))
    whole = evaluate(price, Quantity(units=F(2_000_000)))
    rest = evaluate(price, Quantity(units=F(1_000_000)), already=Quantity(units=F(1_000_000)))
    fee = F(31)
    return {
        "invoice_day5_total_cents": cents(first.exact),
        "month_end": {
            "fees_cents": cents(fee + whole.exact),
            "progressive_credit_cents": cents(whole.exact - rest.exact),
            "total_cents": cents(fee + rest.exact),
        },
    }


TWO_PRICES = (
    "two prices of ours: the units, each change prorated; the flats, by the highest level, whole"
)


def prorated_tiers(slabs: list[tuple[str | None, str, str]], changes: list[tuple[str, str]]) -> F:
    """Sum of a recurring level whose changes count for a part of the period.

    `changes` are (units, prorated units). A change from one level to another costs
    P(after) − P(before), for its part of the period: tiers fill by whole units.
    """
    by_unit = parse_price(
        {"model": "graduated", "tiers": [{"up_to": top, "unit": unit} for top, unit, _ in slabs]}
    )
    by_tier = parse_price(
        {
            "model": "graduated",
            "tiers": [{"up_to": top, "unit": "0", "flat": flat} for top, _, flat in slabs],
        }
    )
    level, highest, total = F(0), F(0), F(0)
    for units, prorated in changes:
        before = evaluate(by_unit, Quantity(units=level)).exact
        level += F(units)
        after = evaluate(by_unit, Quantity(units=level)).exact
        total += (after - before) * F(prorated) / F(units)
        highest = max(highest, level)
    return total + evaluate(by_tier, Quantity(units=highest)).exact


TWO_SLABS = [("5", "10", "100"), (None, "5", "50")]


@case("lago-prorated_graduated-008", "lago", amount_rounded_2="107", composed=TWO_PRICES)
def one_unit_for_a_part_of_the_month(policy: VendorPolicy) -> Figures:
    """One unit for 0.7 of the month: its flat fee is whole."""
    return {"amount_rounded_2": money(prorated_tiers(TWO_SLABS, [("1", "0.7")]))}


@case("lago-prorated_graduated-005", "lago", amount_rounded_2="125", composed=TWO_PRICES)
def units_given_back_take_their_part_back(policy: VendorPolicy) -> Figures:
    """Five units, two given back in mid-month."""
    return {"amount_rounded_2": money(prorated_tiers(TWO_SLABS, [("5", "3.5"), ("-2", "-1")]))}


@case("lago-prorated_graduated-010", "lago", amount_ceil_2="191.34", composed=TWO_PRICES)
def changes_across_three_tiers(policy: VendorPolicy) -> Figures:
    """Six changes up and down across three tiers, rounded up."""
    slabs = [("5", "10", "100"), ("15", "5", "50"), (None, "2", "0")]
    changes = [("2", "1.4"), ("5", "2.5"), ("10", "2"), ("-6", "-2.2"), ("4", "0.667"), ("60", "2")]
    return {"amount_ceil_2": F(round_fraction(prorated_tiers(slabs, changes) * 100, "up"), 100)}
