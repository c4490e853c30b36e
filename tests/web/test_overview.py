"""The overview names what is most urgent, and every figure has a door."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kvit.core.periods import Period
from kvit.parties.rows import SellerRow
from tests.invoicing import company
from tests.web.conftest import Office

TILES = ("attention", "figures", "waiting", "owed", "agreement", "months", "plans")


@pytest.fixture
def acme(tenant: object) -> None:
    company.found()


def text(answer: object) -> str:
    return answer.content.decode().replace("\xa0", " ")  # type: ignore[attr-defined]


@pytest.mark.usefixtures("acme")
def test_the_most_urgent_thing_is_named_and_opened(office: Office) -> None:
    company.parties_services.apply_sellers(
        [SellerRow("main", "ООО «Акме»", approval=True)],
        actor=company.ACTOR, now=company.LATER, reason="test",
    )  # fmt: skip
    company.bill()
    page = text(office("accountant").get("/office/"))
    assert "2 черновика ждут решения" in page
    assert "3 660,00 ₽" in page
    assert "/office/invoices/?tab=drafts" in page


@pytest.mark.usefixtures("acme")
def test_a_calm_day_says_what_comes_next(office: Office) -> None:
    company.bill()
    page = text(office("accountant").get("/office/"))
    assert "Ничего не ждёт решения." in page
    assert "2 подписки" in page


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("tile", TILES)
def test_every_tile_stands_by_itself_and_as_a_page(office: Office, tile: str) -> None:
    company.bill()
    client = office("owner")
    alone = client.get(f"/office/overview/{tile}/", headers={"HX-Request": "true"})
    assert alone.status_code == 200
    assert "<html" not in text(alone)
    assert f'hx-get="/office/overview/{tile}/"' in text(alone)
    assert "<html" in text(client.get(f"/office/overview/{tile}/"))


@pytest.mark.usefixtures("acme")
def test_a_tile_beyond_ones_rights_is_not_there(office: Office) -> None:
    client = office("product_manager")
    assert client.get("/office/overview/owed/").status_code == 404
    assert client.get("/office/overview/nothing/").status_code == 404
    assert "/office/overview/owed/" not in text(client.get("/office/"))


@pytest.mark.usefixtures("acme")
def test_the_first_screen_takes_few_statements(office: Office) -> None:
    company.bill()
    client = office("owner")
    client.get("/office/")
    with CaptureQueriesContext(connection) as seen:
        client.get("/office/")
    own = [one["sql"] for one in seen if "invoicing_" in one["sql"] or "metering_" in one["sql"]
           or "subscriptions_" in one["sql"] or "ledger_" in one["sql"]]  # fmt: skip
    assert len(own) <= 12


def test_a_new_company_is_told_what_to_begin_with(office: Office) -> None:
    page = text(office("owner").get("/office/"))
    assert "Начните отсюда" in page
    assert "Добавить клиента" in page


@pytest.mark.usefixtures("acme")
def test_usage_that_came_after_its_bill_is_counted_and_listed(office: Office) -> None:
    company.bill()
    client = office("owner")
    assert "после выставления" not in text(client.get("/office/overview/waiting/"))
    company.use("n-1", 340, date(2026, 10, 20), now=company.LATER)
    company.use("s-1", 2, date(2026, 10, 31), now=company.LATER)
    company.use("s-1", 5, date(2026, 11, 2), now=company.LATER)  # a month that is not billed yet
    row = text(client.get("/office/overview/waiting/"))
    assert "2 события пришли после выставления их периода" in row
    assert "342 вызов" in row
    assert "Следующий запуск добавит разницу в ближайший счёт." in row
    assert "/office/usage/?tab=late" in row
    late = text(client.get("/office/usage/?tab=late"))
    assert [f"-{calls}" in late for calls in ("10-20/340", "10-31/2", "11-02/5")] == [
        True, True, False,
    ]  # fmt: skip
    company.bill(Period(date(2026, 11, 1), date(2026, 12, 1)))
    assert "после выставления" not in text(client.get("/office/overview/waiting/"))
