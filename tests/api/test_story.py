"""An integrator's first day: from an empty company to a right invoice, explained and corrected.

Everything goes over the API; a worker does what was ordered.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kvit.parties import models
from kvit.parties.rows import TenantRow
from kvit.parties.services import create_key, create_tenant
from kvit.platform.clock import move_test_clock
from kvit.platform.jobs import work_once
from kvit.platform.tenancy import tenant_scope
from tests.api.conftest import Caller

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
ONCE = "2026-11-01-first"
CATALOGUE = {
    "meters": [{"code": "api_calls", "name": "Вызовы API", "unit": "вызов"}],
    "plans": [{"code": "pro", "name": "Про"}],
    "prices": [
        {"plan": "pro", "code": "fee", "name": "Абонентская плата",
         "price": {"model": "flat", "amount": "10000.00"}},
        {"plan": "pro", "code": "calls", "name": "Вызовы API", "meter": "api_calls",
         "price": {"model": "graduated", "tiers": [
             {"up_to": "100000", "unit": "0"}, {"up_to": "500000", "unit": "0.02"},
             {"up_to": None, "unit": "0.015"}]},
         "examples": [{"units": "620000", "amount": "9800.00"}]},
    ],
    "reason": "первый тариф",
}  # fmt: skip
EVENTS = [
    {"id": f"e{i}", "subscription": "S-1", "meter": "api_calls", "value": value,
     "time": f"2026-10-{day}T12:00:00+03:00"}
    for i, (day, value) in enumerate([("05", "100000"), ("15", "200000"), ("25", "320000")])
]  # fmt: skip


@pytest.fixture
def crm(db: None) -> Caller:
    rights = frozenset(models.RoleRight.objects.values_list("right", flat=True))
    row = TenantRow("acme", "ООО «Акме»", currency="RUB", zone="Europe/Moscow")
    tenant = create_tenant(row, actor="cli:test", now=NOW)
    with tenant_scope(tenant.id):
        move_test_clock(tenant.id, to=NOW, actor="cli:test", reason="проба")
        made = create_key(
            name="crm", rights=tuple(rights), granter=rights, actor="cli:test",
            now=datetime.now(UTC),
        )  # fmt: skip
    return Caller(made.key)


def ok(answer: Any) -> Any:
    assert answer.status < 300, answer.body.decode()
    return answer.json if answer.body else None


def prepare(crm: Caller) -> None:
    ok(crm.put("/sellers/main", {"name": "ООО «Акме»", "inn": "7707083893", "vat": "auto"}))
    ok(crm.post("/catalogue", CATALOGUE))
    ok(crm.post("/customers", {"code": "romashka", "name": "ООО «Ромашка»"}))
    ok(crm.post("/subscriptions", {"code": "S-1", "customer": "romashka", "plan": "pro",
                                   "start": "2026-10-01"}))  # fmt: skip


def test_from_nothing_to_an_invoice_explained_and_corrected(crm: Caller) -> None:
    prepare(crm)
    first, again = ok(crm.post("/events", EVENTS)), ok(crm.post("/events", EVENTS))
    assert (first["accepted"], again["accepted"], again["repeated"]) == (3, 0, 3)

    ordered = ok(crm.post("/runs", {"period": "2026-10-01", "action": "bill"}, once=ONCE))
    assert (
        ok(crm.post("/runs", {"period": "2026-10-01", "action": "bill"}, once=ONCE))["id"]
        == ordered["id"]
    )
    work_once()
    run = ok(crm.get(f"/runs/{ordered['id']}"))
    assert (run["status"], run["summary"]["issued"]) == ("done", 1)

    [row] = ok(crm.get("/invoices", tab="issued"))["data"]
    assert (row["number"], row["customer"]) == ("2026-00001", "romashka")
    # 10 000.00 + 400 000 × 0.02 + 120 000 × 0.015 = 19 800.00, and 22 % of it
    assert [row[name]["amount"] for name in ("net", "vat", "total")] == [
        "19800.00", "4356.00", "24156.00",
    ]  # fmt: skip
    whole = ok(crm.get(f"/invoices/{row['id']}"))
    assert [line["net"]["amount"] for line in whole["lines"]] == ["9800.00", "10000.00"]

    why = ok(crm.get(f"/invoices/{row['id']}/lines/1/why"))
    assert (why["agrees"], why["tree"]["total"]) == (True, "24156.00")
    assert "e2" in json.dumps(why)
    [fate] = ok(crm.get("/usage/fate", id="e0"))["fates"]
    assert fate["steps"][-1]["text"] == "№ 2026-00001, строка 1"

    wanted = {"way": "credit", "lines": [{"line": 2, "amount": "1000.00"}]}
    seen = ok(crm.post(f"/invoices/{row['id']}/correction-preview", wanted))
    assert [seen[name]["total"]["amount"] for name in ("before", "change", "after")] == [
        "24156.00", "-1220.00", "22936.00",
    ]  # fmt: skip
    done = {**wanted, "token": seen["token"], "reason": "простой 3 октября"}
    made = ok(crm.post(f"/invoices/{row['id']}/corrections", done, once="fix"))
    assert ok(crm.post(f"/invoices/{row['id']}/corrections", done, once="fix")) == made
    assert ok(crm.get(f"/invoices/{row['id']}"))["left"]["amount"] == "22936.00"
    old = crm.post(f"/invoices/{row['id']}/corrections", done)
    assert (old.status, old.code) == (409, "preview_is_old")
    pdf = crm.get(f"/invoices/{row['id']}/papers/invoice")
    assert (pdf.status, pdf.body[:5]) == (200, b"%PDF-")


def test_a_change_is_priced_and_made_as_it_was_priced(crm: Caller) -> None:
    prepare(crm)
    rows = [{"subscription": "S-1", "change": "quantity", "at": "2026-11-16", "value": "3"}]
    priced = ok(crm.post("/subscription-changes/preview", {"rows": rows, "reason": "рост"}))
    assert priced["faults"] == []
    assert [one["difference"]["amount"] for one in priced["figures"]][:1] == ["0.00"]
    body = {"rows": rows, "reason": "рост", "token": priced["token"]}
    assert ok(crm.post("/subscription-changes", body)) == {"numbers": [1], "faults": []}
    read = ok(crm.get("/subscriptions/S-1"))
    assert [(a["change"], a["reason"]) for a in read["amendments"]] == [("quantity", "рост")]
    taken = {"reason": "передумали"}
    place = "/subscriptions/S-1/changes/1"
    priced = ok(crm.post(f"{place}/withdraw-preview", taken))
    assert ok(crm.post(f"{place}/withdraw", {**taken, "token": priced["token"]}))["numbers"] == [2]
    wrong = [{**rows[0], "subscription": "S-9"}, {**rows[0], "at": "soon"}]
    faults = ok(crm.post("/subscription-changes/preview", {"rows": wrong, "reason": "x"}))
    assert [(f["row"], f["field"]) for f in faults["faults"]] == [(1, "at"), (0, "subscription")]


def test_a_price_whose_example_fails_is_not_published(crm: Caller) -> None:
    wrong = json.loads(json.dumps(CATALOGUE))
    wrong["prices"][1]["examples"][0]["amount"] = "9800.01"
    answer = crm.post("/catalogue", wrong)
    assert (answer.status, answer.code) == (422, "example_fails")
    assert ok(crm.get("/catalogue"))["revision"] == 0
    float_ = json.loads(json.dumps(CATALOGUE))
    float_["prices"][0]["price"]["amount"] = 10000.5
    answer = crm.post("/catalogue", float_)
    assert (answer.status, answer.code) == (422, "float_refused")
    assert answer.json["field"] == "prices[0].price.amount"


def test_a_draft_is_composed_step_by_step_and_published(crm: Caller) -> None:
    draft = ok(crm.post("/catalogue/drafts", {"title": "x", "effective_from": "2026-12-01"}))
    place = f"/catalogue/drafts/{draft['id']}"
    for kind, document in (
        ("plan", {"code": "lite", "name": "Лайт"}),
        ("price", {"plan": "lite", "code": "fee", "name": "Плата",
                   "price": {"model": "flat", "amount": "490.00"}}),
    ):  # fmt: skip
        body = {"document": document, "version": draft["version"]}
        draft = ok(crm.put(f"{place}/objects/{kind}", body))
    stale = crm.put(f"{place}/objects/plan", {"document": {"code": "a", "name": "b"}, "version": 0})
    assert (stale.status, stale.code) == (409, "draft_moved")
    whole = ok(crm.get(place))
    assert [(c["kind"], c["key"]) for c in whole["changes"]] == [
        ("plan", "lite"), ("price", "lite/fee"),
    ]  # fmt: skip
    done = {"version": draft["version"], "reason": "лёгкий тариф"}
    assert ok(crm.post(f"{place}/publish", done)) == {"revision": 1}
    [price] = ok(crm.get("/catalogue", day="2026-12-01"))["prices"]
    assert price["price"]["amount"] == "490"
    assert ok(crm.get("/catalogue", day="2026-11-30"))["prices"] == []
    history = ok(crm.get("/catalogue/plans/lite/history"))
    assert [one["reason"] for one in history] == ["лёгкий тариф", "лёгкий тариф"]


def test_a_price_is_tried_on_the_month_that_was_billed(crm: Caller) -> None:
    prepare(crm)
    ok(crm.post("/events", EVENTS))
    ok(crm.post("/runs", {"period": "2026-10-01", "action": "bill"}))
    work_once()
    draft = ok(crm.post("/catalogue/drafts", {"title": "x", "effective_from": "2026-10-01"}))
    dearer = {**CATALOGUE["prices"][0], "price": {"model": "flat", "amount": "11000.00"}}  # type: ignore[dict-item]
    place = f"/catalogue/drafts/{draft['id']}"
    ok(crm.put(f"{place}/objects/price", {"document": dearer, "version": draft["version"]}))
    made = ok(crm.post("/simulations", {"drafts": [draft["id"]], "period": "2026-10-01"}))
    [outcome] = made["outcomes"]
    assert [outcome[name]["amount"] for name in ("charged", "before", "after", "difference")] == [
        "19800.00", "19800.00", "20800.00", "1000.00",
    ]  # fmt: skip
    [payer] = ok(crm.get(f"/simulations/{made['id']}/payers", side="dearer"))["data"]
    assert (payer["customer"], payer["difference"]["amount"]) == ("romashka", "1000.00")
