"""The signed log on its page and over the API: how far, compared, proved."""

import io
import zipfile
from pathlib import Path

import pytest

from kvit.core.transparency import read_checkpoint, read_proof
from kvit.ledger import queries
from kvit.ledger.services import log_postings
from kvit.platform.signed_notes import Signer, opened
from tests.invoicing import company
from tests.web.conftest import Office

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "/office/ledger/log/"


@pytest.fixture(autouse=True)
def billed(tenant: object, file_store: Path) -> None:
    company.found()
    company.bill()


def text(answer: object) -> str:
    return answer.content.decode().replace("\xa0", " ")  # type: ignore[attr-defined]


def test_the_page_tells_how_far_it_is_signed_and_compares(office: Office) -> None:
    client = office("auditor")
    assert "Ещё ничего не подписано" in text(client.get(ADDRESS))
    log_postings(beside=None)
    assert "Подписаны 4 проводки" in text(client.get(ADDRESS))
    note = b"".join(client.get(f"{ADDRESS}checkpoint.txt")).decode()
    assert note == queries.log_of_books().note()
    assert "теми же записями" in text(client.get(ADDRESS, {"checkpoint": note.strip()}))
    changed = note.replace("\n4\n", "\n5\n")
    assert "Подпись не подходит" in text(client.get(ADDRESS, {"checkpoint": changed}))
    said, _, _ = changed.rpartition("\n\n")
    other = queries.log_of_books().signer.sign(f"{said}\n")
    assert "другие записи или их меньше" in text(client.get(ADDRESS, {"checkpoint": other}))


def test_a_document_is_proved_by_files(office: Office) -> None:
    client = office("auditor")
    number = company.invoice("north").number
    log_postings(beside=None)
    packed = client.get(f"{ADDRESS}proof.zip", {"number": number})
    files = zipfile.ZipFile(io.BytesIO(b"".join(packed)))
    assert files.namelist() == ["1.tlog-proof", "2.tlog-proof"]
    for name in files.namelist():
        shown = read_proof(files.read(name).decode())
        assert shown.is_shown(
            read_checkpoint(opened(shown.note, queries.log_of_books().signer.verifier))
        )
    refused = client.get(f"{ADDRESS}proof.zip", {"number": "2026-99999"})
    assert (refused.status_code, "2026-99999" in text(refused)) == (422, True)


def test_the_api_says_the_same(office: Office) -> None:
    client = office("auditor")
    log_postings(beside=None)
    found = client.get("/api/v1/ledger/log").json()
    assert (found["postings"], found["agrees"]) == (4, None)
    same = client.get("/api/v1/ledger/log", {"checkpoint": found["checkpoint"]}).json()
    assert same["agrees"] is True
    refused = client.get("/api/v1/ledger/log", {"checkpoint": "x"})
    assert (refused.status_code, refused.json()["code"]) == (422, "note_not_signed")
    source = f"invoice:{company.invoice('north').id}"
    proofs = client.get("/api/v1/ledger/log/proofs", {"source": source}).json()["data"]
    assert [read_proof(one).note for one in proofs] == [found["checkpoint"]] * 2
    gone = client.get("/api/v1/ledger/log/proofs", {"source": "invoice:none"})
    assert (gone.status_code, gone.json()["code"]) == (422, "ledger_not_in_log")


def test_a_replaced_key_is_a_fault_on_the_overview_and_the_page_says_what_to_do(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = office("owner")
    log_postings(beside=None)
    assert "не подписыва" not in text(client.get("/office/"))
    another = Signer.derived("another").key
    monkeypatch.setattr(Signer, "derived", lambda name: Signer(name, another))
    overview = text(client.get("/office/"))
    assert "Подписанный журнал не подписывается дальше" in overview
    page = client.get(ADDRESS)
    assert page.status_code == 200
    assert "Верните прежний secret-key из копии" in text(page)
    told = client.get("/api/v1/ledger/log")
    assert (told.status_code, told.json()["code"]) == (422, "tlog_key_changed")
    [first, *_] = client.get("/api/v1/overview").json()["attention"]
    assert (first["cause"], first["detail"]) == ("unsigned", {"ledger": 1})
