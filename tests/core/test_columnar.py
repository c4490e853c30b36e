"""Columns say what the evaluator says of each quantity alone, to the last digit, in any range."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvit.core.columnar import Exact, NotColumnar, Sums, charge, is_columnar, ready
from kvit.core.columnar.prices import Usage
from kvit.core.columnar.runs import Runs, borders
from kvit.core.columnar.tax import tax_columns
from kvit.core.money import to_minor
from kvit.core.pricing import Quantity, UsageItem, evaluate, parse_price
from kvit.core.pricing.compiled import MatchKey
from kvit.core.pricing.price import compile_price
from kvit.core.tax import TaxableLine, TaxedLine, tax_lines
from kvit.core.usage import UsageEvent, aggregation
from tests.core.oracle_strategies import MODELS, Request, bounded, near

F = Fraction
COLUMNAR = ("flat", "per_unit", "graduated", "volume", "graduated_percentage", "stairstep",
            "package", "blocks")  # fmt: skip
REFUSED = ("capacity", "dynamic", "banded")
HUGE = st.integers(0, 10**30)
patient = settings(suppress_health_check=[HealthCheck.too_slow])  # prices are drawn slowly


def columns(numbers: list[F]) -> Exact:
    """Put fractions of decimals into one column, as wide as they need."""
    den = max((number.denominator for number in numbers), default=1)
    for number in numbers:
        den = den * number.denominator // np.gcd(den, number.denominator)
    nums = [int(number * int(den)) for number in numbers]
    wide = any(abs(number) >= 2**62 for number in nums)
    return Exact(np.array(nums, dtype=object if wide else np.int64), int(den))


def alike(count: int) -> Any:
    """Every quantity by the first price."""
    return np.zeros(count, np.int64)


def as_fractions(found: Sums) -> list[F]:
    return [found.fraction(place) for place in range(len(found.num))]


@pytest.mark.parametrize("model", COLUMNAR)
@patient
@given(data=st.data())
def test_a_column_of_units_costs_what_each_costs_alone(model: str, data: st.DataObject) -> None:
    document, _ = data.draw(bounded(MODELS[model]))
    price = parse_price(document)
    compiled = compile_price(price)
    edges = [str(F(s.upper, t.unit_scale)) for t in compiled.tables for s in t.segments if s.upper]
    text = st.one_of(near([edge for edge in edges if "/" not in edge]), HUGE.map(str))
    units = [F(one) for one in data.draw(st.lists(text, max_size=12))]
    found = charge([ready(compiled)], alike(len(units)), Usage(columns(units), alike(len(units))))
    expected = [evaluate(price, Quantity(units=one)).exact for one in units]
    assert as_fractions(found) == expected
    assert [int(one) for one in found.rounded(100)] == [to_minor(one, "RUB") for one in expected]
    nums, dens = found.reduced()
    assert [F(int(n), int(d)) for n, d in zip(nums, dens, strict=True)] == expected
    assert [int(d) for d in dens] == [one.denominator for one in expected]


@pytest.mark.parametrize("model", COLUMNAR)
@patient
@given(data=st.data())
def test_an_average_has_a_rest_beside_its_whole_parts(model: str, data: st.DataObject) -> None:
    document, _ = data.draw(bounded(MODELS[model]))
    price = parse_price(document)
    compiled = ready(compile_price(price))
    edges = [s.upper * 1000 // t.unit_scale for t in compiled.compiled.tables for s in t.segments
             if s.upper]  # fmt: skip
    whole = st.one_of(st.integers(0, 10**7), st.sampled_from(edges or [0]), st.integers(0, 2**61))
    part = data.draw(st.sampled_from([1000, 31 * 24 * 3600 * 10**6, 2**61]))
    rest = st.one_of(st.just(0), st.integers(0, part - 1))
    drawn = data.draw(st.lists(st.tuples(whole, rest), min_size=1, max_size=8))
    nums, rests = (np.array(one, np.int64) for one in zip(*drawn, strict=True))
    found = charge([compiled], nums * 0, Usage(Exact(nums, 1000, rests, part), nums * 0))
    units = [(n + F(rest, part)) / 1000 for n, rest in drawn]
    expected = [evaluate(price, Quantity(units=one)).exact for one in units]
    assert as_fractions(found) == expected
    assert [int(one) for one in found.rounded(100)] == [to_minor(one, "RUB") for one in expected]
    told = Exact(nums, 1000, rests, part).at_scale(10**12)
    assert [int(one) for one in told] == [round(one * 10**12) for one in units]


@patient
@given(data=st.data())
def test_every_quantity_is_priced_by_its_own_price(data: st.DataObject) -> None:
    """Overrides: tables of several models side by side, in one column."""
    models = st.sampled_from([*COLUMNAR[1:]]).flatmap(lambda name: bounded(MODELS[name]))
    documents = [one[0] for one in data.draw(st.lists(models, min_size=1, max_size=5))]
    prices = [parse_price(document) for document in documents]
    many = data.draw(
        st.lists(st.tuples(st.integers(0, len(prices) - 1), near(["10", "100"])), min_size=1)
    )
    which = np.array([place for place, _ in many])
    units = [F(text) for _, text in many]
    laid = [ready(compile_price(one)) for one in prices]
    found = charge(laid, which, Usage(columns(units), which * 0))
    expected = [evaluate(prices[place], Quantity(units=F(text))).exact for place, text in many]
    assert as_fractions(found) == expected
    assert [int(one) for one in found.rounded(100)] == [to_minor(one, "RUB") for one in expected]


@patient
@given(st.lists(MODELS["percentage"].map(lambda one: one[1]), min_size=1), st.data())
def test_events_are_charged_one_by_one_as_the_evaluator_does(
    others: list[dict[str, object]], data: st.DataObject
) -> None:
    document, own = data.draw(bounded(MODELS["percentage"]))
    price = parse_price(document)
    given_events = [[F(str(e)) for e in one.get("events", [])] for one in [own, *others]]
    flat = [event for events in given_events for event in events]
    counts = np.array([len(events) for events in given_events])
    starts = (np.cumsum(counts) - counts)[counts > 0]
    amounts = columns(flat)
    usage = Usage(
        columns([sum(events, F(0)) for events in given_events]),
        counts,
        amounts=(amounts.num, amounts.den, Runs(starts, len(flat))),
    )
    found = charge([ready(compile_price(price))], alike(len(counts)), usage)
    expected = [evaluate(price, Quantity(events=tuple(one))).exact for one in given_events]
    assert as_fractions(found) == expected


@patient
@given(MODELS["matrix"])
def test_a_matrix_is_read_by_its_tables(request_: Request) -> None:
    document, quantity = request_
    price = parse_price(document)
    compiled = compile_price(price)
    assert isinstance(compiled.event, MatchKey)
    items = [
        UsageItem(tuple(sorted(one["dimensions"].items())), F(one["units"]))
        for one in quantity["usage"]
        if compiled.event.has_default or one["dimensions"]["region"] != "moon"
    ]
    by_table: dict[int, F] = {}
    for item in items:
        names = dict(item[0])
        fits = [
            i
            for i, entry in enumerate(compiled.event.entries)
            if all(names.get(name) == value for name, value in entry)
        ]
        if not fits and not compiled.event.has_default:
            return
        place = fits[0] if fits else len(compiled.event.entries)
        by_table[place] = by_table.get(place, F(0)) + item[1]
    usage = Usage(
        columns([F(0), F(0)]),
        np.zeros(2, np.int64),
        keyed={place: columns([units, F(0)]) for place, units in by_table.items()},
        met={place: np.array([1, 0]) for place in by_table},
    )
    expected = evaluate(price, Quantity(usage=tuple(items))).exact
    assert as_fractions(charge([ready(compiled)], alike(2), usage)) == [expected, 0]


@pytest.mark.parametrize("model", REFUSED)
@patient
@given(data=st.data())
def test_what_is_no_table_of_units_is_left_to_the_evaluator(
    model: str, data: st.DataObject
) -> None:
    compiled = compile_price(parse_price(data.draw(MODELS[model])[0]))
    assert not is_columnar(compiled)
    with pytest.raises(NotColumnar):
        ready(compiled)


START = datetime(2026, 10, 1, tzinfo=UTC)
PERIOD = timedelta(days=31)
VALUES = st.one_of(
    st.integers(-1000, 1000), st.integers(-(2**30), 2**30), st.integers(-(2**61), 2**61)
)
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, PERIOD // timedelta(microseconds=1) - 1), VALUES),
    max_size=40,
)


@given(ROWS)
def test_runs_add_up_to_what_the_aggregations_say(rows: list[tuple[int, int, int]]) -> None:
    rows = sorted(rows)
    keys = np.array([key for key, _, _ in rows], np.int64)
    times = np.array([at for _, at, _ in rows], np.int64)
    values = np.array([value for _, _, value in rows], np.int64)
    runs = borders(keys)
    end = PERIOD // timedelta(microseconds=1)
    found = {
        "sum": runs.sums(values),
        "count": runs.counts,
        "max": runs.maxima(values),
        "unique": runs.uniques(values),
        "latest": runs.lasts(values),
        "time_weighted": runs.weighted(values, times, start=0, end=end),
    }
    for kind, told in found.items():
        wanted = []
        for key in sorted(set(keys.tolist())):
            events = [
                UsageEvent(START + timedelta(microseconds=at), str(n).zfill(3), F(value))
                for n, (one, at, value) in enumerate(rows)
                if one == key
            ]
            units = aggregation(kind).units(events, start=START, end=START + PERIOD)
            wanted.append(units * (end if kind == "time_weighted" else 1))
        assert [int(one) for one in told] == wanted, kind


@pytest.mark.parametrize("most", [2**31 - 1, 2**31, 2**62 - 1, 2**62])
def test_sums_are_exact_where_the_running_sum_leaves_a_word(most: int) -> None:
    values = np.array([most, most, -most, 1, most], np.int64)
    assert borders(np.arange(5)).sums(values).tolist() == [most, most, -most, 1, most]
    pairs = Runs(np.array([0, 2, 4]), 5).sums(values).tolist()
    assert pairs == [2 * most, 1 - most, most]
    shown = np.broadcast_to(np.int64(7), 5)  # in no memory of its own
    assert Runs(np.array([0, 2, 4]), 5).sums(shown).tolist() == [14, 14, 7]
    assert Runs(np.array([0, 1, 2]), 3).sums(values[::2]).tolist() == [most, -most, most]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=40), st.booleans())
def test_a_run_has_what_any_of_its_rows_has(rows: list[tuple[int, bool]], blocks: bool) -> None:
    # Where rows are sorted by it as well, it stands in blocks: at the head of a run, or elsewhere.
    rows = sorted(rows, key=lambda row: (row[0], not row[1] if blocks else 0))
    runs = borders(np.array([key for key, _ in rows], np.int64))
    marked = np.array([is_so for _, is_so in rows], np.bool_)
    wanted = [
        any(is_so for one, is_so in rows if one == key) for key in sorted({k for k, _ in rows})
    ]
    assert runs.having(marked).tolist() == wanted


def test_a_level_is_carried_into_the_period() -> None:
    runs = Runs(np.array([0, 2]), 3)
    found = runs.weighted(
        np.array([5, 7, 1]), np.array([10, 20, 0]), start=0, end=30, carried=np.array([2, 9])
    )
    assert found.tolist() == [2 * 10 + 5 * 10 + 7 * 10, 1 * 30]


@given(st.lists(st.integers(-(10**25), 10**25), min_size=1), st.integers(1, 10**12))
def test_half_a_unit_is_rounded_away_from_zero(numbers: list[int], den: int) -> None:
    found = Exact(np.array(numbers, dtype=object), den).rounded(100)
    assert [int(one) for one in found] == [to_minor(F(number, den), "RUB") for number in numbers]


def test_forced_ties_round_as_one_by_one() -> None:
    halves = np.array([1, -1, 3, -3, 2, -2, 0], np.int64)
    assert Exact(halves, 200).rounded(100).tolist() == [1, -1, 2, -2, 1, -1, 0]


RATED = st.sampled_from(
    [(None, "net"), (F(22), "net"), (F(22), "gross"), (F(10), "net"), (F("8.875"), "gross")]
)
LINES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-(10**6), 10**9), RATED), min_size=1, max_size=30
)


@pytest.mark.parametrize("method", ["document", "line"])
@given(lines=LINES)
def test_many_documents_are_taxed_as_each_alone(method: Any, lines: list[Any]) -> None:
    rates = list(dict.fromkeys(rated for _, _, rated in lines))
    found = tax_columns(
        np.array([amount for _, amount, _ in lines]),
        np.array([document for document, _, _ in lines]),
        np.array([rates.index(rated) for _, _, rated in lines]),
        rates,
        method,
    )
    for document in {one[0] for one in lines}:
        mine = [place for place, one in enumerate(lines) if one[0] == document]
        wanted = tax_lines([TaxableLine(lines[i][1], *lines[i][2]) for i in mine], method)
        told = [TaxedLine(*(int(c[i]) for c in (found.net, found.vat, found.total))) for i in mine]
        assert told == wanted
