"""`kvit bill` and `kvit demo` as people and programs meet them."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kvit.web.cli.progress import Bar
from tests.scenarios.company import Company

Run = Callable[..., tuple[int, str, str]]
Json = Callable[..., tuple[int, Any]]
OCTOBER = ("--period", "2026-10")
KEYS = {"period", "invoices", "faults", "waiting", "unchanged"}
INVOICE = {"number", "customer", "currency", "net", "vat", "total", "pdf", "new", "lines"}
LINE = {"subscription", "price", "name", "units", "net", "vat", "total"}
FAULT = {"code", "file", "row", "field", "message", "remedy"}


def test_the_json_answer_has_the_keys_of_the_contract(company: Company, kvit_json: Json) -> None:
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-1,calls,many\n")
    status, said = kvit_json("bill", company.path, *OCTOBER)
    assert status == 3
    assert said.keys() >= KEYS
    assert said["period"] == "2026-10"
    (alfa, beta) = said["invoices"]
    assert alfa.keys() >= INVOICE
    assert (alfa["customer"], alfa["net"], alfa["vat"], alfa["total"], alfa["new"]) == (
        "alfa", "1300.00", "286.00", "1586.00", True,
    )  # fmt: skip
    assert Path(alfa["pdf"]).read_bytes().startswith(b"%PDF-")
    assert alfa["lines"][1].keys() >= LINE
    assert {key: alfa["lines"][1][key] for key in ("subscription", "price", "units", "net")} == {
        "subscription": "a-1", "price": "calls", "units": "1500", "net": "150.00"
    }  # fmt: skip
    (fault,) = said["faults"]
    assert fault.keys() >= FAULT
    assert (fault["code"], fault["file"], fault["row"]) == ("bad_value", "usage/calls.csv", 6)
    assert beta["number"] != alfa["number"]


def test_faults_speak_the_language_of_the_reader(company: Company, kvit_json: Json) -> None:
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-9,calls,1\n")
    texts = {
        lang: kvit_json("bill", company.path, *OCTOBER, "--dry-run", lang=lang)[1]["faults"][0]
        for lang in ("ru", "en")
    }
    assert "подписк" in texts["ru"]["message"].lower()
    assert "subscription" in texts["en"]["message"]


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("ru", ["октябрь 2026 г.", "2 клиента", "1 586,00 ₽", "Документы PDF", "kvit explain"]),
        ("en", ["October 2026", "2 customers", "₽1,586.00", "PDF documents", "kvit explain"]),
    ],
)
def test_a_person_reads_a_table_and_what_to_do_next(
    company: Company, kvit: Run, lang: str, words: list[str]
) -> None:
    status, out, told = kvit("bill", company.path, *OCTOBER, lang=lang)
    assert (status, told) == (0, "")
    for word in words:
        assert word in out


def test_pdfs_may_be_left_to_a_later_run(company: Company, kvit_json: Json) -> None:
    status, said = kvit_json("bill", company.path, *OCTOBER, "--no-pdf")
    assert (status, [one["pdf"] for one in said["invoices"]]) == (0, [None, None])
    _, said = kvit_json("bill", company.path, *OCTOBER)
    assert [(one["new"], Path(one["pdf"]).exists()) for one in said["invoices"]] == [
        (False, True), (False, True),
    ]  # fmt: skip


def test_letters_that_no_typeface_has_are_told(company: Company, kvit_json: Json) -> None:
    text = (company.path / "customers.csv").read_text()
    company.write("customers.csv", text.replace("Борис", "Борис 😀"))
    status, said = kvit_json("bill", company.path, *OCTOBER)
    assert status == 0
    (notice,) = [one for one in said["notices"] if one["code"] == "letters_without_shape"]
    assert "beta" in notice["message"]
    assert kvit_json("bill", company.path, *OCTOBER)[1]["notices"] == []


def test_a_second_run_says_that_nothing_changed(company: Company, kvit: Run) -> None:
    kvit("bill", company.path, *OCTOBER)
    status, out, _ = kvit("bill", company.path, *OCTOBER)
    assert status == 0
    assert "ничего не изменилось" in out


def test_a_dry_run_says_what_it_is(company: Company, kvit: Run) -> None:
    _, out, _ = kvit("bill", company.path, *OCTOBER, "--dry-run")
    assert "ничего не сохранено" in out
    assert "PDF" not in out
    assert "выставить на самом деле" in out


def test_many_faults_are_cut_after_twenty_and_counted(company: Company, kvit: Run) -> None:
    rows = "".join(f"bad{n},2026-10-08T12:00:00,a-1,calls,many\n" for n in range(30))
    company.append("usage/calls.csv", rows)
    status, out, _ = kvit("bill", company.path, *OCTOBER)
    assert status == 3
    assert "30 ошибок" in out
    assert out.count("usage/calls.csv:") == 20
    assert "ещё 10 ошибок (bad_value 10)" in out


def test_what_waits_and_what_was_left_behind_is_said(company: Company, kvit: Run) -> None:
    company.edit("subscriptions.csv", "a-1,alfa,pro,2026-10-01", "a-1,alfa,pro,2026-09-01")
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-9,calls,1\n")
    _, out, _ = kvit("bill", company.path, *OCTOBER)
    assert "1 событие ждёт" in out
    assert "Раньше этого периода не выставлено: сентябрь 2026 г. (1 подписка)" in out
    assert "--period 2026-09" in out


def test_strict_says_why_nothing_was_billed(company: Company, kvit: Run) -> None:
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-9,calls,1\n")
    status, out, _ = kvit("bill", company.path, *OCTOBER, "--strict")
    assert status == 2
    assert "--strict" in out


@pytest.mark.parametrize("text", ["2026", "2026-13", "октябрь", "2026-10-01", "2026-Q4", ""])
def test_a_period_that_is_no_month_is_refused_clearly(
    company: Company, kvit: Run, text: str
) -> None:
    status, out, told = kvit("bill", company.path, f"--period={text}")
    assert (status, out) == (2, "")
    assert "2026-10" in told
    assert "Traceback" not in told


def test_a_missing_folder_is_said_without_a_database(
    tmp_path: Path, kvit: Run, kvit_json: Json
) -> None:
    status, out, told = kvit("bill", tmp_path / "nowhere", *OCTOBER)
    assert (status, out) == (2, "")
    assert "nowhere" in told
    status, said = kvit_json("bill", tmp_path, *OCTOBER)
    assert (status, said["faults"][0]["code"], said["invoices"]) == (2, "no_company", [])


def test_the_folder_of_another_company_is_refused(company: Company, kvit: Run) -> None:
    status, _, told = kvit("bill", company.path, *OCTOBER, "--tenant", "other")
    assert status == 1
    assert "acme" in told
    assert "other" in told


def test_the_demo_prints_each_invoice_and_what_to_try(db: Any, file_store: Path, kvit: Run) -> None:
    status, out, told = kvit("demo", "--no-serve")
    assert (status, told) == (0, "")
    for figure in ("18 155,81", "3 994,28", "22 150,09", "6 463,63", "28 723,68", "26 088,48"):
        assert figure in out
    for step in ("explain 2026-00001", "new ", "verify", "quote"):
        assert f"kvit {step}" in out
    pdfs = [Path(line.strip()) for line in out.splitlines() if line.strip().endswith(".pdf")]
    assert len(pdfs) == 4
    assert all(path.is_file() for path in pdfs)
    _, again, _ = kvit("demo", "--no-serve")
    assert "ничего не изменилось" in again


def test_the_demo_answers_as_bill_does(db: Any, file_store: Path, kvit_json: Json) -> None:
    status, said = kvit_json("demo")
    assert status == 0
    assert said.keys() >= KEYS
    assert {one["customer"]: one["total"] for one in said["invoices"]} == {
        "romashka": "22150.09", "ivanova": "6463.63", "vektor": "28723.68", "merkury": "26088.48"
    }  # fmt: skip


def test_a_bar_draws_over_itself_and_leaves_nothing() -> None:
    out = io.StringIO()
    bar = Bar(out, "ru")
    bar("rating", 0, 100)
    bar("rating", 50, 100)  # too soon after the last one to be drawn
    bar("rating", 100, 100)
    bar("reading", 5000, 0)
    bar.clear()
    drawn = out.getvalue().replace("\N{NO-BREAK SPACE}", " ").split("\r\x1b[K")
    assert [text.split()[0] for text in drawn if text] == ["Расчёт", "Расчёт", "Чтение"]
    assert drawn[2].endswith("100 / 100")
    assert drawn[-1] == ""


def test_a_month_that_is_not_over_is_told_when_it_is_billed_in_earnest(
    company: Company, kvit: Run
) -> None:
    far = ("--period", "2190-01")
    assert kvit("bill", company.path, *far, "--dry-run")[::2] == (0, "")
    status, out, told = kvit("bill", company.path, *far)
    assert (status, "Всего 2" in out) == (0, True)
    assert told.startswith("Внимание: январь 2190 г. ещё не закончился")
    assert kvit("bill", company.path, *far)[::2] == (0, "")  # nothing new
    assert kvit("bill", company.path, "--period", "2190-02", "--now", "2190-03-01")[2] == ""
