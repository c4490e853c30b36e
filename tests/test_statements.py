"""Which tests a second server is asked: `tests/statements.py`."""

import json
from pathlib import Path

import pytest

from tests import statements


def first_pass(folder: Path, **tests: tuple[float, str]) -> None:
    lines = [json.dumps([name, took, sent.split()]) for name, (took, sent) in tests.items()]
    (folder / "gw0.jsonl").write_text("\n".join(lines[:1]) + "\n")
    (folder / "gw1.jsonl").write_text("\n".join(lines[1:]) + "\n")


def test_the_longest_are_left_out_whose_statements_others_send(tmp_path: Path) -> None:
    first_pass(tmp_path, long=(9.0, "a b"), short=(1.0, "a"), other=(2.0, "b c"), none=(3.0, ""))
    names = {"long", "short", "other", "none"}
    assert statements.needed(tmp_path, names, set()) == {"short", "other"}
    # Of the last two that send a statement one stays, whichever.
    assert statements.needed(tmp_path, {"long", "short"}, set()) == {"long"}


def test_what_is_always_asked_or_not_known_stays(tmp_path: Path) -> None:
    first_pass(tmp_path, long=(9.0, "a"), short=(1.0, "a"))
    names = {"long", "short", "new"}
    assert statements.needed(tmp_path, names, {"long"}) == {"long", "new"}


def test_a_test_whose_line_was_cut_short_is_not_known(tmp_path: Path) -> None:
    first_pass(tmp_path, long=(9.0, "a"), short=(1.0, "a"))
    file = tmp_path / "gw0.jsonl"
    file.write_text(file.read_text()[:-5])
    assert statements.needed(tmp_path, {"long", "short"}, set()) == {"long", "short"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t WHERE id IN (%s, %s)", "SELECT  a\nFROM t WHERE id IN (%s)"),
        ("INSERT INTO t VALUES (%s, %s), (%s, %s)", "INSERT INTO t VALUES (%s, 5)"),
        ("SELECT '2026-11-01', 7, 'x'", "SELECT '2026-10-31', 8, 'x'"),
        ("WHERE a = ANY (%(ids)s::uuid[])", "WHERE a = ANY ('{1}'::uuid[])"),
        ('SAVEPOINT "s140_x12"', 'SAVEPOINT "s141_x3"'),
    ],
)
def test_statements_that_differ_in_values_alone_are_the_same(one: str, other: str) -> None:
    assert statements._shape(one) == statements._shape(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t1", "SELECT a FROM t2"),
        ("SELECT to_char(a, 'MM')", "SELECT to_char(a, 'YY')"),
        ("SELECT a WHERE b = %s", "SELECT a WHERE b = ANY (%s)"),
    ],
)
def test_other_statements_are_not_the_same(one: str, other: str) -> None:
    assert statements._shape(one) != statements._shape(other)
