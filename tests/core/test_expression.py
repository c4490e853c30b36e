"""The expression language: exact values, lazy parts, and input written by an enemy."""

import contextlib
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.expression import ExpressionError, KeyTable, RangeTable, parse_expression

F = Fraction

NAMES = frozenset({"x", "zone", "base"})
TABLES: dict[str, RangeTable | KeyTable] = {
    "norms": RangeTable(((F(10), F(1)), (None, F(2)))),
    "short": RangeTable(((F(10), F(1)),)),
    "zones": KeyTable((("far", F(3)), ("near", F(1)))),
    "any": KeyTable((("far", F(3)),), F(7)),
}


def value(source: str, **names: F | str) -> F:
    return parse_expression(source, names=NAMES, tables=TABLES).run(names, counters={"c": F(5)})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 4 - 3", "3"),
        ("12 / 4 / 3", "1"),
        ("-2 * -3", "6"),
        ("2 - -3", "5"),
        ("1 / 3 * 3", "1"),
        ("0.1 + 0.2", "0.3"),
        ("if(1 < 2 and not 2 < 1, 10, 20)", "10"),
        ("if(1 > 2 or 2 >= 3, 10, 20)", "20"),
        ("if(1 == 1.0, 1, 1 / 0)", "1"),
        ("if(2 != 2 and 1 / 0 > 1, 1, 2)", "2"),
        ("min(3, 1, 2) + max(3, 1, 2)", "4"),
        ("round(2.5, 0) + round(-2.5, 0)", "0"),
        ("round(2.345, 2)", "2.35"),
        ('round(2.345, 2, "down")', "2.34"),
        ('round(2.5, 0, "half-even")', "2"),
        ("round(1250, -2)", "1300"),
        ("ceil(1.01) + floor(1.99) + abs(-1)", "4"),
        ("range(10, norms) + range(10.01, norms)", "3"),
        ("key('far', zones) + key('elsewhere', any)", "10"),
        ("counter('c') * 2", "10"),
    ],
)
def test_values(source: str, expected: str) -> None:
    assert value(source) == F(expected)


def test_texts_of_dimensions_are_numbers_where_a_number_is_needed() -> None:
    assert value("x * 2 + if(zone == 'far', 1, 0)", x="12.5", zone="far") == 26
    assert value("if(x == 12.5, 1, 0)", x="12.50") == 1


@pytest.mark.parametrize(
    ("source", "reason", "position"),
    [
        ("", "end", 1),
        ("1 +", "end", 4),
        ("1 2", "unexpected", 3),
        ("1 < 2 < 3", "unexpected", 7),
        ("x $ 2", "character", 3),
        ("basis * 2", "suggestion", 1),
        ("__import__('os')", "unknown_name", 1),
        ("x.__class__", "character", 2),
        ("min()", "unexpected", 5),
        ("if(x > 1, 2)", "arguments", 1),
        ("range(x, nowhere)", "table", 10),
        ("range(x, zones)", "table", 10),
        ("key(zone, 1)", "table", 11),
        ("9" * 61, "size", 1),
        ("(" * 100, "depth", 61),
        ("-" * 100 + "1", "depth", 61),
        ("1" + "+1" * 200, "depth", 120),
        ("1" * 5000, "length", 4000),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    source: str, reason: str, position: int
) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse_expression(source, names=NAMES, tables=TABLES)
    assert (refused.value.reason, refused.value.position) == (reason, position)
    assert refused.value.message("ru") != refused.value.message("en")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / (x - x)", "zero"),
        ("if(x, 1, 2)", "truth"),
        ("x + (1 < 2)", "number"),
        ("zone * 2", "number"),
        ("range(11, short)", "no_row"),
        ("key('nowhere', zones)", "no_row"),
        ("key(0.5, zones)", "text"),
        ("counter('d')", "no_value"),
        ("base", "no_value"),
        ("round(x, 13)", "places"),
        ("round(x, 1, 'best')", "rounding"),
        ("1 < 2", "number"),
    ],
)
def test_what_cannot_be_computed_is_refused(source: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        value(source, x=F(1), zone="far")
    assert refused.value.reason == reason


def test_numbers_cannot_grow_without_end() -> None:
    big = "9" * 50
    program = parse_expression("*".join([f"{big}"] * 30), names=NAMES)
    with pytest.raises(ExpressionError, match="size"):
        program.run({})


@given(st.text(max_size=200))
def test_any_text_ends_at_once_in_a_number_or_a_refusal(source: str) -> None:
    started = time.process_time()
    with contextlib.suppress(ExpressionError):
        value(source, x=F(3), base=F(100), zone="far")
    assert time.process_time() - started < 1


@given(st.lists(st.sampled_from("x 1 2.5 + - * / ( ) , < == and not if( min( 'far'".split())))
def test_any_words_end_in_a_number_or_a_refusal(words: list[str]) -> None:
    with contextlib.suppress(ExpressionError):
        assert isinstance(value(" ".join(words), x=F(3)), F)
