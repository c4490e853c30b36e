"""`kvit new`: every preset is a sound company whose files explain themselves, in two languages."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kvit.adapters.folder import read_folder
from kvit.integrations.port import CompanyFolder, UsageRow
from kvit.web.cli import main
from kvit.web.cli.new import PRESETS, NotMade, code_of, make

OCTOBER = (datetime(2026, 9, 30, 21, tzinfo=UTC), datetime(2026, 10, 31, 21, tzinfo=UTC))


@pytest.mark.parametrize("lang", ["ru", "en"])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_reads_without_a_fault(tmp_path: Path, preset: str, lang: str) -> None:
    make(tmp_path / "firma", preset, lang=lang)
    folder = read_folder(tmp_path / "firma")
    assert folder.faults == ()
    assert (folder.held, folder.held_prices) == ({}, frozenset())
    assert folder.company is not None
    assert (folder.company.code, folder.company.language) == ("firma", lang)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_price_of_a_preset_has_something_to_bill_in_october(
    tmp_path: Path, preset: str
) -> None:
    make(tmp_path / "firma", preset, lang="ru")
    folder = read_folder(tmp_path / "firma")
    rows = rows_of(folder)
    assert all(OCTOBER[0] <= row.time < OCTOBER[1] for row in rows)
    known = {row.code for row in folder.subscriptions} | {row.code for row in folder.customers}
    assert {row.subject[1] for row in rows} <= known
    measured = {row.meter for row in rows}
    assert measured == {row.code for row in folder.meters}
    assert {row.meter for row in folder.prices} - {""} == measured
    assert {row.plan for row in folder.subscriptions} == {row.code for row in folder.plans}
    assert all(date(2026, 10, 1) <= row.start < date(2026, 11, 1) for row in folder.subscriptions)


def rows_of(folder: CompanyFolder) -> list[UsageRow]:
    items = [item for source in folder.usage for item in source.rows()]
    assert all(isinstance(item, UsageRow) for item in items)
    return [item for item in items if isinstance(item, UsageRow)]


@pytest.mark.parametrize("preset", PRESETS)
def test_comments_are_in_one_language(tmp_path: Path, preset: str) -> None:
    for lang in ("ru", "en"):
        for path in make(tmp_path / lang, preset, lang=lang):
            comments = [line for line in path.read_text("utf-8").splitlines() if line[:1] == "#"]
            assert all(line.startswith("# ") for line in comments)
            assert comments, path
            russian = any("а" <= letter <= "я" for line in comments for letter in line.lower())
            assert russian == (lang == "ru" and bool(comments)), path


def test_a_folder_that_is_not_empty_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(NotMade) as refused:
        make(tmp_path, "saas", lang="ru")
    assert refused.value.code == "new_not_empty"
    assert str(tmp_path) in refused.value.text("ru")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_a_file_in_the_way_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "firma").write_text("mine")
    with pytest.raises(NotMade) as refused:
        make(tmp_path / "firma", "saas", lang="en")
    assert refused.value.code == "new_not_a_folder"
    assert (tmp_path / "firma").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "code"),
    [("north", "north"), ("Моя фирма", "Моя-фирма"), ("-x y-", "x-y"), ("!!!", "company")],
)
def test_the_code_comes_from_the_folders_name(name: str, code: str) -> None:
    assert code_of(name) == code


def test_the_command_says_what_to_try_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KVIT_LANG", "ru")
    monkeypatch.setenv("KVIT_CALLED_AS", "./kvit")
    monkeypatch.setenv("PYTHONTZPATH", "")  # `main` sets it; here it is put back afterwards
    assert main(["new", str(tmp_path / "firma"), "--preset", "saas"]) == 0
    told = capsys.readouterr().out
    assert f"./kvit bill {tmp_path / 'firma'} --period 2026-10" in told
    assert main(["new", str(tmp_path / "firma"), "--preset", "saas"]) == 1
    assert "не пуста" in capsys.readouterr().err
    assert main(["new", str(tmp_path / "other")]) == 2
    assert "medicine" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_making_a_company_starts_neither_django_nor_pyarrow(tmp_path: Path) -> None:
    script = (
        "import sys; from kvit.web.cli import main; main(sys.argv[1:]);"
        "print([name for name in ('django', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "new", str(tmp_path / "x"), "--preset", "it"],
        capture_output=True, text=True, check=True, timeout=timedelta(seconds=60).total_seconds(),
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "KVIT_LANG": "en"},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
