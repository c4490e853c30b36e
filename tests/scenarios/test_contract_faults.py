"""Faulty folders, one rule of the contract each: the fault is named, the rest is billed."""

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.scenarios.contract import PER_UNIT, fee, folder, meter, plan, price, sums

pytestmark = pytest.mark.usefixtures("db", "file_store")
METERED = meter() + plan("p") + price("u", PER_UNIT, "m")
TWO_PLANS = plan("p") + fee("310.00") + plan("q") + fee("620.00")
OTHER = "s,c,p,2026-10-01\nok,c,p,2026-10-01\n"


def test_two_values_of_one_moment_hold_their_subscription_alone(tmp_path: Path) -> None:
    changes = "s,2026-10-16,plan,q,\ns,2026-10-16,plan,p,\n"
    said = folder(tmp_path, TWO_PLANS, OTHER, changes=changes).bill()
    assert said.faults == [("changes_contradict", "changes.csv", 3)]
    assert sums(said) == [("c", "310.00", "68.20", "378.20")]
    assert said.status == 3


def test_a_change_told_twice_is_made_once(tmp_path: Path) -> None:
    company = folder(
        tmp_path, TWO_PLANS, changes="s,2026-10-16,plan,q,\ns,2026-10-16,plan,q,again\n"
    )
    said = company.bill()
    assert (said.faults, said.status) == ([], 0)
    assert sums(said) == [("c", "470.00", "103.40", "573.40")]  # 310 × 15/31 + 620 × 16/31
    assert company.bill().new == set()


def test_a_payer_who_is_paid_for_is_a_fault_of_the_row_that_names_him(tmp_path: Path) -> None:
    customers = (
        "code,name,kind,payer\ntop,Глава,company,\nmid,Сын,company,top\nlow,Внук,company,mid\n"
    )
    said = folder(
        tmp_path,
        plan("p") + fee("100.00"),
        "a,top,p,2026-10-01\nb,mid,p,2026-10-01\nx,low,p,2026-10-01\n",
        customers=customers,
    ).bill()
    assert said.faults == [("payer_has_payer", "customers.csv", 4)]
    assert sums(said) == [("top", "200.00", "44.00", "244.00")]


def test_a_plan_told_twice_is_held_and_the_others_are_billed(tmp_path: Path) -> None:
    catalogue = plan("p") + fee("5.00") + plan("q") + fee("7.00") + plan("p") + fee("6.00")
    said = folder(tmp_path, catalogue, "s,c,p,2026-10-01\nt,c,q,2026-10-01\n").bill()
    assert ("duplicate_code", "catalogue.toml", 18) in said.faults
    assert sums(said) == [("c", "7.00", "1.54", "8.54")]


@pytest.mark.parametrize("amount", ["92233720368547758.07", "9" * 40])
def test_a_sum_beyond_all_money_is_a_fault_and_no_crash(tmp_path: Path, amount: str) -> None:
    said = folder(tmp_path, plan("p") + fee(amount, "huge") + fee("5.00")).bill()
    assert [code for code, _, _ in said.faults] == ["not_priced"]
    assert sums(said) == [("c", "5.00", "1.10", "6.10")]


def test_usage_of_a_customer_with_two_such_subscriptions_waits_and_is_named(
    tmp_path: Path,
) -> None:
    company = folder(tmp_path, METERED, OTHER)
    company.write("usage/x.csv", "id,time,customer,meter,value\na,2026-10-05,c,m,5\n")
    said = company.bill()
    assert said.faults == [("usage_ambiguous", "usage/x.csv", 2)]
    assert (said.waiting, said.status) == (1, 2)
    assert company.bill().faults == said.faults
    company.write("usage/x.csv", "id,time,customer,meter,value\n")
    assert company.bill().faults == [("usage_ambiguous", "subscriptions.csv", None)]


@pytest.mark.parametrize("day", ["2026-10-04", "2026-10-21"])
def test_usage_outside_of_a_subscription_s_life_waits_and_is_named(
    tmp_path: Path, day: str
) -> None:
    lists = "code,customer,plan,start,end\ns,c,p,2026-10-05,2026-10-21\n"
    said = folder(tmp_path, METERED, lists, usage=f"a,{day},s,m,5\nb,2026-10-05,s,m,7\n").bill()
    assert [code for code, _, _ in said.faults] == ["usage_outside"]
    assert (said.waiting, said.status) == (1, 3)
    assert sums(said) == [("c", "7.00", "1.54", "8.54")]


def test_a_file_among_usage_that_nobody_reads_is_no_silent_loss(tmp_path: Path) -> None:
    company = folder(tmp_path, METERED, usage="a,2026-10-05,s,m,7\n")
    company.write("usage/december.xml", "<usage/>")
    company.write("usage/bank.txt", "1CClientBankExchange")
    company.write("usage/README.md", "What lies here.")
    said = company.bill()
    assert {(code, file) for code, file, _ in said.faults} == {
        ("unknown_file", "usage/december.xml"), ("unknown_file", "usage/bank.txt"),
    }  # fmt: skip
    assert (sums(said), said.status) == ([("c", "7.00", "1.54", "8.54")], 3)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("company.toml", b""),
        ("company.toml", b"\x00\xff\xfe"),
        ("company.toml", b"company = [1, 2]"),
        ("catalogue.toml", b"[[plan]\ncode="),
        ("customers.csv", b""),
        ("customers.csv", "code,name,kind\nc,К,company\n".encode("utf-16")),
        ("customers.csv", b'code,name,kind\nc,"A,company\n'),
        ("customers.csv", b"code,name,kind,kind\nc,A,company,company\n"),
        ("subscriptions.csv", b"code,customer,plan,start\ns,c,p,01.10.2026\n"),
    ],
)
def test_a_folder_that_cannot_be_read_says_so_and_bills_nothing(
    tmp_path: Path, file: str, text: bytes
) -> None:
    company = folder(tmp_path, TWO_PLANS)
    (company.path / file).write_bytes(text)
    said = company.bill()
    assert (said.status, said.document["invoices"]) == (2, [])
    assert said.faults
    assert {one for _, one, _ in said.faults} <= {file, "subscriptions.csv"}


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ("s,2026-10-16,upgrade,q,", "bad_word", "change"),
        ("s,2026-10-16,plan,zz,", "unknown_plan", "value"),
        ("s,2026-10-16,plan,,", "missing_value", "value"),
        ("s,2026-10-16,quantity,-1,", "out_of_range", "value"),
        ("s,2026-10-16,discount,115 %,", "out_of_range", "value.percent"),
        ("s,2026-10-16,terms,notjson,", "bad_json", "value"),
        ('s,2026-10-16,terms,"{""zz"": null}",', "unknown_price", "value"),
        ("s,2026-10-16,transfer,nobody,", "unknown_customer", "value"),
        ("s,yesterday,cancel,,", "bad_time", "at"),
        ("s,2026-10-16,pause,5,", "bad_word", "value"),
    ],
)
def test_a_faulty_change_holds_its_subscription_alone(
    tmp_path: Path, change: str, code: str, field: str
) -> None:
    said = folder(tmp_path, TWO_PLANS, OTHER, changes=change + "\n").bill()
    (fault,) = said.document["faults"]
    assert (fault["code"], fault["file"], fault["row"]) == (code, "changes.csv", 2)
    assert fault["field"] == field
    assert fault["message"]
    assert fault["remedy"]
    assert sums(said) == [("c", "310.00", "68.20", "378.20")]


def test_unreadable_rows_hold_themselves_alone(tmp_path: Path) -> None:
    bad: list[tuple[str, Any]] = [
        (",2026-10-05,s,m,90", "id"), ("b,,s,m,90", "time"), ("c,2026-10-05,,m,90", "subscription"),
        ("d,2026-10-05,s,,90", "meter"), ("e,2026-10-05,s,m,", "value"),
        ("f,2026-10-05,s,m,1e3", "value"), ('g,2026-10-05,s,m,"1,5"', "value"),
        ("h,2026-13-05,s,m,1", "time"), ("i,2026-10-05,s,m,99999999999999999999", "value"),
        ("j,2026-10-05,s,m,NaN", "value"), ("k,2026-10-05,s,m,٣", "value"), ("l,2026-10-05,s", ""),
    ]  # fmt: skip
    rows = "".join(row + "\n" for row, _ in bad)
    said = folder(tmp_path, METERED, usage="ok,2026-10-05,s,m,7\n" + rows).bill()
    named = [(one["row"], one["field"]) for one in said.document["faults"]]
    assert named == [(row, field) for row, (_, field) in enumerate(bad, start=3)]
    assert (sums(said), said.status) == ([("c", "7.00", "1.54", "8.54")], 3)


def test_every_form_of_a_usage_file_is_read(tmp_path: Path) -> None:
    company = folder(tmp_path, METERED, usage="a,2026-10-05,s,m,1\n")
    head = "id;time;subscription;meter;value\n"
    company.write("usage/semi.csv", "\ufeff# a note\n" + head + "# another\na;2026-10-05;s;m;2\n")
    company.write("usage/tab.csv", head.replace(";", "\t") + "a\t2026-10-05T00:00Z\ts\tm\t4\n")
    line = '{"id":"a","time":"2026-10-05","subscription":"s","meter":"m","value":%s}\n'
    company.write("usage/lines.jsonl", line % '"8"')
    cloud = (
        '{"specversion":"1.0","id":"z","source":"/x","type":"m","subject":"%s",'
        '"time":"2026-10-05T00:00:00Z","data":{"value":%s}}\n'
    )
    company.write(
        "usage/cloud.jsonl", cloud % ("s", "16") + cloud.replace('"z"', '"y"') % ("c", 32)
    )
    packed = company.path / "usage/packed.csv.gz"
    packed.write_bytes(gzip.compress((head + "a;2026-10-05;s;m;64\n").encode()))
    (company.path / "usage/p2.jsonl.gz").write_bytes(gzip.compress((line % "128").encode()))
    parquet = tmp_path / "x.parquet"
    columns = {
        "id": pa.array(["a"]),
        "time": pa.array([date(2026, 10, 5)]).cast(pa.timestamp("us")),
        "subscription": pa.array(["s"]),
        "meter": pa.array(["m"]),
        "value": pa.array([Decimal("0.25")], pa.decimal128(9, 2)),
    }
    pq.write_table(pa.table(columns), parquet)
    (company.path / "usage/q.parquet").write_bytes(parquet.read_bytes())
    (company.path / "usage/q2.parquet.gz").write_bytes(gzip.compress(parquet.read_bytes()))
    said = company.bill()
    assert (said.faults, said.status) == ([], 0)
    assert said.lines("c") == {"u": ("255.5", "255.50")}


def test_a_cycle_of_many_dates_is_kept_whole(tmp_path: Path) -> None:
    cycle = 'cycle = "2026-10-01, 2026-10-21, 2026-11-01, 2026-12-15"'
    lives = "s,c,p,2026-09-10\nt,c,p,2027-01-10\n"  # before the first date and after the last
    company = folder(tmp_path, plan("p", cycle) + fee("100.00"), lives)
    assert [line["net"] for line in company.bill().document["invoices"][0]["lines"]] == [
        "100.00", "100.00",
    ]  # fmt: skip
    assert company.bill("2026-11").document["invoices"] == []
    assert sums(company.bill("2026-12")) == [("c", "100.00", "22.00", "122.00")]
    assert company.bill("2027-01").document["invoices"] == []


def test_codes_and_names_of_the_greatest_length_are_billed(tmp_path: Path) -> None:
    """The folder's reference allows codes of 64 characters and texts of 500."""
    code, name = "я" * 64, "Щ" * 500
    dimension = 'dimensions = ["d"]'
    catalogue = (
        meter(code, "sum", dimension).replace(f'name = "{code}"', f'name = "{name}"')
        + plan(code, f'service = "{"s" * 80}"').replace(f'name = "{code}"', f'name = "{name}"')
        + price(code, PER_UNIT, code, f'name = "{name}"\ngroup_by = ["d"]')
    )
    row = ",".join((code, name, "company", name, "s" * 80, "b" * 80))
    customers = f"code,name,kind,address,segment,branch\n{row}\n"
    usage = "id,time,subscription,meter,value,d\n" + f"a,2026-10-05,{code},{code},7,{'d' * 200}\n"
    said = folder(
        tmp_path,
        catalogue,
        f"{code},{code},{code},2026-10-01\n",
        customers=customers,
        usage=usage,
        seller=f'bank = "{name}"\nsigner = "{name}"\naddress = "{name}"',
    ).bill()
    assert (said.faults, sums(said)) == ([], [(code, "7.00", "1.54", "8.54")])


def test_a_value_of_usage_that_is_too_long_is_named(tmp_path: Path) -> None:
    said = folder(tmp_path, METERED, usage="i" * 300 + ",2026-10-05,s,m,7\n").bill()
    (fault,) = said.document["faults"]
    assert (fault["code"], fault["row"]) == ("usage_key_too_long", 2)
    assert fault["message"]


def test_a_transfer_to_a_payer_of_another_currency_is_refused(tmp_path: Path) -> None:
    customers = "code,name,kind,currency\nc,К,company,\nk,Л,company,USD\n"
    changes = "s,2026-10-16,transfer,k,\n"
    said = folder(tmp_path, TWO_PLANS, OTHER, customers=customers, changes=changes).bill()
    assert said.faults == [("currency_of_transfer", "changes.csv", 2)]
    assert sums(said) == [("c", "310.00", "68.20", "378.20")]


def test_a_row_whose_lookup_finds_nobody_is_counted_as_waiting(tmp_path: Path) -> None:
    customers = "code,name,kind,phone\nc,К,company,+7 (912) 555-01-01\n"
    company = folder(tmp_path, METERED, customers=customers)
    company.write(
        "usage/cdr.csv", "n;who;v;t\n1;89125550101;1,5;05.10.2026\n2;+79990000000;2;05.10.2026\n"
    )
    company.write(
        "usage/cdr.toml",
        'meter = "m"\ncustomer = { column = "who", lookup = "customers.phone" }\n'
        'value = { column = "v", decimal = "," }\n'
        'time = { column = "t", format = "%d.%m.%Y" }\nid = ["n"]\n',
    )
    said = company.bill()
    assert said.faults == [("unknown_lookup", "usage/cdr.csv", 3)]
    assert sums(said) == [("c", "1.50", "0.33", "1.83")]
    assert (said.waiting, said.status) == (1, 3)
