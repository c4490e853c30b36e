"""Customers in the office: found, opened, made, changed, refused in words."""

from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kvit.parties import queries as parties
from kvit.parties import services
from kvit.parties.models import CustomerNote
from kvit.parties.rows import CustomerRow
from kvit.platform.models import AuditRow
from kvit.platform.revisions import revision_of
from tests.invoicing import company
from tests.web.conftest import Office

NEW = {"name": "ООО «Ромашка»", "kind": "company", "code": "romashka", "inn": "7707083893",
       "kpp": "770701001"}  # fmt: skip


@pytest.fixture(autouse=True)
def billed(tenant: object) -> None:
    company.found()
    company.bill()


def text(answer: object) -> str:
    return answer.content.decode().replace("\xa0", " ")  # type: ignore[attr-defined]


def test_the_list_says_who_owes_what_and_sums_it_up(office: Office) -> None:
    page = text(office("support").get("/office/customers/"))
    assert "ООО «Север»" in page and "2 440,00 ₽" in page  # noqa: PT018
    assert "3 660,00 ₽" in page  # the debt of all
    page = text(office("support").get("/office/customers/?q=северу"))
    assert "ООО «Север»" in page and "ООО «Юг»" not in page and "3 660,00 ₽" not in page  # noqa: PT018
    page = text(office("support").get("/office/customers/?q=нету&idle=on"))
    assert "Ничего не нашли" in page or "Ничего не найдено" in page


def test_the_list_takes_as_many_statements_for_many_as_for_few(
    office: Office, now: datetime
) -> None:
    client = office("accountant")
    client.get("/office/customers/")
    with CaptureQueriesContext(connection) as few:
        client.get("/office/customers/")
    rows = [CustomerRow(f"c{n}", f"Клиент {n}") for n in range(60)]
    services.apply_customers(rows, actor="cli:test", now=now, reason="test")
    with CaptureQueriesContext(connection) as many:
        client.get("/office/customers/")
    assert len(many) == len(few)


def test_an_export_has_the_rows_of_the_filter_as_plain_numbers(office: Office) -> None:
    answer = office("accountant").get("/office/customers/export/?q=север")
    lines = b"".join(answer).decode().splitlines()  # type: ignore[call-overload]
    assert len(lines) == 2
    assert ";2440,00;RUB;" in lines[1]


def test_the_card_opens_what_is_owed_and_what_happened(office: Office) -> None:
    client = office("accountant")
    key = company.customer_id("north")
    page = text(client.get(f"/office/customers/{key}/"))
    for said in ("ООО «Север»", "2 440,00 ₽", "Профи", "Счёт № 2026-00001 на 2 440,00 ₽",
                 "Потребление за 10 октября 2026 г.: Вызовы — 10 000 вызовов"):  # fmt: skip
        assert said in page, said
    page = text(client.get(f"/office/customers/{key}/balance/"))
    assert "62.01 ↔ 90.01" in page and page.count("2 440,00 ₽") >= 3  # noqa: PT018
    page = text(client.get(f"/office/customers/{key}/story/?kind=usage"))
    assert "Потребление" in page and "Начислено" not in page  # noqa: PT018
    page = text(client.get(f"/office/customers/{key}/next-bill/"))
    assert "1 220,00 ₽" in page  # the fee of November; no calls yet
    assert client.get(f"/office/customers/{key}/requisites/").status_code == 200


def test_an_unknown_customer_is_not_found(office: Office) -> None:
    client = office("accountant")
    for tab in ("", "balance/", "story/", "requisites/", "edit/"):
        url = f"/office/customers/01a22345-d5b0-777c-9fa2-f15e9f4bf33a/{tab}"
        assert client.get(url).status_code == 404


def test_a_reading_is_written_down(office: Office) -> None:
    key = company.customer_id("north")
    office("support").get(f"/office/customers/{key}/")
    row = AuditRow.objects.get(action="personal.read")
    assert row.object_id == f"customer {key}"


def test_a_customer_is_made_and_a_second_of_its_inn_is_refused_with_a_door(
    office: Office,
) -> None:
    client = office("support")
    answer = client.post("/office/customers/new/", NEW)
    made = parties.customers_by_code(["romashka"])["romashka"]
    assert (answer.status_code, answer["Location"]) == (302, f"/office/customers/{made.id}/")
    answer = client.post("/office/customers/new/", NEW | {"code": "r2"})
    assert answer.status_code == 422
    assert "ИНН 7707083893 уже есть у клиента «ООО «Ромашка»»" in text(answer)
    assert f'href="/office/customers/{made.id}/"' in text(answer)
    answer = client.post("/office/customers/new/", NEW | {"code": "r3", "inn": "7707083894"})
    assert "Контрольная цифра ИНН не сходится" in text(answer)
    assert parties.customers_by_code(["r2", "r3"]) == {}


def test_all_that_is_wrong_with_a_customer_is_told_at_once_each_at_its_field(
    office: Office,
) -> None:
    client = office("support")
    client.post("/office/customers/new/", NEW)
    wrong = NEW | {
        "inn": "7707083894", "kpp": "77", "bik": "1", "zone": "Mars/Olympus", "currency": "XXA",
        "payer": "nobody",
    }  # fmt: skip
    answer = client.post("/office/customers/new/", wrong)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {
        "code", "inn", "kpp", "bik", "zone", "currency", "payer",
    }  # fmt: skip
    answer = client.post("/office/customers/new/", wrong | {"name": "", "email": "вася"})
    assert set(answer.context["form"].errors) == {
        "name", "email", "code", "inn", "kpp", "bik", "zone", "currency", "payer",
    }  # fmt: skip
    made = parties.customers_by_code(["romashka"])["romashka"]
    edited = {key: value for key, value in wrong.items() if key != "code"}
    answer = client.post(
        f"/office/customers/{made.id}/edit/", edited | {"seen": revision_of(made.row)}
    )
    assert set(answer.context["form"].errors) == {
        "inn", "kpp", "bik", "zone", "currency", "payer",
    }  # fmt: skip
    assert parties.customers_by_code(["romashka"]) == {"romashka": made}


def test_a_change_made_meanwhile_is_shown_beside_ones_own(office: Office) -> None:
    client = office("support")
    client.post("/office/customers/new/", NEW)
    made = parties.customers_by_code(["romashka"])["romashka"]
    seen = revision_of(made.row)
    url = f"/office/customers/{made.id}/edit/"
    assert seen in text(client.get(url))
    mine = {key: value for key, value in NEW.items() if key != "code"}
    assert client.post(url, mine | {"seen": seen, "phone": "+7 999 1"}).status_code == 302
    answer = client.post(url, mine | {"seen": seen, "email": "a@b.example"})
    assert answer.status_code == 409
    assert "Пока вы правили, это изменили (Support)" in text(answer)
    assert "+7 999 1" in text(answer)
    assert answer.context["form"]["email"].value() == "a@b.example"
    standing = parties.customers_by_code(["romashka"])["romashka"].row
    assert (standing.phone, standing.email) == ("+7 999 1", "")
    again = mine | {"seen": revision_of(standing), "email": "a@b.example"}
    assert client.post(url, again).status_code == 302


def test_a_note_is_kept_and_told(office: Office) -> None:
    client = office("support")
    key = company.customer_id("north")
    assert client.post(f"/office/customers/{key}/notes/", {"text": "Позвонить"}).status_code == 302
    page = text(client.get(f"/office/customers/{key}/"))
    assert "Позвонить" in page and "Support" in page  # noqa: PT018
    assert client.post(f"/office/customers/{key}/notes/", {"text": " "}).status_code == 422
    assert CustomerNote.objects.count() == 1


def test_who_may_not_write_is_offered_no_button_and_refused(office: Office) -> None:
    client = office("auditor")
    assert "Добавить клиента" not in text(client.get("/office/customers/"))
    assert client.post("/office/customers/new/", NEW).status_code == 403
    assert parties.customers_by_code(["romashka"]) == {}
