"""Whether an engine keeps the contract: every case at once, then lines drawn by a seed.

The cases are worked by hand; of the drawn lines the evaluator of the core says what they cost. All
go through the engine in one run for each rounding, beside a column of halves that is rounded alone.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby
from typing import Any, Final

from kvit.adapters.rating_sql.cases import (
    BEGIN,
    CARD,
    CASES,
    END,
    GRADUATED,
    MATRIX,
    OPEN_MATRIX,
    PACKAGE,
    SCALE,
    TIERS,
    TIES,
    VOLUME,
    Case,
    Told,
    unit,
)
from kvit.adapters.rating_sql.dialects import Dialect, TableRows
from kvit.adapters.rating_sql.sessions import Run
from kvit.adapters.rating_sql.statements import AMOUNTS, EVENTS, LINES, MISSING, rounded, statements
from kvit.adapters.rating_sql.tables import KINDS, Contract
from kvit.core.money import Rounding, exponent, round_fraction, to_minor
from kvit.core.pricing import PriceError, Quantity, UsageItem, evaluate, parse_price
from kvit.core.pricing.price import compile_price
from kvit.core.usage import NotMeasured, UsageEvent, aggregation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_BOTH: Final[tuple[Rounding, ...]] = ("half-up", "half-even")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an engine made of it. It conforms where nothing differs."""

    engine: str
    version: str
    lines: int
    halves: int
    seconds: float
    differences: tuple[str, ...]


def examine(dialect: Dialect, run: Run, *, drawn: int = 100, seed: int = 1) -> Verdict:
    """Run the suite in a session of an engine; its tables `kvit_…` are made anew."""
    begun = time.monotonic()
    cases = [*CASES, *draw(drawn, seed)]
    for statement in (*dialect.settings, *prepared(dialect, cases)):
        run(statement)
    differences: list[str] = []
    for rounding in _BOTH:
        for statement in statements(dialect, rounding):
            run(statement)
        [lost] = run(MISSING)
        if lost != (0, 0):
            differences.append(f"{rounding}: lines without an amount, or with two: {lost}")
        differences += _compared(cases, run(AMOUNTS), rounding)
        differences += _halves(dialect, run, rounding)
    [[version]] = run("SELECT version()")
    taken = time.monotonic() - begun
    return Verdict(dialect.name, version, len(cases), len(TIES), taken, tuple(differences))


def prepared(dialect: Dialect, cases: Sequence[Case]) -> Iterator[str]:
    """Give the statements that make the tables: a series and a line a case."""
    contract, lines, events = Contract(), [], []
    for number, case in enumerate(cases):
        texts = {_text(one.dims): dict(one.dims) for one in case.events}
        price = contract.price(
            compile_price(parse_price(case.price)),
            case.kind,
            value_scale=SCALE,
            minor_scale=10 ** exponent(case.currency),
            period_us=_us(case.end) - _us(BEGIN),
            dims=texts,
        )
        lines.append((number, number, price, case.kind, _us(BEGIN), _us(case.end), case.carried))
        events += [
            (number, one.at, one.id, one.value, one.said, _text(one.dims)) for one in case.events
        ]
    halves = [(place, *one, 1) for place, one in enumerate(TIES)]
    for table in (
        *contract.rows(),
        TableRows("kvit_lines", LINES, lines),
        TableRows("kvit_events", EVENTS, events),
        TableRows(
            "kvit_halves", {"place": "int", "num": "wide", "den": "wide", "scale": "int"}, halves
        ),
    ):
        yield from dialect.table(table)


def _text(dims: Sequence[tuple[str, str]]) -> str:
    return json.dumps(dict(dims), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // _TICK


def _compared(
    cases: Sequence[Case], amounts: Sequence[tuple[Any, ...]], rounding: Rounding
) -> Iterator[str]:
    found = {line: (num, den, minor, remark) for line, _, _, num, den, minor, remark in amounts}
    for number, case in enumerate(cases):
        num, den, minor, remark = found.get(number, (None, None, None, "lost"))
        expected = case.expected(rounding)
        told = minor if remark is None else remark
        if told != expected:
            yield f"{rounding}: {case.name}: {told}, not {expected}"
        elif remark is None and Fraction(num, den) != exact(case):
            yield f"{rounding}: {case.name}: {num}/{den} is not {exact(case)}"


def _halves(dialect: Dialect, run: Run, rounding: Rounding) -> Iterator[str]:
    query = rounded(dialect, "SELECT * FROM kvit_halves", rounding)
    found: dict[int, int] = dict(run(f"SELECT place, minor FROM ({query}) done"))
    for place, (num, den) in enumerate(TIES):
        expected = round_fraction(Fraction(num, den), rounding)
        if found.get(place) != expected:
            yield f"{rounding}: {num} / {den}: {found.get(place)}, not {expected}"


# --- what the core says ----------------------------------------------------------------------


def exact(case: Case) -> Fraction | None:
    """Return what the evaluator says of a line; None where it refuses."""
    price = parse_price(case.price)
    own = sorted((one for one in case.events if BEGIN <= one.at < case.end), key=_place)
    try:
        return evaluate(price, _quantity(price.needs, case, own)).exact
    except (PriceError, NotMeasured):
        return None


def _place(one: Told) -> tuple[datetime, str]:
    return one.at, one.id


def _quantity(needs: str, case: Case, own: Sequence[Told]) -> Quantity:
    def units(some: Sequence[Told]) -> Fraction:
        events = [UsageEvent(one.at, one.id, _value(one)) for one in some]
        carried = Fraction(case.carried, SCALE)
        how = aggregation(case.kind)
        return how.units(events, start=BEGIN, end=case.end, carried=carried)

    match needs:
        case "usage":
            parts = groupby(sorted(own, key=lambda one: one.dims), key=lambda one: one.dims)
            return Quantity(
                usage=tuple(
                    UsageItem(dims, units(sorted(some, key=_place))) for dims, some in parts
                )
            )
        case "events":
            return Quantity(events=tuple(_number(one) for one in own))
        case "nothing":
            return Quantity()
    return Quantity(units=units(own))


def _value(one: Told) -> Fraction | str:
    return one.said if one.value is None else Fraction(one.value, SCALE)


def _number(one: Told) -> Fraction:
    value = _value(one)
    if isinstance(value, str):
        raise NotMeasured(value)
    return value


# --- lines drawn by a seed ---------------------------------------------------------------------

_DRAWN: Final = (
    unit("0.0375"), unit("0.005", minimum="0.02", discount_percent="15"), GRADUATED, VOLUME,
    PACKAGE,
    {**PACKAGE, "free_units": "1.5"}, CARD, {**CARD, "minimum": "5", "maximum": "40"},
    OPEN_MATRIX, MATRIX, {"model": "flat", "amount": "7.77"},
    {"model": "graduated", "tiers": [{"up_to": "0.3", "unit": "7", "flat": "1"}, *TIERS]},
)  # fmt: skip


def draw(count: int, seed: int) -> list[Case]:
    """Draw lines around the edges of the prices; the evaluator says what they cost."""
    dice = random.Random(seed)
    found: list[Case] = []
    while len(found) < count:
        price = dice.choice(_DRAWN)
        kind = dice.choice(KINDS)
        if price["model"] == "percentage":
            kind = "sum"
        if price["model"] == "matrix":
            kind = dice.choice(("sum", "count"))
        events = tuple(_drawn(dice, str(n)) for n in range(dice.choice((0, 1, 2, 5, 12))))
        carried = dice.randrange(3000)
        case = Case(f"drawn {len(found)}", price, events, 0, kind=kind, carried=carried)
        told = exact(case)
        if told is not None:
            up, even = (to_minor(told, case.currency, rounding) for rounding in _BOTH)
            found.append(replace(case, minor=up, even=even))
    return found


def _drawn(dice: random.Random, name: str) -> Told:
    within = _us(END) - _us(BEGIN)
    at = BEGIN + dice.choice((dice.randrange(1000), dice.randrange(-1000, within))) * _TICK
    value = dice.choice((0, 1, 5, 100_000, 100_001, dice.randrange(2_000_000)))
    region = dice.choice(("eu", "O'Hare \\ é"))
    return Told(at, value, "", name, (("region", region),))
