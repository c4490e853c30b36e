"""Usage in bulk: up to 10 000 events a request, each with a verdict of its own.

An event's id within its source is what makes it the same event: sent again it is a repeat and
changes nothing, so a batch whose answer was lost is simply sent again.
"""

from typing import Literal

import msgspec
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Query
from pydantic import Field

from kvit.core.wording import Words, say
from kvit.integrations.port import WORDS as FAULT_WORDS
from kvit.integrations.port import Fault, Place
from kvit.metering import services as metering
from kvit.metering.rows import WORDS as USAGE_WORDS
from kvit.metering.rows import RejectedIn
from kvit.web.api import intake, problems
from kvit.web.api.core import Router, operation
from kvit.web.api.schemas import Input, Int, Schema

TAG = ("События потребления", "Usage events")
BODY_LIMIT = 8 * 2**20
router = Router()
EVENT = {
    "id": "call-1",
    "subscription": "S-1",
    "meter": "api_calls",
    "time": "2026-10-16T12:00:00+03:00",
    "value": "5",
    "dimensions": {"region": "ru"},
}
CLOUD = {
    "specversion": "1.0",
    "id": "call-1",
    "source": "crm",
    "type": "api_calls",
    "subject": "subscription:S-1",
    "time": "2026-10-16T09:00:00Z",
    "data": {"value": "5"},
}

WORDS: Words = {
    "usage_conflict": (
        "Под этим идентификатором уже есть событие с другим содержанием; оно в силе, это отложено.",
        "There is an event of this id with another content; it stands, this one is kept aside.",
    ),
    "usage_conflict_remedy": (
        "Решите, какое верно, или пошлите событие под новым идентификатором.",
        "Decide which is right, or send the event under a new id.",
    ),
}


class Event(Input):
    """Usage of a subscription, or of a customer where one subscription has that meter."""

    id: str = Field(min_length=1, max_length=200, description="One within its source.")
    meter: str = Field(min_length=1, max_length=200)
    time: str = Field(json_schema_extra={"format": "date-time"})
    subscription: str | None = Field(None, max_length=200)
    customer: str | None = Field(None, max_length=200)
    value: str | None = Field(None, description="A decimal number; none where events are counted.")
    text: str | None = Field(None, max_length=2000)
    dimensions: dict[str, str] | None = None
    source: str | None = Field(None, max_length=200)


class CloudEventData(Input):
    """What a CloudEvent measures."""

    value: str | None = None
    text: str | None = Field(None, max_length=2000)
    dimensions: dict[str, str] | None = None


class CloudEvent(Schema):
    """A CloudEvent 1.0: `type` is the meter, `subject` "subscription:code" or "customer:code"."""

    specversion: Literal["1.0"]
    id: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=200)
    type: str = Field(min_length=1, max_length=200)
    subject: str = Field(min_length=1, max_length=200)
    time: str = Field(json_schema_extra={"format": "date-time"})
    data: CloudEventData


SCHEMAS = (Event, CloudEvent)
KINDS = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
_ONE = [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in SCHEMAS]
_CONTENT = {
    "schema": {
        "anyOf": [
            {"type": "array", "minItems": 1, "maxItems": intake.MOST, "items": {"anyOf": _ONE}},
            *_ONE,
        ]
    },
    "examples": {
        "batch": {"value": [EVENT]},
        "single": {"value": EVENT},
        "cloud": {"value": CLOUD},
    },
}


class IntakeQuery(Input):
    """Where events come from that do not say so, and which verdicts are told."""

    source: str = Field(intake.SOURCE, min_length=1, max_length=200)
    verdicts: Literal["all", "faults"] = "all"


class Verdict(Schema):
    """What became of one event; `index` is its place in the batch, the first being 0."""

    index: Int
    id: str
    verdict: Literal["accepted", "repeated", "conflict", "rejected"]
    code: str | None = None
    field: str | None = None
    detail: str | None = None
    remedy: str | None = None


class IntakeOut(Schema):
    """accepted + repeated + conflicting + rejected = offered."""

    offered: Int
    accepted: Int
    repeated: Int
    conflicting: Int
    rejected: Int
    version: Int = Field(description="The usage version: a bill names the one it was made of.")
    data: list[Verdict]


class _Told(msgspec.Struct, omit_defaults=True, gc=False):
    index: int
    id: str
    verdict: str
    code: str = ""
    field: str = ""
    detail: str = ""
    remedy: str = ""


class _Sum(msgspec.Struct):
    offered: int = 0
    accepted: int = 0
    repeated: int = 0
    conflicting: int = 0
    rejected: int = 0
    version: int = 0
    data: list[_Told] = []


@operation(
    router, "POST", "/events", right="usage.write", response=IntakeOut, body_limit=BODY_LIMIT,
    summary="Take usage events in, one or a batch",
    extra={"requestBody": {"required": True, "content": dict.fromkeys(KINDS, _CONTENT)}},
)  # fmt: skip
def send_events(request: HttpRequest, query: Query[IntakeQuery]) -> HttpResponse:
    """A bad event keeps no good one out. The body may be packed by gzip (`Content-Encoding`)."""
    body = intake.unpacked(request.body, request.headers.get("Content-Encoding", "").lower())
    batch = intake.read(body, source=query.source)
    told = _take(batch, query.source, request)
    if query.verdicts == "faults":
        told.data = [one for one in told.data if one.verdict not in ("accepted", "repeated")]
    return HttpResponse(msgspec.json.encode(told), content_type="application/json")


@transaction.atomic
def _take(batch: intake.Batch, source: str, request: HttpRequest) -> _Sum:
    """Take all in or, where the database fails, nothing. Sources in one order: no deadlock."""
    lang = problems.language(request)
    told = _Sum(data=[_Told(i, text, "accepted") for i, text in enumerate(batch.ids)])
    for name in sorted({*batch.events, *([source] if batch.rejected else [])}):
        verdict = metering.ingest(
            batch.events.get(name, []),
            source=name,
            actor=request.principal.actor,
            now=request.now,
            rejected=batch.rejected if name == source else (),
            origin="api",
            listed=intake.MOST,
        )
        told.offered += verdict.offered
        told.accepted += verdict.accepted
        told.repeated += verdict.repeated
        told.conflicting += verdict.conflicting
        told.rejected += verdict.rejected
        told.version = max(told.version, verdict.version)
        for event in verdict.repeats:
            told.data[event.row - 1].verdict = "repeated"
        for event in verdict.conflicts:
            _tell(told, event.row, "conflict", "usage_conflict", "id", lang)
        for row in verdict.rejections:
            _refuse(told, row, lang)
    return told


def _refuse(told: _Sum, row: RejectedIn, lang: str) -> None:
    if row.code in FAULT_WORDS:
        params = {name: str(value) for name, value in row.params.items()}
        fault = Fault(row.code, Place("", row.row, row.field), params)
        detail, remedy = fault.message(lang), fault.remedy(lang)
    else:
        detail, remedy = say(USAGE_WORDS, row.code, lang, **row.params), ""
    _set(told, row.row, _Told(0, "", "rejected", row.code, row.field, detail, remedy))


def _tell(told: _Sum, row: int, verdict: str, code: str, field: str, lang: str) -> None:
    detail = say(WORDS, code, lang)
    _set(told, row, _Told(0, "", verdict, code, field, detail, say(WORDS, f"{code}_remedy", lang)))


def _set(told: _Sum, row: int, one: _Told) -> None:
    one.index, one.id = row - 1, told.data[row - 1].id
    told.data[row - 1] = one
