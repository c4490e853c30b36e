"""Uploads as pages see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Value, When

from kvit.integrations.models import UploadRow, UsageUpload
from kvit.integrations.port import Fault, Place
from kvit.platform.paging import LIMIT, Page, keyset


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """An upload, and how many of its faulty rows stand open."""

    id: UUID
    source: str
    file_name: str
    uploaded_at: datetime
    author: str
    offered: int
    accepted: int
    repeated: int
    conflicting: int
    rejected: int
    waiting: int
    unlisted: int
    open: int


@dataclass(frozen=True, slots=True)
class UploadRowInfo:
    """A faulty row: its cells, what is wrong, what was decided."""

    id: UUID
    upload_id: UUID
    row: int
    cells: Mapping[str, str]
    fault: Fault
    state: str  # open, taken, left
    outcome: str
    reason: str
    decided_by: str


def uploads(*, after: str = "", limit: int = LIMIT) -> Page[UploadInfo]:
    """Return the uploads, the latest first."""
    page: Page[UsageUpload] = keyset(
        UsageUpload.objects.all(), order=("-uploaded_at", "-id"), after=after, limit=limit
    )
    stand = _open([one.pk for one in page.rows])
    return page.of(lambda one: _info(one, stand.get(one.pk, 0)))


def upload(upload_id: UUID) -> UploadInfo | None:
    """Return one upload."""
    found = UsageUpload.objects.filter(pk=upload_id).first()
    return None if found is None else _info(found, _open([upload_id]).get(upload_id, 0))


def upload_rows(upload_id: UUID, *, after: str = "", limit: int = LIMIT) -> Page[UploadRowInfo]:
    """Return the faulty rows of an upload: open ones first, then in the order of the file."""
    rows = UploadRow.objects.filter(upload_id=upload_id).annotate(
        rank=Case(When(state="open", then=Value(0)), default=Value(1), output_field=IntegerField())
    )
    page: Page[UploadRow] = keyset(rows, order=("rank", "row", "id"), after=after, limit=limit)
    return page.of(_row)


def upload_row(row_id: UUID) -> UploadRowInfo | None:
    """Return one faulty row."""
    found = UploadRow.objects.filter(pk=row_id).first()
    return None if found is None else _row(found)


def _open(ids: list[UUID]) -> dict[UUID, int]:
    rows = UploadRow.objects.filter(upload_id__in=ids, state="open").values("upload_id").order_by()
    return dict(rows.annotate(n=Count("*")).values_list("upload_id", "n"))


def _info(one: Any, stand: int) -> UploadInfo:
    return UploadInfo(
        one.pk, one.source, one.file_name, one.uploaded_at, one.author, one.offered, one.accepted,
        one.repeated, one.conflicting, one.rejected, one.waiting, one.unlisted, stand,
    )  # fmt: skip


def _row(one: UploadRow) -> UploadRowInfo:
    return UploadRowInfo(
        id=one.pk,
        upload_id=one.upload_id,
        row=one.row,
        cells=dict(one.cells),
        fault=Fault(one.code, Place("", one.row or None, one.field), one.params),
        state=one.state,
        outcome=one.outcome,
        reason=one.reason,
        decided_by=one.decided_by,
    )
