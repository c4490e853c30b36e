"""Which documents are printed already."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from kvit.documents import _invariants
from kvit.documents.models import RenderedDocument

PROBLEM_WORDS = _invariants.WORDS
problems = _invariants.problems


def digests() -> Iterator[str]:
    """Yield the SHA-256 of every printed document."""
    return RenderedDocument.objects.values_list("sha256", flat=True).iterator()


Key = tuple[UUID, str]
"""The id of the invoice, and the kind of the document."""


def rendered_hashes(invoice_ids: Iterable[UUID]) -> dict[Key, str]:
    """Return the SHA-256 of every printed document of these invoices."""
    rows = RenderedDocument.objects.filter(invoice_id__in=list(invoice_ids))
    return {
        (invoice_id, kind): digest
        for invoice_id, kind, digest in rows.values_list("invoice_id", "kind", "sha256")
    }
