"""Find anything by what people type."""

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.web import finding, routes
from kvit.web.api.core import Router, operation
from kvit.web.api.problems import language
from kvit.web.api.schemas import Input, Schema, Text

TAG = ("Поиск", "Search")
router = Router()


class SearchQuery(Input):
    """What was typed."""

    text: Text = Field(max_length=200, examples=["cxtn 118"])


class FoundOut(Schema):
    """Something that fits; `key` is an id, a code, or the id of an event."""

    kind: str
    key: str
    title: str
    note: str
    is_exact: bool


class SearchOut(Schema):
    """What was found, the surest first; `meant` where the other keyboard layout found it."""

    meant: str
    found: list[FoundOut]


@operation(router, "GET", "/search", right=routes.SIGNED_IN, response=SearchOut, personal=True)
def search(request: HttpRequest, query: Query[SearchQuery]) -> SearchOut:
    """Numbers, ИНН, names in any case form, sums, codes, ids of events; within one's rights."""
    principal = request.principal
    answer = finding.find(
        query.text, rights=principal.rights, lang=language(request),
        currency=principal.tenant.row.currency, branches=principal.branches,
    )  # fmt: skip
    return SearchOut(
        meant=answer.meant,
        found=[
            FoundOut(kind=one.kind, key=one.key, title=one.title, note=one.note,
                     is_exact=one.is_exact)
            for one in answer.found
        ],
    )  # fmt: skip
