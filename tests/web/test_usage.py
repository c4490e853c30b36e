"""The pages of usage: the fate of an event, decisions, uploads with rows that are mended."""

import gzip
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from kvit.integrations import queries as integrations
from kvit.invoicing import queries as invoicing
from kvit.invoicing.queries import InvoiceFilter
from kvit.metering import queries as metering
from kvit.metering import services as metering_services
from kvit.metering.rows import EventIn
from kvit.parties.rows import Tenant
from kvit.web import fates
from tests.invoicing import company
from tests.invoicing.company import LATER
from tests.web.conftest import Office
from tests.web.test_invoices import plain, text

pytestmark = pytest.mark.usefixtures("acme")
GOOD = "a1,2026-10-12T10:00:00Z,n-1,calls,40"
HEAD = "id,time,subscription,meter,value"


@pytest.fixture
def acme(tenant: Tenant) -> None:
    company.found()
    company.bill()


@pytest.fixture
def client(office: Office) -> Client:
    return office("accountant", lang="en")


def upload(client: Client, content: str, name: str = "calls.csv", source: str = "") -> str:
    answer = client.post(
        "/office/usage/uploads/",
        {"file": SimpleUploadedFile(name, content.encode()), "source": source},
    )
    assert answer.status_code == 302, plain(answer.content.decode())
    return str(answer["Location"])


def rows(path: str) -> list[integrations.UploadRowInfo]:
    key = re.search(r"uploads/([0-9a-f-]{36})/", path)
    assert key is not None
    from uuid import UUID

    return list(integrations.upload_rows(UUID(key[1])).rows)


def test_one_field_tells_the_fate_of_any_id(client: Client) -> None:
    said = text(client, "/office/usage/?event=n-1/2026-10-10/10000")
    assert "Billed" in said
    assert "no. 2026-00001, line 2" in said
    assert "We never received the event “x”" in text(client, "/office/usage/?event=x")


def test_lists_of_every_kind_open(client: Client) -> None:
    company.use("n-9", 5, date(2026, 10, 12))
    for tab, words in (
        ("events", "n-9/2026-10-12/5"),
        ("waiting", "there is no subscription “n-9”"),
        ("conflicts", "Nothing is in dispute"),
        ("rejected", "Every row could be read"),
        ("retracted", "No event was undone"),
        ("intakes", "test"),
    ):
        assert words in text(client, f"/office/usage/?tab={tab}"), tab
    stands = "Accepted 2 = on bills 1 + not billed yet 1 + undone 0."
    assert stands in text(client, "/office/usage/stand/")
    part = text(client, "/office/usage/stand/", **{"HX-Request": "true"})
    assert part.strip() == stands
    chart = text(client, "/office/usage/?meter=calls&subject=n-1")
    assert "10 Oct 2026 1 10,000" in chart
    answer = client.get("/office/usage/export/?subject=n-9")
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 2


@pytest.mark.parametrize(
    "said",
    [{"time": datetime(2026, 10, 5)}, {"value": Decimal("1e30")}, {"value": Decimal("NaN")},  # noqa: DTZ001
     {"event_id": "a\0b"}, {"event_id": ""}, {"time": datetime(1815, 6, 18, tzinfo=UTC)}],
)  # fmt: skip
def test_what_was_refused_is_told_with_what_to_do(client: Client, said: dict[str, Any]) -> None:
    fine = EventIn("e", "subscription", "n-1", "calls", LATER, Decimal(1))
    taken = metering_services.ingest(
        [fine._replace(**said)], source="api", now=LATER, actor="key:1"
    )
    [refused] = taken.rejections
    told = text(client, "/office/usage/?tab=rejected")
    assert fates.fault_of(refused._asdict() | {"source": "api"}).message("en") in told


def test_an_event_is_undone_with_a_reason(client: Client) -> None:
    sent = {"source": "test", "event": "n-1/2026-10-10/10000", "reason": "Сбой"}
    assert client.post("/office/usage/retract/", sent).status_code == 302
    assert "reason: Сбой" in text(client, "/office/usage/?event=n-1/2026-10-10/10000")
    refused = client.post("/office/usage/retract/", sent)
    assert refused.status_code == 422
    assert metering.counts().retracted == 1
    # It stands on a bill, and the sum says so until a run has taken it back.
    said = text(client, "/office/usage/stand/").partition("Accepted")[2]
    assert said.startswith(
        " 1 = on bills 0 + not billed yet 0 + undone 1. Of the undone, 1 came after the last run:"
        " its bills count it until the next one takes it back."
    )


def test_a_dispute_is_decided(client: Client) -> None:
    upload(client, f"{HEAD}\n{GOOD}\n", source="s")
    upload(client, f"{HEAD}\n{GOOD}1\n", source="s")
    said = text(client, "/office/usage/?tab=conflicts")
    assert "The disputed is right" in said
    [row] = metering.conflicts()
    for outcome in ({}, {"outcome": "x"}):
        answer = client.post(f"/office/usage/conflicts/{row['id']}/", {**outcome, "reason": "r"})
        assert (answer.status_code, metering.counts().conflicts_open) == (422, 1)
    sent = {"outcome": "replace", "reason": "Верно 401"}
    assert client.post(f"/office/usage/conflicts/{row['id']}/", sent).status_code == 302
    assert metering.last_views(["a1"])["s", "a1"].value == 401
    assert metering.counts().conflicts_open == 0


def test_a_faulty_row_is_mended_and_taken_in(client: Client) -> None:
    path = upload(client, f"{HEAD}\n{GOOD}\na2,2026-10-12T10:00:00Z,n-1,calls,много\n")
    said = text(client, path)
    assert "row 3" in said
    assert "Accepted 1" in said
    [row] = rows(path)
    assert row.cells == {
        "id": "a2", "time": "2026-10-12T10:00:00Z", "subscription": "n-1", "meter": "calls",
        "value": "много",
    }  # fmt: skip
    mend = f"/office/usage/uploads/rows/{row.id}/mend/"
    cells = {f"cell-{name}": value for name, value in row.cells.items()}
    again = client.post(mend, cells | {"cell-value": "ещё"}, headers={"hx-request": "true"})
    assert "ещё" in again.content.decode()
    assert rows(path)[0].state == "open"
    assert metering.sources_of("a2") == []
    taken = client.post(mend, cells | {"cell-value": "41"}, headers={"hx-request": "true"})
    assert "Accepted" in plain(taken.content.decode())
    assert (rows(path)[0].state, rows(path)[0].outcome) == ("taken", "accepted")
    assert metering.last_views(["a2"])["calls", "a2"].value == 41
    assert metering.rejections().count() == 0
    assert client.post(mend, cells).status_code == 422


def test_a_dispute_is_shown_beside_the_event_of_its_own_source(client: Client) -> None:
    upload(client, f"{HEAD}\n{GOOD}\n", source="s")
    upload(client, f"{HEAD}\n{GOOD}1\n", source="s")
    upload(client, f"{HEAD}\n{GOOD.replace(',40', ',777')}\n", source="t")
    said = text(client, "/office/usage/?tab=conflicts")
    assert "40 · Вызовы" in said
    assert "777" not in said


def test_a_faulty_row_is_left_out_for_a_reason(client: Client) -> None:
    path = upload(client, "{broken\n", name="events.jsonl")
    [row] = rows(path)
    assert row.cells == {"": "{broken"}
    leave = f"/office/usage/uploads/rows/{row.id}/leave/"
    assert client.post(leave, {"reason": " "}).status_code == 422
    assert client.post(leave, {"reason": "Пробная строка"}).status_code == 302
    assert (rows(path)[0].state, rows(path)[0].reason) == ("left", "Пробная строка")


def test_the_same_file_again_brings_repeats_alone(client: Client) -> None:
    upload(client, f"{HEAD}\n{GOOD}\n")
    assert "Repeats 1" in text(client, upload(client, f"{HEAD}\n{GOOD}\n"))
    assert metering.intake_sums().accepted == 2


def test_a_file_that_is_not_read_says_which_are(client: Client) -> None:
    files = {"file": SimpleUploadedFile("calls.xlsx", b"x")}
    refused = client.post("/office/usage/uploads/", files)
    assert refused.status_code == 422
    assert ".csv, .jsonl or .parquet" in plain(refused.content.decode())
    empty = client.post("/office/usage/uploads/", {"file": SimpleUploadedFile("a.csv", b"")})
    assert empty.status_code == 422
    assert integrations.uploads().count == 0


def test_a_packed_file_is_unpacked_and_its_faulty_rows_are_shown(client: Client) -> None:
    packed = gzip.compress(f"{HEAD}\n{GOOD}\n".encode(), mtime=0)
    packed += gzip.compress(GOOD.replace("a1", "a2").replace(",40", ",forty").encode(), mtime=0)
    answer = client.post(
        "/office/usage/uploads/", {"file": SimpleUploadedFile("calls.csv.GZ", packed)}
    )
    assert [one.file_name for one in integrations.uploads().rows] == ["calls.csv.GZ"]
    assert metering.sources_of("a1") == ["calls"]
    assert [one.cells["value"] for one in rows(answer["Location"])] == ["forty"]


def test_who_may_not_write_uploads_nothing(office: Office) -> None:
    manager = office("product_manager", lang="en")
    assert "Upload a file" not in text(manager, "/office/usage/")
    files = {"file": SimpleUploadedFile("calls.csv", f"{HEAD}\n{GOOD}\n".encode())}
    assert manager.post("/office/usage/uploads/", files).status_code == 403
    assert metering.sources_of("a1") == []


def test_a_late_row_is_told_to_wait_for_the_next_run(client: Client) -> None:
    company.use("n-1", 7, date(2026, 10, 13), now=LATER)
    said = text(client, "/office/usage/?event=n-1/2026-10-13/7")
    assert "came after its period was charged" in said


def test_pages_and_exports_are_the_same_when_events_have_left_the_database(
    client: Client, file_store: Path
) -> None:
    for n in range(3):
        company.use("n-1", 5 + n, date(2026, 10, 12 + n))
    company.use("n-9", 7, date(2026, 10, 14))
    source = metering.sources()[0]
    metering_services.retract([(source, "n-1/2026-10-13/6")], reason="twice", actor="x", now=LATER)
    conflict = EventIn("n-1/2026-10-12/5", "subscription", "n-1", "calls", LATER, Decimal(1))
    metering_services.ingest([conflict], source=source, actor="x", now=LATER)
    [dispute] = metering.conflicts()
    metering_services.resolve_conflict(
        dispute["id"], outcome="keep", reason="right", actor="x", now=LATER
    )
    company.bill(company.NOVEMBER)
    [line] = [one for one in invoicing.listed(InvoiceFilter()).rows if one.total_minor == 244_000]
    why = f"/office/invoices/{line.id}/lines/2/why"
    addresses = [
        *(f"/office/usage/?tab={tab}" for tab in ("events", "waiting", "conflicts", "retracted")),
        "/office/usage/?event=n-1/2026-10-10/10000", "/office/usage/?event=n-1/2026-10-12/5",
        "/office/usage/?meter=calls&subject=n-1", "/office/usage/?source=test",
        "/office/usage/export/", "/office/usage/export/?subject=n-1", "/office/usage/stand/",
        f"{why}/", f"{why}/days/", f"{why}/days/2026-10-10/", f"{why}/export/",
        "/office/overview/waiting/", "/api/v1/usage/events",
        "/api/v1/usage/events?subject=n-1&order=-time",
    ]  # fmt: skip
    before = {one: whole(client, one) for one in addresses}
    far = LATER + timedelta(days=99)
    assert metering_services.release(metering.Settled(far, far), actor="x", now=LATER) == 5
    assert metering.stored() == metering.Stored(0, 5)
    for one in addresses:
        assert whole(client, one) == before[one], one


def whole(client: Client, address: str) -> bytes:
    """What an address answers, but for what each answer has of its own."""
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.content)
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return re.sub(rb'(csrf\w*|nonce|X-CSRFToken)(":? ?"?|="?)[\w"=: -]*', b"", content)
