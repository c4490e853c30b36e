"""Usage files and their faulty rows over the API; events are better sent to `POST /events`."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from ninja import Query
from pydantic import Field

from kvit.integrations import queries, services
from kvit.integrations.queries import UploadInfo, UploadRowInfo
from kvit.web import uploads
from kvit.web.api.core import Router, operation
from kvit.web.api.schemas import (
    Input,
    Listed,
    Moment,
    Paging,
    Reason,
    Schema,
    Text,
    listed,
)
from kvit.web.tags import lang

TAG = ("Загрузки файлов", "Uploads")
router = Router()
BODY_LIMIT = 8 * 2**20
MOST_CELLS = 200


class UploadIn(Input):
    """A file: its name says the kind. Within `source` an id is the same event."""

    name: str = Field(min_length=1, max_length=200, examples=["calls.csv"])
    source: Text = ""
    content: str = Field(
        max_length=BODY_LIMIT,
        examples=["id,time,subscription,meter,value\na1,2026-10-12T10:00:00Z,n-1,calls,40\n"],
    )


class UploadOut(Schema):
    """An upload; `open` of its faulty rows are still to be mended."""

    id: UUID
    source: str
    file_name: str
    uploaded_at: Moment
    author: str
    offered: int
    accepted: int
    repeated: int
    conflicting: int
    rejected: int
    waiting: int
    unlisted: int
    open: int


class UploadRowOut(Schema):
    """A faulty row: its cells by column ("" is a line of JSON whole), and what is wrong."""

    id: UUID
    row: int
    cells: dict[str, str]
    field: str
    code: str
    message: str
    remedy: str
    state: str
    outcome: str
    reason: str


class MendIn(Input):
    """The cells as they shall be; a column that is left out is empty."""

    cells: dict[str, Text] = Field(max_length=MOST_CELLS)


class LeaveIn(Input):
    """Why the row is left out."""

    reason: Reason


@operation(
    router, "POST", "/usage/uploads", right="usage.write", status=201, response=UploadOut,
    body_limit=BODY_LIMIT,
)  # fmt: skip
def upload_usage_file(request: HttpRequest, body: UploadIn) -> UploadOut:
    """Take a text file of usage in; its faulty rows can be mended one by one."""
    key = uploads.take(
        iter([body.content.encode("utf-8", "replace")]), name=body.name, source=body.source,
        actor=request.principal.actor, now=request.now,
    )  # fmt: skip
    return _shown(_upload(key))


@operation(router, "GET", "/usage/uploads", right="usage.read", response=Listed[UploadOut])
def list_usage_uploads(request: HttpRequest, page: Query[Paging]) -> Any:
    """The latest first."""
    return listed(queries.uploads(after=page.after, limit=page.limit), _shown)


@operation(
    router, "GET", "/usage/uploads/{upload}/rows", right="usage.read",
    response=Listed[UploadRowOut],
)  # fmt: skip
def list_upload_rows(request: HttpRequest, upload: UUID, page: Query[Paging]) -> Any:
    """Faulty rows of an upload, open ones first."""
    _upload(upload)
    return listed(queries.upload_rows(upload, after=page.after, limit=page.limit), _row)


@operation(
    router, "POST", "/usage/upload-rows/{row}/mend", right="usage.write", response=UploadRowOut
)
def mend_upload_row(request: HttpRequest, row: UUID, body: MendIn) -> UploadRowOut:
    """Read a faulty row anew: `state` says whether it was taken in."""
    info = _upload(_found(row).upload_id)
    uploads.mend(
        row, body.cells, source=info.source, actor=request.principal.actor, now=request.now
    )
    return _row(_found(row))


@operation(
    router, "POST", "/usage/upload-rows/{row}/leave", right="usage.write", response=UploadRowOut
)
def leave_upload_row(request: HttpRequest, row: UUID, body: LeaveIn) -> UploadRowOut:
    """Leave a faulty row out, for a reason."""
    _found(row)
    services.leave_upload_row(
        row, reason=body.reason, actor=request.principal.actor, now=request.now
    )
    return _row(_found(row))


def _upload(key: UUID) -> UploadInfo:
    found = queries.upload(key)
    if found is None:
        raise Http404
    return found


def _found(key: UUID) -> UploadRowInfo:
    found = queries.upload_row(key)
    if found is None:
        raise Http404
    return found


def _shown(one: UploadInfo) -> UploadOut:
    return UploadOut(
        id=one.id, source=one.source, file_name=one.file_name, uploaded_at=one.uploaded_at,
        author=one.author, offered=one.offered, accepted=one.accepted, repeated=one.repeated,
        conflicting=one.conflicting, rejected=one.rejected, waiting=one.waiting,
        unlisted=one.unlisted, open=one.open,
    )  # fmt: skip


def _row(one: UploadRowInfo) -> UploadRowOut:
    return UploadRowOut(
        id=one.id, row=one.row, cells=dict(one.cells), field=one.fault.place.field,
        code=one.fault.code, message=one.fault.message(lang()), remedy=one.fault.remedy(lang()),
        state=one.state, outcome=one.outcome, reason=one.reason,
    )  # fmt: skip
