"""Upload a usage file; mend its faulty rows one by one, or leave them out for a reason."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.integrations import queries, services
from kvit.integrations.queries import UploadRowInfo
from kvit.platform.paging import Page
from kvit.web import lists, uploads
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part, field_of
from kvit.web.office.links import people
from kvit.web.routes import action, page
from kvit.web.tags import lang

LISTING = Listing(
    "uploads",
    (
        Column("uploaded", gettext_lazy("Uploaded"), of=lambda one: one["row"].uploaded_at),
        Column("file", gettext_lazy("File and source"), parts=(
            Part(gettext_lazy("File"), lambda one: one["row"].file_name),
            Part(gettext_lazy("Source"), lambda one: one["row"].source),
        )),
        *(
            Column(code, title, kind="num", of=field_of(code))
            for code, title in (
                ("accepted", gettext_lazy("Accepted")), ("repeated", gettext_lazy("Repeats")),
                ("conflicting", gettext_lazy("In dispute")),
                ("rejected", gettext_lazy("Rejected")), ("open", gettext_lazy("Still to mend")),
            )
        ),
        Column("author", gettext_lazy("Who"), of=lambda one: one["author"]),
        Column("offered", gettext_lazy("Rows"), kind="num", is_usual=False,
               of=lambda one: one["row"].offered),
    ),
)  # fmt: skip
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
    return lists.listed(
        request,
        "office/usage/uploads.html",
        listing=LISTING,
        page=_fetch(request.GET.get("after", ""), lists.SHOWN),
        export=reverse("office:usage-uploads-export"),
        limit=uploads.LARGEST // 2**20,
    )


@page("usage/uploads/export/", name="usage-uploads-export", right="usage.read")
def export(request: HttpRequest) -> HttpResponseBase:
    """All uploads."""
    return lists.exported_all(request, LISTING, _fetch, name="uploads")


def _fetch(after: str, limit: int) -> Page[dict[str, Any]]:
    found = queries.uploads(after=after, limit=limit)
    names = people(one.author for one in found.rows)
    return found.of(lambda one: {"row": one, "author": actor_text(one.author, names, lang())})


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
