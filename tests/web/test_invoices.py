"""The pages of invoices, «Почему?», corrections and bill runs."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from kvit.invoicing import queries, services
from kvit.invoicing.models import Invoice
from kvit.parties.limits import set_limits
from kvit.parties.models import Seller
from kvit.parties.rows import Tenant
from kvit.platform import clock
from kvit.platform.models import AuditRow
from tests.invoicing import company
from tests.invoicing.company import ACTOR, LATER, NOVEMBER, customer_id, invoice
from tests.web.conftest import Office
from tests.web.test_lists import cells

pytestmark = pytest.mark.usefixtures("acme")


@pytest.fixture
def acme(tenant: Tenant) -> None:
    company.found()
    company.bill()


@pytest.fixture
def client(office: Office) -> Client:
    return office("accountant", lang="en")


def text(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code, answer.content[:500])
    return plain(answer.content.decode())


def plain(html: str) -> str:
    """Return the words of a page: tags left out, blanks as one."""
    import html as escapes

    bare = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", escapes.unescape(bare))


def test_the_list_shows_tabs_with_sums_and_a_footer(client: Client) -> None:
    services.void(invoice("south").id, reason="Ошибка", author=ACTOR, now=LATER)
    said = text(client, "/office/invoices/")
    assert "Issued 1 ₽2,440.00" in said
    assert "Void 1 ₽1,220.00" in said
    assert "Total of 3 documents by the filter, RUB ₽2,440.00" in said
    void = text(client, "/office/invoices/?tab=void")
    assert "2026-00002" in void
    assert "2026-00001" not in void
    assert "Total of 1 document by the filter, RUB ₽1,220.00" in void


def test_one_field_finds_numbers_and_names(client: Client) -> None:
    assert "2026-00001" in text(client, "/office/invoices/?q=1")
    assert "ООО «Юг»" in text(client, "/office/invoices/?q=юг")
    assert "Nothing was found" in text(client, "/office/invoices/?q=nobody")
    fragment = text(client, "/office/invoices/?q=юг", hx_request="true", hx_target="list")
    assert "Skip to the content" in fragment or "2026-00002" in fragment


def test_a_workbook_has_the_rows_and_the_sum_of_the_screen(client: Client) -> None:
    asked = "/office/invoices/?tab=issued"
    shown = client.get(asked).context["total"]
    answer = client.get("/office/invoices/export/?tab=issued&format=xlsx")
    assert answer["Content-Disposition"] == 'attachment; filename="invoices.xlsx"'
    head, *rows = cells(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
    place = [title for _, title in head].index("Total")
    sums = [Decimal(row[place][1]) for row in rows if row[place][0] == "n"]
    assert (len(rows), sum(sums) * 100) == (shown.count, shown.sums["RUB"])


def test_an_export_has_the_rows_of_the_filter(client: Client) -> None:
    answer = client.get("/office/invoices/export/?q=юг&cols=all")
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 2
    told = (
        "2026-00002,2026-10-31,ООО «Юг»,2026-10-01,2026-10-31,1220.00,RUB,1220.00,Issued,Invoice,"
    )
    assert lines[1].startswith(told)
    assert ",south,,1000.00,220.00," in lines[1]


def test_the_card_compares_with_the_bill_before_and_shows_its_books(client: Client) -> None:
    company.use("n-1", 12_000, NOVEMBER.start, now=LATER)
    company.bill(NOVEMBER)
    said = text(client, f"/office/invoices/{invoice('north', NOVEMBER).id}/")
    assert "+₽244.00 compared with no. 2026-00001 , October 2026" in said
    assert "+₽244.00 usage and quantity" in said
    assert "62.01" in said
    assert "VAT 22 %" in said


def test_a_sum_opens_to_its_events_in_four_levels(client: Client) -> None:
    base = f"/office/invoices/{invoice().id}/lines/2/why/"
    line = text(client, base)
    assert "Computed as it was opened: it agrees" in line
    assert "10,000" in line
    days = text(client, f"{base}days/")
    assert "Sum 10,000 вызовов" in days
    day = text(client, f"{base}days/2026-10-10/")
    assert "Sum 10,000 вызовов" in day
    assert "n-1/2026-10-10/10000" in day
    record = text(client, f"{base}record/?source=test&event=n-1/2026-10-10/10000&day=2026-10-10")
    assert "Batch and place" in record
    drawer = client.get(base, headers={"hx-request": "true", "hx-target": "drawer"})
    assert drawer.content.decode().lstrip().startswith('<div class="drawer-head">')
    events = client.get(f"{base}export/")
    lines = b"".join(events.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[1:] == ["2026-10-10T09:00:00+00:00,n-1/2026-10-10/10000,10000,"]
    fee = text(client, f"/office/invoices/{invoice().id}/lines/1/why/?again=1")
    assert "it agrees to the last digit" in fee
    for missing in ("lines/9/why/", "lines/1/why/days/nonsense/", "lines/1/why/record/?event=x"):
        assert client.get(f"/office/invoices/{invoice().id}/{missing}").status_code == 404


def test_the_pdf_is_printed_once_and_kept(client: Client, file_store: Any) -> None:
    path = f"/office/invoices/{invoice().id}/invoice.pdf"
    first = client.get(path)
    assert first.content.startswith(b"%PDF")
    assert first["Content-Disposition"] == 'inline; filename="2026-00001.pdf"'
    assert client.get(path).content == first.content
    assert client.get(f"/office/invoices/{invoice().id}/credit_note.pdf").status_code == 404


def test_a_correction_is_looked_at_and_then_made(client: Client) -> None:
    path = f"/office/invoices/{invoice().id}/correct/"
    assert "at most ₽1,000.00" in text(client, path)
    asked = {"way": "credit", "sum-1": "300.00"}
    shown = client.get(path, asked)
    assert "Post a correction of −₽366.00" in plain(shown.content.decode())
    assert queries.corrections_of(invoice().id) == []
    token = re.search(r'name="token" value="(\w+)"', shown.content.decode())
    assert token is not None
    sent = asked | {"token": token[1], "reason": "Простой 3 дня"}
    answer = client.post(path, sent)
    [made] = queries.corrections_of(invoice().id)
    assert answer["Location"] == f"/office/invoices/{made.id}/"
    assert (made.total_minor, made.reason) == (-36_600, "Простой 3 дня")
    why = text(client, f"/office/invoices/{made.id}/lines/1/why/")
    assert ("decided by a person" in why, "credit_note" in why) == (True, False)
    listed = text(client, "/office/corrections/")
    assert "Простой 3 дня" in listed
    assert "−₽366.00" in listed
    past = client.get(f"/office/invoices/{invoice().id}/").context["past"]
    assert [(one.action, one.reason) for one in past][:1] == [
        ("invoicing.invoice.credit_note", "Простой 3 дня")
    ]


def test_corrections_are_narrowed_by_basis_and_author(client: Client) -> None:
    services.void(invoice("south").id, reason="Счёт не тому", author="cli:olga", now=LATER)
    services.void(invoice("north").id, reason="Сбой связи", author="cli:ivan", now=LATER)
    assert "2 documents" in text(client, "/office/corrections/")
    for asked in ("reason=сбой", "author=cli:ivan"):
        said = text(client, f"/office/corrections/?{asked}")
        assert ("Сбой связи" in said, "Счёт не тому" in said) == (True, False)


def test_a_correction_that_cannot_be_says_why(client: Client) -> None:
    path = f"/office/invoices/{invoice().id}/correct/"
    refused = client.get(path, {"way": "credit", "sum-1": "3000"})
    assert refused.status_code == 422
    page = refused.content.decode()
    told = page[page.index('id="id_sum-1-error"') :][:900]  # at the line, and what was typed stays
    assert "At most ₽1,000.00" in plain(told)
    assert 'name="sum-1" value="3000"' in page
    for written in ("1,000.00", "1 000.00", "1000"):
        shown = client.get(path, {"way": "credit", "sum-1": written})
        assert (shown.status_code, written) == (200, written)
    for nothing in ({"sum-1": ""}, {"sum-1": "0"}):
        refused = client.get(path, {"way": "credit"} | nothing)
        assert refused.status_code == 422
        assert "was given a sum." in refused.content.decode()
        assert "credited already" not in refused.content.decode()
    assert client.get(f"/office/invoices/{customer_id('north')}/correct/").status_code == 404


def test_who_may_not_correct_is_refused_and_nothing_changes(office: Office) -> None:
    auditor = office("auditor")
    path = f"/office/invoices/{invoice().id}/correct/"
    assert auditor.get(path).status_code == 403
    assert auditor.post(path, {"way": "void", "token": "x", "reason": "x"}).status_code == 403
    assert auditor.post("/office/runs/start/", {"way": "bill"}).status_code == 403
    assert Invoice.objects.count() == 2


def test_runs_are_ordered_and_shown(client: Client) -> None:
    said = text(client, "/office/runs/")
    assert "There were no runs yet" in said
    assert "Runs of the command line" in said
    answer = client.post(
        "/office/runs/start/", {"way": "dry", "period": "2026-11-01", "issue_on": ""}
    )
    assert answer.status_code == 302
    card = text(client, answer["Location"])
    assert "Dry run: November 2026" in card
    assert "Waits for a worker" in card
    stopped = client.post(f"{answer['Location']}stop/")
    assert stopped.status_code == 302
    assert "Stopped" in text(client, answer["Location"])


def test_a_month_is_offered_to_be_issued_once_it_is_over(client: Client, tenant: Tenant) -> None:
    def dry_run(day: datetime) -> str:
        clock.move_test_clock(tenant.id, to=day, actor="cli:test", reason="test")
        asked = {"way": "dry", "period": "2026-11-01", "issue_on": ""}
        card = client.post("/office/runs/start/", asked)["Location"]
        client.post(f"{card}stop/")
        return text(client, card)

    said = dry_run(datetime(2026, 11, 29, tzinfo=UTC))
    assert "Run again" in said
    assert "Charge and issue" not in said
    assert "Charge and issue" in dry_run(datetime(2026, 12, 2, tzinfo=UTC))


def test_the_pages_speak_russian(office: Office) -> None:
    client = office("accountant")
    assert "По фильтру 2 документа" in text(client, "/office/invoices/")
    assert "Почему?" in text(client, f"/office/invoices/{invoice().id}/")
    assert "Пересчитать и сверить" in text(client, f"/office/invoices/{invoice().id}/lines/2/why/")


def test_another_company_s_documents_are_not_found(client: Client, now: Any) -> None:
    from kvit.parties.rows import TenantRow
    from kvit.parties.services import create_tenant
    from kvit.platform.tenancy import tenant_scope

    other = create_tenant(
        TenantRow("other", "ООО «Чужие»", "RUB", "Europe/Moscow"), actor="cli:test", now=now
    )
    with tenant_scope(other.id, switch=True):
        company.found(code="other")
        company.bill()
        theirs = invoice().id
        run = services.order_run(NOVEMBER.start, action="dry", author=ACTOR, now=LATER)
    for path in (
        f"invoices/{theirs}/", f"invoices/{theirs}/lines/1/why/", f"invoices/{theirs}/correct/",
        f"invoices/{theirs}/lines/2/why/days/", f"invoices/{theirs}/invoice.pdf", f"runs/{run}/",
    ):  # fmt: skip
        assert client.get(f"/office/{path}").status_code == 404, path
    assert client.post(f"/office/runs/{run}/stop/").status_code == 422
    sent = {"invoice": str(theirs), "way": "approve"}
    assert client.post("/office/invoices/decide/", sent).status_code == 422


def test_the_query_count_does_not_grow_with_rows(client: Client) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def count(path: str) -> int:
        client.get(path)
        with CaptureQueriesContext(connection) as seen:
            assert client.get(path).status_code == 200
        return len(seen)

    paths = ("/office/invoices/", "/office/usage/", "/office/runs/")
    few = [count(path) for path in paths]
    for n in range(20):
        company.subscribe(f"n-{n + 10}", "north", "pro")
        company.use(f"n-{n + 10}", 100 + n, NOVEMBER.start, now=LATER)
    company.bill(NOVEMBER)
    assert [count(path) for path in paths] == few


def test_an_approval_above_ones_limit_is_refused_with_who_may_and_written_down(
    office: Office, tenant: Tenant
) -> None:
    office("owner", lang="en")
    pyotr = office("accountant", lang="en")
    set_limits("accountant", {"RUB": 100_000}, act="approve", actor="cli:t", now=LATER)
    Seller.objects.update(approval=True)
    company.bill(NOVEMBER)
    draft = invoice("north", NOVEMBER)
    sent = {"invoice": str(draft.id), "way": "approve"}
    page = pyotr.post("/office/invoices/decide/", sent)
    assert page.status_code == 422
    assert "Above ₽1,000.00 it is approved by: Owner." in plain(page.content.decode())
    body = {"ids": [str(draft.id)]}
    for more in ({}, {"idempotency-key": "one"}):
        answer = pyotr.post(
            "/api/v1/drafts/approve", body, "application/json", headers={"x-csrftoken": "x"} | more
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invoice_above_limit")
    rows = AuditRow.objects.filter(action="attempt.above_limit")
    assert [row.object_id for row in rows] == [str(draft.id)] * 3
    assert sorted(rows[0].after) == ["limit", "total"]
    assert invoice("north", NOVEMBER).status == "draft"
