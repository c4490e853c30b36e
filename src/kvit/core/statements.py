"""What is stated about a catalogue, as documents: read by declared types, written back the same.

A document is JSON's types with exact numbers as strings, as in the company folder and the quote:

    read("price", {"plan": "pro", "code": "calls", "meter": "calls", "price": {"model": …}})

Forms, JSON Schema and the check of a draft all read these dataclasses: `pricing.shape`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from fractions import Fraction
from typing import Annotated, Any, Literal, TypeVar, get_args

from kvit.core import catalogue as core
from kvit.core.calendars import Calendar
from kvit.core.expression import ExpressionError
from kvit.core.money import FloatRefused, NotANumber, exact_text, parse_decimal
from kvit.core.periods import UnknownCycle, parse_cycle
from kvit.core.pricing import Price, PriceError
from kvit.core.pricing.fields import (
    Reader,
    read_list,
    read_number,
    read_object,
    read_row,
    read_text,
    read_whole,
    write_row,
)
from kvit.core.proration import UnknownPolicy, check_policy
from kvit.core.usage import aggregation

Made = TypeVar("Made")
Kind = Literal["meter", "plan", "price", "discount", "coupon", "calendar"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Document = Mapping[str, object]
POLICIES = ("days", "days_inclusive", "seconds", "fixed_30", "none")
CYCLES = ("day", "week", "month", "quarter", "half-year", "year")
_CODE = re.compile(r"[^\W_][\w.-]{0,63}")


def read_code(value: object, path: str) -> str:
    """Read a code: letters, digits, ".", "-" and "_", at most 64, a letter or digit first."""
    text = read_text(value, path)
    if not _CODE.fullmatch(text):
        raise PriceError("out_of_range", path, reason="kind", expected="a-z, 0-9, „.“, „-“, „_“")
    return text


def _read_code_or_none(value: object, path: str) -> str:
    return "" if value == "" else read_code(value, path)


def _read_policy(value: object, path: str) -> str:
    text = read_text(value, path)
    try:
        check_policy(text)
    except UnknownPolicy:
        known = ", ".join(POLICIES)
        raise PriceError("unknown_policy", path, value=text[:40], known=known) from None
    return text


def _read_examples(value: object, path: str) -> tuple[Document, ...]:
    """Examples are checked against the price later; here numbers must be exact."""
    found = []
    for place, row in enumerate(read_list(value, path)):
        where = f"{path}[{place}]"
        example = dict(read_object(row, where))
        amount = example.get("amount")
        if amount is None:
            raise PriceError("missing_field", f"{where}.amount", name="amount")
        try:
            parse_decimal(amount)
        except FloatRefused:
            raise PriceError("float_refused", f"{where}.amount", value=str(amount)) from None
        except NotANumber:
            shown = str(amount)[:40]
            raise PriceError("not_a_number", f"{where}.amount", value=shown) from None
        found.append(example)
    return tuple(found)


def _read_filters(value: object, path: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for name, values in sorted(read_object(value, path).items()):
        where = f"{path}.{name}"
        many = [values] if isinstance(values, str) else read_list(values, where)
        texts = tuple(read_text(one, where) for one in many)
        if not texts:
            raise PriceError("missing_field", where, name=name)
        found.append((read_code(name, where), texts))
    return tuple(found)


def _short(limit: int) -> Reader:
    """Read a text of at most so many characters."""

    def read(value: object, path: str) -> str:
        text = read_text(value, path)
        if len(text) > limit:
            raise PriceError("out_of_range", path, reason="size", limit=limit)
        return text

    return Reader(read, str)


def _read_kept(value: object, path: str) -> Fraction:
    """Read a number as the catalogue keeps it: 26 digits and 12 decimals at most."""
    number = read_number(value, path, high=Fraction(10**26 - 1))
    if (number * 10**12).denominator != 1:
        raise PriceError("out_of_range", path, value=exact_text(number)[:40], bounds="10^-12")
    return number


def _read_percent(value: object, path: str) -> Fraction:
    number = _read_kept(value, path)
    if number > _WHOLE:
        raise PriceError("out_of_range", path, value=exact_text(number)[:40], bounds="≤ 100")
    return number


_WHOLE = 100  # percent
Name = Annotated[str, _short(500)]
Unit = Annotated[str, _short(40)]
Service = Annotated[str, _short(80)]
Scope = Annotated[str, _short(170)]
Kept = Annotated[Fraction, Reader(_read_kept, exact_text)]
Share = Annotated[Fraction, Reader(_read_percent, exact_text)]
Days = Annotated[int, Reader(lambda v, p: read_whole(v, p, high=3_660), int)]
Cycles = Annotated[int, Reader(lambda v, p: read_whole(v, p, low=1, high=1_200), int)]
Times = Annotated[int, Reader(lambda v, p: read_whole(v, p, low=1, high=10**9), int)]
Periods = Annotated[int, Reader(lambda v, p: read_whole(v, p, high=1_200), int)]
Order = Annotated[int, Reader(lambda v, p: read_whole(v, p, high=10_000), int)]
Code = Annotated[str, Reader(read_code, str)]
AnyCode = Annotated[str, Reader(_read_code_or_none, str)]
Policy = Annotated[str, Reader(_read_policy, str)]
Examples = Annotated[
    tuple[Document, ...], Reader(_read_examples, lambda rows: [dict(one) for one in rows])
]
Filters = Annotated[
    tuple[tuple[str, tuple[str, ...]], ...],
    Reader(
        _read_filters,
        lambda pairs: {name: list(values) for name, values in pairs},
        item=tuple[str, ...],
    ),
]
Scheme = Literal["postpaid", "prepaid", "advance_balance", "milestone", "hybrid"]
PriceBasis = Literal["", "net", "gross"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedMeter:
    """What is measured, and how its events add up."""

    code: Code
    name: Name
    unit: Unit = ""
    aggregation: Literal[
        "sum", "count", "max", "unique", "latest", "time_weighted", "difference", "expression"
    ] = "sum"
    expression: str = ""
    dimensions: tuple[Code, ...] = ()

    def check(self, path: str) -> None:
        """An expression is given exactly where it is asked for, and can be read."""
        if (self.aggregation == "expression") != bool(self.expression):
            raise PriceError("missing_field", f"{path}.expression", name="expression")
        try:
            aggregation(
                self.aggregation,
                expression=self.expression or None,
                dimensions=self.dimensions,
            )
        except ExpressionError as error:
            raise PriceError(
                "bad_expression", f"{path}.expression", position=error.position, detail=error
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPhase:
    """A phase of a plan: its code and how many cycles it lasts."""

    code: Code
    cycles: Cycles


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPlan:
    """A plan as a whole: its cycle, its scheme, who sells it."""

    code: Code
    name: Name
    cycle: str = "month"
    anchor: Literal["calendar", "anniversary"] = "calendar"
    scheme: Scheme = "postpaid"
    service: Service = ""
    seller: AnyCode = ""
    calendar: AnyCode = ""
    price_basis: PriceBasis = ""
    trial_days: Days = 0
    commitment: Kept | None = None
    threshold: Kept | None = None
    includes: tuple[Code, ...] = ()
    phases: tuple[StatedPhase, ...] = ()

    def check(self, path: str) -> None:
        """The cycle can be read."""
        try:
            parse_cycle(self.cycle, self.anchor)
        except UnknownCycle:
            raise PriceError(
                "unknown_policy", f"{path}.cycle", value=self.cycle[:40], known=", ".join(CYCLES)
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPrice:
    """A price of a plan, with the examples that must hold before it is published."""

    plan: Code
    code: Code
    name: Name
    price: Price
    meter: AnyCode = ""
    when: Literal["arrears", "advance", "once", "milestone"] = "arrears"
    prorate: Policy = "days"
    continues: bool = False
    counts_quantity: bool = True
    ends: bool = False
    price_basis: PriceBasis = ""
    calendar: AnyCode = ""
    filters: Filters = ()
    group_by: tuple[Code, ...] = ()
    phase: AnyCode = ""
    examples: Examples = ()

    def check(self, path: str) -> None:
        """What has not been measured yet cannot be charged."""
        if self.meter and self.when == "advance":
            raise PriceError(
                "out_of_range", f"{path}.when", reason="choice", value=self.when, known="arrears"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedDiscount:
    """A discount for every customer. `scope`: all prices, "plan", or "plan/price"."""

    code: Code
    name: Name
    percent: Share | None = None
    fixed: Kept | None = None
    scope: Scope = ""
    from_units: Kept | None = None
    order: Order = 0

    def check(self, path: str) -> None:
        """Exactly one of percent and fixed."""
        if (self.percent is None) == (self.fixed is None):
            raise PriceError("missing_field", f"{path}.percent", name="percent / fixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCoupon:
    """A code that gives a discount when it is redeemed. `periods` 0: for ever."""

    code: Code
    name: Name
    percent: Share | None = None
    fixed: Kept | None = None
    limit: Times | None = None
    expires: date | None = None  # the first day on which it is refused
    periods: Periods = 1

    def check(self, path: str) -> None:
        """Exactly one of percent and fixed."""
        if (self.percent is None) == (self.fixed is None):
            raise PriceError("missing_field", f"{path}.percent", name="percent / fixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCalendar:
    """Days that are holidays, and days that are worked although they look free."""

    code: Code
    holidays: tuple[date, ...] = ()
    working: tuple[date, ...] = ()

    def check(self, path: str) -> None:
        """A day is named once, and some day is."""
        days = [*self.holidays, *self.working]
        if not days:
            raise PriceError("missing_field", f"{path}.holidays", name="holidays / working")
        twice = next((day for day in days if days.count(day) > 1), None)
        if twice is not None:
            field = "working" if twice in self.working else "holidays"
            raise PriceError(
                "bad_tiers", f"{path}.{field}", reason="repeated", value=twice.isoformat()
            )

    @property
    def calendar(self) -> Calendar:
        """The days as prices ask about them."""
        return Calendar(frozenset(self.holidays), frozenset(self.working))


Stated = StatedMeter | StatedPlan | StatedPrice | StatedDiscount | StatedCoupon | StatedCalendar
ROWS: Mapping[Kind, type[Stated]] = {
    "meter": StatedMeter,
    "plan": StatedPlan,
    "price": StatedPrice,
    "discount": StatedDiscount,
    "coupon": StatedCoupon,
    "calendar": StatedCalendar,
}


def read(kind: Kind, document: object, *, path: str = "") -> Stated:
    """Read what is stated of one object.

    Raises:
        PriceError: what is wrong, with the path of the field.
    """
    made: Stated = read_row(ROWS[kind], document, path or kind)
    return made


def write(stated: Stated) -> dict[str, object]:
    """Return the canonical document: reading it gives an equal statement."""
    return write_row(stated)


def key_of(stated: Stated) -> str:
    """Return what the object is known by: its code, or "plan/price"."""
    return f"{stated.plan}/{stated.code}" if isinstance(stated, StatedPrice) else stated.code


@dataclass(frozen=True, slots=True)
class Terms:
    """Statements as what the arithmetic reads."""

    meters: tuple[core.Meter, ...] = ()
    plans: tuple[core.PlanTerms, ...] = ()
    prices: tuple[core.PriceTerms, ...] = ()
    discounts: tuple[core.StandingDiscount, ...] = ()
    coupons: tuple[StatedCoupon, ...] = ()
    calendars: tuple[StatedCalendar, ...] = ()
    examples: Mapping[str, tuple[Document, ...]] = field(default_factory=dict)  # "plan/price"


def terms_of(stated: list[Stated], *, effective_from: date = core.ALWAYS) -> Terms:
    """Turn statements into terms that hold from a day on."""
    meters, plans, prices, discounts = [], [], [], []
    coupons = tuple(one for one in stated if isinstance(one, StatedCoupon))
    calendars = tuple(one for one in stated if isinstance(one, StatedCalendar))
    examples = {}
    for one in stated:
        match one:
            case StatedMeter():
                meters.append(_same(core.Meter, one, expression=one.expression or None))
            case StatedPlan():
                phases = tuple((phase.code, phase.cycles) for phase in one.phases)
                plans.append(
                    _same(core.PlanTerms, one, phases=phases, effective_from=effective_from)
                )
            case StatedPrice():
                prices.append(_same(core.PriceTerms, one, effective_from=effective_from))
                examples[key_of(one)] = one.examples
            case StatedDiscount():
                discounts.append(_same(core.StandingDiscount, one, effective_from=effective_from))
    return Terms(
        tuple(meters), tuple(plans), tuple(prices), tuple(discounts), coupons, calendars, examples
    )


def statement_of(
    terms: core.Meter | core.PlanTerms | core.PriceTerms | core.StandingDiscount,
    examples: tuple[Document, ...] = (),
) -> Stated:
    """Turn terms that stand into the statement that would make them."""
    match terms:
        case core.Meter():
            return _same(StatedMeter, terms, expression=terms.expression or "")
        case core.PlanTerms():
            phases = tuple(StatedPhase(code=code, cycles=n) for code, n in terms.phases)
            return _same(StatedPlan, terms, phases=phases)
        case core.PriceTerms():
            return _same(StatedPrice, terms, examples=examples)
        case core.StandingDiscount():
            return _same(StatedDiscount, terms)


def supposing(known: core.Catalogue, terms: Terms) -> core.Catalogue:
    """Return the catalogue as if these terms had always held in place of what is sold now."""
    renewed = {one.code for one in terms.plans}
    priced = {(one.plan, one.code) for one in terms.prices}
    named = {one.code for one in terms.discounts}
    return core.build(
        meters={**known.meters, **{one.code: one for one in terms.meters}}.values(),
        plans=[
            *(one for many in known.plans.values() for one in many if one.code not in renewed),
            *terms.plans,
        ],
        prices=[
            *(
                one
                for many in known.prices.values()
                for one in many
                if (one.plan, one.code) not in priced
            ),
            *terms.prices,
        ],
        calendars={**known.calendars, **{one.code: one.calendar for one in terms.calendars}},
        revision=known.revision,
        discounts=[*(one for one in known.discounts if one.code not in named), *terms.discounts],
        default_calendar=known.default_calendar,
    )


def _same(kind: type[Made], row: Any, **said: Any) -> Made:
    """Make a `kind` of the fields that it shares with the row by name."""
    names = [one.name for one in fields(kind) if hasattr(row, one.name)]  # type: ignore[arg-type]
    given = {name: getattr(row, name) for name in names} | said
    return kind(**given)
