"""Answers `prorate`, `change` and `cycles`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from kvit.core.money import exact_text
from kvit.core.periods import BadPeriod, Period, UnknownCycle, parse_cycle
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Amount, Signed, read_days_of, read_row
from kvit.core.proration import (
    Moments,
    UnknownPolicy,
    check_policy,
    cycles_in_advance,
    price_change,
    remaining_share,
    share,
)
from kvit.core.quote.context import Context, only
from kvit.core.quote.quantities import read_moment

_POLICIES = "days, days_inclusive, seconds, fixed_30, fixed_N, none"


@dataclass(frozen=True, slots=True)
class _Span:
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class _Prorate:
    amount: Signed
    period: _Span
    active: _Span
    policy: str = "days"


@dataclass(frozen=True, slots=True)
class _Change:
    old: Amount
    new: Amount
    period: _Span
    at: str
    policy: str = "days"


@dataclass(frozen=True, slots=True)
class _Cycles:
    interval: str
    anchor_day: int
    start: date
    until: date
    end: date | None = None
    policy: Literal["previous_period_stub"] | str = "previous_period_stub"


def answer_prorate(document: Mapping[str, object], context: Context) -> dict[str, object]:
    """Take the share of a sum for which a part of a period pays."""
    only(document, ("prorate",))
    asked: _Prorate = read_row(_Prorate, document["prorate"], "prorate")
    _check_policy(asked.policy, "prorate.policy")
    period = _span(asked.period, asked.policy, "prorate.period")
    active = _span(asked.active, asked.policy, "prorate.active")
    try:
        part = share(asked.policy, period, active)
    except BadPeriod:
        raise PriceError("bad_period", "prorate.active", reason="outside") from None
    exact = asked.amount * part
    return {
        "currency": context.currency,
        "exact": exact_text(exact),
        "amount": context.text(context.round(exact)),
        "share": _share_text(part.numerator, part.denominator),
    }


def answer_change(document: Mapping[str, object], context: Context) -> dict[str, object]:
    """Credit the old price and charge the new from `at` to the end of the period."""
    only(document, ("change",))
    asked: _Change = read_row(_Change, document["change"], "change")
    _check_policy(asked.policy, "change.policy")
    period = _span(asked.period, asked.policy, "change.period")
    read = read_moment if asked.policy == "seconds" else read_days_of
    at = read(asked.at, "change.at")
    try:
        left = remaining_share(asked.policy, period, at)
    except BadPeriod:
        raise PriceError("bad_period", "change.at", reason="outside") from None
    change = price_change(asked.old, asked.new, left, context.currency, context.rounding)
    return {
        "currency": context.currency,
        "credit": context.text(change.credit),
        "charge": context.text(change.charge),
        "net": context.text(change.net),
        "share": _share_text(left.numerator, left.denominator),
    }


def answer_cycles(document: Mapping[str, object], _: Context) -> dict[str, object]:
    """Count the periods billed in advance by a date."""
    only(document, ("cycles",))
    asked: _Cycles = read_row(_Cycles, document["cycles"], "cycles")
    if asked.policy != "previous_period_stub":
        raise _unknown_policy("cycles.policy", asked.policy, "previous_period_stub")
    if not 1 <= asked.anchor_day <= 31:
        raise PriceError("out_of_range", "cycles.anchor_day", value=asked.anchor_day, bounds="1…31")
    try:
        cycle = parse_cycle(asked.interval)
        billed = cycles_in_advance(cycle, asked.anchor_day, asked.start, asked.end, asked.until)
    except (UnknownCycle, UnknownPolicy):
        raise PriceError(
            "out_of_range",
            "cycles.interval",
            reason="choice",
            value=asked.interval[:40],
            known="month, N months, quarter, half-year, year",
        ) from None
    except BadPeriod:
        raise PriceError("bad_period", "cycles.end") from None
    return {"cycles": exact_text(billed)}


def _share_text(numerator: int, denominator: int) -> str:
    return str(numerator) if denominator == 1 else f"{numerator}/{denominator}"


def _check_policy(policy: str, field: str) -> None:
    try:
        check_policy(policy)
    except UnknownPolicy:
        raise _unknown_policy(field, policy, _POLICIES) from None


def _unknown_policy(field: str, policy: str, known: str) -> PriceError:
    return PriceError("unknown_policy", field, value=policy[:40], known=known)


def _span(span: _Span, policy: str, path: str) -> Period | Moments:
    """Read dates, or moments where the policy counts seconds."""
    try:
        if policy == "seconds":
            return Moments(
                read_moment(span.start, f"{path}.start"), read_moment(span.end, f"{path}.end")
            )
        return Period(
            read_days_of(span.start, f"{path}.start"), read_days_of(span.end, f"{path}.end")
        )
    except BadPeriod:
        raise PriceError("bad_period", path) from None
