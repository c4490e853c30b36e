"""Rows as a workbook that spreadsheets open: numbers are numbers, days are days, texts are texts.

The rows go to a file on the disk one after the other, so memory does not grow with them; the file
is streamed when it is whole. A sheet holds about a million rows; more go on the next one.
"""

import tempfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import IO, Any

from kvit.core.money import exact_text

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 2**20  # of a sheet, its head among them
LONGEST_TEXT = 32_767  # characters of a cell
EXACT_DIGITS = 15  # of a number that a spreadsheet keeps
_WIDTH, _SAMPLE = (9, 48), 100


def workbook(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, russian: bool) -> IO[bytes]:
    """Return an open temporary file with the workbook, to be read from its beginning."""
    import xlsxwriter

    file = tempfile.TemporaryFile()  # noqa: SIM115  (the answer closes it)
    book = xlsxwriter.Workbook(
        file,
        {
            "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )  # fmt: skip
    sheets = _Sheets(book, heads, russian=russian)
    for row in rows:
        sheets.add(row)
    sheets.close()
    book.close()
    file.seek(0)
    return file


class _Sheets:
    """Writes rows below each other, and opens another sheet where one is full."""

    def __init__(self, book: Any, heads: Sequence[str], *, russian: bool) -> None:
        self._book, self._heads = book, heads
        self._formats = _Formats(book, russian=russian)
        self._sheet: Any = None
        self._place = 0
        self._widths: list[int] = []

    def add(self, row: Sequence[Any]) -> None:
        """Write a row of cells."""
        if self._sheet is None:
            self._open()
        elif self._place == MOST_ROWS:
            self.close()
            self._open()
        for column, value in enumerate(row):
            self._write(column, value)
        self._place += 1

    def close(self) -> None:
        """Finish the present sheet; of no rows at all, one with the heads alone."""
        if self._sheet is None:
            self._open()
        self._sheet.autofilter(0, 0, max(self._place - 1, 0), len(self._heads) - 1)
        for column, width in enumerate(self._widths):
            self._sheet.set_column(column, column, width)

    def _open(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._widths = [max(_WIDTH[0], min(len(head) + 2, _WIDTH[1])) for head in self._heads]
        for column, head in enumerate(self._heads):
            self._sheet.write_string(0, column, head, self._formats.head)
        self._place = 1

    def _write(self, column: int, value: Any) -> None:
        if value is None or value == "":
            return
        place = (self._place, column)
        if type(value) is str:  # most cells: whether it is a number is dearer to ask
            self._text(column, value)
        elif isinstance(value, bool):
            self._sheet.write_boolean(*place, value)
        elif isinstance(value, datetime):
            self._sheet.write_datetime(*place, value.replace(tzinfo=None), self._formats.moment)
        elif isinstance(value, date):
            self._sheet.write_datetime(*place, value, self._formats.day)
        elif (number := _number(value)) is not None:
            self._sheet.write_number(*place, number, self._formats.of(number))
        else:
            self._text(column, text_of(value))

    def _text(self, column: int, text: str) -> None:
        self._sheet.write_string(self._place, column, text[:LONGEST_TEXT])
        if self._place <= _SAMPLE:
            self._widths[column] = max(self._widths[column], min(len(text) + 2, _WIDTH[1]))


class _Formats:
    """Looks of cells, made once each."""

    def __init__(self, book: Any, *, russian: bool) -> None:
        self._book = book
        self._numbers: dict[int, Any] = {}
        day = "dd.mm.yyyy" if russian else "d mmm yyyy"
        self.head = book.add_format({"bold": True, "bottom": 1})
        self.day = book.add_format({"num_format": day, "align": "left"})
        self.moment = book.add_format({"num_format": f"{day} hh:mm:ss", "align": "left"})

    def of(self, number: Decimal) -> Any:
        """A number with as many decimals as it was given with."""
        decimals = max(0, -int(number.as_tuple().exponent))
        if decimals not in self._numbers:
            shape = "#,##0" + (f".{'0' * decimals}" if decimals else "")
            self._numbers[decimals] = self._book.add_format({"num_format": shape})
        return self._numbers[decimals]


def _number(value: Any) -> Decimal | None:
    """A number that a spreadsheet keeps exactly; None of any other: it is written as a text."""
    if not isinstance(value, (int, Decimal, Fraction)):
        return None
    text = text_of(value)
    digits = sum(sign.isdigit() for sign in text)
    return Decimal(text) if digits <= EXACT_DIGITS and "/" not in text else None


def text_of(value: Any) -> str:
    """Write a cell's value for a program: numbers exactly, with a point."""
    if isinstance(value, Fraction):
        return exact_text(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    return str(value)
