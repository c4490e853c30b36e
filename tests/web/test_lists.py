"""Exports that spreadsheets open as they are, and orders that nobody can bend."""

import csv
import io
import tracemalloc
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from xml.etree import ElementTree

import pytest
from django.test import RequestFactory
from django.utils import translation

from kvit.web import spreadsheets
from kvit.web.columns import Column, Listing, Part, parts_of
from kvit.web.lists import exported, order_of

LISTING = Listing(
    "x", (Column("number", "Number", sort="number"), Column("note", "Note")), order="-date"
)


def sent(lang: str, rows: Iterable[tuple[object, ...]], form: str = "", heads: str = "№Σ") -> bytes:
    request = RequestFactory().get("/", {"format": form})
    with translation.override(lang):
        response = exported(request, "invoices", list(heads), rows)
        return b"".join(response.streaming_content)  # type: ignore[attr-defined]


def text_of(lang: str, rows: list[tuple[object, ...]]) -> str:
    return sent(lang, rows).decode()


def cells(book: bytes, sheet: int = 1) -> list[list[tuple[str, str]]]:
    """The (type, value) of every cell: "n" a number or a day, "inlineStr" a text."""
    with zipfile.ZipFile(io.BytesIO(book)) as file:
        root = ElementTree.fromstring(file.read(f"xl/worksheets/sheet{sheet}.xml"))
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    assert not list(root.iter(f"{space}f"))  # no formula anywhere
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row.iter(f"{space}c")]
        for row in root.iter(f"{space}row")
    ]


def test_a_russian_spreadsheet_opens_it_with_a_double_click() -> None:
    text = text_of("ru", [("2026-00001", Decimal("1234.56"))])
    assert text == "\ufeff№;Σ\r\n2026-00001;1234,56\r\n"


def test_an_english_one_gets_commas_and_points() -> None:
    assert text_of("en", [("a,b", Decimal("-1234.56"))]) == '\ufeff№,Σ\r\n"a,b",-1234.56\r\n'


@pytest.mark.parametrize(
    "evil",
    [
        "=1+1",
        "+cmd",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "−5",
        '=HYPERLINK("x")',
        "-.",
        "-1-1",
        "\n=1",
        "＝1+1",
        "＋1",
        "－1",
        "＠A1",
    ],
)
def test_no_cell_becomes_a_formula(evil: str) -> None:
    row = list(csv.reader(io.StringIO(text_of("en", [(evil,)]), newline="")))[1]
    assert row == [f"'{evil}"]


def test_a_negative_sum_stays_a_number() -> None:
    assert text_of("ru", [(-5,), (Decimal("-0.50"),)]).splitlines()[1:] == ["-5", "-0,50"]


def test_digits_that_are_no_number_stay_text() -> None:
    assert text_of("ru", [("7701234560", "62.01")]).splitlines()[1] == "7701234560;62.01"


def test_a_workbook_has_numbers_as_numbers_days_as_days_and_texts_as_texts() -> None:
    row = (
        "=1+1", "0770123456", Decimal("-1234.50"), Fraction(1, 3), 7, date(2026, 11, 28),
        datetime(2026, 11, 28, 12, tzinfo=UTC), None, Decimal("12345678901234567.89"),
        "http://x", "ё" * 40_000,
    )  # fmt: skip
    head, told = cells(sent("ru", [row], "xlsx", "№Σcdefghijk"))
    assert head == [("inlineStr", title) for title in "№Σcdefghijk"]
    assert told == [
        ("inlineStr", "=1+1"), ("inlineStr", "0770123456"), ("n", "-1234.50"),
        ("inlineStr", "1/3"), ("n", "7"), ("n", "46354"), ("n", "46354.5"),
        ("inlineStr", "12345678901234567.89"), ("inlineStr", "http://x"),
        ("inlineStr", "ё" * 32_767),
    ]  # fmt: skip


def test_a_workbook_of_many_rows_takes_no_memory_for_them() -> None:
    def peak(rows: int) -> int:
        tracemalloc.start()
        request = RequestFactory().get("/", {"format": "xlsx"})
        answer = exported(request, "n", ["a", "b"], ((f"row {n}", n) for n in range(rows)))
        for _ in answer.streaming_content:  # type: ignore[attr-defined]
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        answer.close()
        return most

    peak(10)
    assert peak(4_000) < peak(500) + 200_000


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_file_is_sent_as_its_rows_are_read(form: str) -> None:
    read = []

    def rows() -> Iterable[tuple[str, int]]:
        for n in range(5_000):
            read.append(n)
            yield f"row {n}", n

    answer = exported(RequestFactory().get("/", {"format": form}), "n", ["a", "b"], rows())
    parts = iter(answer.streaming_content)  # type: ignore[attr-defined]
    seen = 0
    while not seen:
        seen = len(next(parts))
    assert len(read) < 1_000
    answer.close()


def test_what_xml_has_no_room_for_is_written_as_spreadsheets_write_it() -> None:
    texts = ["\x07", "a\rb", "_x0041_", "a & <b>", " a ", "\uffff", "_x"]
    [_, row] = cells(sent("en", [tuple(texts)], "xlsx", "abcdefg"))
    assert [text for _, text in row] == [
        "_x0007_", "a_x000D_b", "_x005F_x0041_", "a & <b>", " a ", "_xFFFF_", "_x",
    ]  # fmt: skip


def test_a_sheet_of_too_many_bytes_for_a_plain_zip_goes_on_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spreadsheets, "MOST_BYTES", 1)
    book = sent("en", [(n,) for n in range(101)], "xlsx")
    assert [len(cells(book, place)) for place in (1, 2)] == [101, 2]
    assert cells(book, 2)[1] == [("n", "100")]


def test_rows_beyond_a_sheet_go_on_the_next_with_its_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MOST_ROWS", 3)
    book = sent("en", [(n,) for n in range(5)], "xlsx")
    assert [row[0][1] for place in (1, 2, 3) for row in cells(book, place)] == [
        "№", "0", "1", "№", "2", "3", "№", "4",
    ]  # fmt: skip
    assert cells(sent("en", [], "xlsx")) == [[("inlineStr", "№"), ("inlineStr", "Σ")]]


@pytest.mark.parametrize(
    ("asked", "order"),
    [("number", "number"), ("-number", "-number"), ("note", "-date"), ("", "-date"),
     ("number;drop", "-date"), ("--number", "-date")],
)  # fmt: skip
def test_an_order_is_one_of_the_columns_or_the_default(asked: str, order: str) -> None:
    request = RequestFactory().get("/", {"sort": asked})
    assert order_of(request, LISTING) == order


WIDE = Listing(
    "wide",
    (
        Column("a", "A", of=lambda item: item["a"], parts=(Part("Both", lambda item: item["b"]),)),
        Column("b", "B", parts=(Part("Both", lambda item: item["b"]),)),
        Column("c", "C", of=lambda item: item["c"], is_usual=False),
        Column("do", "Actions"),
    ),
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (("", ""), "a b do"), (("c,a", "b"), "c a"), (("", "b,c"), "b c"),
        (("all", "b"), "a b c do"),
        (("nonsense", "b"), "b"), (("b,b,<script>", ""), "b"),
    ],
)  # fmt: skip
def test_columns_are_those_of_the_address_then_those_remembered_then_the_usual(
    said: tuple[str, str], shown: str
) -> None:
    assert " ".join(one.code for one in WIDE.chosen(*said)) == shown


def test_a_file_tells_once_what_two_columns_tell_and_nothing_of_what_is_only_done() -> None:
    parts = parts_of(WIDE.chosen("all"))
    assert [one.title for one in parts] == ["A", "Both", "C"]
    assert [one.of({"a": 1, "b": 2, "c": 3}) for one in parts] == [1, 2, 3]
