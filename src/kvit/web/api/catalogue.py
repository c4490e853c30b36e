"""What is sold: the catalogue as it stands, its history, drafts, publication.

Documents are those of the company folder and the quote (docs/reference/company-folder.md), with
exact numbers as strings.
"""

from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.catalog import queries, services
from kvit.catalog.rows import DraftInfo
from kvit.core import statements
from kvit.core.catalogue import ALWAYS
from kvit.core.periods import local_date
from kvit.parties import queries as parties
from kvit.web import routes
from kvit.web.api.core import COMPARES, Router, operation, seen, standing
from kvit.web.api.problems import ApiRefused
from kvit.web.api.schemas import Day, Input, Int, Listed, Moment, Paging, Schema, Text, listed

TAG = ("Каталог", "The catalogue")
router = Router()
Document = dict[str, Any]
Kind = Literal["meter", "plan", "price", "discount", "coupon", "calendar"]
StatedKind = Literal["meter", "discount", "coupon", "calendar"]
WHY = Field(min_length=1, max_length=500, examples=["новый тариф с ноября"])


class CatalogueOut(Schema):
    """Everything in force on a day, as documents."""

    revision: int
    day: Day
    meters: list[Document]
    plans: list[Document]
    prices: list[Document]
    discounts: list[Document]
    coupons: list[Document]
    calendars: list[Document]


class CatalogueIn(Input):
    """What to publish in one step; what is not named stays as it is."""

    meters: list[Document] = Field([], max_length=1000, examples=[[
        {"code": "api_calls", "name": "Вызовы API", "unit": "вызов"}
    ]])  # fmt: skip
    plans: list[Document] = Field([], max_length=1000, examples=[[{"code": "pro", "name": "Про"}]])
    prices: list[Document] = Field([], max_length=1000, examples=[[
        {"plan": "pro", "code": "calls", "name": "Вызовы", "meter": "api_calls",
         "price": {"model": "per_unit", "unit": "2.00"}}
    ]])  # fmt: skip
    discounts: list[Document] = Field([], max_length=1000)
    coupons: list[Document] = Field([], max_length=1000, examples=[[
        {"code": "NY2027", "name": "Новый год", "percent": "10", "limit": "100"}
    ]])  # fmt: skip
    calendars: list[Document] = Field([], max_length=100, examples=[[
        {"code": "office", "holidays": ["2026-12-31"]}
    ]])  # fmt: skip
    effective_from: Day | None = Field(None, description="None: it has always held.")
    reason: Text = WHY


class PublishedOut(Schema):
    """The revision that a publication made."""

    revision: int


class PublishedVersionOut(Schema):
    """A published version of an object of the catalogue, and what it replaced."""

    id: UUID
    kind: str
    key: str
    status: str
    effective_from: Day
    revision: int
    author: str
    at: Moment | None
    reason: str
    document: Document
    before: Document | None


class DraftOut(Schema):
    """A draft of the catalogue. `version` counts its edits; an edit names the one it saw."""

    id: UUID
    title: str
    status: Literal["open", "published", "discarded"]
    effective_from: Day
    version: int
    author: str
    changed_by: str
    created_at: Moment
    changed_at: Moment
    published_revision: int | None
    content: dict[str, dict[str, Document]]


class DraftChangeOut(Schema):
    """One object of a draft: what stood when it was put in, what stands now, what it becomes."""

    kind: str
    key: str
    before: Document | None
    stands: Document | None
    after: Document
    conflict: bool


class WholeDraftOut(DraftOut):
    """A draft with what it changes."""

    changes: list[DraftChangeOut]


class DraftIn(Input):
    """What a draft is called and from which day it will hold."""

    title: Text = Field(min_length=1, max_length=200, examples=["Тарифы на ноябрь"])
    effective_from: Day


class DraftEditIn(Input):
    """The version of the draft that the edit was made of; not needed beside `If-Match`."""

    version: Int | None = Field(None, ge=0)


class DraftRenameIn(DraftIn, DraftEditIn):
    """A new title and day."""


class DraftPutIn(DraftEditIn):
    """One object, in place of what the draft says of it already."""

    document: Document = Field(examples=[
        {"plan": "pro", "code": "fee", "name": "Абонентская плата",
         "price": {"model": "flat", "amount": "490.00"}}
    ])  # fmt: skip


class DraftReasonIn(DraftEditIn):
    """Why."""

    reason: Text = WHY


class DraftQuery(Paging):
    """Which drafts."""

    status: Literal["open", "published", "discarded", "all"] = "open"


class DayQuery(Input):
    """A day; none is today."""

    day: Day | None = None


class VersionQuery(Input):
    """The version of the draft that the edit was made of; not needed beside `If-Match`."""

    version: int | None = Field(None, ge=0)


@operation(router, "GET", "/catalogue", right="catalogue.read", response=CatalogueOut)
def read_catalogue(request: HttpRequest, query: Query[DayQuery]) -> CatalogueOut:
    """What is in force on a day."""
    known = queries.catalogue()
    day = query.day or local_date(request.now, parties.tenant().row.zone)
    plans = [plan for code in known.plans if (plan := known.plan_on(code, day))]
    prices = [one for code in known.plans for one in known.prices_on(code, day)]
    names: list[tuple[Kind, str]] = [("price", f"{one.plan}/{one.code}") for one in prices]
    dated: list[tuple[Kind, str]] = [
        *(("coupon", code) for code in queries.coupons()),
        *(("calendar", code) for code in sorted(queries.calendar_days())),
    ]
    documents = queries.stands([*names, *dated], day)
    return CatalogueOut(
        revision=known.revision,
        day=day,
        meters=[_written(one) for one in known.meters.values()],
        plans=[_written(one) for one in plans],
        prices=[documents[name] for name in names],
        discounts=[_written(one) for one in known.discounts_on(day)],
        coupons=[documents[name] for name in dated if name[0] == "coupon"],
        calendars=[documents[name] for name in dated if name[0] == "calendar"],
    )


@operation(
    router, "POST", "/catalogue", right="catalogue.publish", status=201, response=PublishedOut
)
@transaction.atomic
def publish_catalogue(request: HttpRequest, body: CatalogueIn) -> PublishedOut:
    """Publish at once, by the same checks as a draft: all of it or nothing."""
    who = {"actor": request.principal.actor, "now": request.now}
    draft = services.open_draft(body.reason, effective_from=body.effective_from or ALWAYS, **who)
    stated: list[tuple[Kind, str, list[Document]]] = [
        ("meter", "meters", body.meters),
        ("plan", "plans", body.plans),
        ("price", "prices", body.prices),
        ("discount", "discounts", body.discounts),
        ("coupon", "coupons", body.coupons),
        ("calendar", "calendars", body.calendars),
    ]
    for kind, name, documents in stated:
        for place, document in enumerate(documents):
            draft = services.put(
                draft.id, kind, document, expected=draft.version, path=f"{name}[{place}]", **who
            )
    revision = services.publish_draft(draft.id, expected=draft.version, reason=body.reason, **who)
    return PublishedOut(revision=revision)


@operation(
    router, "GET", "/catalogue/plans/{code}/history", right="catalogue.read",
    response=list[PublishedVersionOut],
)  # fmt: skip
def read_plan_history(request: HttpRequest, code: str) -> Any:
    """Every published version of a plan and its prices, the latest first."""
    return queries.history(code)


@operation(
    router, "GET", "/catalogue/objects/{kind}/{key}/history", right="catalogue.read",
    response=list[PublishedVersionOut],
)  # fmt: skip
def read_object_history(request: HttpRequest, kind: StatedKind, key: str) -> Any:
    """What was published of a meter, a discount, a coupon or a calendar, the latest first."""
    return queries.stated_history(kind, key)


@operation(router, "GET", "/catalogue/drafts", right="catalogue.read", response=Listed[DraftOut])
def list_drafts(request: HttpRequest, query: Query[DraftQuery]) -> Any:
    """Those edited last first."""
    page = queries.drafts(status=query.status, after=query.after, limit=query.limit)
    return listed(page, lambda one: one)


@operation(
    router, "POST", "/catalogue/drafts", right="catalogue.write", status=201, response=DraftOut
)
def open_draft(request: HttpRequest, body: DraftIn) -> Any:
    """Begin a change of the catalogue."""
    return services.open_draft(body.title, effective_from=body.effective_from, **_by(request))


@operation(
    router, "GET", "/catalogue/drafts/{draft}", right="catalogue.read", response=WholeDraftOut
)
def read_draft(request: HttpRequest, draft: UUID) -> WholeDraftOut:
    """A draft and what it changes."""
    found = queries.draft(draft)
    if found is None:
        raise ApiRefused("not_found", status=404)
    _told(request, found)
    shown = DraftOut.from_orm(found).model_dump()
    return WholeDraftOut(**shown, changes=[_change(one) for one in queries.changes_of(draft)])


@operation(router, "PUT", "/catalogue/drafts/{draft}", right="catalogue.write", response=DraftOut)
def change_draft(request: HttpRequest, draft: UUID, body: DraftRenameIn) -> Any:
    """Change its title and the day from which it will hold."""
    return _told(request, services.rename(
        draft, title=body.title, effective_from=body.effective_from, expected=body.version,
        **_edits(request),
    ))  # fmt: skip


@operation(
    router, "PUT", "/catalogue/drafts/{draft}/objects/{kind}", right="catalogue.write",
    response=DraftOut,
)  # fmt: skip
def put_in_draft(request: HttpRequest, draft: UUID, kind: Kind, body: DraftPutIn) -> Any:
    """Put one object in."""
    return _told(
        request,
        services.put(
            draft, kind, body.document, expected=body.version, path="document", **_edits(request)
        ),
    )


@operation(
    router, "DELETE", "/catalogue/drafts/{draft}/objects/{kind}/{path:key}",
    right="catalogue.write",
    response=DraftOut,
)  # fmt: skip
def take_out_of_draft(
    request: HttpRequest, draft: UUID, kind: Kind, key: str, query: Query[VersionQuery]
) -> Any:
    """Take one object out: it stays as it stands. A price's key is "plan/price"."""
    return _told(
        request, services.take_out(draft, kind, key, expected=query.version, **_edits(request))
    )


@operation(
    router, "POST", "/catalogue/drafts/{draft}/settle", extra=COMPARES, right="catalogue.write",
    response=DraftOut,
)  # fmt: skip
def settle_draft(request: HttpRequest, draft: UUID, body: DraftEditIn) -> Any:
    """Confirm that the draft replaces what was published while it was edited."""
    return _told(request, services.settle(draft, expected=body.version, **_edits(request)))


@operation(
    router, "POST", "/catalogue/drafts/{draft}/discard", extra=COMPARES, right="catalogue.write",
    response=DraftOut,
)  # fmt: skip
def discard_draft(request: HttpRequest, draft: UUID, body: DraftReasonIn) -> Any:
    """Give a draft up; it stays readable."""
    return _told(
        request,
        services.discard(draft, expected=body.version, reason=body.reason, **_edits(request)),
    )


def _keep_denied(request: HttpRequest, draft: object) -> None:
    """An attempt without the right is kept with what it would have made of what stands."""
    key = UUID(str(draft))
    if queries.draft(key) is not None:
        services.refuse_publication(key, actor=request.principal.actor, now=request.now)


@routes.on_denial(_keep_denied)
@operation(
    router, "POST", "/catalogue/drafts/{draft}/publish", extra=COMPARES, right="catalogue.publish",
    response=PublishedOut,
)  # fmt: skip
def publish_draft(request: HttpRequest, draft: UUID, body: DraftReasonIn) -> PublishedOut:
    """Publish all that it states, from its day on, in one revision."""
    revision = services.publish_draft(
        draft, expected=body.version, reason=body.reason, **_edits(request)
    )
    return PublishedOut(revision=revision)


def _by(request: HttpRequest) -> dict[str, Any]:
    return {"actor": request.principal.actor, "now": request.now}


def _edits(request: HttpRequest) -> dict[str, Any]:
    return {**_by(request), "seen": seen(request)}


def _told(request: HttpRequest, found: DraftInfo) -> DraftInfo:
    """The answer's ETag names the draft as it is now, for the next edit."""
    standing(request, services.standing_of(found))
    return found


def _written(terms: Any) -> Document:
    return dict(statements.write(statements.statement_of(terms)))


def _change(one: Any) -> DraftChangeOut:
    return DraftChangeOut(
        kind=one.kind,
        key=one.key,
        before=one.before,
        stands=one.stands,
        after=one.after,
        conflict=one.conflict,
    )
