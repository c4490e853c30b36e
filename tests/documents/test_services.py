"""Printing once: the second time is the same file, whatever happens in between."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from kvit.documents import services
from kvit.documents.document import InvoiceDocument
from kvit.documents.events import DOCUMENT_RENDERED
from kvit.documents.models import RenderedDocument
from kvit.documents.queries import rendered_hashes
from kvit.documents.render import render, template_version
from kvit.platform import files
from kvit.platform.models import AuditRow, EventLog
from kvit.platform.tenancy import WrongTenant, tenant_scope
from tests.documents.sheets import document

ACTOR = "job:documents"
INVOICE, OTHER = uuid4(), uuid4()

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _store(tmp_path: Path) -> Iterator[None]:
    before = list(files._folder)
    files.use(tmp_path)
    yield
    files._folder[:] = before


@pytest.fixture(autouse=True)
def _tenant() -> Iterator[UUID]:
    with tenant_scope(uuid4()) as tenant:
        yield tenant


def print_all(
    *documents: tuple[UUID, str, InvoiceDocument], now: datetime
) -> dict[tuple[UUID, str], str]:
    return services.render_many(documents, actor=ACTOR, now=now)


def test_documents_are_printed_recorded_and_told(now: datetime) -> None:
    invoice, act = document(), document(kind="act")
    hashes = print_all((INVOICE, "invoice", invoice), (INVOICE, "act", act), now=now)

    assert set(hashes) == {(INVOICE, "invoice"), (INVOICE, "act")}
    assert services.document_bytes(invoice_id=INVOICE, kind="act") == render(act)
    row = RenderedDocument.objects.get(kind="invoice")
    assert (row.sha256, row.size_bytes) == (hashes[INVOICE, "invoice"], len(render(invoice)))
    assert (row.template_version, row.rendered_at) == (template_version(), now)
    told = EventLog.objects.get(topic=DOCUMENT_RENDERED.name, key=str(row.id))
    assert told.payload == {
        "document": str(row.id),
        "invoice": str(INVOICE),
        "kind": "invoice",
        "sha256": row.sha256,
        "size_bytes": row.size_bytes,
    }
    audit = AuditRow.objects.get(action="documents.rendered")
    assert len(audit.after["documents"]) == 2
    assert audit.actor == ACTOR


def test_a_repeat_prints_nothing_and_keeps_the_first_bytes(now: datetime) -> None:
    first = print_all((INVOICE, "invoice", document()), now=now)
    again = print_all(
        (INVOICE, "invoice", document(basis="changed since")),
        (OTHER, "invoice", document(number="2")),
        now=now,
    )
    assert again[INVOICE, "invoice"] == first[INVOICE, "invoice"]
    assert services.document_bytes(invoice_id=INVOICE, kind="invoice") == render(document())
    assert rendered_hashes([INVOICE, OTHER]) == again
    assert (RenderedDocument.objects.count(), EventLog.objects.count()) == (2, 2)


def test_many_chunks(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "CHUNK", 3)
    bills = [(uuid4(), "invoice", document(number=str(i))) for i in range(7)]
    hashes = print_all(*bills, now=now)
    assert list(hashes) == [(invoice_id, kind) for invoice_id, kind, _ in bills]
    assert len(set(hashes.values())) == RenderedDocument.objects.count() == 7
    assert AuditRow.objects.count() == 3


def test_a_failed_chunk_leaves_what_was_printed_before_and_nothing_of_itself(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "CHUNK", 1)

    def bills() -> Iterator[tuple[UUID, str, InvoiceDocument]]:
        yield INVOICE, "invoice", document()
        monkeypatch.setattr(services, "publish_many", fail)
        yield OTHER, "invoice", document(number="2")

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        services.render_many(bills(), actor=ACTOR, now=now)
    assert list(rendered_hashes([INVOICE, OTHER])) == [(INVOICE, "invoice")]
    assert AuditRow.objects.count() == 1


def test_where_another_session_was_quicker_its_document_stands(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = print_all((INVOICE, "invoice", document()), now=now)
    looked = iter([{}])  # what this session saw before the other one committed
    real = services.rendered_hashes
    monkeypatch.setattr(services, "rendered_hashes", lambda ids: next(looked, None) or real(ids))
    late = print_all((INVOICE, "invoice", document(basis="late")), now=now)
    assert late == first
    assert (RenderedDocument.objects.count(), EventLog.objects.count()) == (1, 1)


def test_nothing_to_print_writes_nothing(now: datetime) -> None:
    assert print_all(now=now) == {}
    assert AuditRow.objects.count() == 0


def test_a_document_that_was_not_printed_is_refused_in_both_languages() -> None:
    with pytest.raises(services.DocumentNotRendered) as refusal:
        services.document_bytes(invoice_id=INVOICE, kind="act")
    assert refusal.value.code == "document_not_rendered"
    assert refusal.value.text("ru") == f"Документ act к счёту {INVOICE} ещё не сформирован."


def test_another_tenant_sees_nothing(now: datetime) -> None:
    print_all((INVOICE, "invoice", document()), now=now)
    with tenant_scope(uuid4(), switch=True):
        assert rendered_hashes([INVOICE]) == {}
        with pytest.raises(services.DocumentNotRendered):
            services.document_bytes(invoice_id=INVOICE, kind="invoice")


def test_a_damaged_file_is_not_handed_out(now: datetime) -> None:
    hashes = print_all((INVOICE, "invoice", document()), now=now)
    files.path_of(hashes[INVOICE, "invoice"]).write_bytes(b"%PDF forged")
    with pytest.raises(files.FileUnusable):
        services.document_bytes(invoice_id=INVOICE, kind="invoice")


def test_what_was_printed_cannot_be_changed(now: datetime) -> None:
    print_all((INVOICE, "invoice", document()), now=now)
    with pytest.raises(ProgrammingError), transaction.atomic():
        RenderedDocument.objects.update(size_bytes=1)
    with pytest.raises(ProgrammingError), transaction.atomic():
        RenderedDocument.objects.all().delete()
    assert RenderedDocument.objects.get().size_bytes > 1000


@pytest.mark.parametrize("fields", [{"kind": "letter"}, {"sha256": "x"}, {"size_bytes": 0}])
def test_the_database_refuses_a_document_without_bytes(
    fields: dict[str, Any], now: datetime
) -> None:
    sound = {"kind": "act", "sha256": "0" * 64, "size_bytes": 1}
    with pytest.raises(IntegrityError), transaction.atomic():
        RenderedDocument.objects.create(
            invoice_id=INVOICE, template_version="x", rendered_at=now, **(sound | fields)
        )


def test_printing_needs_a_tenant(now: datetime) -> None:
    from kvit.platform.db.base import current_tenant

    token = current_tenant.set(None)
    try:
        with pytest.raises(WrongTenant):
            print_all((INVOICE, "invoice", document()), now=now)
    finally:
        current_tenant.reset(token)
