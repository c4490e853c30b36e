"""Upload a usage file; mend its faulty rows one by one, or leave them out for a reason."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.integrations import queries, services
from kvit.integrations.queries import UploadRowInfo
from kvit.web import lists, uploads
from kvit.web.lists import Column
from kvit.web.office.links import people
from kvit.web.routes import action, page
from kvit.web.tags import lang

COLUMNS = (
    Column("uploaded", gettext_lazy("Uploaded")),
    Column("file", gettext_lazy("File and source")),
    Column("accepted", gettext_lazy("Accepted"), kind="num"),
    Column("repeated", gettext_lazy("Repeats"), kind="num"),
    Column("conflicting", gettext_lazy("In dispute"), kind="num"),
    Column("rejected", gettext_lazy("Rejected"), kind="num"),
    Column("open", gettext_lazy("Still to mend"), kind="num"),
    Column("author", gettext_lazy("Who")),
)
CELL = "cell-"


@action("usage/uploads/", name="usage-uploads", right="usage.write",
        operation="upload_usage_file", form=True)  # fmt: skip
def files(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        given = request.FILES.get("file")
        key = uploads.take(
            given.chunks() if given else iter(()),
            name=(given.name or "") if given else "",
            source=request.POST.get("source", "").strip(),
            actor=request.principal.actor,
            now=request.now,
        )
        return redirect("office:usage-upload", upload=key)
    found = queries.uploads(after=request.GET.get("after", ""))
    return lists.listed(
        request,
        "office/usage/uploads.html",
        columns=COLUMNS,
        page=found,
        people=people(one.author for one in found.rows),
        limit=uploads.LARGEST // 2**20,
    )


@page("usage/uploads/<uuid:upload>/", name="usage-upload", right="usage.read")
def file(request: HttpRequest, upload: UUID) -> HttpResponse:
    info = queries.upload(upload)
    if info is None:
        raise Http404
    rows = queries.upload_rows(upload, after=request.GET.get("after", ""))
    return render(
        request,
        "office/usage/upload.html",
        {
            "info": info,
            "rows": [_shown(row) for row in rows.rows],
            "following": rows.next,
            "people": people([info.author, *(row.decided_by for row in rows.rows)]),
        },
    )


@action("usage/uploads/rows/<uuid:row>/mend/", name="usage-row-mend", right="usage.write",
        operation="mend_upload_row")  # fmt: skip
def mend(request: HttpRequest, row: UUID) -> HttpResponse:
    """Read the row anew as it was typed: taken in, or told what is still wrong with it."""
    before = _row(row)
    upload = queries.upload(before.upload_id)
    assert upload is not None  # the row is of it
    cells = {
        name.removeprefix(CELL): value
        for name, value in request.POST.items()
        if name.startswith(CELL)
    }
    uploads.mend(row, cells, source=upload.source, actor=request.principal.actor, now=request.now)
    return _answer(request, row)


@action("usage/uploads/rows/<uuid:row>/leave/", name="usage-row-leave", right="usage.write",
        operation="leave_upload_row")  # fmt: skip
def leave(request: HttpRequest, row: UUID) -> HttpResponse:
    _row(row)
    services.leave_upload_row(
        row, reason=request.POST.get("reason", ""), actor=request.principal.actor, now=request.now
    )
    return _answer(request, row)


def _row(row: UUID) -> UploadRowInfo:
    found = queries.upload_row(row)
    if found is None:
        raise Http404
    return found


def _answer(request: HttpRequest, row: UUID) -> HttpResponse:
    """For htmx the row as it stands now; without scripts the page of the upload."""
    found = _row(row)
    if request.headers.get("HX-Request") == "true":
        context = {"item": _shown(found), "people": people([found.decided_by])}
        return render(request, "office/usage/upload_row.html", context)
    if found.state == "taken":
        messages.success(request, _("The row was taken in."))
    elif found.state == "open":
        messages.error(request, found.fault.message(lang()))
    return redirect("office:usage-upload", upload=found.upload_id)


def _shown(row: UploadRowInfo) -> dict[str, Any]:
    return {
        "row": row,
        "message": row.fault.message(lang()),
        "remedy": row.fault.remedy(lang()),
        "cells": [
            {"name": name, "value": value, "is_wrong": name == row.fault.place.field,
             "id": f"{row.id}-{place}"}
            for place, (name, value) in enumerate(row.cells.items())
        ],
    }  # fmt: skip
