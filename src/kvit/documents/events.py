"""What documents tell."""

from dataclasses import dataclass
from uuid import UUID

from kvit.platform.events import Topic


@dataclass(frozen=True, slots=True)
class DocumentRendered:
    """A document was printed; its bytes are kept under the hash."""

    document: UUID
    invoice: UUID
    kind: str  # invoice, act, credit_note, debit_note, reversal
    sha256: str
    size_bytes: int


DOCUMENT_RENDERED = Topic("documents.document.rendered", DocumentRendered)
