"""`kvit books`: what an accountant prints, and what a program reads."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from kvit.invoicing import services as invoicing
from kvit.ledger import services as ledger
from kvit.parties import queries as parties
from kvit.parties import services as parties_services
from kvit.platform.tenancy import tenant_scope
from kvit.web import cli
from tests.scenarios.company import Company, broken

# a-1: 1 000.00 + 1 500 calls 150.00 + 3 people 150.00 = 1 300.00 net, 286.00 VAT, 1 586.00
# b-1: 1 000.00 + 70 calls 7.00 = 1 007.00 net, 221.54 VAT, 1 228.54
TOTAL, VAT = 158_600 + 122_854, 28_600 + 22_154


@pytest.fixture
def company(tmp_path: Path, file_store: Path, db: Any) -> Iterator[Company]:
    company = Company(tmp_path / "company")
    company.bill()
    yield company
    assert broken() == []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `kvit books …`; returns (status, stdout, stderr), no-break spaces as plain ones."""
    monkeypatch.setenv("KVIT_LANG", "ru")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(("books", *words))
        told = capsys.readouterr()
        return status, told.out.replace("\N{NO-BREAK SPACE}", " "), told.err

    return run


def asked(run: Any, *words: str) -> Any:
    """Return what the only seller's books say in JSON."""
    status, out, err = run(*words, "--json")
    assert status == 0, err
    [seller] = json.loads(out)["sellers"]
    return seller


def sums_of(report: Any) -> dict[str, tuple[str, ...]]:
    return {
        row["account"]: (row["opening"], row["debit"], row["credit"], row["closing"])
        for row in report["rows"]
    }


def rename(customer: str, name: str) -> None:
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    with tenant_scope(tenant.id):
        row = parties.customers_by_code([customer])[customer].row
        now = datetime(2026, 11, 20, tzinfo=UTC)
        parties_services.apply_customers(
            [replace(row, name=name)], actor="cli:test", now=now, reason="test"
        )


def pay(customer: str, minor: int, on: date) -> None:
    """Post a payment that came to the bank."""
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    with tenant_scope(tenant.id):
        row = ledger.PostingIn(
            seller_id=parties.sellers()["main"].id,
            debit="bank",
            credit="receivable",
            customer_id=parties.customers_by_code([customer])[customer].id,
            amount_minor=minor,
            currency="RUB",
            source=f"payment:{customer}",
            line=1,
            effective_on=on,
        )
        ledger.post_many([row], now=datetime(2026, 11, 20, tzinfo=UTC))


def test_trial_balance_of_the_first_month(company: Company, run: Any) -> None:
    report = asked(run, "trial-balance", "--from", "2026-10-01", "--to", "2026-10-31")
    assert (report["seller"], report["from"], report["to"]) == ("main", "2026-10-01", "2026-10-31")
    assert report["balanced"] is True
    assert sums_of(report) == {
        "62.01": ("0.00", "2814.54", "0.00", "2814.54"),
        "68.02": ("0.00", "0.00", "507.54", "-507.54"),
        "90.01": ("0.00", "0.00", "2814.54", "-2814.54"),
        "90.03": ("0.00", "507.54", "0.00", "507.54"),
    }
    assert (TOTAL, VAT) == (281_454, 50_754)


def test_what_closed_october_opens_november(company: Company, run: Any) -> None:
    october = sums_of(asked(run, "trial-balance", "--on", "2026-10-31"))
    november = sums_of(asked(run, "trial-balance", "--from", "2026-11-01"))
    assert {code: sums[0] for code, sums in november.items()} == {
        code: sums[3] for code, sums in october.items()
    }
    assert all(sums[1:3] == ("0.00", "0.00") for sums in november.values())


def test_people_read_sums_in_their_language_and_that_the_books_balance(
    company: Company, run: Any
) -> None:
    status, out, _ = run("trial-balance")
    assert status == 0
    assert "Оборотно-сальдовая ведомость: ООО «Акме», за всё время" in out
    [foot] = [line for line in out.splitlines() if line.startswith("Итого")]
    assert foot.count("3 322,08 ₽") == 4  # 2 814.54 + 507.54: turnover and closing, both sides
    assert "Дебет равен кредиту: 3 322,08 ₽, остатки 3 322,08 ₽." in out


def test_card_runs_from_the_opening_balance_to_the_closing_one(company: Company, run: Any) -> None:
    pay("alfa", 100_000, date(2026, 11, 20))
    report = asked(run, "card", "--account", "62.01", "--from", "2026-11-01")
    assert report["opening"] == {"RUB": "2814.54"}
    [row] = report["rows"]
    assert (row["date"], row["document"], row["against"]) == ("2026-11-20", "payment:alfa", "51")
    assert (row["customer"], row["name"]) == ("alfa", "ООО «Альфа»")
    assert (row["debit"], row["credit"], row["balance"]) == ("0.00", "1000.00", "1814.54")
    _, out, _ = run("card", "--account", "62.01", "--from", "2026-11-01")
    [opening] = [line for line in out.splitlines() if "Остаток на начало" in line]
    assert opening.endswith("  2 814,54 ₽")
    assert out.splitlines()[-1].split("  ")[-1] == "1 814,54 ₽"


def test_card_of_one_customer_names_the_invoice(company: Company, run: Any) -> None:
    report = asked(run, "card", "--account", "62.01", "--customer", "beta")
    assert [(row["document"], row["balance"]) for row in report["rows"]] == [
        ("2026-00002", "1228.54")
    ]
    assert report["opening"] == {}
    later = asked(run, "card", "--account", "62.01", "--customer", "beta", "--from", "2026-12-01")
    assert (later["opening"], later["rows"]) == ({"RUB": "1228.54"}, [])


def test_receivables_lead_with_the_largest_debt(company: Company, run: Any) -> None:
    pay("alfa", 158_600, date(2026, 11, 20))
    pay("beta", 200_000, date(2026, 11, 20))
    assert [
        (row["customer"], row["balance"])
        for row in asked(run, "receivables", "--on", "2026-11-19")["rows"]
    ] == [("alfa", "1586.00"), ("beta", "1228.54")]
    # alfa is settled and left out; beta paid too much, and is owed the rest.
    assert [(row["customer"], row["balance"]) for row in asked(run, "receivables")["rows"]] == [
        ("beta", "-771.46")
    ]
    _, out, _ = run("receivables")
    assert "Должны нам 0,00 ₽, должны мы 771,46 ₽, всего \N{MINUS SIGN}771,46 ₽." in out


def test_a_report_of_the_past_comes_out_as_it_was_known(company: Company, run: Any) -> None:
    pay("alfa", 100_000, date(2026, 11, 1))  # of 1 November, recorded on the 20th
    before = asked(run, "receivables", "--known-by", "2026-11-10T12:00:00")
    after = asked(run, "receivables", "--known-by", "2026-11-21")
    assert before["known_by"] == "2026-11-10T12:00:00+03:00"
    assert [row["balance"] for row in before["rows"]] == ["1586.00", "1228.54"]
    assert [row["balance"] for row in after["rows"]] == ["1228.54", "586.00"]
    earliest = asked(run, "trial-balance", "--known-by", "2026-10-01")
    assert earliest["rows"] == []


def test_csv_keeps_sums_as_numbers_and_disarms_formulas(company: Company, run: Any) -> None:
    rename("beta", "=cmd()")
    pay("beta", 200_000, date(2026, 11, 20))
    status, out, _ = run("receivables", "--csv")
    assert status == 0
    assert list(csv.reader(io.StringIO(out))) == [
        ["seller", "customer", "name", "currency", "balance"],
        ["main", "alfa", "ООО «Альфа»", "RUB", "1586.00"],
        ["main", "beta", "'=cmd()", "RUB", "-771.46"],
    ]


def test_csv_of_nothing_still_has_its_head(company: Company, run: Any) -> None:
    _, out, _ = run("card", "--account", "51", "--csv")
    assert out.strip().startswith("seller,date,recorded_at,document")
    assert len(out.splitlines()) == 1


def test_a_void_leaves_nobody_owing(company: Company, run: Any) -> None:
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    with tenant_scope(tenant.id):
        from kvit.invoicing import queries

        for info in queries.of_period(date(2026, 10, 1)):
            invoicing.void(
                info.id,
                reason="test",
                issue_on=date(2026, 11, 5),
                author="cli:test",
                now=datetime(2026, 11, 5, 9, tzinfo=UTC),
            )
    assert asked(run, "receivables")["rows"] == []
    assert "Никто не должен." in run("receivables")[1]
    closing = {code: sums[3] for code, sums in sums_of(asked(run, "trial-balance")).items()}
    assert set(closing.values()) == {"0.00"}


def test_of_several_sellers_a_card_and_debts_ask_which(company: Company, run: Any) -> None:
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    now = datetime(2026, 11, 20, tzinfo=UTC)
    with tenant_scope(tenant.id):
        row = replace(parties.sellers()["main"].row, code="second", name="ООО «Второй»", inn="")
        parties_services.apply_sellers([row], actor="cli:test", now=now, reason="test")
        ledger.ensure_chart(parties.sellers()["second"].id, actor="cli:test", now=now)
        named = ", ".join(f"{one.row.code} ({one.row.name})" for one in parties.sellers().values())
    for words in (("receivables",), ("card", "--account", "62.01")):
        status, out, err = run(*words)
        assert (status, out) == (1, "")
        assert f"укажите --seller. Есть: {named}." in err
        assert run(*words, "--seller", "second")[0] == 0
    assert run("trial-balance")[0] == 0  # of each seller, one below the other


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("card", "--account", "6201"), "Счёта «6201» нет в плане счетов. Возможно, 62.01?"),
        (("card", "--account", "76.AB"), "Возможно, 76.АВ?"),  # Latin letters
        (("card", "--account", "62.01", "--customer", "alpha"), "Возможно, alfa?"),
        (("receivables", "--seller", "mian"), "Продавца «mian» нет. Возможно, main? Есть: main."),
        (("trial-balance", "--on", "2026-10-31", "--to", "2026-10-31"), "--on или --from и --to"),
        (("trial-balance", "--from", "2026-11-01", "--to", "2026-10-31"), "Поменяйте их местами"),
        (("receivables", "--tenant", "nobody"), "Компании «nobody» нет. Есть: acme."),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(
    company: Company, run: Any, words: tuple[str, ...], said: str
) -> None:
    status, out, err = run(*words)
    assert (status, out) == (1, "")
    assert said in err
