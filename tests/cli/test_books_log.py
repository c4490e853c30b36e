"""`kvit books seal`, `proof`, `check`: the accountant signs, a stranger checks without us."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kvit.ledger import queries as ledger
from kvit.parties import queries as parties
from kvit.platform.tenancy import tenant_scope
from kvit.web import cli
from tests.scenarios.company import Company

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    file_store: Path,
) -> Any:  # fmt: skip
    monkeypatch.setenv("KVIT_LANG", "ru")
    Company(tmp_path / "company").bill()

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(("books", *words))
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def test_a_stranger_checks_what_the_accountant_signed(run: Any, tmp_path: Path) -> None:
    status, out, _ = run("seal")
    count = len(ledger_ids())
    assert (status, out.splitlines()[0]) == (0, f"Записано в журнал: {count} записи. Отметка:")
    (tmp_path / "kept").write_text(out.split("\n", 1)[1])
    assert run("seal")[1].splitlines()[0] == "Записано в журнал: 0 записей. Отметка:"
    key = run("key")[1].strip()
    number = first_number()
    status, out, _ = run("proof", number, "--out", str(tmp_path / "proofs"))
    files = sorted((tmp_path / "proofs").iterdir())
    assert (status, len(out.splitlines())) == (0, len(files))
    for file in files:
        status, out, _ = run("check", str(file), "--key", key)
        assert (status, out[:37]) == (0, "Проводка стоит в журнале kvit/ledger/")
    assert run("compare", str(tmp_path / "kept"))[:2] == (
        0, f"Журнал начинается теми же {count} записями.\n")  # fmt: skip
    text = files[0].read_text()
    files[0].write_text(text.replace("index 0", "index 1"))
    assert run("check", str(files[0]), "--key", key)[0] == 1
    status, out, _ = run("check", str(files[1]), "--key", key, "--json")
    assert json.loads(out)["posting"]["line"] == 2
    assert json.loads(run("seal", "--json")[1])["checkpoint"] == (tmp_path / "kept").read_text()


def test_what_cannot_be_checked_is_refused_with_the_reason(run: Any, tmp_path: Path) -> None:
    status, _, err = run("proof", first_number())
    assert (status, "kvit books seal" in err) == (1, True)
    (tmp_path / "x").write_text("x")
    run("seal")
    key = run("key")[1].strip()
    for words, said in (
        (("check", str(tmp_path / "x"), "--key", key), "kvit books proof"),
        (("check", str(tmp_path / "none"), "--key", key), "kvit books proof"),
        (("compare", str(tmp_path / "x")), "Подпись не подходит"),
        (("compare", str(tmp_path / "none")), "kvit books seal"),
        (("proof", "нет-такого"), "«нет-такого»"),
    ):
        status, _, err = run(*words)
        assert (status, said in err) == (1, True), err


def test_a_log_that_was_begun_anew_differs_from_the_kept_checkpoint(
    run: Any, tmp_path: Path
) -> None:
    _, out, _ = run("seal")
    kept = tmp_path / "kept"
    kept.write_text(out.split("\n", 1)[1])
    with tenant_scope(parties.tenants()[0].id):
        shutil.rmtree(ledger.log_of_books().folder)
    status, out, _ = run("compare", str(kept))
    assert (status, out[:33]) == (1, "Журнал расходится с этой отметкой")


def ledger_ids() -> list[int]:
    from kvit.ledger.models import Posting

    with tenant_scope(parties.tenants()[0].id):
        return list(Posting.objects.values_list("id", flat=True))


def first_number() -> str:
    from kvit.invoicing.models import Invoice

    with tenant_scope(parties.tenants()[0].id):
        return str(Invoice.objects.order_by("number").values_list("number_text", flat=True)[0])
