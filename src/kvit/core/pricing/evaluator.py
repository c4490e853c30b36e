"""The one evaluator: reads compiled prices, in exact integers and fractions of them.

Segment first: `base + (units − offset) × price + events × fee`, packages rounded up; then
discount, maximum, minimum. What was used before in the period is subtracted as a price of its own:
exact = P(already + units) − P(already), with nothing subtracted for zero units before.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from kvit.core.expression import ExpressionError
from kvit.core.money import exact_text
from kvit.core.pricing.bands import SECOND, HolidayCalendar, band_at
from kvit.core.pricing.compiled import (
    Adjustment,
    BandKey,
    Compiled,
    Graph,
    MatchKey,
    OwnAmount,
    PercentStep,
    Segment,
    SessionStep,
    Table,
)
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.percent_events import charge_events
from kvit.core.pricing.price import Price, compile_price
from kvit.core.pricing.quantity import Quantity, Reading, UsageItem
from kvit.core.pricing.sessions import charge_sessions
from kvit.core.pricing.steps import Priced, Step, difference

ZERO = Fraction(0)


def evaluate(
    price: Price,
    quantity: Quantity,
    *,
    already: Quantity | None = None,
    calendar: HolidayCalendar | None = None,
) -> Priced:
    """Price `quantity`, which came after `already` in the same period.

    Args:
        price: a checked price.
        quantity: the increment; all of it where nothing came before.
        already: what was used before in the period.
        calendar: says which days are holidays, for prices by bands.

    Returns:
        The exact sum with its steps; nothing is rounded (but a session, where its price says so).

    Raises:
        PriceError: no_band, no_price, out_of_range, bad_expression.
    """
    compiled = compile_price(price)
    if already is None or already.is_zero:
        whole = quantity if already is None else already + quantity
        steps = [step for step in _steps(compiled, whole, calendar) if not step.is_empty]
    else:
        # An increment brings its own circumstances; what was before is priced under the same.
        earlier = replace(
            already,
            attributes={**quantity.attributes, **already.attributes},
            counters={**quantity.counters, **already.counters},
            carried=already.carried or quantity.carried,
        )
        steps = difference(
            _steps(compiled, earlier + quantity, calendar), _steps(compiled, earlier, calendar)
        )
    if len(steps) == 1:  # of most prices, and sums of fractions are dear
        return Priced(steps[0].exact, steps[0].units, (steps[0],))
    exact = sum((step.exact for step in steps), ZERO)
    units = sum((step.units for step in steps), ZERO)
    return Priced(exact, units, tuple(steps))


def _steps(compiled: Compiled, quantity: Quantity, calendar: HolidayCalendar | None) -> list[Step]:
    """Event step, aggregation, tables, adjustments."""
    match compiled.aggregation:
        case "nothing":
            steps = _read_table(compiled.tables[0], ZERO, quantity)
        case "units":
            steps = _read_table(compiled.tables[0], quantity.units, quantity)
        case "events":
            total = sum((_not_negative(e, "events") for e in quantity.events), ZERO)
            steps = _read_table(compiled.tables[0], total, quantity, len(quantity.events))
        case "amounts":
            steps = _charge_each(compiled, quantity, calendar)
        case "keys":
            steps = _read_keyed(compiled, quantity, calendar)
        case "limits":
            steps = [_read_limits(compiled.tables[0], quantity.peaks)]
        case "graph":
            steps = [_read_graph(compiled.graph, quantity, calendar)]
    return _adjusted(steps, compiled.adjustments)


def _not_negative(number: Fraction, field: str) -> Fraction:
    if number.numerator < 0:
        raise PriceError("out_of_range", field, value=exact_text(number), bounds="≥ 0")
    return number


def _adjusted(
    steps: list[Step], adjustments: tuple[Adjustment, ...], group: str = ""
) -> list[Step]:
    """Append a step for each adjustment that changes the sum."""
    if not adjustments:
        return steps
    total = sum((step.exact for step in steps), ZERO)
    for adjustment in adjustments:
        value = Fraction(*adjustment.value)
        change = ZERO
        params: tuple[tuple[str, object], ...] = (("bound", value),)
        match adjustment.kind:
            case "discount":
                change = -total * value
                params = (("percent", value * 100),)
            case "maximum" if total > value:
                change = value - total
            case "minimum" if total < value:
                change = value - total
        if change:
            kind = adjustment.kind
            steps.append(Step(kind, change, kind=kind, group=group, params=params))
            total += change
    return steps


# --- tables ---------------------------------------------------------------------------------


def _read_table(table: Table, units: Fraction, quantity: Quantity, count: int = 0) -> list[Step]:
    """Price `units` by the table: what is included first, then the rows, then its adjustments."""
    _not_negative(units, "units")
    if not table.free and not table.carries:
        return _adjusted(_read_rows(table, units, count), table.adjustments, table.key)
    free = Fraction(table.free, table.unit_scale)
    if table.carries:
        free += sum(quantity.carried, ZERO)
    steps = []
    included = min(units, free)
    if included:
        steps.append(Step("free", ZERO, units=included, group=table.key))
    steps.extend(_read_rows(table, units - included, count))
    return _adjusted(steps, table.adjustments, table.key)


def _read_rows(table: Table, units: Fraction, count: int) -> list[Step]:
    # Units finer than the table's own scale are met by widening its integers.
    scaled = units * table.unit_scale
    exact, fine = scaled.numerator, scaled.denominator
    picked = next(
        (
            i
            for i, row in enumerate(table.segments)
            if row.lower * fine < exact and (row.upper is None or exact <= row.upper * fine)
        ),
        None,
    )
    if picked is None:
        raise PriceError("no_price", "units", value=exact_text(units))
    if not table.stacked or picked == 0:
        return [_row_step(table, picked, (exact, fine), count=count)]
    steps: list[Step] = []
    below = ZERO
    for i in range(1, picked + 1):
        upper = table.segments[i].upper
        top = exact if i == picked or upper is None else upper * fine
        step = _row_step(table, i, (top, fine), below=below, count=count)
        below += step.exact
        if steps and table.segments[i].capped and table.segments[i - 1].tier == step_tier(step):
            step = _joined(steps.pop(), step)
        steps.append(step)
    return steps


def step_tier(step: Step) -> int:
    """Return the tier that the step stands for."""
    return int(dict(step.params).get("n", 0))


def _joined(rising: Step, level: Step) -> Step:
    """Show the two rows of a capped tier as one step at the tier's own price."""
    return replace(rising.plus(level), key=level.key, unit=rising.unit, params=level.params)


def _value(table: Table, row: Segment, exact: int, fine: int, count: int) -> tuple[Fraction, int]:
    """Return base + (units − offset) × price + events × fee, and the number of packages."""
    numerator, denominator = row.price
    beyond = exact - row.offset * fine
    if row.package:
        packages = -(-beyond // (row.package * fine))
        parts, scale = packages, 1
    else:
        packages = 0
        parts, scale = beyond, table.unit_scale * fine
    fixed = row.base + count * row.fee
    value = Fraction(
        fixed * scale * denominator + parts * numerator * table.amount_scale,
        table.amount_scale * scale * denominator,
    )
    return value, packages


def _row_step(
    table: Table, index: int, units: tuple[int, int], *, below: Fraction = ZERO, count: int = 0
) -> Step:
    """Return one row as a step: its value less what lies below it.

    `units`: units × unit_scale × fine, and fine.
    """
    exact, fine = units
    row = table.segments[index]
    value, packages = _value(table, row, exact, fine, count)
    scale = table.unit_scale
    start = row.lower if table.stacked and index else 0
    if row.lower < 0:
        start = 0
    within = Fraction(exact - start * fine, scale * fine)
    unit = Fraction(*row.price)
    moved = value - below if below else value
    flat = moved - (packages if row.package else within) * unit
    return Step(
        _row_key(table, row, index),
        moved,
        units=within,
        unit=unit,
        flat=flat,
        group=table.key,
        packages=packages,
        count=count,
        params=_row_params(table, row, index),
    )


def _row_key(table: Table, row: Segment, index: int) -> str:
    if table.shape in ("flat", "unit", "package", "block"):
        return table.shape if row.tier else "free"
    if table.shape == "percent":
        return "percent.fee" if row.fee else "percent"
    if index == 0:
        return f"{table.shape}.zero" if row.base else "unit"
    key = f"{table.shape}.capped" if row.capped else table.shape
    last = table.segments[-1]
    return key if last.tier != row.tier or last.upper is not None else f"{key}.open"


def _row_params(table: Table, row: Segment, index: int) -> tuple[tuple[str, object], ...]:
    """Return what the words of the row need; nothing that depends on the quantity."""
    if table.shape in ("flat", "unit") or not row.tier:
        return ()
    unit = Fraction(*row.price)
    scale = table.unit_scale
    if table.shape == "percent":
        return (("percent", unit * 100), ("fee", Fraction(row.fee, table.amount_scale)))
    size = Fraction(row.package, scale)
    if table.shape == "package":
        return (("size", size),)
    # A tier with a cap stands in two rows; words name the tier's own bounds.
    tier = [other for other in table.segments[1:] if other.tier == row.tier] if index else [row]
    upper = tier[-1].upper
    params: tuple[tuple[str, object], ...] = (
        ("n", row.tier),
        ("low", Fraction(max(tier[0].lower, 0), scale)),
        ("high", None if upper is None else Fraction(upper, scale)),
    )
    if table.shape == "block":
        return (*params, ("size", size))
    return (*params, ("percent", unit * 100)) if table.shape == "percent_tier" else params


def _read_limits(table: Table, peaks: Mapping[str, Fraction]) -> Step:
    """Pick the first row all of whose limits hold."""
    for peak in peaks.values():
        _not_negative(peak, "peaks")
    for row in table.segments:
        if all(peaks.get(meter, ZERO) * table.unit_scale <= limit for meter, limit in row.limits):
            amount = Fraction(row.base, table.amount_scale)
            return Step("capacity", amount, flat=amount, params=(("n", row.tier),))
    shown = ", ".join(f"{meter}={exact_text(peak)}" for meter, peak in peaks.items())
    raise PriceError("no_price", "peaks", value=shown)


# --- event steps ----------------------------------------------------------------------------


def _charge_each(
    compiled: Compiled, quantity: Quantity, calendar: HolidayCalendar | None
) -> list[Step]:
    match compiled.event:
        case PercentStep() as event:
            return charge_events(event, quantity.events)
        case SessionStep() as event:
            return charge_sessions(event, quantity.sessions, calendar)
        case OwnAmount():
            amount = sum((_not_negative(e[1], "events") for e in quantity.dynamic), ZERO)
            units = sum((_not_negative(e[0], "events") for e in quantity.dynamic), ZERO)
            count = len(quantity.dynamic)
            return [Step("own", amount, units=units, flat=amount, count=count)]
    raise AssertionError(compiled.event)


def _read_keyed(
    compiled: Compiled, quantity: Quantity, calendar: HolidayCalendar | None
) -> list[Step]:
    """Add units by the table their key names, then read each table met."""
    totals: dict[int, Fraction] = {}
    match compiled.event:
        case BandKey() as event:
            for reading in quantity.readings:
                at = _band_of(event, Reading(*reading), calendar)
                units = _not_negative(reading[1], "readings")
                totals[at] = totals.get(at, ZERO) + units
        case MatchKey() as event:
            for item in quantity.usage:
                at = _entry_of(event, UsageItem(*item))
                units = _not_negative(item[1], "usage")
                totals[at] = totals.get(at, ZERO) + units
    steps = []
    for at in sorted(totals):
        steps.extend(_read_table(compiled.tables[at], totals[at], quantity))
    return steps


def _band_of(event: BandKey, reading: Reading, calendar: HolidayCalendar | None) -> int:
    start = reading.start
    if start.utcoffset() is None:
        raise PriceError("bad_period", "readings", reason="time", value=start.isoformat())
    clock = start.hour * 3600 + start.minute * 60 + start.second
    at = band_at(event, start.date(), clock * SECOND + start.microsecond, calendar)
    if at is None:
        raise PriceError("no_band", "readings", moment=start.isoformat())
    return at


def _entry_of(event: MatchKey, item: UsageItem) -> int:
    dimensions = dict(item.dimensions)
    for i, match in enumerate(event.entries):
        if all(dimensions.get(name) == value for name, value in match):
            return i
    if event.has_default:
        return len(event.entries)
    shown = ", ".join(f"{name}={value}" for name, value in sorted(dimensions.items()))
    raise PriceError("no_price", "usage", value=shown or "–")


def _read_graph(graph: Graph | None, quantity: Quantity, calendar: HolidayCalendar | None) -> Step:
    """Price every part on the same quantity and put the sums into the expression."""
    assert graph is not None
    inside = tuple((name, tuple(_steps(part, quantity, calendar))) for name, part in graph.parts)
    sums = {name: sum((step.exact for step in steps), ZERO) for name, steps in inside}
    names = {
        **quantity.attributes,
        "units": quantity.units,
        "quantity": quantity.units,
        "events": Fraction(len(quantity.events) or len(quantity.dynamic)),
        **sums,
    }
    try:
        value = graph.program.run(names, counters=quantity.counters)
    except ExpressionError as error:
        raise PriceError(
            "bad_expression", "price.expression", position=error.position, detail=error
        ) from None
    return Step(
        "formula",
        value,
        units=quantity.units,
        flat=value,
        params=(("formula", graph.program.source),),
        inside=inside,
    )
