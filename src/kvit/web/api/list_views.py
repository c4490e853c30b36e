"""Lists as people keep them: the columns they chose, the views they saved."""

from uuid import UUID

from django.http import HttpRequest
from pydantic import Field

from kvit.parties import queries, services
from kvit.web.api.core import Router, operation, seen, standing
from kvit.web.api.schemas import Input, Schema, Text
from kvit.web.columns import codes_of
from kvit.web.listings import columns_of, listing_of
from kvit.web.principal import by, is_keeper
from kvit.web.routes import SIGNED_IN

TAG = ("Представления списков", "Views of lists")
router = Router()


class ListViewOut(Schema):
    """A saved view; `query` is what stands behind the "?" of the list's page."""

    id: UUID
    list: str
    name: str
    query: str
    is_shared: bool
    is_mine: bool


class ListKeptOut(Schema):
    """What one sees above a list: the columns, the views, the one that opens."""

    columns: list[str] = Field(description="The chosen ones in their order.")
    known_columns: list[str] = Field(description="All that the list has.")
    opens: UUID | None
    views: list[ListViewOut]


class ListViewIn(Input):
    """A view. Filter, order and columns stand in `query`."""

    name: Text = Field(max_length=80, min_length=1, examples=["Крупные"])
    query: Text = Field("", max_length=2000, examples=["cols=number,total&sort=-total&tab=issued"])
    is_shared: bool = False


class ListColumnsIn(Input):
    """Columns in the order in which they are shown; none named: the usual ones."""

    columns: list[Text] = Field([], max_length=100, examples=[["number", "customer", "total"]])


class ListOpensIn(Input):
    """The view that the list opens with; null: everything."""

    view: UUID | None = None


@operation(router, "GET", "/lists/{code}/views", right=SIGNED_IN, response=ListKeptOut)
def read_list_views(request: HttpRequest, code: str) -> ListKeptOut:
    """One's own views come before those that others share."""
    listing = listing_of(code)
    kept = queries.list_kept(code, request.principal.actor)
    return ListKeptOut(
        columns=[one.code for one in listing.chosen(kept.columns)],
        known_columns=[one.code for one in listing.columns],
        opens=kept.opens,
        views=[_shown(request, one) for one in kept.views],
    )


@operation(
    router, "POST", "/lists/{code}/views", right=SIGNED_IN, status=201, response=ListViewOut
)  # fmt: skip
def save_list_view(request: HttpRequest, code: str, body: ListViewIn) -> ListViewOut:
    """A name is used once by a person in a list."""
    listing = listing_of(code)
    made = services.save_view(
        list_code=listing.code, name=body.name, query=body.query, is_shared=body.is_shared,
        **by(request),
    )  # fmt: skip
    return _shown(request, made)


@operation(
    router, "PUT", "/lists/{code}/columns", right=SIGNED_IN, status=204, response=None
)  # fmt: skip
def choose_list_columns(request: HttpRequest, code: str, body: ListColumnsIn) -> None:
    """They are shown, and exported, wherever the address names no others."""
    chosen = body.columns or codes_of(listing_of(code).usual()).split(",")
    services.choose_columns(
        list_code=code, columns=columns_of(code, chosen), **by(request)
    )  # fmt: skip


@operation(router, "PUT", "/lists/{code}/opens", right=SIGNED_IN, status=204, response=None)
def open_list_with(request: HttpRequest, code: str, body: ListOpensIn) -> None:
    """It holds for who asks alone."""
    services.open_list_with(list_code=listing_of(code).code, view=body.view, **by(request))


@operation(router, "GET", "/list-views/{view}", right=SIGNED_IN, response=ListViewOut)
def read_list_view(request: HttpRequest, view: UUID) -> ListViewOut:
    """One's own, or a shared one."""
    row = queries.view_by_id(view, request.principal.actor)
    standing(request, row)
    return _shown(request, row)


@operation(router, "PUT", "/list-views/{view}", right=SIGNED_IN, response=ListViewOut)
def change_list_view(request: HttpRequest, view: UUID, body: ListViewIn) -> ListViewOut:
    """Another person's shared view is changed by who may change settings."""
    row = services.change_view(
        view, name=body.name, query=body.query, is_shared=body.is_shared, seen=seen(request),
        keeper=is_keeper(request), **by(request),
    )  # fmt: skip
    standing(request, row)
    return _shown(request, row)


@operation(router, "DELETE", "/list-views/{view}", right=SIGNED_IN, status=204, response=None)
def remove_list_view(request: HttpRequest, view: UUID) -> None:
    """It can be restored."""
    services.remove_view(view, keeper=is_keeper(request), **by(request))


@operation(
    router, "POST", "/list-views/{view}/restore", right=SIGNED_IN, response=ListViewOut
)  # fmt: skip
def restore_list_view(request: HttpRequest, view: UUID) -> ListViewOut:
    """As it was when it was removed."""
    row = services.restore_view(view, keeper=is_keeper(request), **by(request))
    return _shown(request, row)


def _shown(request: HttpRequest, row: queries.ListViewRow) -> ListViewOut:
    return ListViewOut(
        id=row.id, list=row.list, name=row.name, query=row.query, is_shared=row.is_shared,
        is_mine=row.owner == request.principal.actor,
    )  # fmt: skip
