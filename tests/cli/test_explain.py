"""`kvit explain`: the tree behind a sum, computed again and compared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from kvit.web.examples import DEMO, example
from tests.scenarios.company import COMPANY, Company

Run = Callable[..., tuple[int, str, str]]
Json = Callable[..., tuple[int, Any]]


@pytest.fixture
def demo(db: Any, file_store: Path) -> Company:
    made = Company(example(DEMO), files={})
    made.bill()
    return made


def test_the_tree_of_the_demo_goes_down_to_events_and_law(demo: Company, kvit_json: Json) -> None:
    status, tree = kvit_json("explain", "2026-00001", "--events", "2")
    assert (status, tree["agrees"]) == (0, True)
    assert (tree["net"], tree["vat"], tree["total"]) == ("18155.81", "3994.28", "22150.09")
    fee, discounted, before, after = tree["lines"]
    assert fee["charge"]["computation"]["stretch"]["share"] == "15/31"
    assert fee["tax"]["rate"] == "22"
    assert "425-ФЗ" in fee["tax"]["law"]
    assert discounted["charge"]["computation"]["discounts"] == [
        {"code": "vip", "percent": "15", "amount": "774.19"}
    ]
    events = before["charge"]["computation"]["events"]
    assert (events["count"], len(events["first"]), len(events["last"])) == (720, 2, 2)
    assert events["first"][0]["id"] == "gw-center-20261001T00"
    steps = [step["exact"] for step in after["charge"]["computation"]["steps"]]
    assert steps == ["4000", "1800"]
    assert after["charge"]["computation"]["exact"] == "4930"
    assert [check["agrees"] for check in tree["checks"]] == [True] * 4


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("ru", ["совпадает", "ступень 2", "скидка vip 15 %", "НДС 22 %", "доля периода 16/31"]),
        ("en", ["agrees", "tier 2", "discount vip 15%", "VAT 22%", "share of the period 16/31"]),
    ],
)
def test_a_person_reads_it_in_words(demo: Company, kvit: Run, lang: str, words: list[str]) -> None:
    status, out, told = kvit("explain", "2026-00001", lang=lang)
    assert (status, told) == (0, "")
    for word in words:
        assert word in out


def test_one_line_may_be_asked_for(demo: Company, kvit_json: Json, kvit: Run) -> None:
    _, tree = kvit_json("explain", "2026-00001/3")
    assert [line["position"] for line in tree["lines"]] == [3]
    status, out, told = kvit("explain", "2026-00001/9")
    assert (status, out) == (2, "")
    assert "4 строки" in told


def test_a_number_that_nobody_has_brings_near_ones(demo: Company, kvit: Run) -> None:
    status, out, told = kvit("explain", "2026-0001")
    assert (status, out) == (2, "")
    assert "2026-00001" in told


def test_a_number_like_no_other_is_not_told_as_if_nothing_were_issued(
    demo: Company, kvit: Run
) -> None:
    assert kvit("explain", "😀") == (2, "", "Документа «😀» нет.\n")


def test_a_company_that_is_not_there_is_told_before_its_document(demo: Company, kvit: Run) -> None:
    status, out, told = kvit("explain", "2026-00001", "--tenant", "nope")
    assert (status, out) == (1, "")
    assert told == "Компании «nope» нет. Есть: severny-kontur.\n"


@pytest.mark.parametrize(
    ("words", "lang", "told"),
    [
        (["explain"], "ru", "не указано: INVOICE[/LINE]"),
        (["explain"], "en", "the following arguments are required: INVOICE[/LINE]"),
        (["explain", "1", "--evnts", "2"], "ru", "лишнее или неизвестное: --evnts 2"),
        (["explain", "1", "--events", "x"], "ru", "--events: 'x' не подходит"),
        (["explain", "1", "--events"], "ru", "--events: нужно значение"),
        (["run", "cook"], "ru", "role: 'cook' не подходит; можно: 'web', "),
        (["bill", "x", "--period", "май"], "ru", "--period: период «май» не понят"),
    ],
)
def test_words_that_a_command_cannot_take_are_told_in_the_readers_language(
    kvit: Run, words: list[str], lang: str, told: str
) -> None:
    status, out, said = kvit(*words, lang=lang)
    assert (status, out) == (2, "")
    assert said.splitlines()[-1].partition(f"kvit {words[0]}: ")[2].startswith(told)


def test_before_the_first_bill_the_demo_is_proposed(db: Any, kvit: Run) -> None:
    status, _, told = kvit("explain", "2026-00001")
    assert status == 2
    assert "kvit demo" in told


def test_a_difference_is_shown_and_fails(company: Company, kvit: Run, kvit_json: Json) -> None:
    """What is stored was computed by other rules: here a meter that was changed underneath."""
    company.bill()
    with connection.cursor() as cursor:
        from kvit.parties import queries as parties
        from kvit.platform.tenancy import tenant_scope

        tenant = parties.tenant_by_code("acme")
        assert tenant is not None
        with tenant_scope(tenant.id):
            cursor.execute("UPDATE catalog_meter SET aggregation = 'count' WHERE code = 'calls'")
    status, tree = kvit_json("explain", "2026-00001/2")
    assert (status, tree["agrees"]) == (1, False)
    charge = tree["lines"][0]["charge"]
    assert (charge["charged"], charge["computed"]) == ("150.00", "0.20")
    status, out, _ = kvit("explain", "2026-00001/2")
    assert status == 1
    assert "НЕ СОВПАДАЕТ: начислено 150,00 ₽, пересчитано сейчас 0,20 ₽" in out


def test_a_number_of_several_sellers_is_asked_about(company: Company, kvit: Run) -> None:
    company.write(
        "company.toml",
        COMPANY + '[[seller]]\ncode = "second"\nname = "ООО «Второй»"\ninn = "5190567122"\n'
        'kpp = "519001001"\n',
    )
    company.edit("catalogue.toml", 'code = "lite"\n', 'code = "lite"\nseller = "second"\n')
    company.append("subscriptions.csv", "b-2,beta,lite,2026-10-01\n")
    company.bill()
    status, out, told = kvit("explain", "2026-00001")
    assert (status, out) == (2, "")
    assert "--seller main" in told
    assert "--seller second" in told
    status, out, _ = kvit("explain", "2026-00001", "--seller", "second")
    assert status == 0
    assert "b-2" in out


def test_a_late_difference_shows_its_revisions(company: Company, kvit_json: Json) -> None:
    company.bill()
    company.append("usage/calls.csv", "l1,2026-10-20T12:00:00,a-1,calls,400\n")
    number = company.bill("2026-11").document["invoices"][0]["number"]
    _, tree = kvit_json("explain", number)
    late = next(line for line in tree["lines"] if line["price"] == "calls")
    assert (late["net"], late["charge"]["charged"], late["charge"]["computed"]) == (
        "40.00", "190.00", "190.00",
    )  # fmt: skip
    assert [one["amount"] for one in late["charge"]["revisions"]] == ["150.00", "40.00"]
    assert tree["agrees"]
