"""Who may not see personal data sees none in any answer: pages and API, reads and writes alike."""

from typing import Any

import pytest
from django.test import Client

from kvit.documents.compose import compose
from kvit.parties.models import Customer
from kvit.parties.queries import customers_by_code, masking
from kvit.parties.rights import ALL
from kvit.parties.rows import Tenant
from kvit.parties.services import save_view
from kvit.web.access import PERSONAL, is_in_clear
from kvit.web.routes import PUBLIC
from tests.api.conftest import Callers, api
from tests.invoicing import company
from tests.web.conftest import Office
from tests.web.security.test_others_data import acme, ask, objects, owned
from tests.web.security.walk import method_of, operations, pages

__all__ = ["acme", "api"]
ANNA = {
    "kind": "person", "name": "Иванова Анна Петровна", "inn": "500100732259",
    "email": "anna@example.com", "phone": "+79991234567", "address": "Москва, Арбат, 1",
}  # fmt: skip
WORDS = ("Иванова", "Анна П", "500100732259", "anna@example.com", "9991234567", "Арбат")


@pytest.fixture
def blind(office: Office, acme: Tenant) -> Client:
    """Everything but personal data is open to them, and the payer `north` is a person."""
    Customer.objects.filter(code="north").update(**ANNA)
    client = office("accountant", extra=ALL - {PERSONAL}, without={PERSONAL})
    client.raise_request_exception = False
    return client


def told(answer: Any) -> list[str]:
    body = b"".join(answer) if answer.streaming else answer.content
    text = body.decode("utf-8", "replace")
    return [word for word in WORDS if word in text]


def test_no_address_tells_it_by_any_method(blind: Client) -> None:
    known = objects("north") | {"customer_code": "north"}
    leaks, asked = [], 0
    for one in (*pages(), *operations()):
        values = owned(one, known) if one.places else {}
        if values is None or one.route.right == PUBLIC or one.route.name.startswith("account"):
            continue
        answer = ask(blind, one, values)
        asked += 1
        leaks += [(method_of(one), one.path, word) for word in told(answer)]
        if is_in_clear(one.route):
            assert answer.status_code == 403, one.path
    assert leaks == []
    assert asked > 150


def test_what_is_done_answers_in_masks(api: Callers, blind: Client) -> None:
    crm = api(*(ALL - {PERSONAL}))
    taken = crm.post("/customers", {"code": "twin", "kind": "person", "name": "Икс",
                                    "inn": ANNA["inn"]})  # fmt: skip
    assert (taken.status, taken.code) == (422, "customer_inn_taken")
    assert "И••• А••• П•••" in taken.json["detail"]
    made = crm.post("/customers", {"code": "new", "kind": "person", "name": "Петров Пётр"})
    assert (made.status, made.json["name"]) == (201, "П••• П•••")
    assert customers_by_code(["new"])["new"].row.name == "Петров Пётр"
    noted = crm.post("/customers/north/notes", {"text": "звонила Анна"})
    whole = taken.json["detail"].replace(ANNA["inn"], "what they sent") + noted.body.decode()
    assert [word for word in WORDS if word in whole] == []


def test_a_shared_view_that_names_a_person_is_not_shown(blind: Client) -> None:
    for name, query in (("Анна", "q=Иванова"), ("Долги", "owing=on")):
        save_view(list_code="customers", name=name, query=query, is_shared=True, actor="user:x",
                  now=company.LATER)  # fmt: skip
    page = blind.get("/office/customers/")
    assert [one.name for one in page.context["views"]] == ["Долги"]
    assert told(page) == []


def test_a_paper_made_by_who_sees_masks_bears_none(blind: Client) -> None:
    invoice = company.invoice("north").id
    with masking():
        [(_, _, paper), *_] = compose([invoice])
    assert "Иванова Анна Петровна" in str(paper)
    assert "•••" not in str(paper)
