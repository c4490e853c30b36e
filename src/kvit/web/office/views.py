"""What a person makes of a list: its columns, and views saved under a name."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _

from kvit.parties import queries, services
from kvit.platform.revisions import Stale, revision_of
from kvit.web.columns import codes_of
from kvit.web.listings import ListRefused, columns_of, listing_of
from kvit.web.office.editing import Meanwhile
from kvit.web.principal import by, is_keeper
from kvit.web.routes import SIGNED_IN, action


@action("lists/columns/", name="columns-choose", right=SIGNED_IN, operation="choose_list_columns")
def columns(request: HttpRequest) -> HttpResponse:
    """Show these columns from now on; an arrow moves one and leaves the chooser open."""
    listing, place = listing_of(request.POST.get("list", "")), _place(request)
    order, moved = request.POST.getlist("order"), ""
    wanted = set(request.POST.getlist("col"))
    for name, step in (("up", -1), ("down", 1)):
        if (moved := request.POST.get(name, "")) in order:
            at = order.index(moved)
            to = max(0, min(len(order) - 1, at + step))
            order.insert(to, order.pop(at))
            break
    if request.POST.get("way") == "usual":
        kept = ""
    else:
        kept = columns_of(listing.code, [one for one in order if one in wanted])
    services.choose_columns(list_code=listing.code, columns=kept, **by(request))
    shown = kept or codes_of(listing.usual())
    return _back(request, place, cols=shown, choosing="1" if moved else "")


@action("lists/views/", name="view-save", right=SIGNED_IN, operation="save_list_view")
def save(request: HttpRequest) -> HttpResponse:
    """Keep the list as it stands under a name."""
    listing, place = listing_of(request.POST.get("list", "")), _place(request)
    made = services.save_view(
        list_code=listing.code, name=request.POST.get("name", ""),
        query=request.POST.get("query", ""), is_shared="is_shared" in request.POST,
        **by(request),
    )  # fmt: skip
    if "opens" in request.POST:
        services.open_list_with(list_code=listing.code, view=made.id, **by(request))
    messages.success(request, _("The view “%(name)s” is kept.") % {"name": made.name})
    return _back(request, place)


@action("lists/views/<uuid:view>/", name="view-change", right=SIGNED_IN,
        operation="change_list_view", form=True)  # fmt: skip
def change(request: HttpRequest, view: UUID) -> HttpResponse:
    """Rename a view, share it, let it have the filter that stands."""
    with _known():
        row = queries.view_by_id(view, request.principal.actor)
        kept = queries.list_kept(row.list, request.principal.actor)
        if request.method != "POST":
            path = _ours(request.GET.get("path", ""))
            told = {"view": row, "name": row.name, "opens": kept.opens == view, "path": path,
                    "is_mine": _may_change(request, row), "seen": revision_of(row)}  # fmt: skip
            return render(request, "office/views/change.html", told)
        place = _place(request)
        if _may_change(request, row):
            refilled = "filter" in request.POST  # from the list: the name and the rest stay
            name = request.POST.get("name", row.name)
            try:
                row = services.change_view(
                    view, name=name,
                    query=request.POST.get("query", "") if refilled else row.query,
                    is_shared=row.is_shared if refilled else "is_shared" in request.POST,
                    seen=request.POST.get("seen"), keeper=is_keeper(request), **by(request),
                )  # fmt: skip
            except Stale as error:
                return _meanwhile(request, name, place, error)
            if refilled:
                messages.success(
                    request, _("“%(name)s” now keeps what stands here.") % {"name": row.name}
                )
                return _back(request, place, query=row.query)
    opens = "opens" in request.POST
    if opens or kept.opens == view:
        services.open_list_with(
            list_code=row.list, view=view if opens else None, **by(request)
        )  # fmt: skip
    messages.success(request, _("The view “%(name)s” is kept.") % {"name": row.name})
    return _back(request, place, query=row.query)


@action("lists/views/<uuid:view>/remove/", name="view-remove", right=SIGNED_IN,
        operation="remove_list_view")  # fmt: skip
def remove(request: HttpRequest, view: UUID) -> HttpResponse:
    """Take a view away; the page offers to bring it back."""
    place = _place(request)
    with _known():
        row = services.remove_view(view, keeper=is_keeper(request), **by(request))
    return _back(request, place, query=f"view=all&removed={row.id}")


@action("lists/views/<uuid:view>/restore/", name="view-restore", right=SIGNED_IN,
        operation="restore_list_view")  # fmt: skip
def restore(request: HttpRequest, view: UUID) -> HttpResponse:
    """Bring a removed view back."""
    place = _place(request)
    with _known():
        row = services.restore_view(view, keeper=is_keeper(request), **by(request))
    return _back(request, place, query=row.query)


def _meanwhile(request: HttpRequest, name: str, place: str, error: Stale) -> HttpResponse:
    """Show the view as it stands beside what was typed."""
    has = {True: _("yes"), False: _("no")}
    stands, shared = error.stands, "is_shared" in request.POST
    rows = [
        {"label": _("Name"), "before": stands.name, "after": name},
        {"label": _("Everybody in the company sees it"), "before": has[stands.is_shared],
         "after": has[shared]},
    ]  # fmt: skip
    told = {
        "view": replace(stands, is_shared=shared), "name": name, "opens": "opens" in request.POST,
        "path": place, "is_mine": True, "seen": error.revision,
        "meanwhile": Meanwhile(error, [one for one in rows if one["before"] != one["after"]]),
    }  # fmt: skip
    return render(request, "office/views/change.html", told, status=409)


def _place(request: HttpRequest) -> str:
    """Return the address of the list that the form was on; raises as `_ours`."""
    return _ours(request.POST.get("path", ""))


def _ours(path: str) -> str:
    """Return the address, which is a page of the office.

    Raises:
        ListRefused: it is none.
    """
    try:
        is_ours = path.startswith("/") and resolve(path).namespace == "office"
    except Resolver404:
        is_ours = False
    if not is_ours or urlsplit(path).netloc:
        raise ListRefused("list_elsewhere")
    return path


def _back(
    request: HttpRequest, path: str, *, query: str | None = None, **changes: str
) -> HttpResponse:
    """Go back to the list."""
    told = dict(parse_qsl(request.POST.get("query", "") if query is None else query,
                          keep_blank_values=True))  # fmt: skip
    told = {name: text for name, text in told.items() if name not in ("after", "choosing")}
    told |= {name: text for name, text in changes.items() if text}
    return redirect(f"{path}?{urlencode(told)}")


def _may_change(request: HttpRequest, row: queries.ListViewRow) -> bool:
    return row.owner == request.principal.actor or is_keeper(request)


@contextmanager
def _known() -> Iterator[None]:
    try:
        yield
    except queries.ViewNotFound:
        raise Http404 from None
