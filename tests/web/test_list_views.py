"""What a person makes of a list: its columns, in the order they chose, and views under a name."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kvit.parties.list_views import MOST
from kvit.parties.models import ListView
from kvit.parties.rows import Tenant
from kvit.platform.models import AuditRow
from kvit.web import lists
from kvit.web.listings import listings
from tests.api.conftest import Callers, api
from tests.invoicing import company
from tests.web.conftest import Office

__all__ = ["api"]
PAGE = "/office/invoices/"


@pytest.fixture
def olga(office: Office, tenant: Tenant) -> Client:
    company.found()
    company.bill()
    return office("owner", lang="en")


def heads(client: Client, address: str) -> list[str]:
    return [one["column"].code for one in client.get(address).context["columns"]]


def file_heads(client: Client, query: str) -> str:
    answer = client.get(f"{PAGE}export/{query}")
    return b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()[0]  # type: ignore[attr-defined]


def choose(client: Client, *columns: str, **more: str) -> Any:
    order = [*columns, *(c.code for c in listings()["invoices"].columns if c.code not in columns)]
    told = {"list": "invoices", "path": PAGE, "query": "tab=issued", "order": order,
            "col": list(columns), "way": "these"}  # fmt: skip
    return client.post("/office/lists/columns/", told | more)


def save(client: Client, name: str, **more: str) -> Any:
    told = {"list": "invoices", "path": PAGE, "query": "?tab=issued&after=x&cols=total,number"}
    return client.post("/office/lists/views/", told | {"name": name} | more)


def test_chosen_columns_are_in_the_address_remembered_and_in_the_file(olga: Client) -> None:
    answer = choose(olga, "vat", "number", "total")
    assert answer["Location"] == f"{PAGE}?tab=issued&cols=vat%2Cnumber%2Ctotal"
    assert heads(olga, answer["Location"]) == ["vat", "number", "total"]
    assert heads(olga, PAGE) == ["vat", "number", "total"]
    assert file_heads(olga, "") == "VAT,Number,Date,Total,Currency"
    assert file_heads(olga, "?cols=state,customer") == "State,Customer"
    page = olga.get(PAGE).content.decode()
    assert page.count("₽220.00") == 1  # a column that the row's template does not draw
    choose(olga, way="usual")
    assert heads(olga, PAGE)[:2] == ["number", "customer"]


def test_an_arrow_moves_a_column_and_leaves_the_chooser_open(olga: Client) -> None:
    answer = choose(olga, "vat", "number", "total", way="", down="vat")
    assert answer["Location"].endswith("cols=number%2Cvat%2Ctotal&choosing=1")
    nothing = choose(olga)
    assert nothing.status_code == 422
    assert "Leave one column at least" in nothing.content.decode()


def test_a_file_of_every_list_is_a_workbook_too(olga: Client) -> None:
    for place in ("runs", "usage/uploads", "settings/keys", "webhooks", "catalogue/drafts",
                  "catalogue", "catalogue/meters", "catalogue/simulations", "journal",
                  "customers", "subscriptions", "corrections", "ledger/postings",
                  "ledger/receivables", "usage"):  # fmt: skip
        shown = olga.get(f"/office/{place}/")
        assert shown.context["export"] == f"/office/{place}/export/", place
        answer = olga.get(f"/office/{place}/export/?format=xlsx&cols=all")
        book = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
        assert book.startswith(b"PK"), place


def test_a_file_is_read_without_counting_its_list_at_each_page(
    olga: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "EXPORTED", 1)
    for place in ("invoices/export/?q=юг", "invoices/export/?tab=issued", "customers/export/",
                  "customers/export/?sort=-owed", "ledger/postings/export/"):  # fmt: skip
        with CaptureQueriesContext(connection) as caught:
            answer = olga.get(f"/office/{place}")
            lines = b"".join(answer.streaming_content).splitlines()  # type: ignore[attr-defined]
        asked = [one["sql"].lower() for one in caught]
        assert len(lines) > 1, place
        assert not [one for one in asked if "count(" in one or "sum(documents" in one], place


def test_a_view_is_saved_opens_the_list_is_shared_removed_and_brought_back(
    olga: Client, office: Office
) -> None:
    denis = office("accountant", lang="en")
    assert save(olga, " Large  ones ", is_shared="on", opens="on").status_code == 302
    view = ListView.objects.exclude(name="").get()
    assert (view.name, view.query) == ("Large ones", "cols=total%2Cnumber&tab=issued")
    assert olga.get(PAGE)["Location"] == f"{PAGE}?{view.query}"
    shown = olga.get(f"{PAGE}?{view.query}")
    assert shown.context["here"].id == view.id
    assert heads(olga, f"{PAGE}?{view.query}") == ["total", "number"]
    assert heads(olga, f"{PAGE}?view=all")[0] == "number"
    assert [one.name for one in denis.get(PAGE).context["views"]] == ["Large ones"]

    place = f"/office/lists/views/{view.id}/"
    assert denis.post(f"{place}remove/", {"path": PAGE}).status_code == 422
    assert olga.post(place, {"path": PAGE, "name": "Large"}).status_code == 302
    assert denis.get(place).status_code == 404  # it is not shared any more
    gone = olga.post(f"{place}remove/", {"path": PAGE})["Location"]
    assert "Bring it back" in olga.get(gone).content.decode()
    assert olga.get(PAGE).status_code == 200
    olga.post(f"{place}restore/", {"path": PAGE})
    view.refresh_from_db()
    assert (view.name, view.is_shared, view.removed_at) == ("Large", False, None)
    done = AuditRow.objects.filter(action__startswith="list_view.").order_by("id")
    assert [row.action.rpartition(".")[2] for row in done] == [
        "saved", "changed", "removed", "restored",
    ]  # fmt: skip


def test_a_name_is_used_once_and_nothing_changes_when_refused(olga: Client) -> None:
    save(olga, "Mine")
    for name, words in (("Mine", "already"), ("", "Give the view a name"), ("x" * 81, "longer")):
        answer = save(olga, name)
        assert answer.status_code == 422
        assert words in answer.content.decode()
    assert ListView.objects.exclude(name="").count() == 1


def test_what_stands_goes_straight_into_a_view_of_ones_own(olga: Client, office: Office) -> None:
    denis = office("accountant", lang="en")
    save(olga, "Large", is_shared="on")
    view = ListView.objects.get(name="Large")
    place = f"/office/lists/views/{view.id}/"
    button = f'action="{place}"'
    assert button in olga.get(f"{PAGE}?tab=all&sort=-total").content.decode()
    assert button not in olga.get(f"{PAGE}?{view.query}").content.decode()  # it keeps that already
    assert button not in denis.get(f"{PAGE}?tab=all").content.decode()
    sent = {"path": PAGE, "query": "tab=all&sort=-total&after=x", "filter": "1"}
    denis.post(place, sent)
    view.refresh_from_db()
    assert view.query == "cols=total%2Cnumber&tab=issued"
    answer = olga.post(place, sent)
    assert answer["Location"] == f"{PAGE}?sort=-total&tab=all"
    view.refresh_from_db()
    assert (view.name, view.query, view.is_shared) == ("Large", "sort=-total&tab=all", True)


def test_there_are_fifty_views_of_a_list_at_most(olga: Client) -> None:
    save(olga, "№ 1")
    choose(olga, "vat")  # what a person chose last is no view
    one = ListView.objects.get(name="№ 1")
    ListView.objects.bulk_create(
        ListView(list=one.list, owner=one.owner, name=f"№ {n}", query="", made_at=one.made_at)
        for n in range(2, MOST)
    )
    assert save(olga, "№ 50").status_code == 302
    assert save(olga, "№ 51").status_code == 422
    assert ListView.objects.exclude(name="").count() == MOST


def test_a_form_leads_back_to_pages_of_ours_alone(olga: Client) -> None:
    for path in ("https://evil.example/", "//evil.example/office/", "/api/v1/", "/nowhere/"):
        told = {"list": "invoices", "path": path, "name": f"v{len(path)}"}
        assert olga.post("/office/lists/views/", told).status_code == 422
    assert not ListView.objects.exists()
    save(olga, "Mine")
    place = f"/office/lists/views/{ListView.objects.get().id}/"
    assert olga.get(place, {"path": PAGE}).status_code == 200
    assert olga.get(place, {"path": "https://evil.example/"}).status_code == 422


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        (f"http://testserver{PAGE}?q=1", f"{PAGE}?q=1"),
        ("http://evil.example/office/", ""),
        ("http://testserver//evil.example/", ""),
        ("http://testserver/\\evil.example/", ""),
        ("", ""),
    ],
)
def test_a_refusal_leads_back_to_the_form_of_ours_that_was_filled_in(
    olga: Client, referer: str, back: str
) -> None:
    told = {"list": "invoices", "path": PAGE, "name": " "}
    answer = olga.post(
        "/office/lists/views/", told, headers={"referer": referer, "host": "testserver"}
    )
    assert answer.status_code == 422
    page = answer.content.decode()
    assert (f'href="{back}" data-goes-back' in page, "data-goes-back" in page) == (
        (True, True) if back else (False, False)
    )


def test_a_machine_keeps_views_of_its_own(api: Callers, olga: Client) -> None:
    crm, other = api("invoices.read"), api("invoices.read")
    made = crm.post("/lists/invoices/views", {"name": "Open", "query": "?tab=issued"})
    assert (made.status, made.json["query"], made.json["is_mine"]) == (201, "tab=issued", True)
    place = f"/list-views/{made.json['id']}"
    assert other.get(place).code == "view_not_found"
    assert crm.put("/lists/invoices/columns", {"columns": ["total", "number"]}).status == 204
    assert crm.put("/lists/invoices/opens", {"view": made.json["id"]}).status == 204
    kept = crm.get("/lists/invoices/views").json
    assert (kept["columns"], kept["opens"]) == (["total", "number"], made.json["id"])
    assert crm.send("DELETE", place).status == 204
    assert crm.get(place).status == 404
    assert crm.post(f"{place}/restore").json["name"] == "Open"
    assert crm.get("/lists/nothing/views").code == "list_unknown"
