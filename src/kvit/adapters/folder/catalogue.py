"""catalogue.toml (or catalogue/*.toml): meters, plans with their prices, discounts, coupons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from kvit.adapters.folder.changes import SCHEMES, trial_days
from kvit.adapters.folder.company import check_top_level, fields_of, first_of_its_code, tables_at
from kvit.adapters.folder.fields import Fields
from kvit.adapters.folder.prices import read_price
from kvit.adapters.folder.suggest import hints, shown
from kvit.adapters.folder.toml import Toml
from kvit.core.expression import ExpressionError
from kvit.core.periods import UnknownCycle, parse_cycle
from kvit.core.usage import aggregation
from kvit.integrations.port import CouponRow, DiscountRow, Fault, MeterRow, Place, PlanRow, PriceRow

AGGREGATIONS = ("sum", "count", "max", "unique", "latest", "time_weighted", "difference")
_TOP = ("meter", "plan", "discount", "coupon")
_METER = ("code", "name", "unit", "aggregation", "expression", "dimensions")
_PLAN = (
    "code", "name", "cycle", "anchor", "scheme", "service", "seller", "calendar", "price_basis",
    "trial", "includes", "commitment", "threshold", "phase", "price",
)  # fmt: skip
_DISCOUNT = ("code", "name", "percent", "fixed", "scope", "from_units", "order")
_COUPON = ("code", "name", "percent", "fixed", "limit", "expires", "periods")
_ANCHORS = ("calendar", "anniversary")
_Seen = dict[str, Place]


@dataclass(slots=True)
class CatalogueRead:
    """What has been read so far; `bad` are codes by kind, `bad_prices` are (plan, price)."""

    meters: list[MeterRow] = field(default_factory=list)
    plans: list[PlanRow] = field(default_factory=list)
    prices: list[PriceRow] = field(default_factory=list)
    discounts: list[DiscountRow] = field(default_factory=list)
    coupons: list[CouponRow] = field(default_factory=list)
    bad: dict[str, set[str]] = field(
        default_factory=lambda: {kind: set() for kind in ("meter", "plan", "discount", "coupon")}
    )
    bad_prices: set[tuple[str, str]] = field(default_factory=set)
    seen: dict[str, _Seen] = field(default_factory=dict)

    def first(self, kind: str, fields: Fields, code: str) -> None:
        """Report a code that an earlier row of this kind has, in whichever file."""
        first_of_its_code(fields, code, self.seen.setdefault(kind, {}))


def read_catalogue(toml: Toml, read: CatalogueRead, *, currency: str, faults: list[Fault]) -> None:
    """Add what one file says to `read`."""
    check_top_level(toml, _TOP, faults)
    for index, values in enumerate(tables_at(toml, "meter", faults)):
        fields = _fields(toml, "meter", index, values, _METER, faults)
        _keep(read, "meter", fields, _meter(fields), read.meters)
    for index, values in enumerate(tables_at(toml, "plan", faults)):
        _read_plan(toml, index, values, read, currency=currency, faults=faults)
    for index, values in enumerate(tables_at(toml, "discount", faults)):
        fields = _fields(toml, "discount", index, values, _DISCOUNT, faults)
        _keep(read, "discount", fields, _discount(fields), read.discounts)
    for index, values in enumerate(tables_at(toml, "coupon", faults)):
        fields = _fields(toml, "coupon", index, values, _COUPON, faults)
        _keep(read, "coupon", fields, _coupon(fields), read.coupons)


def _fields(
    toml: Toml,
    kind: str,
    index: int,
    values: Mapping[str, Any],
    known: Sequence[str],
    faults: list[Fault],
) -> Fields:
    code = values.get("code")
    name = f"{kind}[{shown(code)}]" if isinstance(code, str) and code else f"{kind}[{index + 1}]"
    return fields_of(toml, (kind, index), name, values, known, faults)


def _keep(read: CatalogueRead, kind: str, fields: Fields, row: Any, rows: list[Any]) -> None:
    read.first(kind, fields, row.code)
    if fields.sound:
        rows.append(row)
    else:
        read.bad[kind].add(row.code)


def _meter(fields: Fields) -> MeterRow:
    fields.require("code", "name")
    expression = fields.text("expression", limit=4000)
    dimensions = fields.codes("dimensions")
    if fields.given("expression"):
        kind = fields.word("aggregation", ("expression",), "expression")
        _check_expression(fields, expression, dimensions)
    else:
        kind = fields.word("aggregation", AGGREGATIONS, "sum")
    return MeterRow(
        place=fields.place(),
        code=fields.code("code"),
        name=fields.text("name"),
        unit=fields.text("unit", limit=40),
        aggregation=kind,
        expression=expression,
        dimensions=dimensions,
    )


def _read_plan(
    toml: Toml,
    index: int,
    values: Mapping[str, Any],
    read: CatalogueRead,
    *,
    currency: str,
    faults: list[Fault],
) -> None:
    """A faulty price holds itself; a fault of the plan's own keys holds the plan."""
    fields = _fields(toml, "plan", index, values, _PLAN, faults)
    plan = _plan(fields)
    repeats = plan.code in read.seen.get("plan", {})  # a fault: its prices would meet the first's
    shown_path = fields.place().field
    versions: dict[tuple[str, str], Place] = {}
    for number, given in enumerate(fields.tables("price")):
        path = ("plan", index, "price", number)
        code = given.get("code")
        name = shown(code) if isinstance(code, str) and code else str(number + 1)
        code, price = read_price(
            toml, path, f"{shown_path}.price[{name}]", given,
            plan=plan.code, currency=currency, faults=faults,
        )  # fmt: skip
        place = Place(toml.file, toml.line(*path), f"{shown_path}.price[{name}].effective")
        if price is None:
            read.bad_prices.add((plan.code, code or "*"))
        elif conflict := _conflict(price, place, versions):
            faults.append(conflict)
            read.bad_prices.add((plan.code, code))
        elif not repeats:
            read.prices.append(price)
    _keep(read, "plan", fields, plan, read.plans)


def _conflict(
    price: PriceRow, place: Place, versions: dict[tuple[str, str], Place]
) -> Fault | None:
    """Two versions of a price from one day: never "the oldest wins"."""
    first = versions.setdefault((price.code, str(price.effective)), place)
    if first is place:
        return None
    params = {"value": price.code, "first_file": first.file, "first_row": str(first.row or "–")}
    return Fault("price_conflict", place, params)


def _plan(fields: Fields) -> PlanRow:
    fields.require("code", "name")
    anchor = fields.word("anchor", _ANCHORS, "calendar")
    cycle = fields.text("cycle", "month", limit=4000)
    try:
        parse_cycle(cycle, anchor)
    except UnknownCycle:
        fields.fault("bad_cycle", "cycle", value=shown(cycle))
    return PlanRow(
        place=fields.place(),
        code=fields.code("code"),
        name=fields.text("name"),
        cycle=cycle,
        anchor=anchor,
        scheme=fields.word("scheme", SCHEMES, "postpaid"),
        service=fields.text("service", limit=80),
        seller=fields.code("seller"),
        calendar=fields.code("calendar"),
        price_basis=fields.word("price_basis", ("net", "gross")),
        trial_days=_trial(fields),
        commitment=fields.number("commitment"),
        threshold=fields.number("threshold"),
        includes=fields.codes("includes"),
        phases=_phases(fields),
    )


def _trial(fields: Fields) -> int:
    if not fields.given("trial"):
        return 0
    days = trial_days(str(fields.raw("trial")))
    if days is None:
        fields.fault("bad_word", "trial", value=shown(fields.raw("trial")), known="14 days",
                     hint_ru="", hint_en="")  # fmt: skip
    return days or 0


def _phases(fields: Fields) -> tuple[tuple[str, int], ...]:
    phases: list[tuple[str, int]] = []
    seen: _Seen = {}
    for index, values in enumerate(fields.tables("phase")):
        inner = fields.inside(values, ("code", "cycles"), f"phase[{index + 1}]")
        inner.require("code", "cycles")
        code, cycles = inner.code("code"), inner.whole("cycles", low=1, high=1200)
        first_of_its_code(inner, code, seen)
        phases.append((code, cycles or 1))
    return tuple(phases)


def _discount(fields: Fields) -> DiscountRow:
    fields.require("code")
    percent, fixed = _percent_or_fixed(fields)
    return DiscountRow(
        place=fields.place(),
        code=fields.code("code"),
        name=fields.text("name", fields.code("code")),
        percent=percent,
        fixed=fixed,
        scope=fields.text("scope", limit=130),
        from_units=fields.number("from_units"),
        order=fields.whole("order") or 0,
    )


def _coupon(fields: Fields) -> CouponRow:
    fields.require("code")
    percent, fixed = _percent_or_fixed(fields)
    return CouponRow(
        place=fields.place(),
        code=fields.code("code"),
        name=fields.text("name", fields.code("code")),
        percent=percent,
        fixed=fixed,
        limit=fields.whole("limit", low=1),
        expires=fields.day("expires"),
        periods=_periods(fields),
    )


def _percent_or_fixed(fields: Fields) -> tuple[Fraction | None, Fraction | None]:
    if fields.given("percent") == fields.given("fixed"):
        fields.fault("percent_or_fixed", "percent")
    return fields.number("percent", high=Fraction(100)), fields.number("fixed")


def _periods(fields: Fields) -> int | None:
    """A number of periods, "once" (the default) or "forever"."""
    match fields.raw("periods"):
        case None | "once":
            return 1
        case "forever":
            return None
        case str(text) if not text.isdigit():
            params = hints(text, ("once", "forever"))
            fields.fault("bad_word", "periods", value=shown(text), **params)
            return 1
    return fields.whole("periods", low=1, high=1200)


def _check_expression(fields: Fields, expression: str, dimensions: Sequence[str]) -> None:
    """An expression speaks of `value` and of the meter's own dimensions."""
    try:
        aggregation("expression", expression=expression, dimensions=dimensions)
    except ExpressionError as error:
        detail = {"ru": error.message("ru"), "en": error.message("en")}
        fields.fault("bad_expression", "expression", **detail)
