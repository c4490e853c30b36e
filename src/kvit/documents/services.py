"""Print documents once, and give their bytes back."""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from kvit.core.wording import Words
from kvit.documents.document import InvoiceDocument
from kvit.documents.events import DOCUMENT_RENDERED, DocumentRendered
from kvit.documents.models import RenderedDocument
from kvit.documents.queries import Key, rendered_hashes
from kvit.documents.render import render, template_version
from kvit.platform import audit, files
from kvit.platform.bulk import copy_in
from kvit.platform.events import EventRow, publish_many
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7

CHUNK = 200  # documents a transaction
WORDS: Words = {
    "document_not_rendered": (
        "Документ {kind} к счёту {invoice_id} ещё не сформирован.",
        "The document {kind} of invoice {invoice_id} has not been rendered yet.",
    ),
}


class DocumentNotRendered(Failure):
    """Nobody has printed that document of that invoice."""

    words = WORDS


class _Printed(NamedTuple):
    sha256: str
    size_bytes: int


def render_many(
    documents: Iterable[tuple[UUID, str, InvoiceDocument]], *, actor: str, now: datetime
) -> dict[Key, str]:
    """Print what is not printed yet; return the SHA-256 of each (invoice, kind).

    A document that was printed before keeps its bytes, whatever is handed in now. Each chunk is
    saved as it is done: a run that was killed goes on where it stopped.
    """
    hashes: dict[Key, str] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # Typst works outside the GIL
        for chunk in _chunks(documents):
            known = rendered_hashes({invoice_id for invoice_id, _ in chunk})
            fresh = {key: document for key, document in chunk.items() if key not in known}
            printed = dict(zip(fresh, pool.map(_print, fresh.values()), strict=True))
            hashes |= {key: known[key] for key in chunk if key in known}
            hashes |= _save(printed, actor=actor, now=now)
    return hashes


def document_bytes(*, invoice_id: UUID, kind: str) -> bytes:
    """Return the printed document.

    Raises:
        DocumentNotRendered: there is none.
        kvit.platform.files.FileUnusable: its bytes are lost or damaged.
    """
    digest = rendered_hashes([invoice_id]).get((invoice_id, kind))
    if digest is None:
        raise DocumentNotRendered("document_not_rendered", kind=kind, invoice_id=invoice_id)
    return files.get(digest)


def _chunks(
    documents: Iterable[tuple[UUID, str, InvoiceDocument]],
) -> Iterator[dict[Key, InvoiceDocument]]:
    rest = iter(documents)
    while chunk := list(islice(rest, CHUNK)):
        yield {(invoice_id, kind): document for invoice_id, kind, document in chunk}


def _print(document: InvoiceDocument) -> _Printed:
    content = render(document)
    return _Printed(files.put(content), len(content))


@transaction.atomic
def _save(printed: Mapping[Key, _Printed], *, actor: str, now: datetime) -> dict[Key, str]:
    """Record what was printed. Where another session was quicker, its document stands."""
    if not printed:
        return {}
    version = template_version()
    saved = copy_in(
        RenderedDocument,
        ("id", "invoice_id", "kind", "sha256", "size_bytes", "template_version", "rendered_at"),
        ((uuid7(), *key, *made, version, now) for key, made in printed.items()),
        on_conflict="DO NOTHING",
        returning=("id", "invoice_id", "kind", "sha256", "size_bytes"),
    )
    if saved:
        # The rows were inserted here: until commit nobody else can tell anything of them.
        rows = [EventRow(str(row[0]), DocumentRendered(*row)) for row in saved]
        publish_many(DOCUMENT_RENDERED, rows, actor=actor, now=now)
        audit.record(
            action="documents.rendered",
            object_type="documents.rendereddocument",
            object_id=str(saved[0][0]),
            after={"documents": [str(row[0]) for row in saved]},
            actor=actor,
            now=now,
        )
    standing = rendered_hashes({invoice_id for invoice_id, _ in printed})
    return {key: standing[key] for key in printed}
