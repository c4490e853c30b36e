"""Planted bugs of the core: dates, rounding, taxes, differences, entries, numbers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import Any

from kvit.core import bookkeeping, differences, lines, money, numbering, periods, proration, tax
from kvit.core import terms as core_terms
from kvit.core.periods import Cycle, Period, add_months
from kvit.core.tax import TaxedLine
from kvit.web.prove.planted import Planting, method, mutant, swapped

PERIODS = "Lago #6173"
ROUNDINGS = "Lago #3174, #3336, #4373, #4411, #4449, #4639, #4641, #4660, #5121"


@mutant("walk from the previous end", origin=f"{PERIODS}; the 31st that sticks at the 28th",
        caught_by="dates")  # fmt: skip
def walk() -> Planting:
    right = Cycle.boundary

    def boundary(self: Cycle, anchor: date, k: int) -> date:
        if not self.months or k <= 0:
            return right(self, anchor, k)
        day = right(self, anchor, 0)
        for _ in range(k):
            day = add_months(day, self.months)
        return day

    return method(Cycle, "boundary", boundary)


@mutant("end counted from the clamped start", origin=PERIODS, caught_by="dates")
def clamped_end() -> Planting:
    def period(self: Cycle, anchor: date, k: int) -> Period:
        start = self.boundary(anchor, k)
        if not self.months:
            return Period(start, self.boundary(anchor, k + 1))
        return Period(start, add_months(start, self.months))

    return method(Cycle, "period", period)


@mutant("a leap day's anniversary on 1 March", origin=PERIODS, caught_by="dates")
def first_of_march() -> Planting:
    right = Cycle.boundary

    def boundary(self: Cycle, anchor: date, k: int) -> date:
        day = right(self, anchor, k)
        if self.interval == "year" and anchor.month == 2 and anchor.day == 29 and day.day == 28:
            return date(day.year, 3, 1)
        return day

    return method(Cycle, "boundary", boundary)


@mutant("days begin at midnight in UTC", origin="Kill Bill TestDSTUsageIssue",
        caught_by="dates")  # fmt: skip
def utc_midnight() -> Planting:
    return swapped(
        periods._start_of_day, lambda day, zone: datetime.combine(day, time(), tzinfo=UTC)
    )


@mutant("the day is looked for in the wrong period", origin="off by one at a clamped end",
        caught_by="dates")  # fmt: skip
def index_by_month() -> Planting:
    right = Cycle.index_of

    def index_of(self: Cycle, anchor: date, day: date) -> int:
        if not self.months:
            return right(self, anchor, day)
        origin = self.boundary(anchor, 0)
        return ((day.year - origin.year) * 12 + day.month - origin.month) // self.months

    return method(Cycle, "index_of", index_of)


@mutant("float rounding", origin=ROUNDINGS, caught_by="rounding")
def float_rounding() -> Planting:
    return swapped(money.round_fraction, lambda value, rounding="half-up": round(float(value)))


@mutant("each share rounded for itself", origin=ROUNDINGS, caught_by="rounding")
def shares_rounded() -> Planting:
    def allocate(total: int, weights: Sequence[Any]) -> list[int]:
        whole = sum(weights, Fraction(0))
        return [money.round_fraction(Fraction(total) * weight / whole) for weight in weights]

    return swapped(money.allocate, allocate)


@mutant("VAT per line where it is per document", origin=ROUNDINGS, caught_by="simulate")
def vat_per_line() -> Planting:
    right = tax.tax_lines
    return swapped(right, lambda many, method="document": right(many, "line"))


@mutant("net and VAT both rounded", origin=ROUNDINGS, caught_by="rounding")
def both_rounded() -> Planting:
    def apply(amount: int, vat: int, basis: str) -> TaxedLine:
        if basis == "net":
            return TaxedLine(amount, vat, amount + vat)
        return TaxedLine(money.round_fraction(Fraction(amount * 100, 122)), vat, amount)

    return swapped(tax._apply, apply)


@mutant("a credit above its line", origin="credit note > invoice; Lago #5020",
        caught_by="rounding")  # fmt: skip
def credit_uncapped() -> Planting:
    return swapped(lines.cap_credit, lambda asked, invoiced, credited=0: max(0, asked))


@mutant("a credit's VAT by a rate of its own", origin=ROUNDINGS, caught_by="rounding")
def credit_rate() -> Planting:
    def credit(line: TaxedLine, before: TaxedLine, asked: int, basis: str) -> TaxedLine:
        amount = lines.cap_credit(asked, line.net, before.net)
        return tax.split_vat(amount, Fraction(20), "net")

    return swapped(lines._credit_line, credit)


@mutant("float parse", origin="amounts read from JSON as floats", caught_by="rounding")
def float_parse() -> Planting:
    return swapped(
        money.parse_decimal, lambda value: Fraction(value if isinstance(value, int) else
                                                    float(str(value)))
    )  # fmt: skip


@mutant("months of thirty days", origin="shares that do not add up to a month",
        caught_by="rounding")  # fmt: skip
def thirty_days() -> Planting:
    right = proration.share

    def share(policy: str, period: Any, active: Any, *, zone: str = "UTC") -> Fraction:
        if policy == "days":
            return Fraction(active.days, 30)
        return right(policy, period, active, zone=zone)

    return swapped(right, share)


@mutant("billed anew, nothing subtracted", origin="Kill Bill #664", caught_by="simulate")
def nothing_stands() -> Planting:
    right = differences.differences

    def forget(wanted: Any, standing: Any, **more: Any) -> Any:
        fresh, changed = right(wanted, standing, **more)
        return fresh, [
            one if one.charge is None else replace(one, amount_minor=one.charge.amount_minor)
            for one in changed
        ]

    return swapped(right, forget)


@mutant("a stretch that is gone stays charged", origin="Kill Bill repair of removed items",
        caught_by="simulate")  # fmt: skip
def gone_stays() -> Planting:
    right = differences.differences

    def keep(wanted: Any, standing: Any, **more: Any) -> Any:
        fresh, changed = right(wanted, standing, **more)
        return fresh, [one for one in changed if one.charge is not None]

    return swapped(right, keep)


@mutant("a backdated change forgotten", origin="failure 42: changes looked at from today on",
        caught_by="simulate")  # fmt: skip
def backdated() -> Planting:
    far = datetime(9000, 1, 1, tzinfo=UTC)
    right = core_terms.counts_from
    return swapped(right, lambda told: tuple((number, far) for number, _ in right(told)))


@mutant("a credit posted as a debit", origin="signs lost with abs()", caught_by="rounding")
def sign_lost() -> Planting:
    right = bookkeeping._entry

    def entry(debit: Any, credit: Any, amount: int, currency: str, day: date) -> Any:
        return right(debit, credit, abs(amount), currency, day)

    return swapped(right, entry)


@mutant("one series for all years", origin="numbers that do not begin anew", caught_by="simulate")
def one_series() -> Planting:
    right = numbering.series_of

    def series(pattern: str, *, on: date, branch: str = "") -> str:
        return right(pattern, on=date(2027, 1, 1), branch=branch)

    return swapped(right, series)
