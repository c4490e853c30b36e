"""What a person reads after a command: hints that can be typed, one word for one thing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kvit.documents.compose import compose
from kvit.parties import queries as parties
from kvit.parties.rows import TenantRow
from kvit.parties.services import create_tenant
from kvit.platform.tenancy import tenant_scope
from kvit.web import cli
from tests.scenarios.company import Company
from tests.scenarios.contract import fee, folder, plan
from tests.scenarios.test_usage_command import run

__all__ = ["run"]  # the fixture

CHANGES = "subscription,at,change,value,reason\n"


@pytest.fixture
def russian(run: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("KVIT_LANG", "ru")
    return run


def billed(run: Any, company: Company, *words: str) -> str:
    """Bill October at the terminal and return what is printed."""
    return str(run("bill", str(company.path), "--period", "2026-10", *words)[1])


def test_hints_are_written_as_the_program_was_called(
    company: Company, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KVIT_CALLED_AS", "./kvit")
    said = billed(run, company)
    assert "  ./kvit explain 2026-00001  " in said
    assert "  ./kvit verify  " in said
    company.edit("usage/calls.csv", "a-1,calls,1000", "a-1,calls,9000")
    said = billed(run, company)
    assert "right: ./kvit usage replace u1 --source calls --reason …;" in said
    assert not re.search(r"(?<!/)kvit [a-z]+ ", said)
    [fault] = json.loads(billed(run, company, "--json"))["faults"]
    assert "./kvit usage replace u1" in fault["remedy"]
    monkeypatch.delenv("KVIT_CALLED_AS")
    assert "./kvit" not in billed(run, company)


def test_where_several_companies_stand_a_hint_names_the_one(
    company: Company, run: Any, now: Any
) -> None:
    other = TenantRow("other", "ООО «Другое»", currency="RUB", zone="Europe/Moscow")
    create_tenant(other, actor="cli:test", now=now)
    said = billed(run, company)
    assert "kvit explain 2026-00001 --tenant acme  " in said
    assert "kvit verify --tenant acme  " in said
    company.edit("usage/calls.csv", "a-1,calls,1000", "a-1,calls,9000")
    assert "usage replace u1 --source calls --tenant acme --reason" in billed(run, company)


def test_a_draft_that_waits_is_approved_by_the_command_that_is_printed(
    company: Company, run: Any, now: Any
) -> None:
    other = TenantRow("other", "ООО «Другое»", currency="RUB", zone="Europe/Moscow")
    create_tenant(other, actor="cli:test", now=now)
    company.append("company.toml", "approval = true\n")
    faults = json.loads(billed(run, company, "--json"))["faults"]
    commands = [re.search(r"kvit (approve .*)\.$", one["remedy"]) for one in faults]
    assert len(commands) == 2
    for found in commands:
        assert found is not None
        assert run(*found[1].split())[0] == 0


def test_a_sentence_has_one_point(company: Company, russian: Any) -> None:
    company.bill()
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-1,calls,40\n")
    said = billed(russian, company)
    assert "разницу выставит запуск за ноябрь 2026 г.\n" in said
    assert ".." not in said.replace(str(company.path), "")


def test_the_demo_names_customers_and_their_codes(file_store: Path, db: Any, russian: Any) -> None:
    said = russian("demo", "--no-serve")[1]
    assert re.search(r"2026-\d{5} — ООО «Ромашка» \(romashka\)", said), said


def test_a_debit_note_is_called_alike_in_tables_and_on_paper(
    company: Company, russian: Any
) -> None:
    company.bill()
    words = ("correct", "2026-00001", "--debit", "1=10.00", "--reason", "Забыто")
    status, out, err = russian(*words)
    assert (status, "корректировочный счёт" in out) == (0, True), err
    said = russian("explain", "2026-00003")[1]
    assert said.startswith("Корректировочный счёт 2026-00003 от")
    assert "НДС 22 %: 2,20" in said.replace("\N{NO-BREAK SPACE}", " ")
    assert "—:" not in said
    assert "на —" not in said


def test_a_sum_that_is_refused_is_written_as_money(company: Company, russian: Any) -> None:
    company.bill()
    words = ("correct", "2026-00001", "--credit", "1=9999.50", "--reason", "Много")
    status, _, err = russian(*words)
    told = err.replace("\N{NO-BREAK SPACE}", " ")
    assert (status, "не больше 1 000,00 ₽, а указано 9 999,50 ₽." in told) == (1, True), err


def test_a_payer_in_other_money_is_a_fault_of_the_row_and_holds_the_subscription(
    tmp_path: Path, file_store: Path, db: Any
) -> None:
    company = folder(
        tmp_path,
        plan("p") + fee("310.00"),
        "s,c,p,2026-10-01\nok,c,p,2026-10-01\n",
        customers="code,name,kind,currency\nc,К,company,\nusd,U,company,USD\n",
        changes="s,2026-10-16,transfer,usd,\n",
    )
    said = company.bill()
    [fault] = said.document["faults"]
    assert (fault["code"], fault["row"], fault["field"]) == ("currency_of_transfer", 2, "value")
    assert said.totals == {"c": "378.20"}
    assert said.status == 3
    (company.path / "changes.csv").write_text(CHANGES)
    assert company.bill().status == 0


def test_every_fault_s_words_are_used() -> None:
    """A code that nothing raises would be a promise in the reference."""
    from kvit.integrations.port import WORDS

    source = Path(cli.__file__).parents[2]
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in source.rglob("*.py")
        if path.name not in ("_words.py", "_import_words.py")
    )
    kinds = {"customer", "subscription", "meter"}  # made as f"unknown_{kind}" and the like
    made = re.compile(r"unknown_|duplicate_|coupon_|waits_for_|bad_")
    unused = [
        code for code in WORDS
        if f'"{code}"' not in text and not made.match(code) and code not in kinds
    ]  # fmt: skip
    assert unused == []


def test_a_unit_agrees_with_its_number_on_paper(company: Company) -> None:
    for code, unit in (("calls", "вызов"), ("users", "пользователь")):
        meter = f'[[meter]]\ncode = "{code}"\n'
        company.edit("catalogue.toml", meter, f'{meter}unit = "{unit}"\n')
    answer = company.answer("2026-10")
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    with tenant_scope(tenant.id):
        sheets = [one for _, kind, one in compose([i.id for i in answer.invoices])]
    shown = {(one.units_text, one.unit_name) for sheet in sheets for one in sheet.lines}
    assert shown == {
        ("1", "шт."), ("3", "пользователя"), ("70", "вызовов"),
        ("1\N{NO-BREAK SPACE}500", "вызовов"),
    }  # fmt: skip


def test_a_difference_of_price_alone_shows_no_quantity(company: Company) -> None:
    """«7 − 7»: as many were used, and they cost less; «0 шт.» would say that nothing was."""
    company.bill()
    company.write("changes.csv", CHANGES + "a-1,2026-10-01,discount,10 %,\n")
    answer = company.answer("2026-11")
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    with tenant_scope(tenant.id):
        [sheet] = [
            one
            for _, kind, one in compose([info.id for info in answer.invoices])
            if kind == "invoice" and one.customer.name == "ООО «Альфа»"
        ]
    shown = {(one.name.partition(" (")[0], one.units_text, one.unit_name) for one in sheet.lines}
    assert shown == {
        ("Плата", "1", "шт."),
        ("Перерасчёт за октябрь 2026 г.: Плата", "—", ""),
        ("Перерасчёт за октябрь 2026 г.: Вызовы", "—", ""),
        ("Перерасчёт за октябрь 2026 г.: Люди", "—", ""),
    }
