"""Customers: who is billed."""

from dataclasses import asdict
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.insight.timeline import KINDS, timeline
from kvit.parties import queries, services
from kvit.parties.rows import Customer, CustomerAsked, CustomerRow, Note
from kvit.web import story
from kvit.web.api.core import Router, operation, seen, standing
from kvit.web.api.problems import ApiRefused, language
from kvit.web.api.schemas import (
    UUID,
    Code,
    Input,
    Listed,
    Moment,
    Paging,
    Reason,
    Schema,
    Text,
)
from kvit.web.authorship import actor_text

TAG = ("Клиенты", "Customers")
router = Router()


class CustomerIn(Input):
    """Who is billed. An empty text is "not given"; of zone and currency, the company's."""

    name: Text = Field(min_length=1, examples=["ООО «Ромашка»"])
    kind: Literal["company", "sole", "person"] = "company"
    inn: Text = Field("", max_length=12)
    kpp: Text = Field("", max_length=9)
    ogrn: Text = Field("", max_length=15)
    email: Text = Field("", max_length=254, examples=["buh@example.com"])
    phone: Text = Field("", max_length=40)
    address: Text = ""
    zone: Text = Field("", max_length=60)
    currency: Text = Field("", max_length=3)
    payer: Text = Field("", max_length=80, description="The code of the customer who pays.")
    segment: Text = Field("", max_length=80)
    branch: Text = Field("", max_length=80)
    bank: Text = ""
    bik: Text = Field("", max_length=9)
    account: Text = Field("", max_length=34)
    correspondent: Text = Field("", max_length=34)
    reason: Reason = ""


class NewCustomerIn(CustomerIn):
    """A customer with its code, which never changes."""

    code: Code = Field(examples=["romashka"])


class CustomerOut(Schema):
    """A customer as it stands."""

    id: UUID
    code: str
    name: str
    kind: str
    inn: str
    kpp: str
    ogrn: str
    email: str
    phone: str
    address: str
    zone: str
    currency: str
    payer: str
    segment: str
    branch: str
    bank: str
    bik: str
    account: str
    correspondent: str


class NoteIn(Input):
    """What to write down; a note is never changed."""

    text: Text = Field(max_length=2000, min_length=1, examples=["Просят счёт до 5-го числа."])


class NoteOut(Schema):
    """What somebody wrote down."""

    id: UUID
    text: str
    author: str
    at: Moment


class EntryOut(Schema):
    """One thing that happened, and who did it and why."""

    at: Moment
    kind: str
    text: str
    actor: str
    who: str
    reason: str


class StoryQuery(Paging):
    """What the story is narrowed to."""

    kinds: Text = Field(
        "", description="Kinds by commas: " + ", ".join(KINDS) + ".", examples=["invoice,note"]
    )


class CustomerQuery(Paging):
    """What the list is narrowed to, and its order."""

    text: Text = Field("", description="Name, ИНН, code, phone, in any case form.")
    kind: Literal["", "company", "sole", "person"] = ""
    segment: Text = ""
    order: Literal["name", "-name", "code", "-code"] = "name"


@operation(
    router, "GET", "/customers", right="customers.read", response=Listed[CustomerOut],
    personal=True,
)  # fmt: skip
def list_customers(request: HttpRequest, query: Query[CustomerQuery]) -> Any:
    """Found by what people type."""
    asked = CustomerAsked(text=query.text, kind=query.kind, segment=query.segment)
    page = queries.customers_page(asked, order=query.order, after=query.after, limit=query.limit)
    rows = [_shown(one) for one in page.rows]
    return {"data": rows, "next": page.next, "count": page.count}


@operation(router, "POST", "/customers", right="customers.write", status=201, response=CustomerOut)
def create_customer(request: HttpRequest, body: NewCustomerIn) -> CustomerOut:
    """Requisites are checked by their check digits."""
    made = services.create_customer(
        _row(body.code, body), actor=request.principal.actor, now=request.now, reason=body.reason
    )
    return _shown(made)


@operation(
    router, "GET", "/customers/{code}", right="customers.read", response=CustomerOut,
    personal=True,
)  # fmt: skip
def read_customer(request: HttpRequest, code: str) -> CustomerOut:
    """One customer."""
    return _whole(request, code)


@operation(router, "PUT", "/customers/{code}", right="customers.write", response=CustomerOut)
def change_customer(request: HttpRequest, code: str, body: CustomerIn) -> CustomerOut:
    """State the customer whole; what is left out becomes empty."""
    services.change_customer(
        code,
        _row(code, body),
        seen=seen(request),
        actor=request.principal.actor,
        now=request.now,
        reason=body.reason,
    )
    return _whole(request, code)


@operation(
    router, "GET", "/customers/{code}/notes", right="customers.read", response=list[NoteOut],
    personal=True,
)  # fmt: skip
def list_customer_notes(request: HttpRequest, code: str) -> list[Note]:
    """The newest fifty."""
    return queries.notes_of(_customer(code).id)


@operation(
    router, "POST", "/customers/{code}/notes", right="customers.write", status=201,
    response=NoteOut,
)  # fmt: skip
def add_customer_note(request: HttpRequest, code: str, body: NoteIn) -> Note:
    """It stays for ever."""
    return services.add_note(
        _customer(code).id, body.text, actor=request.principal.actor, now=request.now
    )


@operation(
    router, "GET", "/customers/{code}/story", right="customers.read", response=Listed[EntryOut],
    personal=True,
)  # fmt: skip
def read_customer_story(request: HttpRequest, code: str, query: Query[StoryQuery]) -> Any:
    """Everything that happened to the customer, newest first, in sentences."""
    one = _customer(code)
    kinds = {kind for kind in query.kinds.split(",") if kind in KINDS}
    page = timeline(one, kinds=kinds, after=query.after, limit=query.limit)
    lang = language(request)
    rows = [
        EntryOut(
            at=entry.at,
            kind=entry.kind,
            text=story.sentence(entry, lang, one.zone),
            actor=entry.actor,
            who=actor_text(entry.actor, page.people, lang),
            reason=entry.reason,
        )
        for entry in page.entries
    ]
    return {"data": rows, "next": page.next, "count": None}


def _customer(code: str) -> Customer:
    found = queries.customers_by_code([code]).get(code)
    if found is None:
        raise ApiRefused("not_found", status=404, field="code")
    return found


def _whole(request: HttpRequest, code: str) -> CustomerOut:
    found = _customer(code)
    standing(request, found.row)
    return _shown(found)


def _row(code: str, body: CustomerIn) -> CustomerRow:
    return CustomerRow(code=code, **body.model_dump(exclude={"reason", "code"}))


def _shown(one: Customer) -> CustomerOut:
    told = {**asdict(one.row), "zone": one.zone, "currency": one.currency}
    return CustomerOut(id=one.id, **told)
