"""What must hold of printed documents: the bytes are there and are those that were printed."""

from collections.abc import Iterator

from kvit.core.wording import Words
from kvit.documents.models import RenderedDocument
from kvit.platform import files
from kvit.platform.invariants import Problem

WORDS: Words = {
    "documents_bytes_lost": (
        "файла напечатанного документа нет или он повреждён",
        "the file of a printed document is lost or damaged",
    ),
    "documents_size_differs": (
        "размер напечатанного документа не тот, что записан",
        "a printed document has another size than recorded",
    ),
}


def problems() -> Iterator[Problem]:
    """Read every printed document of the tenant and compare it with its hash."""
    for one in RenderedDocument.objects.order_by("pk").iterator():
        row = f"document:{one.pk}"
        try:
            size = len(files.get(one.sha256))
        except files.FileUnusable as error:
            yield Problem("documents_bytes_lost", row, f"{one.kind}: {error}")
            continue
        if size != one.size_bytes:
            detail = f"{one.kind}: {size} bytes, recorded {one.size_bytes}"
            yield Problem("documents_size_differs", row, detail)
