"""What the composer asks over the API; an attempt without the right is kept with its content."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest

from kvit.core.pricing import MODELS
from kvit.parties.rows import Tenant
from kvit.platform.models import AuditRow
from kvit.subscriptions.models import Amendment
from tests.api.conftest import Caller, Callers
from tests.invoicing.company import amend, bill, found, use

CALLS = {"plan": "pro", "code": "calls", "name": "Вызовы", "meter": "calls", "prorate": "none",
         "price": {"model": "per_unit", "unit": "0.12"},
         "examples": [{"units": "100", "amount": "12.00"}]}  # fmt: skip


@pytest.fixture
def company(tenant: Tenant) -> Tenant:
    found()
    bill()
    return tenant


def drafted(denis: Caller) -> str:
    opened = denis.post("/catalogue/drafts", {"title": "Дороже", "effective_from": "2026-12-01"})
    place = f"/catalogue/drafts/{opened.json['id']}"
    put = denis.put(f"{place}/objects/price", {"version": 1, "document": CALLS})
    assert put.status == 200, put.body
    return place


def test_a_schema_has_every_model_and_a_curve_its_points(api: Callers) -> None:
    denis = api("catalogue.read")
    schema = denis.get("/catalogue/schemas/price").json["document"]
    assert set(MODELS) <= set(schema["$defs"])
    tiers = {"model": "graduated", "tiers": [{"up_to": "100", "unit": "2"}, {"unit": "1"}]}
    points = denis.post("/catalogue/curve", {"price": tiers}).json["points"]
    told = {one["units"]: (one["amount"]["amount"], one["per_unit"]) for one in points}
    assert told["100"] == ("200.00", "2")
    assert told["150"] == ("250.00", "1.666667")
    refused = denis.post("/catalogue/curve", {"price": {"model": "curvy"}})
    assert (refused.status, refused.code) == (422, "unknown_model")


@pytest.mark.usefixtures("company")
def test_whom_a_draft_meets(api: Callers) -> None:
    amend("s-1", date(2026, 11, 1), "terms", {"calls": {"model": "per_unit", "unit": "0.01"}})
    place = drafted(api())
    met = api("catalogue.read").get(f"{place}/audience").json
    assert (met["moves"], met["plans"]) == (1, ["pro"])
    assert met["stays"] == [{"subscription": "s-1", "why": "own_price"}]


@pytest.mark.usefixtures("company")
def test_an_attempt_without_the_right_is_kept_with_before_and_after(api: Callers) -> None:
    place = drafted(api())
    writer = api("catalogue.read", "catalogue.write")
    answer = writer.post(f"{place}/publish", {"version": 2, "reason": "x"})
    assert (answer.status, answer.code) == (403, "right_missing")
    assert writer.get(place).json["status"] == "open"
    kept = AuditRow.objects.get(action="catalog.price.publication_refused")
    assert (kept.before["price"]["unit"], kept.after["price"]["unit"]) == ("0.1", "0.12")
    nothing = writer.post(f"/catalogue/drafts/{uuid4()}/publish", {"version": 2, "reason": "x"})
    assert nothing.status == 403


@pytest.mark.usefixtures("company")
def test_the_next_bills_are_told(api: Callers) -> None:
    olga = api("subscriptions.read")
    this, following = olga.get("/subscriptions/n-1/next").json["bills"]
    lines = [(line["price"], line["total"]["amount"]) for line in this["lines"]]
    assert lines == [("fee", "1220.00")]
    assert (this["period_start"], following["period_start"]) == ("2026-11-01", "2026-12-01")
    assert olga.get("/subscriptions/none/next").status == 404


@pytest.mark.usefixtures("company")
def test_a_stale_preview_changes_nothing(api: Callers) -> None:
    olga = api()
    change: dict[str, Any] = {
        "subscription": "n-1", "change": "plan", "at": "2026-12-01", "value": "pre",
    }  # fmt: skip
    body: dict[str, Any] = {"rows": [change], "reason": "просил"}
    shown = olga.post("/subscription-changes/preview", body).json
    use("n-1", 1_000, date(2026, 11, 5), now=datetime(2026, 11, 10, tzinfo=UTC))
    answer = olga.post("/subscription-changes", {**body, "token": shown["token"]})
    assert (answer.status, answer.code) == (409, "preview_stale")
    assert "1\N{NO-BREAK SPACE}220,00" in answer.json["detail"]
    assert not Amendment.objects.exists()


@pytest.mark.usefixtures("company")
def test_a_quote_names_a_plan_by_its_code(api: Callers) -> None:
    asked = {"id": "q", "currency": "RUB", "plan": "pro", "quantities": {"calls": "340"}}
    told = api("catalogue.read").post("/quotes", [asked, {**asked, "plan": "nobody"}]).json
    assert (told[0]["amount"], told[1]["error"]["field"]) == ("1034.00", "plan")  # 1 000 + 34
    hidden = api("invoices.read").post("/quotes", asked).json
    assert hidden["error"]["field"] == "plan"
