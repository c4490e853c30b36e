"""The books in the office: any cell opens what it is made of, and the parts add up to it."""

import re

import pytest

from tests.invoicing import company
from tests.web.conftest import Office

OCTOBER = "since=2026-10-01&to=2026-10-31"


@pytest.fixture(autouse=True)
def billed(tenant: object) -> None:
    company.found()
    company.bill()


def text(answer: object) -> str:
    return answer.content.decode().replace("\xa0", " ")  # type: ignore[attr-defined]


def test_the_trial_balance_holds_and_each_cell_is_a_door(office: Office) -> None:
    client = office("auditor")
    page = text(client.get(f"/office/ledger/osv/?{OCTOBER}"))
    assert "Дт = Кт" in page
    row = page.split(">62.01<")[1].split("</tr>")[0]
    assert "3 660,00" in row
    door = re.search(r'href="(/office/ledger/accounts/62.01/card/[^"]+)"', row)
    assert door is not None
    card = text(client.get(door[1].replace("&amp;", "&")))
    assert "Счёт № 2026-00001" in card
    assert "2 440,00 ₽" in card and "1 220,00 ₽" in card and "3 660,00 ₽" in card  # noqa: PT018
    by_customer = text(client.get(f"/office/ledger/accounts/62.01/customers/?{OCTOBER}"))
    assert "ООО «Север»" in by_customer and "3 660,00 ₽" in by_customer  # noqa: PT018


def test_the_trial_balance_stands_beside_the_period_before(office: Office) -> None:
    """October claimed 3 660.00; November moved nothing, so its turnover is as much less."""
    client = office("auditor")
    november = "since=2026-11-01&to=2026-11-30"
    page = text(client.get(f"/office/ledger/osv/?{november}&compare=on"))
    row = page.split(">62.01<")[1].split("</tbody>")[0]
    now, before, change = row.split("</tr>")[:3]
    assert re.findall(r">([\d ]+,\d\d)</a>", now) == ["3 660,00", "3 660,00"]
    assert re.findall(r">([\d ]+,\d\d)</a>", before) == ["3 660,00", "3 660,00"]
    assert "since=2026-10-01" in before
    assert re.findall(r">([+−][\d ]+,\d\d)<", change) == ["+3 660,00", "−3 660,00"]
    assert "изменение" not in text(client.get(f"/office/ledger/osv/?{november}"))
    answer = client.get(f"/office/ledger/osv/export/?{november}&compare=on")
    lines = b"".join(answer).decode().splitlines()  # type: ignore[call-overload]
    assert lines[1].endswith(
        ";3660,00;0,00;0,00;0,00;3660,00;0,00"
        ";0,00;0,00;3660,00;0,00;3660,00;0,00"
        ";3660,00;0,00;-3660,00;0,00;0,00;0,00"
    )


def test_a_day_before_the_first_document_has_no_books(office: Office) -> None:
    client = office("auditor")
    page = text(client.get("/office/ledger/osv/?since=2026-09-01&to=2026-09-30"))
    assert "Проводок до этого дня нет" in page
    page = text(client.get(f"/office/ledger/osv/?{OCTOBER}&known=2026-10-15"))
    assert "Проводок до этого дня нет" in page


@pytest.mark.parametrize("page", ["osv/", "accounts/62.01/card/", "accounts/62.01/customers/"])
def test_a_day_beyond_all_years_is_told_at_its_field(office: Office, page: str) -> None:
    client = office("auditor", lang="en")
    answer = client.get(f"/office/ledger/{page}?since=2026-10-01&to=9999-12-31")
    assert answer.status_code == 200
    assert "Enter a day of the years 1900 to 2199." in text(answer)


def test_exports_are_numbers(office: Office) -> None:
    client = office("auditor")
    answer = client.get(f"/office/ledger/osv/export/?{OCTOBER}")
    lines = b"".join(answer).decode().splitlines()  # type: ignore[call-overload]
    assert lines[1].endswith("RUB;0,00;0,00;3660,00;0,00;3660,00;0,00")
    answer = client.get(f"/office/ledger/accounts/62.01/card/export/?{OCTOBER}")
    lines = b"".join(answer).decode().splitlines()  # type: ignore[call-overload]
    assert [line.rsplit(";", 3)[1:] for line in lines[1:]] == [
        ["2440,00", "0,00", "2440,00"], ["1220,00", "0,00", "3660,00"],
    ]  # fmt: skip
    answer = client.get("/office/ledger/receivables/export/?on=2026-11-30")
    lines = b"".join(answer).decode().splitlines()  # type: ignore[call-overload]
    assert lines[1:] == ["north;ООО «Север»;;2440,00;RUB", "south;ООО «Юг»;;1220,00;RUB"]


def test_receivables_of_any_day_add_up(office: Office) -> None:
    client = office("collector")
    page = text(client.get("/office/ledger/receivables/?on=2026-10-31"))
    assert "ООО «Юг»" in page and "3 660,00 ₽" in page  # noqa: PT018
    page = text(client.get("/office/ledger/receivables/?on=2026-10-30"))
    assert "На этот день никто не должен" in page or "Ничего не н" in page


def test_postings_of_a_document_are_found(office: Office) -> None:
    key = company.invoice("north").id
    page = text(office("auditor").get(f"/office/ledger/postings/?source=invoice:{key}"))
    assert page.count("<tr>") == 4  # heads, two postings, the total
    assert "2 440,00 ₽" in page and "440,00 ₽" in page and "2 880,00 ₽" in page  # noqa: PT018


def test_an_account_that_the_chart_has_not_is_not_found(office: Office) -> None:
    assert office("auditor").get("/office/ledger/accounts/99/card/").status_code == 404


def test_a_role_without_the_books_sees_none(office: Office) -> None:
    client = office("support")
    for url in ("osv/", "receivables/", "postings/", "accounts/62.01/card/"):
        assert client.get(f"/office/ledger/{url}").status_code == 403
