"""Somebody else's data: of another company, and of another branch of one's own."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from kvit.invoicing import services
from kvit.invoicing._summary import CurrencySums, RunSummary, to_document
from kvit.invoicing.models import RunOrder
from kvit.parties import queries as parties
from kvit.parties.models import ApiKey, Customer, Membership, User
from kvit.parties.rights import ALL, OF_BRANCH, WHOLE_COMPANY
from kvit.parties.rows import BranchRow, Tenant, TenantRow
from kvit.parties.services import add_member, apply_branches, create_key, create_tenant
from kvit.platform.models import AuditRow
from kvit.platform.tenancy import tenant_scope
from kvit.web.routes import PUBLIC
from tests.invoicing import company
from tests.web.conftest import Office, log_in, session_of
from tests.web.security.walk import Address, method_of, operations, pages

# Codes of the Russian chart and of paper forms are everybody's.
SHARED = frozenset({"account", "kind", "role", "rest"})
ASKS_MORE = ("record/", "days/", "withdraw/<int:number>/")  # nothing there without more


@pytest.fixture
def acme(tenant: Tenant) -> Tenant:
    company.found()
    company.bill()
    create_key(name="x", rights=("invoices.read",), granter=ALL, actor="t", now=company.LATER)
    rows = [BranchRow("n", "Север", "main"), BranchRow("s", "Юг", "main")]
    apply_branches(rows, actor="t", now=company.BEGIN, reason="")
    Customer.objects.filter(code="north").update(branch="n")
    Customer.objects.filter(code="south").update(branch="s")
    return tenant


@pytest.fixture
def stranger(acme: Tenant) -> Client:
    """The owner of another company, with every right there is."""
    row = TenantRow("other", "ООО «Другие»", "RUB", "Europe/Moscow")
    other = create_tenant(row, actor="t", now=company.BEGIN)
    with tenant_scope(other.id, switch=True):
        key = add_member(
            email="o@other.example", name="Other", role="owner", actor="t", now=company.BEGIN
        )
    client = Client()
    client.raise_request_exception = False
    log_in(client, User.objects.get(pk=key))
    session = session_of(client)
    session["tenant"] = str(acme.id)  # as if a session could be told what to open
    session.save()
    return client


def objects(whose: str) -> dict[str, Any]:
    """What there is in the company, by the name of its place in an address."""
    made = company.invoice(whose)
    member = Membership.objects.filter(tenant__code="acme").values_list("user", flat=True)[0]
    subscription = {"north": "n-1", "south": "s-1"}[whose]
    return {
        "customer": made.customer_id,
        "invoice": made.id,
        "line": 1,
        "day": "2026-10-10",
        "subscription": subscription,
        "number": 1,
        "key": ApiKey.objects.get().pk,
        "key_id": ApiKey.objects.get().pk,
        "seller": "main",
        "plan": "pro",
        "user": member,
        "member_id": member,
    }


def owned(address: Address, known: dict[str, Any]) -> dict[str, Any] | None:
    """The values of an address's places, or None where nobody's object is named in it."""
    values = dict(known)
    for place, name in (
        ("subscriptions/", "subscription"), ("sellers/", "seller"), ("plans/", "plan"),
        ("branches/", "branch"), ("customers/", "customer_code"), ("meters/", "meter"),
    ):  # fmt: skip
        if place in address.path and name in known:
            values["code"] = known[name]
    if not address.places or address.places & SHARED or not address.places <= set(values):
        return None
    return {name: values[name] for name in address.places}


def ask(client: Client, address: Address, values: dict[str, Any]) -> Any:
    with transaction.atomic():
        answer = client.generic(
            method_of(address), address.filled(**values), b"{}", "application/json"
        )
        transaction.set_rollback(True)
    return answer


def test_another_company_finds_nothing_of_ours(
    office: Office, stranger: Client, acme: Tenant
) -> None:
    ours = office("owner")
    known, leaks, asked = objects("north"), [], 0
    before = AuditRow.objects.count()
    for one in (*pages(), *operations()):
        values = owned(one, known)
        if values is None or one.route.name.startswith(("account", "mfa")):
            continue
        if method_of(one) == "GET" and not one.path.endswith(ASKS_MORE):
            asked += 1
            assert ask(ours, one, values).status_code < 400, one.path
        answer = ask(stranger, one, values)
        is_empty = answer.content.startswith((b'{"data":[]', b"[]"))  # a list of an unknown thing
        if answer.status_code not in (404, 422) and not is_empty:
            leaks.append((method_of(one), one.path, answer.status_code))
    assert leaks == []
    assert asked > 15
    assert AuditRow.objects.count() == before
    assert stranger.get("/office/customers/").context["principal"].tenant.row.code == "other"


def test_a_list_of_another_company_holds_no_word_of_ours(stranger: Client, acme: Tenant) -> None:
    for one in pages():
        if one.places or "GET" not in one.route.methods or one.route.right == PUBLIC:
            continue
        answer = stranger.get(one.filled())
        if answer.streaming:  # is made in the scope of the test, which is ours
            continue
        body = answer.content
        for word in ("Север", "Юг", "Акме", "n-1", "2026-00001"):
            assert word not in body.decode("utf-8", "replace"), one.path


def test_a_member_of_a_branch_sees_its_customers_alone(office: Office, acme: Tenant) -> None:
    bound = office("support", branch="n", extra=ALL)
    bound.raise_request_exception = False
    known, leaks, shown = objects("south"), [], 0
    mine = objects("north")
    for one in (*pages(), *operations()):
        if not is_open(one) or one.route.name.startswith(("account", "mfa")):
            continue
        values = owned(one, known)
        if values is None or not {"customer", "invoice", "code"} & set(values):
            continue
        if "plans/" in one.path or "sellers/" in one.path:
            continue
        if method_of(one) == "GET" and not one.path.endswith(ASKS_MORE):
            own = owned(one, mine)
            assert own is not None
            answer = ask(bound, one, own)
            assert answer.status_code < 400, (one.path, answer.status_code)
            shown += 1
        answer = ask(bound, one, values)
        if answer.status_code not in (404, 422):
            leaks.append((method_of(one), one.path, answer.status_code))
    assert leaks == []
    assert shown > 8


def test_lists_of_a_branch_leave_the_others_out(office: Office, acme: Tenant) -> None:
    bound, leaks = office("support", branch="n", extra=ALL), []
    bound.raise_request_exception = False
    for one in (*pages(), *operations()):
        if one.places or "GET" not in one.route.methods or one.route.right == PUBLIC:
            continue
        answer = bound.get(one.filled())
        if answer.status_code >= 500:
            leaks.append((one.path, str(answer.status_code)))
        body = b"".join(answer) if answer.streaming else answer.content
        text = body.decode("utf-8", "replace")
        leaks += [(one.path, word) for word in ("«Юг»", "s-1", "2026-00002") if word in text]
    assert leaks == []


def bound_rights() -> frozenset[str]:
    return ALL - WHOLE_COMPANY


def is_open(one: Address) -> bool:
    """Whether an address opens to a member of a branch who has every right."""
    own = OF_BRANCH if one.route.reach == "branch" else frozenset()
    return one.route.reach != "whole" and one.route.right in bound_rights() | own


def test_a_right_of_the_whole_company_is_not_a_branchs(office: Office, acme: Tenant) -> None:
    bound = office("support", branch="n", extra=ALL)
    for page in ("journal/", "ledger/log/", "usage/uploads/", "usage/stand/", "webhooks/"):
        assert bound.get(f"/office/{page}").status_code == 403, page
    assert bound.post("/office/runs/start/", {}).status_code == 403
    assert bound.post("/api/v1/run-approvals", b"{}", "application/json").status_code == 403
    standing = parties.standings(User.objects.get(email="support-n@example.com").pk)[0]
    assert standing.rights == bound_rights()
    assert (standing.branches, standing.of_branch) == ({"n"}, OF_BRANCH)


def test_the_sums_of_a_branch_are_of_its_customers_alone(office: Office, acme: Tenant) -> None:
    bound, whole = office("support", branch="n", extra=ALL), office("owner")
    days = "since=2026-10-01&to=2026-10-31"
    for page, own, everybody in (
        (f"ledger/osv/?{days}", "2 440,00", "3 660,00"),
        (f"ledger/accounts/62.01/card/?{days}", "2 440,00", "3 660,00"),
        (f"ledger/accounts/62.01/customers/?{days}", "2 440,00", "3 660,00"),
        ("ledger/receivables/?on=2026-10-31", "2 440,00", "3 660,00"),
        ("ledger/postings/", "2 440,00", "1 220,00"),
    ):
        text = bound.get(f"/office/{page}").content.decode().replace("\xa0", " ")
        assert own in text and everybody not in text, page  # noqa: PT018
        assert everybody in whole.get(f"/office/{page}").content.decode().replace("\xa0", " ")


def test_runs_show_a_branch_its_documents_alone(office: Office, acme: Tenant) -> None:
    over = company.NOVEMBER.end_instant(company.ZONE)
    key = services.order_run(company.NOVEMBER.start, action="bill", author="user:7", now=over)
    company.bill(company.NOVEMBER)
    told = RunSummary(None, 2, 0, 4, 0, 0, [CurrencySums("RUB", 2, 244_000, 0, {})], [], [])
    RunOrder.objects.filter(pk=key).update(status="done", done=7, whole=7, report=to_document(told))
    [seen] = office("owner").get("/api/v1/runs").json()["data"]
    assert (seen["summary"]["issued"], seen["own"]) == (2, None)
    bound = office("support", branch="n", extra=ALL)
    [run] = bound.get("/api/v1/runs").json()["data"]
    assert (run["summary"], run["done"], run["whole"]) == (None, 0, 0)
    assert run["own"] == [
        {"issued": 1, "drafts": 0, "total": {"amount": "1220.00", "currency": "RUB"}}
    ]
    page = bound.get(f"/office/runs/{key}/").content.decode().replace("\xa0", " ")
    assert "1 220,00" in page and "2 440,00" not in page  # noqa: PT018


def test_usage_shows_a_branch_its_own_subjects_alone(office: Office, acme: Tenant) -> None:
    event = "n-1/2026-10-10/10000"
    for branch, seen in (("n", 1), ("s", 0)):
        bound = office("support", branch=branch, extra=ALL)
        for query in ("", "?subject=n-1", "?source=test", "?retracted=false&meter=calls"):
            found = bound.get(f"/api/v1/usage/events{query}").json()["data"]
            assert [one["id"] for one in found] == [event] * seen, (branch, query)
        days = bound.get("/api/v1/usage/days?meter=calls&since=2026-10-01&to=2026-10-31").json()
        assert [one["value"] for one in days["days"]] == ["10000"] * seen
        fate = bound.get("/api/v1/usage/fate", {"id": event})
        assert (fate.status_code == 200) == bool(seen)
        assert bound.get("/api/v1/usage/waiting").status_code == 403
        page = bound.get("/office/usage/?tab=rejected").content.decode()
        assert ("n-1" in page) == bool(seen)
