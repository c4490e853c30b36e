"""Usage files: columns of the contract, CloudEvents, foreign files with a NAME.toml, Parquet."""

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kvit.integrations.port import Fault, Notice, UsageRow
from tests.adapters.sample import Company, where

NOON = datetime(2026, 10, 5, 9, tzinfo=UTC)


def rows_of(company: Company, name: str = "new") -> list[UsageRow | Fault | Notice]:
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == []
    return list(next(source for source in folder.usage if source.name == name).rows())


def faults_of(company: Company, name: str = "new") -> list[tuple[str, str, int | None, str]]:
    return [where(item) for item in rows_of(company, name) if isinstance(item, Fault)]


def test_the_columns_of_the_contract(company: Company) -> None:
    assert rows_of(company, "calls") == [
        UsageRow("calls", "u1", NOON, ("subscription", "a-1"), "calls", Decimal(3), None,
                 {"region": "eu"}, "usage/calls.csv", 2),
        # Without a zone the time is in the customer's: Vladivostok.
        UsageRow("calls", "u2", datetime(2026, 10, 5, 2, tzinfo=UTC), ("subscription", "b-1"),
                 "calls", Decimal("1.5"), None, {}, "usage/calls.csv", 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-10-05T12:00:00", NOON),
        ("2026-10-05 12:00", NOON),
        ("2026-10-05T12:00:00+03:00", NOON),
        ("2026-10-05T09:00:00Z", NOON),
        ("2026-10-05T09:00:00.000001234Z", NOON.replace(microsecond=1)),
        ("2026-10-05", datetime(2026, 10, 4, 21, tzinfo=UTC)),
    ],
)
def test_times_of_iso_8601(company: Company, written: str, read: datetime) -> None:
    company.write("usage/new.csv", f"id,time,subscription,meter,value\nx,{written},a-1,calls,1\n")
    (row,) = rows_of(company)
    assert isinstance(row, UsageRow)
    assert row.time == read


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        (",2026-10-05T12:00:00,a-1,,calls,1", "missing_value", "id"),
        ("x,noon,a-1,,calls,1", "bad_time", "time"),
        ("x,,a-1,,calls,1", "bad_time", "time"),
        ("x,1969-12-31T00:00:00Z,a-1,,calls,1", "bad_time", "time"),
        ("x,2026-10-05T12:00:00,,,calls,1", "bad_subject", "subscription"),
        ("x,2026-10-05T12:00:00,a-1,alfa,calls,1", "bad_subject", "subscription"),
        ("x,2026-10-05T12:00:00,a-1,,,1", "missing_value", "meter"),
        ("x,2026-10-05T12:00:00,a-1,,calls,", "bad_value", "value"),
        ("x,2026-10-05T12:00:00,a-1,,calls,many", "bad_value", "value"),
        ('x,2026-10-05T12:00:00,a-1,,calls,"1,5"', "bad_value", "value"),
        ("x,2026-10-05T12:00:00,a-1,,calls,1e3", "bad_value", "value"),
        ("x,2026-10-05T12:00:00,a-1,,calls,NaN", "bad_value", "value"),
        ("x,2026-10-05T12:00:00,a-1,,calls,1234567890123456789", "bad_value", "value"),
        ("x,2026-10-05T12:00:00,a-1,,calls,0.1234567890123", "bad_value", "value"),
        ("x,2026-10-05T12:00:00,a-1,,users,", "missing_value", "value"),
        ("x,2026-10-05T12:00:00,a-1", "ragged_row", ""),
    ],
)
def test_a_row_that_cannot_be_read_holds_itself_alone(
    company: Company, line: str, code: str, field: str
) -> None:
    company.write(
        "usage/new.csv",
        f"id,time,subscription,customer,meter,value\n{line}\ny,2026-10-05T12:00:00,a-1,,calls,1\n",
    )
    bad, good = rows_of(company)
    assert isinstance(bad, Fault)
    assert where(bad) == (code, "usage/new.csv", 2, field)
    assert bad.params.get("id", "x") == line.partition(",")[0]
    assert isinstance(good, UsageRow)
    assert good.id == "y"


def test_the_widest_values_are_taken_whole(company: Company) -> None:
    value = "-123456789012345678.123456789012"
    company.write(
        "usage/new.csv", f"id,time,customer,meter,value\nx,2026-10-05T12:00:00,alfa,calls,{value}\n"
    )
    (row,) = rows_of(company)
    assert isinstance(row, UsageRow)
    assert (row.value, row.subject) == (Decimal(value), ("customer", "alfa"))


def test_a_meter_of_unique_values_takes_texts(company: Company) -> None:
    text = "id,time,subscription,meter,value\nx,2026-10-05T12:00:00,a-1,users,Иван\n"
    company.write("usage/new.csv", text)
    (row,) = rows_of(company)
    assert isinstance(row, UsageRow)
    assert (row.value, row.text) == (None, "Иван")


def test_rows_of_unknown_meters_and_subscriptions_are_passed_on_to_wait(company: Company) -> None:
    company.write(
        "usage/new.csv",
        "id,time,subscription,meter,value\n"
        "x,2026-10-05T12:00:00,z-9,calls,1\ny,2026-10-05T12:00:00,a-1,steps,far\n",
    )
    stranger, unknown = rows_of(company)
    assert isinstance(stranger, UsageRow)
    assert (stranger.subject, stranger.time) == (("subscription", "z-9"), NOON)
    assert isinstance(unknown, UsageRow)
    assert (unknown.meter, unknown.value, unknown.text) == ("steps", None, "far")


def test_repeats_and_conflicts_are_left_to_metering(company: Company) -> None:
    line = "x,2026-10-05T12:00:00,a-1,calls,1\n"
    company.write("usage/new.csv", "id,time,subscription,meter,value\n" + line * 2)
    first, second = rows_of(company)
    assert isinstance(first, UsageRow)
    assert isinstance(second, UsageRow)
    assert first._replace(row=3) == second


@pytest.mark.parametrize(
    ("header", "code", "column", "suggestion"),
    [
        ("id,time,subscription,meter,value,regoin", "unknown_column", "regoin", "region"),
        ("id,time,subscription,meter,value,value", "duplicate_column", "value", ""),
        ("id,time,meter,value", "missing_column", "subscription", ""),
        ("id,subscription,meter,value", "missing_column", "time", ""),
    ],
)
def test_a_file_with_wrong_columns_is_not_read(
    company: Company, header: str, code: str, column: str, suggestion: str
) -> None:
    company.write("usage/new.csv", header + "\n" + "x," * header.count(",") + "x\n")
    (fault,) = rows_of(company)
    assert isinstance(fault, Fault)
    assert where(fault) == (code, "usage/new.csv", 1, column)
    assert fault.params.get("suggestion", "") == suggestion


def test_two_files_of_one_name_are_not_both_read(company: Company) -> None:
    company.write("usage/calls.csv.gz", gzip.compress(b"id\n"))
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == [
        ("duplicate_source", "usage/calls.csv.gz", None, "")
    ]
    assert [source.file for source in folder.usage] == ["usage/calls.csv"]


def json_lines(*events: Any) -> str:
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


PLAIN = {"id": "j1", "time": "2026-10-05T12:00:00", "subscription": "a-1", "meter": "calls"}


def test_json_lines_with_the_names_of_columns(company: Company) -> None:
    text = '{"id":"j1","time":"2026-10-05T12:00:00","subscription":"a-1","meter":"calls",'
    company.write(
        "usage/new.jsonl", f'# слова\n{text}"value":0.10,"region":"eu"}}\n\n{text}"value":7}}\n'
    )
    first, second = rows_of(company)
    assert isinstance(first, UsageRow)
    # A JSON number is taken digit by digit, as no binary float could give it back.
    assert str(first.value) == "0.10"
    assert (first.dimensions, first.row) == ({"region": "eu"}, 2)
    assert isinstance(second, UsageRow)
    assert (second.value, second.row) == (Decimal(7), 4)


def test_cloud_events(company: Company) -> None:
    event = {
        "specversion": "1.0", "id": "c1", "source": "/gateway/7", "type": "calls", "subject": "a-1",
        "time": "2026-10-05T09:00:00Z", "datacontenttype": "application/json", "trace": "1",
        "data": {"value": "2.5", "region": "eu"},
    }  # fmt: skip
    company.write("usage/new.jsonl.gz", gzip.compress(json_lines(event).encode()))
    assert rows_of(company) == [
        UsageRow("/gateway/7", "c1", NOON, ("subscription", "a-1"), "calls", Decimal("2.5"), None,
                 {"region": "eu"}, "usage/new.jsonl.gz", 1)
    ]  # fmt: skip


def test_the_subject_of_a_cloud_event_may_be_a_customer(company: Company) -> None:
    event = {"specversion": "1.0", "id": "c1", "source": "s", "type": "calls", "subject": "alfa",
             "time": "2026-10-05T09:00:00Z", "data": {"value": 1}}  # fmt: skip
    company.write("usage/new.jsonl", json_lines(event))
    (row,) = rows_of(company)
    assert isinstance(row, UsageRow)
    assert row.subject == ("customer", "alfa")


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        ("{", "bad_json", ""),
        ("[]", "wrong_type", ""),
        ('"x"', "wrong_type", ""),
        (json.dumps({**PLAIN, "value": [1]}), "wrong_type", "value"),
        (json.dumps({**PLAIN, "valeu": 1}), "unknown_key", "valeu"),
        (json.dumps({**PLAIN, "value": None}), "bad_value", "value"),
        (json.dumps({**PLAIN, "value": True}), "bad_value", "value"),
        (json.dumps({**PLAIN, "value": "1_000"}), "bad_value", "value"),
        (json.dumps({**PLAIN})[:-1] + ', "value": 1_000}', "bad_json", ""),
        (json.dumps({**PLAIN})[:-1] + ', "value": NaN}', "bad_json", ""),
        (json.dumps({**PLAIN})[:-1] + ', "value": 1, "value": 2}', "bad_json", ""),
        (json.dumps({"specversion": "1.0", "id": "c", "data": [1]}), "wrong_type", "data"),
    ],
)
def test_a_json_line_that_cannot_be_read_holds_itself_alone(
    company: Company, line: str, code: str, field: str
) -> None:
    company.write("usage/new.jsonl", line + "\n" + json_lines({**PLAIN, "value": 1}))
    bad, good = rows_of(company)
    assert isinstance(bad, Fault)
    assert where(bad) == (code, "usage/new.jsonl", 1, field)
    assert isinstance(good, UsageRow)


def test_what_to_do_about_a_json_line_speaks_of_json(company: Company) -> None:
    company.write("usage/new.jsonl", "{\n")
    (bad,) = rows_of(company)
    assert isinstance(bad, Fault)
    assert bad.remedy("en") == "Check quotes, braces and commas; each key stands once."


def test_parquet_gives_what_csv_gives(company: Company) -> None:
    path = company.path / "usage/new.parquet"
    pq.write_table(
        pa.table(
            {
                "region": pa.array(["eu", None]).dictionary_encode(),
                "id": pa.array([1, 2]),
                "time": pa.array([datetime(2026, 10, 5, 12), datetime(2026, 10, 5, 12)]),  # noqa: DTZ001
                "subscription": pa.array(["a-1", "b-1"]),
                "meter": pa.array(["calls", "calls"]),
                "value": pa.array([Decimal("3.000"), Decimal("1.500")]),
            }
        ),
        path,
    )
    place = ("usage/new.parquet",)
    assert rows_of(company) == [
        UsageRow("new", "1", NOON, ("subscription", "a-1"), "calls", Decimal(3), None,
                 {"region": "eu"}, *place, 1),
        UsageRow("new", "2", datetime(2026, 10, 5, 2, tzinfo=UTC), ("subscription", "b-1"), "calls",
                 Decimal("1.5"), None, {}, *place, 2),
    ]  # fmt: skip


def test_parquet_times_with_a_zone_are_moments(company: Company) -> None:
    times = pa.array([NOON], type=pa.timestamp("ns", "Asia/Tokyo"))
    columns = {"id": pa.array(["x"]), "time": times, "subscription": pa.array(["a-1"]),
               "meter": pa.array(["calls"]), "value": pa.array([1])}  # fmt: skip
    pq.write_table(pa.table(columns), company.path / "usage/new.parquet")
    (row,) = rows_of(company)
    assert isinstance(row, UsageRow)
    assert row.time == NOON


def test_reading_may_stop_in_mid_file(company: Company) -> None:
    columns = {"id": pa.array([str(i) for i in range(100_000)])}
    for name, value in (("time", "2026-10-05"), ("subscription", "a-1"), ("meter", "calls")):
        columns[name] = pa.array([value] * 100_000)
    columns["value"] = pa.array([1] * 100_000)
    pq.write_table(pa.table(columns), company.path / "usage/new.parquet")
    source = next(one for one in company.read().usage if one.name == "new")
    stream = source.rows()
    assert isinstance(next(stream), UsageRow)
    stream.close()  # type: ignore[attr-defined]
    assert sum(isinstance(item, UsageRow) for item in source.rows()) == 100_000


FOREIGN = """\
Date;Phone;Spent;Kind;Note
05.10.2026 12:00:00;8 (900) 123-45-67;1,5;A;first
05.10.2026 13:00:00;+79999999999;2,0;A;
05.10.2026 14:00:00;+7 900 123 45 67;x;A;
"""
DESCRIPTION = """\
meter = "calls"
subscription = { column = "Phone", lookup = "customers.phone" }
value = { column = "Spent", decimal = "," }
time = { column = "Date", format = "%d.%m.%Y %H:%M:%S" }
id = ["Date", "Phone"]
dimensions = { region = { column = "Kind" } }
ignore = ["Note"]
encoding = "windows-1251"
"""


def test_a_foreign_file_is_read_as_it_is(company: Company) -> None:
    company.write("usage/new.csv", FOREIGN.replace("first", "первая").encode("cp1251"))
    company.write("usage/new.toml", DESCRIPTION)
    row, unknown, bad = rows_of(company)
    assert row == UsageRow(
        "new", "05.10.2026 12:00:00|8 (900) 123-45-67", NOON, ("customer", "alfa"), "calls",
        Decimal("1.5"), None, {"region": "A"}, "usage/new.csv", 2,
    )  # fmt: skip
    assert isinstance(unknown, Fault)
    assert where(unknown) == ("unknown_lookup", "usage/new.csv", 3, "Phone")
    assert isinstance(bad, Fault)
    assert where(bad) == ("bad_value", "usage/new.csv", 4, "Spent")


def test_a_value_that_two_rows_have_finds_nobody(company: Company) -> None:
    company.edit("customers.csv", "person,,", "person,89001234567,")
    company.write("usage/new.csv", FOREIGN.encode())
    company.write("usage/new.toml", DESCRIPTION.replace("windows-1251", "utf-8"))
    assert ("ambiguous_lookup", "usage/new.csv", 2, "Phone") in faults_of(company)


@pytest.mark.parametrize(
    ("old", "new", "code", "field"),
    [
        ('meter = "calls"', 'meter = "clals"', "unknown_meter", "meter"),
        ('ignore = ["Note"]', 'ingore = ["Note"]', "unknown_key", "ingore"),
        ("region = ", "regoin = ", "unknown_dimension", "dimensions.regoin"),
        ("customers.phone", "customers.fone", "bad_word", "subscription.lookup"),
        ('format = "%d', 'fromat = "%d', "unknown_key", "time.fromat"),
        ('%S" }', '%S", zone = "Mars" }', "bad_zone", "time.zone"),
        ('%S" }', '%S", marks = "end" }', "missing_value", "time.step"),
        ('%S" }', '%S", step = "an hour" }', "bad_word", "time.step"),
        ("windows-1251", "utf-32", "bad_word", "encoding"),
    ],
)
def test_a_faulty_description_holds_its_file(
    company: Company, old: str, new: str, code: str, field: str
) -> None:
    assert DESCRIPTION.count(old) == 1
    company.write("usage/new.csv", FOREIGN.encode("cp1251"))
    company.write("usage/new.toml", DESCRIPTION.replace(old, new))
    folder = company.read()
    row = DESCRIPTION[: DESCRIPTION.index(old)].count("\n") + 1
    assert [where(fault) for fault in folder.faults] == [(code, "usage/new.toml", row, field)]
    assert [source.name for source in folder.usage] == ["calls"]


def test_a_column_that_is_neither_read_nor_ignored_is_told(company: Company) -> None:
    company.write("usage/new.csv", FOREIGN.encode())
    company.write("usage/new.toml", DESCRIPTION.replace('"Note"', '"Notes"'))
    assert faults_of(company) == [("unknown_column", "usage/new.csv", 1, "Note")]


def test_a_description_without_its_file_is_told(company: Company) -> None:
    company.write("usage/new.toml", DESCRIPTION)
    assert [where(fault) for fault in company.read().faults] == [
        ("mapping_without_file", "usage/new.toml", None, "")
    ]


def test_a_description_may_only_say_what_differs(company: Company) -> None:
    company.write(
        "usage/new.csv",
        "id,time,subscription,meter,value,note\nx,2026-10-05T12:00:00,a-1,calls,1,?\n",
    )
    company.write("usage/new.toml", 'ignore = ["note"]\n')
    (row,) = rows_of(company)
    assert isinstance(row, UsageRow)
    assert (row.id, row.value) == ("x", Decimal(1))


def test_ids_of_several_columns_cannot_be_confused(company: Company) -> None:
    company.write(
        "usage/new.csv",
        "a,b,time,subscription,meter,value\n"
        "x|y,z,2026-10-05,a-1,calls,1\nx,y|z,2026-10-05,a-1,calls,1\n",
    )
    company.write("usage/new.toml", 'id = ["a", "b"]\n')
    ids = [row.id for row in rows_of(company) if isinstance(row, UsageRow)]
    assert len(set(ids)) == 2


def test_dates_of_a_folder_are_plain_dates(company: Company) -> None:
    assert company.read().subscriptions[0].start == date(2026, 10, 1)
    assert Path("usage") / "calls.csv" == Path(company.read().usage[0].file)
