"""Numbers of documents and the series they count in."""

from datetime import date

import pytest

from kvit.core.numbering import BadPattern, check_pattern, number_text, series_of

DAY = date(2026, 10, 31)


@pytest.mark.parametrize(
    ("pattern", "series", "number"),
    [
        ("{year}-{number:05}", "2026-{number:05}", "2026-00007"),
        ("{branch}/{year}/{number}", "МСК/2026/{number}", "МСК/2026/7"),
        ("СЧ-{number:3}", "СЧ-{number:3}", "СЧ-007"),
    ],
)
def test_worked_examples(pattern: str, series: str, number: str) -> None:
    assert series_of(pattern, on=DAY, branch="МСК") == series
    assert number_text(series, 7) == number


def test_a_number_that_outgrows_its_width_is_written_whole() -> None:
    assert number_text("2026-{number:02}", 1234) == "2026-1234"


def test_a_new_year_and_another_branch_are_other_series() -> None:
    told = {
        series_of("{branch}-{year}-{number}", on=day, branch=branch)
        for day in (DAY, date(2027, 1, 1))
        for branch in ("a", "b")
    }
    assert len(told) == 4


def test_a_branch_cannot_bring_a_field_of_its_own() -> None:
    series = series_of("{branch}-{number}", on=DAY, branch="{number}{year}")
    assert number_text(series, 1) == "(number)(year)-1"


@pytest.mark.parametrize(
    "pattern",
    ["", "2026", "{number}{number}", "{number}-{month}", "{number", "number}", "{number:x}",
     "{number}{}", "{NUMBER}", "{number:123}"],
)  # fmt: skip
def test_patterns_that_could_not_count_are_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        check_pattern(pattern)
