"""Invoices, runs and usage over the API alone: what a page shows, with the same figures."""

import pytest

from kvit.invoicing.models import Invoice
from kvit.parties.limits import set_limits
from kvit.parties.models import ApiKey
from kvit.parties.rows import Tenant
from kvit.parties.services import add_member
from tests.api.conftest import Caller, Callers
from tests.invoicing import company
from tests.invoicing.company import LATER, NOVEMBER, OCTOBER, invoice


@pytest.fixture
def caller(tenant: Tenant, api: Callers) -> Caller:
    company.found()
    company.bill()
    return api()


def test_documents_are_listed_read_and_summed(caller: Caller) -> None:
    found = caller.get("/invoices", limit=1, order="total").json
    assert (found["count"], found["next"] is not None) == (2, True)
    assert found["data"][0]["total"] == {"amount": "1220.00", "currency": "RUB"}
    rest = caller.get("/invoices", limit=1, order="total", after=found["next"]).json
    assert [one["number"] for one in rest["data"]] == ["2026-00001"]
    whole = caller.get(f"/invoices/{rest['data'][0]['id']}").json
    assert [(one["price"], one["net"]["amount"]) for one in whole["lines"]] == [
        ("fee", "1000.00"),
        ("calls", "1000.00"),
    ]
    tabs = caller.get("/invoice-totals", customer="south").json["tabs"]
    assert {one["tab"]: one["sums"] for one in tabs if one["count"]} == {
        "issued": [{"amount": "1220.00", "currency": "RUB"}],
        "all": [{"amount": "1220.00", "currency": "RUB"}],
    }
    assert caller.get("/invoices", least="2000").json["count"] == 1


def test_a_line_is_explained_and_its_usage_told_by_day(caller: Caller) -> None:
    why = caller.get(f"/invoices/{invoice().id}/lines/2/why").json
    assert why["agrees"] is True
    assert why["tree"]["lines"][0]["charge"]["computed"] == "1000.00"
    usage = caller.get(f"/invoices/{invoice().id}/lines/2/usage").json
    assert (usage["quantity"], usage["units"]) == ("10000", "10000")
    assert usage["days"] == [{"day": "2026-10-10", "events": 1, "quantity": "10000"}]
    assert caller.get(f"/invoices/{invoice().id}/lines/7/why").status == 404


def test_the_difference_to_the_bill_before_adds_up(caller: Caller) -> None:
    company.use("n-1", 12_000, NOVEMBER.start, now=LATER)
    company.bill(NOVEMBER)
    found = caller.get(f"/invoices/{invoice('north', NOVEMBER).id}/difference").json
    assert found["difference"]["amount"] == "244.00"
    assert {cause: one["amount"] for cause, one in found["causes"].items()} == {"volume": "244.00"}
    first = caller.get(f"/invoices/{invoice().id}/difference").json
    assert (first["previous"], first["steps"]) == (None, [])


def test_a_correction_is_previewed_and_made_once(caller: Caller) -> None:
    path = f"/invoices/{invoice().id}"
    asked = {"way": "credit", "lines": [{"line": 1, "amount": "300.00"}]}
    seen = caller.post(f"{path}/correction-preview", asked).json
    assert seen["change"]["total"]["amount"] == "-366.00"
    assert Invoice.objects.count() == 2
    wanted = asked | {"token": seen["token"], "reason": "Простой"}
    made = caller.post(f"{path}/corrections", wanted, once="a")
    again = caller.post(f"{path}/corrections", wanted, once="a")
    assert (made.status, again.json) == (201, made.json)
    assert made.json["number"] == "2026-00003"
    assert caller.post(f"{path}/corrections", wanted).code == "preview_is_old"
    assert Invoice.objects.count() == 3
    fine = {"way": "credit", "lines": [{"line": 1, "amount": "0.001"}]}
    assert caller.post(f"{path}/correction-preview", fine).code == "sum_too_fine"


def test_runs_are_ordered_read_and_stopped(caller: Caller) -> None:
    early = caller.post("/runs", {"period": "2026-11-01", "action": "bill"})
    assert early.status in (202, 422)  # by the real calendar
    run = caller.post("/runs", {"period": "2026-10-01", "action": "dry"})
    assert (run.status, run.json["status"]) == (202, "queued")
    assert caller.post("/runs", {"period": "2026-10-05"}).code == "order_under_way"
    stopped = caller.post(f"/runs/{run.json['id']}/stop")
    assert stopped.json["status"] == "stopped"
    assert caller.post(f"/runs/{run.json['id']}/stop").code == "order_over"
    assert caller.get(f"/runs/{run.json['id']}").json["summary"] is None
    assert run.json["id"] in [one["id"] for one in caller.get("/runs").json["data"]]
    assert caller.post("/run-approvals", {"period": "2026-10-01"}).code == "no_drafts"


def test_an_event_is_followed_undone_and_decided(caller: Caller) -> None:
    event = "n-1/2026-10-10/10000"
    [fate] = caller.get("/usage/fate", id=event).json["fates"]
    assert (fate["outcome"], fate["steps"][-1]["code"]) == ("billed", "invoice")
    assert caller.get("/usage/fate", id="nothing").code == "never_seen"
    listed = caller.get("/usage/events", subject="n-1").json
    assert [(one["id"], one["value"]) for one in listed["data"]] == [(event, "10000")]
    days = caller.get("/usage/days", meter="calls", since="2026-10-01", to="2026-10-31").json
    assert days["days"] == [{"day": "2026-10-10", "events": 1, "value": "10000"}]
    undone = {"events": [{"source": "test", "id": event}], "reason": "Сбой"}
    assert caller.post("/usage/retractions", undone).status == 200
    assert caller.post("/usage/retractions", undone).code == "metering_event_not_found"
    assert caller.get("/usage/events", retracted=True).json["data"][0]["retraction_reason"] == (
        "Сбой"
    )
    assert caller.get("/usage/waiting").json["data"] == []
    assert caller.get("/usage/intakes").json["data"][0]["accepted"] == 1


def test_who_may_only_read_changes_nothing(caller: Caller, api: Callers) -> None:
    reader = api("invoices.read", "usage.read")
    assert reader.get("/invoices").json["count"] == 2
    for path, body in (
        (f"/invoices/{invoice().id}/corrections",
         {"way": "void", "token": "x", "reason": "x"}),
        ("/runs", {"period": str(OCTOBER.start)}),
        ("/usage/retractions", {"events": [{"source": "test", "id": "x"}], "reason": "x"}),
    ):  # fmt: skip
        assert reader.post(path, body).status == 403
    assert Invoice.objects.count() == 2


def test_a_file_is_uploaded_and_its_faulty_row_mended(caller: Caller) -> None:
    content = (
        "id,time,subscription,meter,value\na1,2026-10-12T10:00:00Z,n-1,calls,40\n"
        "a2,2026-10-12T10:00:00Z,n-1,calls,x\n"
    )
    made = caller.post("/usage/uploads", {"name": "calls.csv", "content": content})
    assert (made.status, made.json["accepted"], made.json["open"]) == (201, 1, 1)
    [row] = caller.get(f"/usage/uploads/{made.json['id']}/rows").json["data"]
    cells = row["cells"] | {"value": "41"}
    mended = caller.post(f"/usage/upload-rows/{row['id']}/mend", {"cells": cells})
    assert (mended.json["state"], mended.json["outcome"]) == ("taken", "accepted")
    assert caller.get("/usage/uploads").json["data"][0]["open"] == 0
    left = caller.post(f"/usage/upload-rows/{row['id']}/leave", {"reason": "x"})
    assert left.code == "upload_row_decided"


def test_a_correction_above_the_makers_limit_waits_and_names_who_may_approve(
    caller: Caller,
) -> None:
    path = f"/invoices/{invoice().id}"
    owner = add_member(email="v@example.com", name="Вера", role="owner", actor="t", now=LATER)
    olga = add_member(email="o@example.com", name="Ольга", role="accountant", actor="t", now=LATER)
    ApiKey.objects.update(made_by=f"user:{olga}")
    set_limits("accountant", {"RUB": 36_600}, actor=f"user:{owner}", now=LATER)
    asked = {"way": "credit", "lines": [{"line": 1, "amount": "300.00"}]}
    assert caller.post(f"{path}/correction-preview", asked).json["waits_for"] == ""
    asked = {"way": "credit", "lines": [{"line": 1, "amount": "300.01"}]}
    seen = caller.post(f"{path}/correction-preview", asked).json
    assert (seen["waits_for"], seen["approvers"]) == ("limit", ["Вера"])
    made = caller.post(f"{path}/corrections", asked | {"token": seen["token"], "reason": "r"}).json
    assert (made["waits_for"], made["number"]) == ("limit", "")
    refused = caller.post("/drafts/approve", {"ids": [made["id"]]})
    assert refused.code == "own_draft"
