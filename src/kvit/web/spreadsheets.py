"""Rows as a workbook that spreadsheets open: numbers are numbers, days are days, texts are texts.

It is sent as it is made, a part of the first sheet at once: memory does not grow with the rows, and
whoever waits sees the file grow. A workbook is a zip of XML, of which a sheet may come before what
names it. A sheet holds about a million rows; more go on the next one.

XlsxWriter and openpyxl put a sheet on the disk and pack it once it is whole: of a million rows that
is minutes before the first byte, and no proxy waits for it. aioxlsxstream knows one sheet of texts,
xlsx-data-stream is one person's and has no description. So the zip is Python's and the XML is ours.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import chain, islice
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from kvit.core.money import exact_text

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 2**20  # of a sheet, its head among them
MOST_BYTES = 2**30  # of a sheet's XML: any zip holds twice as much
LONGEST_TEXT = 32_767  # characters of a cell
EXACT_DIGITS = 15  # of a number that a spreadsheet keeps
SENT = 200  # rows that are put together at once
_WIDTH, _SAMPLE = (9, 48), 100
_FIRST_DAY, _DAY_0 = date(1900, 3, 1), date(1899, 12, 30).toordinal()  # 1900 had no 29 February
_LEVEL = 1  # of packing: the next ones take twice as long for a tenth

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKED = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FONT = '<font>{}<sz val="11"/><name val="Calibri"/><family val="2"/></font>'
_LINE = '<bottom style="thin"/>'
_ODD = re.compile("[&<>\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)|^\\s|\\s\\Z")
_CODED = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")  # written _x0007_


def workbook(
    heads: Sequence[str], rows: Iterable[Sequence[Any]], *, russian: bool
) -> Iterator[bytes]:
    """Yield a workbook, part by part as the rows come."""
    sent, unsent, sizes = _Sent(), iter(rows), list[int]()
    looks = _Looks(russian=russian)
    with ZipFile(sent, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as book:  # type: ignore[call-overload]
        while True:
            first = list(islice(unsent, 1))
            if sizes and not first:
                break
            sheet = _Sheet(heads, looks)
            with book.open(f"xl/worksheets/sheet{len(sizes) + 1}.xml", "w") as out:
                for _ in sheet.write(out, chain(first, unsent), is_first=not sizes):
                    yield sent.take()
            sizes.append(sheet.rows)
        for name, text in _bindings(sizes, len(heads), looks):
            book.writestr(name, _XML + text)
    yield sent.take()


class _Sent:
    """A file of what is not sent yet: it cannot be sought in, so the zip is written forwards."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole


class _Looks:
    """Looks of cells by their number; of numbers there is one for each count of decimals."""

    HEAD, DAY, MOMENT, FIRST = 1, 2, 3, 4

    def __init__(self, *, russian: bool) -> None:
        self._day = "dd.mm.yyyy" if russian else "d mmm yyyy"
        self._decimals: dict[int, int] = {}

    def of(self, decimals: int) -> int:
        return self._decimals.setdefault(decimals, self.FIRST + len(self._decimals))

    def xml(self) -> str:
        numbers = [f"#,##0{'.' if one else ''}{'0' * one}" for one in self._decimals]
        shapes = [self._day, f"{self._day} hh:mm:ss", *numbers]
        named = "".join(
            f'<numFmt numFmtId="{164 + place}" formatCode="{shape}"/>'
            for place, shape in enumerate(shapes)
        )
        left = '<alignment horizontal="left"/>'
        looks = "".join(
            f'<xf numFmtId="{164 + place}" fontId="0" fillId="0" borderId="0" xfId="0"'
            f' applyNumberFormat="1">{left if place < 2 else ""}</xf>'
            for place in range(len(shapes))
        )
        plain = '<xf numFmtId="0" fontId="0" fillId="0" borderId="0"'
        sides = "<left/><right/><top/>{}<diagonal/>"
        return (
            f'<styleSheet xmlns="{_SPACE}"><numFmts count="{len(shapes)}">{named}</numFmts>'
            f'<fonts count="2">{_FONT.format("")}{_FONT.format("<b/>")}</fonts>'
            '<fills count="2"><fill><patternFill patternType="none"/></fill>'
            '<fill><patternFill patternType="gray125"/></fill></fills>'
            f'<borders count="2"><border>{sides.format("<bottom/>")}</border>'
            f"<border>{sides.format(_LINE)}</border></borders>"
            f'<cellStyleXfs count="1">{plain}/></cellStyleXfs>'
            f'<cellXfs count="{self.FIRST + len(numbers)}">{plain} xfId="0"/>'
            '<xf numFmtId="0" fontId="1" fillId="0" borderId="1" xfId="0" applyFont="1"'
            f' applyBorder="1"/>{looks}</cellXfs><cellStyles count="1">'
            '<cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
        )


class _Sheet:
    """Writes rows below each other until it is full."""

    def __init__(self, heads: Sequence[str], looks: _Looks) -> None:
        self.rows = 0  # with the head
        self._heads, self._looks = heads, looks
        self._letters = [_letters(place) for place in range(len(heads))]
        self._by_type: dict[type, Callable[[str, Any], str]] = {
            str: _text_cell, bool: _truth_cell, date: self._day, datetime: self._moment,
            int: self._number, Decimal: self._number, Fraction: self._number,
        }  # fmt: skip

    def write(
        self, out: IO[bytes], rows: Iterator[Sequence[Any]], *, is_first: bool
    ) -> Iterator[None]:
        """Take rows while there is room; come back whenever some are written."""
        some = list(islice(rows, min(_SAMPLE, MOST_ROWS - 1)))
        out.write(self._begin(some, is_first=is_first).encode())
        size = 0
        while some:
            size += out.write("".join(map(self._row, some)).encode())
            yield
            room = MOST_ROWS - self.rows if size < MOST_BYTES else 0
            some = list(islice(rows, min(SENT, room)))
        ref = f"A1:{self._letters[-1]}{self.rows}" if self._letters else "A1"
        out.write(f'</sheetData><autoFilter ref="{ref}"/></worksheet>'.encode())

    def _begin(self, sample: Sequence[Sequence[Any]], *, is_first: bool) -> str:
        widths = [len(head) + 2 for head in self._heads]
        for row in sample:
            for place, value in enumerate(row):
                if isinstance(value, str):
                    widths[place] = max(widths[place], len(value) + 2)
        columns = "".join(
            f'<col min="{place}" max="{place}" customWidth="1"'
            f' width="{max(_WIDTH[0], min(width, _WIDTH[1]))}"/>'
            for place, width in enumerate(widths, 1)
        )
        self.rows = 1
        head = "".join(
            _text_cell(f"{letter}1", title, self._looks.HEAD)
            for letter, title in zip(self._letters, self._heads, strict=True)
        )
        return (
            f'{_XML}<worksheet xmlns="{_SPACE}"><sheetViews>'
            f'<sheetView tabSelected="{int(is_first)}" workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
            f'</sheetView></sheetViews><cols>{columns}</cols><sheetData><row r="1">{head}</row>'
        )

    def _row(self, row: Sequence[Any]) -> str:
        self.rows += 1
        number = self.rows
        cells = [
            self._by_type.get(type(value), self._other)(f"{letter}{number}", value)
            for letter, value in zip(self._letters, row, strict=False)
            if value is not None and value != ""
        ]
        return f'<row r="{number}">{"".join(cells)}</row>'

    def _other(self, place: str, value: Any) -> str:
        """Write what is of none of these types, but may be of a kind of them."""
        for kind in (bool, datetime, date, int, Decimal, Fraction):
            if isinstance(value, kind):
                return self._by_type[kind](place, value)
        return _text_cell(place, text_of(value))

    def _number(self, place: str, value: Any) -> str:
        """A number that a spreadsheet keeps exactly; any other is a text."""
        text = text_of(value)
        is_long = len(text) > EXACT_DIGITS and sum(map(str.isdigit, text)) > EXACT_DIGITS
        if is_long or "/" in text:
            return _text_cell(place, text)
        look = self._looks.of(len(text.partition(".")[2]))
        return f'<c r="{place}" s="{look}"><v>{text}</v></c>'

    def _day(self, place: str, value: date) -> str:
        if value < _FIRST_DAY:
            return _text_cell(place, str(value))
        return f'<c r="{place}" s="{_Looks.DAY}"><v>{value.toordinal() - _DAY_0}</v></c>'

    def _moment(self, place: str, value: datetime) -> str:
        """A moment is a number of days, of which a spreadsheet keeps a second."""
        if value.date() < _FIRST_DAY:
            return _text_cell(place, str(value))
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        days = Decimal(value.toordinal() - _DAY_0) + Decimal(seconds * 1000) / 86_400_000
        text = f"{days.quantize(Decimal('1e-9')).normalize():f}"
        return f'<c r="{place}" s="{_Looks.MOMENT}"><v>{text}</v></c>'


def _truth_cell(place: str, value: Any) -> str:
    return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'


def _text_cell(place: str, text: str, look: int = 0) -> str:
    kept = ""
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT]
    if _ODD.search(text):
        kept = ' xml:space="preserve"'
        text = _CODED.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    style = f' s="{look}"' if look else ""
    return f'<c r="{place}"{style} t="inlineStr"><is><t{kept}>{text}</t></is></c>'


def _letters(place: int) -> str:
    """Return what a column is called: A … Z, AA, AB …"""
    name = ""
    while place >= 0:
        name = chr(ord("A") + place % 26) + name
        place = place // 26 - 1
    return name


def _bindings(sizes: Sequence[int], columns: int, looks: _Looks) -> Iterator[tuple[str, str]]:
    """Yield what makes a workbook of the sheets, by name; `sizes` are their rows."""
    numbers = range(1, len(sizes) + 1)
    sheets = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    filters = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{n - 1}" hidden="1">'
        f"Sheet{n}!$A$1:${_letters(max(columns - 1, 0))}${rows}</definedName>"
        for n, rows in zip(numbers, sizes, strict=True)
    )
    yield (
        "xl/workbook.xml",
        f'<workbook xmlns="{_SPACE}" xmlns:r="{_LINKS}"><sheets>{sheets}</sheets>'
        f"<definedNames>{filters}</definedNames></workbook>",
    )
    yield "xl/styles.xml", looks.xml()
    targets = [(f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in numbers]
    targets.append((f"rId{len(sizes) + 1}", "styles", "styles.xml"))
    yield "xl/_rels/workbook.xml.rels", _related(targets)
    yield "_rels/.rels", _related([("rId1", "officeDocument", "xl/workbook.xml")])
    parts = [(f"worksheets/sheet{n}", "worksheet") for n in numbers]
    parts += [("workbook", "sheet.main"), ("styles", "styles")]
    named = "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{_KIND}.{kind}+xml"/>'
        for part, kind in parts
    )
    yield (
        "[Content_Types].xml",
        f'<Types xmlns="{_PACKED}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{named}</Types>',
    )


def _related(targets: Sequence[tuple[str, str, str]]) -> str:
    links = "".join(
        f'<Relationship Id="{key}" Type="{_LINKS}/{kind}" Target="{target}"/>'
        for key, kind, target in targets
    )
    return f'<Relationships xmlns="{_PACKED}/relationships">{links}</Relationships>'


def text_of(value: Any) -> str:
    """Write a cell's value for a program: numbers exactly, with a point."""
    if isinstance(value, Fraction):
        return exact_text(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    return str(value)
