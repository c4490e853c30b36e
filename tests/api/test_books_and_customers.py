"""Over the API: the story of a customer, the books, the overview, search, as on the pages."""

import pytest

from tests.api.conftest import Callers
from tests.invoicing import company

OCTOBER = {"since": "2026-10-01", "to": "2026-10-31"}


@pytest.fixture(autouse=True)
def billed(tenant: object) -> None:
    company.found()
    company.bill()


def rub(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "RUB"}


def test_a_customer_has_a_story_and_movements(api: Callers) -> None:
    crm = api("customers.read", "books.read")
    story = crm.get("/customers/north/story", kinds="invoice,charge").json
    assert [one["kind"] for one in story["data"]] == ["invoice", "charge"]
    assert story["data"][0]["text"].startswith("Счёт № 2026-00001 на")
    first = crm.get("/customers/north/story", limit=1).json
    rest = crm.get("/customers/north/story", after=first["next"]).json
    whole = crm.get("/customers/north/story").json
    assert first["data"] + rest["data"] == whole["data"]
    moved = crm.get("/customers/north/movements").json
    assert [(one["account"], one["debit"], one["balance"]) for one in moved["data"]] == [
        ("62.01", rub("2440.00"), rub("2440.00"))
    ]
    assert crm.get("/customers/nobody/story").status == 404


def test_the_books_add_up(api: Callers) -> None:
    crm = api("books.read")
    found = crm.get("/ledger/trial-balance", **OCTOBER).json
    closing = {one["account"]: one["closing"]["amount"] for one in found["accounts"]}
    assert (found["holds"], closing["62.01"]) == (True, "3660.00")
    movements = crm.get("/ledger/accounts/62.01/movements", **OCTOBER).json
    assert [one["balance"] for one in movements["data"]] == [rub("2440.00"), rub("3660.00")]
    customers = crm.get("/ledger/accounts/62.01/customers", **OCTOBER).json
    assert [(one["customer"], one["closing"]) for one in customers["data"]] == [
        ("north", rub("2440.00")), ("south", rub("1220.00")),
    ]  # fmt: skip
    assert crm.get("/ledger/receivables", on="2026-10-30").json["data"] == []
    assert crm.get("/ledger/receivables", on="2026-10-31").json["count"] == 2
    source = movements["data"][0]["source"]
    postings = crm.get("/ledger/postings", source=source).json
    assert [one["amount"]["amount"] for one in postings["data"]] == ["440.00", "2440.00"]
    assert crm.get("/ledger/accounts/99/movements").status == 404
    assert crm.get("/ledger/trial-balance", seller="nobody").status == 404
    assert crm.get("/ledger/receivables", after="bnVsbA==").code == "cursor_unreadable"


def test_the_overview_has_its_figures(api: Callers) -> None:
    crm = api("invoices.read", "books.read")
    assert crm.get("/overview").json["attention"] == []
    books = crm.get("/overview/books").json
    assert books["agreement"] == [
        {"issued": rub("3660.00"), "posted": rub("3660.00"), "difference": rub("0.00")}
    ]
    assert books["owed"] == [rub("3660.00")]
    assert crm.get("/overview/revenue").status == 200


def test_search_finds_within_the_keys_rights(api: Callers) -> None:
    found = api("invoices.read", "customers.read").get("/search", text="cxtn 1").json
    assert (found["meant"], [one["kind"] for one in found["found"]]) == ("счет 1", ["invoice"])
    assert api("books.read").get("/search", text="северу").json["found"] == []
