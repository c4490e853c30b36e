"""Exports that spreadsheets open as they are, and orders that nobody can bend."""

import csv
import io

import pytest
from django.test import RequestFactory
from django.utils import translation

from kvit.web.lists import Column, exported, order_of

COLUMNS = (Column("number", "Number", sort="number"), Column("note", "Note"))


def text_of(lang: str, rows: list[tuple[object, ...]]) -> str:
    with translation.override(lang):
        response = exported("invoices", ["№", "Σ"], rows)
        return b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]


def test_a_russian_spreadsheet_opens_it_with_a_double_click() -> None:
    text = text_of("ru", [("2026-00001", "1234.56")])
    assert text == "\ufeff№;Σ\r\n2026-00001;1234,56\r\n"


def test_an_english_one_gets_commas_and_points() -> None:
    assert text_of("en", [("a,b", "-1234.56")]) == '\ufeff№,Σ\r\n"a,b",-1234.56\r\n'


@pytest.mark.parametrize(
    "evil",
    ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "−5", '=HYPERLINK("x")', "-.", "-1-1"],
)
def test_no_cell_becomes_a_formula(evil: str) -> None:
    row = list(csv.reader(io.StringIO(text_of("en", [(evil,)]), newline="")))[1]
    assert row == [f"'{evil}"]


def test_a_negative_sum_stays_a_number() -> None:
    assert text_of("ru", [("-5",), ("-0.50",)]).splitlines()[1:] == ["-5", "-0,50"]


@pytest.mark.parametrize(
    ("asked", "order"),
    [("number", "number"), ("-number", "-number"), ("note", "-date"), ("", "-date"),
     ("number;drop", "-date"), ("--number", "-date")],
)  # fmt: skip
def test_an_order_is_one_of_the_columns_or_the_default(asked: str, order: str) -> None:
    request = RequestFactory().get("/", {"sort": asked})
    assert order_of(request, COLUMNS, "-date") == order
