"""CSV as people save it: dialects, comments, quotes, encodings; every row named by its line."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvit.adapters.folder.records import read_csv
from kvit.integrations.port import Fault
from tests.adapters.sample import CUSTOMERS, Company, where


def records(path: Path, content: bytes) -> list[tuple[int, list[str]] | Fault]:
    file = path / "list.csv"
    file.write_bytes(content)
    return list(read_csv(file, "list.csv"))


def faults(path: Path, content: bytes) -> list[tuple[str, int | None]]:
    found = records(path, content)
    return [(item.code, item.place.row) for item in found if isinstance(item, Fault)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_delimiter_is_found_and_a_byte_order_mark_passed_over(
    company: Company, delimiter: str, bom: bytes, end: str
) -> None:
    text = CUSTOMERS.replace(",", delimiter).replace("\n", end)
    company.write("customers.csv", bom + text.encode())
    folder = company.read()
    assert folder.faults == ()
    assert [row.name for row in folder.customers] == ["ООО «Альфа»", "Борис"]


def test_rows_are_counted_with_comments_and_by_the_first_line_of_a_record(tmp_path: Path) -> None:
    content = '# список\n\ncode,name\n# первый\na,"ООО\n# не примечание\n«А»"\n\nb,Б\n'
    assert records(tmp_path, content.encode()) == [
        (3, ["code", "name"]),
        (5, ["a", "ООО\n# не примечание\n«А»"]),
        (9, ["b", "Б"]),
    ]


def test_a_quoted_header_hides_delimiters(tmp_path: Path) -> None:
    content = b'"a;b;c;d","e"\n1,2\n'
    assert records(tmp_path, content) == [(1, ["a;b;c;d", "e"]), (2, ["1", "2"])]


def test_a_record_with_nothing_in_it_is_passed_over(tmp_path: Path) -> None:
    assert records(tmp_path, b"a,b\n,\n1,2\n") == [(1, ["a", "b"]), (3, ["1", "2"])]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only words\n"])
def test_a_list_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    assert faults(tmp_path, content) == [("no_header", 1)]


def test_ragged_rows_hold_themselves_alone(company: Company) -> None:
    company.edit("customers.csv", "beta,Борис,person,,Asia/Vladivostok", "beta,Борис,person")
    folder = company.read()
    assert where(folder.faults[0]) == ("ragged_row", "customers.csv", 3, "")
    assert folder.holds("subscription", "b-1")
    assert not folder.holds("subscription", "a-1")
    assert len(folder.faults) == 1


def test_a_nul_byte_is_named_by_its_row(company: Company) -> None:
    company.write("customers.csv", CUSTOMERS.replace("Борис", "Бо\0рис").encode())
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == [("nul_byte", "customers.csv", 3, "")]
    assert folder.held["subscription"] == {"b-1", "b-2"}


def test_a_byte_that_is_no_utf8_holds_its_row(company: Company) -> None:
    content = CUSTOMERS.encode().replace("Борис".encode(), b"B\xffris")
    company.write("customers.csv", content)
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == [("not_utf8", "customers.csv", 3, "")]
    assert folder.faults[0].params["byte"] == "7"
    assert not folder.holds("customer", "alfa")


@pytest.mark.parametrize(
    ("encoding", "guess"),
    [("cp1251", "windows-1251"), ("cp866", "cp866"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16")],
)
def test_another_encoding_is_told_once_by_its_name(
    company: Company, encoding: str, guess: str
) -> None:
    text = "code,name,kind\n" + "".join(f"c{i},Общество номер {i},company\n" for i in range(50))
    company.write("customers.csv", text.encode(encoding, "replace"))
    folder = company.read()
    told = [fault for fault in folder.faults if fault.place.file == "customers.csv"]
    assert [fault.code for fault in told] == ["wrong_encoding"]
    assert told[0].params["guess"] == guess
    assert guess in told[0].message("ru")
    assert folder.holds("subscription", "a-1")


def test_toml_in_another_encoding_is_refused(company: Company) -> None:
    company.write("company.toml", 'name = "ООО Север"\n'.encode("cp1251"))
    folder = company.read()
    assert where(folder.faults[0]) == ("wrong_encoding", "company.toml", 1, "")
    assert folder.holds("subscription", "a-1")


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+cmd|' /C calc'!A0", "@SUM(1+1)", '"\t=1"', "-2+3+cmd|' /C calc'!A0", "-A1", " =1"],
)
def test_formulas_are_refused_in_texts(company: Company, name: str) -> None:
    company.edit("customers.csv", "Борис", name)
    assert [where(fault) for fault in company.read().faults] == [
        ("formula", "customers.csv", 3, "name")
    ]


@pytest.mark.parametrize("name", ["- Борис", "Бор+ис", "Борис @ Ко", "-15 % и ниже"])
def test_what_only_resembles_a_formula_is_taken(company: Company, name: str) -> None:
    company.edit("customers.csv", "Борис", name)
    assert company.read().faults == ()


def test_an_unclosed_quote_names_the_lines_that_it_swallows(tmp_path: Path) -> None:
    content = b'a,b\n1,"x\n' + b"2,y\n" * 40_000 + b"3,z\n"
    found = records(tmp_path, content)
    bad = [item for item in found if isinstance(item, Fault)]
    assert [(fault.code, fault.place.row) for fault in bad] == [("bad_csv", 2)]
    assert "(2–" in bad[0].params["detail"]
    assert found[-1] == (40_003, ["3", "z"])


def test_a_bad_line_inside_a_record_spoils_that_record_only(tmp_path: Path) -> None:
    content = b'a,b\n1,"x\n\xff\ny"\n2,z\n'
    found = records(tmp_path, content)
    assert [item.code for item in found if isinstance(item, Fault)] == ["not_utf8"]
    assert found[-1] == (5, ["2", "z"])
    assert len(found) == 3


texts = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=12
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(texts, min_size=3, max_size=3), max_size=8),
    delimiter=st.sampled_from(",;\t"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
)
def test_every_dialect_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]], delimiter: str, quoting: int, end: str, bom: bool,
) -> None:  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    # The first cell is quoted away from "#": unquoted at the start of a line it is a comment.
    written = [["x" + row[0], *row[1:]] for row in rows]
    writer.writerows([["a", "b", "c"], *written])
    path = tmp_path_factory.getbasetemp() / "dialect.csv"
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.getvalue().encode())
    found = list(read_csv(path, "dialect.csv"))
    assert not any(isinstance(item, Fault) for item in found)
    assert [fields for _, fields in found[1:]] == written
    lines = [row for row, _ in found]
    assert lines == sorted(set(lines))
