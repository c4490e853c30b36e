"""Cases of shares of a period, coupons, credit notes, taxes and prepaid credit."""

from datetime import UTC, date, datetime
from fractions import Fraction as F  # noqa: N817

from kvit.core.lines import DocumentDiscount, DocumentLine, cap_credit, make_document
from kvit.core.money import round_fraction, to_minor
from kvit.core.periods import Period, add_months, parse_cycle
from kvit.core.proration import Moments, cycles_in_advance, price_change, remaining_share, share
from kvit.core.tax import compound_tax, split_vat
from kvit.core.vendor_policies import VendorPolicy
from tests.core.golden.register import Figures, case


def days(start: str, end: str) -> Period:
    return Period(date.fromisoformat(start), date.fromisoformat(end))


def part_of(policy: VendorPolicy, period: Period, active: Period) -> F:
    assert policy.proration is not None
    return share(policy.proration, period, active)


def cents(major: F) -> int:
    return to_minor(major, "USD")


# --- months of fixed length, and years in advance -------------------------------------------


@case("killbill-proration_fixed_month-001", "killbill_fixed_30", days=22)
def may_to_june_in_months_of_30(policy: VendorPolicy) -> Figures:
    """Fixed month: 23 May to 15 June."""
    active = days("2023-05-23", "2023-06-15")
    return {"days": part_of(policy, active, active) * 30}


@case("killbill-proration_fixed_month-002", "killbill_fixed_30", days=22)
def june_to_july_in_months_of_30(policy: VendorPolicy) -> Figures:
    """Fixed month: 23 June to 15 July, as many days as from May."""
    active = days("2023-06-23", "2023-07-15")
    return {"days": part_of(policy, active, active) * 30}


@case("killbill-proration_fixed_month-009", "killbill_fixed_30", amount="14.63")
def a_monthly_price_in_months_of_30(policy: VendorPolicy) -> Figures:
    """Fixed month: 19.95 for 22 of 30 days."""
    active = days("2023-05-23", "2023-06-15")
    return {"amount": F(cents(F("19.95") * part_of(policy, active, active)), 100)}


@case(
    "killbill-proration_cycles-027",
    "killbill",
    billing_cycles="349/365",
    note="the quote contract leaves the month of a yearly billing day open; the core asks the same "
    "function for years, counted from January of the start",
)
def a_year_in_advance(policy: VendorPolicy) -> Figures:
    """A year in advance: the leading stub is divided by the year before."""
    assert policy.cycles == "previous_period_stub"
    start, until = date(2011, 1, 31), date(2011, 2, 24)
    return {"billing_cycles": cycles_in_advance(parse_cycle("year"), 15, start, None, until)}


# --- changes in mid-period ------------------------------------------------------------------


def polar_change(policy: VendorPolicy, months: int, old: int, start: str, at: str) -> Figures:
    """Credit the old price and charge three times as much, by elapsed time."""
    begins = date.fromisoformat(start)
    period = Moments(*(_midnight(day) for day in (begins, add_months(begins, months))))
    left = remaining_share(policy.proration or "", period, _midnight(date.fromisoformat(at)))
    change = price_change(F(old), F(3 * old), left, "USD")
    return {"credit_cents": change.credit, "debit_cents": change.charge}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@case("polar-proration-001", "polar", credit_cents=5000, debit_cents=15000)
def half_a_month(policy: VendorPolicy) -> Figures:
    """An upgrade at the middle of a month, by the second."""
    return polar_change(policy, 1, 100, "2025-06-01", "2025-06-16")


@case("polar-proration-003", "polar", credit_cents=7586, debit_cents=22759)
def a_month_across_a_leap_day(policy: VendorPolicy) -> Figures:
    """An upgrade in a month with a leap day."""
    return polar_change(policy, 1, 100, "2024-02-18", "2024-02-25")


@case("polar-proration-005", "polar", credit_cents=45355, debit_cents=136066)
def a_leap_year(policy: VendorPolicy) -> Figures:
    """An upgrade in a year of 366 days."""
    return polar_change(policy, 12, 1000, "2024-02-18", "2024-09-05")


@case("meteroid-proration-006", "meteroid", net_cents=0)
def a_change_at_the_period_s_end(policy: VendorPolicy) -> Figures:
    """A change on the day the period ends changes nothing."""
    january = days("2025-01-01", "2025-01-31")
    left = remaining_share(policy.proration or "", january, january.end)
    return {"net_cents": price_change(F(100), F(200), left, "USD").net}


@case("lago-proration-015", "lago", fee_amount_cents=32000)
def a_quarter_cut_at_both_ends(policy: VendorPolicy) -> Figures:
    """In arrears: 20 May to 20 June of a quarter of 91 days."""
    part = part_of(policy, days("2024-04-15", "2024-07-14"), days("2024-05-20", "2024-06-20"))
    return {"fee_amount_cents": cents(910 * part)}


@case("lago-proration-017", "lago", fee_amount_cents=78875)
def a_downgrade_to_a_yearly_plan(policy: VendorPolicy) -> Figures:
    """A downgrade to a yearly plan: 243 of 366 days."""
    part = part_of(policy, days("2023-07-19", "2024-07-18"), days("2023-11-19", "2024-07-18"))
    return {"fee_amount_cents": cents(1188 * part)}


ANNIVERSARY = ("2024-03-05", "2024-04-04")
CALENDAR = ("2024-03-01", "2024-03-31")
DAY_OF_CHANGE = "the day of a change, at whatever hour, belongs to the new plan"


def from_the_change(policy: VendorPolicy, fee: int, period: tuple[str, str]) -> int:
    return cents(fee * part_of(policy, days(*period), days("2024-03-12", period[1])))


@case("lago-proration-011", "lago", amount_cents=1161, note=DAY_OF_CHANGE)
def an_upgrade(policy: VendorPolicy) -> Figures:
    """Upgrade chain, anniversary: the new plan's fee of 24 of 31 days."""
    return {"amount_cents": from_the_change(policy, 15, ANNIVERSARY)}


@case("lago-proration-012", "lago", amount_cents=968)
def the_credit_of_an_upgrade(policy: VendorPolicy) -> Figures:
    """Upgrade chain, anniversary: the old plan's credit with its tax of 25 %."""
    return {"amount_cents": split_vat(from_the_change(policy, 10, ANNIVERSARY), F(25), "net").total}


@case("lago-proration-013", "lago", amount_cents=1471, note=DAY_OF_CHANGE)
def a_second_upgrade_of_the_day(policy: VendorPolicy) -> Figures:
    """Upgrade chain, anniversary: a second upgrade on the same day."""
    return {"amount_cents": from_the_change(policy, 19, ANNIVERSARY)}


@case("lago-proration-008", "lago", amount_cents=1226, note=DAY_OF_CHANGE)
def a_second_upgrade_of_the_day_in_a_calendar_month(policy: VendorPolicy) -> Figures:
    """Upgrade chain, calendar month: a second upgrade on the same day."""
    return {"amount_cents": from_the_change(policy, 19, CALENDAR)}


# --- documents: taxes, coupons, credit notes, prepaid credit --------------------------------


@case(
    "meteroid-tax-001",
    "meteroid",
    tax="12.35",
    composed="`compound_tax`; no seller asks for it: by law GST and PST are not compound",
)
def a_tax_on_a_tax(policy: VendorPolicy) -> Figures:
    """Two taxes, the second on the price with the first."""
    return {"tax": sum(compound_tax(F(100), [F(5), F(7)]), F(0))}


@case("lago-minimum-002", "lago", invoice_total_cents=4645)
def the_first_invoice_in_advance(policy: VendorPolicy) -> Figures:
    """The first invoice in advance: 24 of 31 days and tax of 20 %."""
    fee = cents(50 * part_of(policy, days("2023-01-01", "2023-01-31"),
                             days("2023-01-08", "2023-01-31")))  # fmt: skip
    return {"invoice_total_cents": split_vat(fee, F(20), "net").total}


FEES = (99290, 299770, 3130, 6460, 3130, 1999)


@case(
    "lago-coupon-001",
    "lago",
    fees_total_cents=413779,
    coupons_cents=2000,
    tax_cents=41178,
    total_cents=452957,
    differs="totals agree to the cent. The shares of the single fees do not: Lago keeps fractions "
    "of a cent on a line (479.91802), our lines are whole minor units that add up to the coupon",
)
def two_coupons_before_tax(policy: VendorPolicy) -> Figures:
    """One fixed coupon applied twice over six fees, then tax of 10 %."""
    coupon = DocumentDiscount(fixed=1000)
    lines = [DocumentLine(fee, F(10)) for fee in FEES]
    made = make_document(lines, [coupon, coupon], policy.tax_method or "document")
    return {
        "fees_total_cents": sum(line.amount for line in made.lines),
        "coupons_cents": sum(row.amount for row in made.discounts),
        "tax_cents": made.totals.vat,
        "total_cents": made.totals.total,
    }


def fixed_coupon(base: int) -> Figures:
    made = make_document([DocumentLine(base)], [DocumentDiscount(fixed=12)])
    return {"coupon_amount_cents": sum(row.amount for row in made.discounts)}


@case("lago-coupon-002", "lago", coupon_amount_cents=12)
def a_fixed_coupon(policy: VendorPolicy) -> Figures:
    """A fixed coupon below the fee."""
    return fixed_coupon(300)


@case("lago-coupon-003", "lago", coupon_amount_cents=0)
def a_fixed_coupon_on_nothing(policy: VendorPolicy) -> Figures:
    """A fixed coupon on a fee of nothing."""
    return fixed_coupon(0)


def credit_note(exact_net_cents: F, percent: int) -> Figures:
    made = split_vat(round_fraction(exact_net_cents), F(percent), "net")
    return {"sub_total_cents": made.net, "tax_cents": made.vat, "total_cents": made.total}


@case("lago-credit_note-001", "lago", sub_total_cents=536, tax_cents=107, total_cents=643)
def unused_days_are_credited(policy: VendorPolicy) -> Figures:
    """Terminated on 25 February: three unused days of 28, tax of 20 %."""
    february = days("2023-02-01", "2023-02-28")
    return credit_note(5000 * part_of(policy, february, days("2023-02-26", "2023-02-28")), 20)


@case(
    "lago-credit_note-003",
    "lago",
    sub_total_cents=15467,
    tax_cents=3867,
    total_cents=19334,
    note="the tax of the rounded net: here the same as Lago's of the exact one",
)
def a_credit_is_rounded_before_its_total(policy: VendorPolicy) -> Figures:
    """Terminated on its first day: 29 unused days of 30, tax of 25 %."""
    september = days("2023-09-01", "2023-09-30")
    return credit_note(16000 * part_of(policy, september, days("2023-09-02", "2023-09-30")), 25)


def capped(asked: int, credited: int) -> Figures:
    return {"credit": cap_credit(asked, 200, credited)}


@case("flexprice-credit_note-002", "flexprice", credit=150)
def a_credit_stops_at_what_was_paid(policy: VendorPolicy) -> Figures:
    """300 asked, 200 paid, 50 credited before."""
    return capped(300, 50)


@case("flexprice-credit_note-005", "flexprice", credit=0)
def a_negative_credit_is_none(policy: VendorPolicy) -> Figures:
    """A credit of less than nothing."""
    return capped(-50, 50)


@case("flexprice-credit_note-006", "flexprice", credit=0)
def nothing_is_left_to_credit(policy: VendorPolicy) -> Figures:
    """More credited before than was paid."""
    return capped(100, 250)


@case(
    "lago-wallet-002",
    "lago",
    invoices=[
        {"sub_total_incl_tax": "17.72", "prepaid": "17.72", "due": "0", "balance_after": "21.28"},
        {"sub_total_incl_tax": "17.69", "prepaid": "17.69", "due": "0", "balance_after": "3.59"},
    ],
    composed="invoice totals against a balance; the wallet itself is not the core's",
)
def prepaid_credit_pays_two_invoices(policy: VendorPolicy) -> Figures:
    """39.00 prepaid, two invoices with tax of 24 %."""
    balance = 3900
    invoices = []
    for net in (1429, 1427):
        total = split_vat(net, F(24), "net").total
        prepaid = min(total, balance)
        balance -= prepaid
        figures = (total, prepaid, total - prepaid, balance)
        names = ("sub_total_incl_tax", "prepaid", "due", "balance_after")
        invoices.append({n: F(v, 100) for n, v in zip(names, figures, strict=True)})
    return {"invoices": invoices}
