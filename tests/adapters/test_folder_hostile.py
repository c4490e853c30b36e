"""Files that mean harm: refused with a reason, in bounded memory, and the rest is read."""

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kvit.adapters.folder import read_folder
from kvit.integrations.port import Fault, UsageRow
from tests.adapters.sample import USAGE, Company

MEASURE = """
import resource, sys
from pathlib import Path
from kvit.adapters.folder import read_folder
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
folder = read_folder(Path(sys.argv[1]))
items = [item for source in folder.usage for item in source.rows()]
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
codes = [f.code for f in folder.faults] + [i.code for i in items if type(i).__name__ == "Fault"]
print(*codes)
rows = sum(type(item).__name__ == "UsageRow" for item in items)
print(rows, (after - before) // 1024, child // 1024)
"""


def measure(company: Company) -> tuple[list[str], int, int, int]:
    """Read all in a process of its own: fault codes, rows, MiB taken, MiB of its children."""
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(company.path)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    codes, figures = done.stdout.splitlines()
    rows, taken, children = map(int, figures.split())
    return codes.split(), rows, taken, children


@pytest.mark.slow
def test_two_gigabytes_of_one_line_are_read_past(company: Company) -> None:
    hole = company.write("usage/line.csv", b"id,time,subscription,meter,value\nu9,")
    with hole.open("r+b") as file:
        file.truncate(2 << 30)  # a sparse file: two gigabytes of NUL without a line feed
        file.seek(0, os.SEEK_END)
        file.write(b"\nu1,2026-10-05T12:00:00,a-1,calls,3\n")
    codes, rows, taken, _ = measure(company)
    assert codes == ["line_too_long"]
    assert rows == 3  # the row after it, and the two of the other file
    assert taken < 100


@pytest.mark.parametrize("file", ["customers.csv", "usage/calls.csv", "changes.csv"])
def test_a_line_of_letters_without_end_is_refused(company: Company, file: str) -> None:
    company.append(file, "x" * (5 << 20))
    codes, _, taken, _ = measure(company)
    assert codes.count("line_too_long") == 1
    assert taken < 100


def test_a_description_of_megabytes_is_refused(company: Company) -> None:
    company.append("catalogue.toml", "# " + "x" * (9 << 20))
    assert company.read().faults[0].code == "file_too_big"


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused(company: Company, opening: str) -> None:
    company.write("usage/deep.jsonl", opening * 100_000 + "\n")
    company.write("catalogue.toml", "a = " + "[" * 100_000)
    folder = company.read()
    assert folder.faults[0].code == "toml_syntax"
    deep = next(source for source in folder.usage if source.name == "deep")
    assert [item.code for item in deep.rows() if isinstance(item, Fault)] == ["bad_json"]


def test_a_number_of_a_million_digits_is_refused_at_once(company: Company) -> None:
    company.write("usage/long.jsonl", '{"id": "x", "value": ' + "9" * 900_000 + "}\n")
    company.append("subscriptions.csv", f"c-1,alfa,basic,2026-10-01,{'9' * 100_000}\n")
    started = time.process_time()
    folder = company.read()
    codes = [
        item.code for source in folder.usage for item in source.rows() if isinstance(item, Fault)
    ]
    assert time.process_time() - started < 2
    assert [fault.code for fault in folder.faults] == ["bad_number"]
    assert len(codes) == 1


@pytest.mark.slow
def test_a_zip_bomb_is_given_up(company: Company) -> None:
    head = USAGE.encode()
    path = company.path / "usage/bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(head)
        for _ in range(400):
            file.write(b"\n" * (1 << 20))  # lines that cost nothing to pack
    assert path.stat().st_size < 1 << 20
    codes, rows, taken, _ = measure(company)
    assert codes == ["gzip_bomb"]
    assert rows == 4  # what stood before it was sound
    assert taken < 100


@pytest.mark.parametrize("damage", ["cut", "bytes", "not gzip"])
def test_a_damaged_gzip_is_told(company: Company, damage: str) -> None:
    packed = gzip.compress(USAGE.encode() + os.urandom(1000).hex().encode() + b"\n")
    broken = {
        "cut": packed[:-40],
        "bytes": packed[:100] + b"\0\0\0\0" + packed[104:],
        "not gzip": b"id,time\n",
    }[damage]
    company.write("usage/packed.csv.gz", broken)
    source = next(one for one in company.read().usage if one.name == "packed")
    assert "bad_gzip" in [item.code for item in source.rows() if isinstance(item, Fault)]


def test_a_pipe_and_a_folder_are_no_files(company: Company) -> None:
    os.mkfifo(company.path / "usage/pipe.csv")
    (company.path / "usage/folder.csv").mkdir()
    (company.path / "customers.csv").unlink()
    os.mkfifo(company.path / "customers.csv")
    folder = company.read()
    assert "not_a_file" in [fault.code for fault in folder.faults]
    for source in folder.usage:
        if source.name in ("pipe", "folder"):
            assert [item.code for item in source.rows()] == ["not_a_file"]


def parquet(company: Company, **columns: pa.Array) -> Path:
    path = company.path / "usage/measured.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def sound_columns(rows: int = 2) -> dict[str, pa.Array]:
    return {
        "id": pa.array([f"p{i}" for i in range(rows)]),
        "time": pa.array(["2026-10-05T12:00:00"] * rows),
        "subscription": pa.array(["a-1"] * rows),
        "meter": pa.array(["calls"] * rows),
        "value": pa.array(["1.5"] * rows),
    }


def read_parquet(company: Company) -> list[object]:
    source = next(one for one in company.read().usage if one.name == "measured")
    return list(source.rows())


def test_parquet_with_a_float_is_refused_by_its_column(company: Company) -> None:
    parquet(company, **{**sound_columns(), "value": pa.array([0.1, 0.2])})
    (fault,) = read_parquet(company)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.place.field, fault.params["type"]) == (
        "parquet_type",
        "value",
        "double",
    )


def test_parquet_with_other_columns_is_refused(company: Company) -> None:
    columns = sound_columns()
    columns["subscripton"] = columns.pop("subscription")
    parquet(company, **columns)
    faults = [item for item in read_parquet(company) if isinstance(item, Fault)]
    assert [fault.code for fault in faults] == ["unknown_column", "missing_column"]
    assert faults[0].params["suggestion"] == "subscription"


@pytest.mark.parametrize("damage", ["cut", "footer", "pages", "text", "empty"])
def test_parquet_that_lies_is_a_fault_and_no_more(company: Company, damage: str) -> None:
    path = parquet(company, **sound_columns(50_000))
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "footer": content[:-200] + b"\xff" * 150 + content[-50:],
            "pages": content[:200] + b"\xff" * 2000 + content[2200:],
            "text": b"id,time\n1,2\n",
            "empty": b"",
        }[damage]
    )
    items = read_parquet(company)
    assert isinstance(items[-1], Fault)
    assert items[-1].code == "bad_parquet"
    assert all(isinstance(item, UsageRow) for item in items[:-1])


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_read(
    company: Company, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whoever may put files into a folder must not make the importer read what it may read."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    calls = company.path / "usage/calls.csv"
    (elsewhere / "calls.csv").write_bytes(calls.read_bytes())
    calls.rename(company.path / "usage/.calls.csv")
    calls.symlink_to(".calls.csv")
    folder = read_folder(company.path)
    assert [one.code for one in folder.faults] == []
    within = [item for source in folder.usage for item in source.rows()]
    assert any(isinstance(item, UsageRow) for item in within)

    calls.unlink()
    calls.symlink_to(elsewhere / "calls.csv")
    customers = company.path / "customers.csv"
    customers.rename(elsewhere / "customers.csv")
    customers.symlink_to(elsewhere / "customers.csv")
    folder = read_folder(company.path)
    rows = [item for source in folder.usage if source.file == "usage/calls.csv"
            for item in source.rows()]  # fmt: skip
    assert [(one.code, one.place.file) for one in rows if isinstance(one, Fault)] == [
        ("link_outside", "usage/calls.csv")
    ]
    assert ("link_outside", "customers.csv") in [(f.code, f.place.file) for f in folder.faults]
    assert folder.customers == ()


def test_a_link_to_itself_is_told_and_the_rest_is_read(company: Company) -> None:
    for name in ("usage/loop.csv", "changes.csv"):
        (company.path / name).unlink(missing_ok=True)
        (company.path / name).symlink_to(Path(name).name)
    folder = read_folder(company.path)
    items = [item for source in folder.usage for item in source.rows()]
    told = [*folder.faults, *(one for one in items if isinstance(one, Fault))]
    assert ("unreadable_file", "usage/loop.csv") in [(f.code, f.place.file) for f in told]
    assert any(isinstance(item, UsageRow) for item in items)


@pytest.mark.slow
def test_parquet_that_unpacks_to_gigabytes_is_stopped(company: Company) -> None:
    # One page of 600 MiB that packs into kilobytes.
    huge = pa.array(["x" * (3 << 20)] * 200)
    columns = {**sound_columns(200), "value": huge}
    path = company.path / "usage/measured.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd", use_dictionary=False,
                   data_page_size=2 << 30)  # fmt: skip
    del huge, columns
    assert path.stat().st_size < 1 << 20
    (company.path / "usage/calls.csv").unlink()
    codes, rows, taken, children = measure(company)
    assert codes == ["bad_parquet"]
    assert rows == 0
    assert taken < 200
    assert children < 600
