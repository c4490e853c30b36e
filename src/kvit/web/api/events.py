"""Usage in bulk: up to 10 000 events a request, each with a verdict of its own.

An event's id within its source is what makes it the same event: sent again it is a repeat and
changes nothing, so a batch whose answer was lost is simply sent again.
"""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import Query
from pydantic import Field

from kvit.core.wording import Words, say
from kvit.integrations.port import Fault, Place
from kvit.metering import queries
from kvit.metering import services as metering
from kvit.metering.rows import BulkIn, Taken
from kvit.platform.durable_log import NotKept
from kvit.web.api import intake, problems
from kvit.web.api.core import Router, operation
from kvit.web.api.problems import ApiRefused
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
    offered: int
    accepted: int
    repeated: int
    conflicting: int
    rejected: int
    version: int
    data: list[_Told]


class _Bulk(msgspec.Struct, gc=False):
    id: UUID
    state: str
    offered: int
    accepted: int = 0
    repeated: int = 0
    conflicting: int = 0
    rejected: int = 0
    version: int = 0
    data: list[_Told] = []


class BulkOut(Schema):
    """A batch that was taken at once: its events are looked at later, each with a verdict.

    `data` names the events that were not accepted; while the batch waits, nothing is known of any.
    """

    id: UUID
    state: Literal["waiting", "done"]
    offered: Int
    accepted: Int
    repeated: Int
    conflicting: Int
    rejected: Int
    version: Int
    data: list[Verdict]


class BulkQuery(Input):
    """Where events come from that do not say so."""

    source: str = Field(intake.SOURCE, min_length=1, max_length=200)


_BODY = {"requestBody": {"required": True, "content": dict.fromkeys(KINDS, _CONTENT)}}


@operation(
    router, "POST", "/events", right="usage.write", response=IntakeOut, body_limit=BODY_LIMIT,
    summary="Take usage events in, one or a batch", extra=_BODY,
)  # fmt: skip
def send_events(request: HttpRequest, query: Query[IntakeQuery]) -> HttpResponse:
    """A bad event keeps no good one out. The body may be packed by gzip (`Content-Encoding`)."""
    body = intake.unpacked(request.body, request.headers.get("Content-Encoding", "").lower())
    batch = intake.read(body, source=query.source)
    [taken] = metering.ingest_together(
        [batch.offer], actor=request.principal.actor, now=request.now, origin="api"
    )
    told = told_of(batch, taken, verdicts=query.verdicts, lang=problems.language(request))
    return HttpResponse(told, content_type="application/json")


@operation(
    router, "POST", "/events/bulk", right="usage.write", response=BulkOut, status=202,
    body_limit=BODY_LIMIT, summary="Take a batch at once, look at its events later", extra=_BODY,
)  # fmt: skip
def send_events_in_bulk(request: HttpRequest, query: Query[BulkQuery]) -> HttpResponse:
    """The answer comes when the batch is on the disk. Ask for its verdicts by its id."""
    body = intake.unpacked(request.body, request.headers.get("Content-Encoding", "").lower())
    one = BulkIn(body, intake.count(body), query.source)
    try:
        [number] = metering.keep_bulk([one], actor=request.principal.actor, now=request.now)
    except NotKept as refused:
        raise ApiRefused(
            refused.code, status=503, headers={"Retry-After": str(refused.seconds)},
            seconds=refused.seconds,
        ) from refused  # fmt: skip
    told = told_kept(number, one.offered)
    return HttpResponse(told, status=202, content_type="application/json")


@operation(router, "GET", "/events/bulk/{batch}", right="usage.write", response=BulkOut,
           summary="What became of a batch that was taken at once")  # fmt: skip
def read_bulk_batch(request: HttpRequest, batch: UUID) -> HttpResponse:
    """`waiting` until its events were looked at: some seconds after it was taken."""
    found = queries.bulk_request(batch)
    if found is None:
        raise ApiRefused("not_found", status=404)
    lang = problems.language(request)
    told = _Bulk(
        found.id, found.state, found.offered, found.accepted, found.repeated,
        found.conflicting, found.rejected, found.version,
        [_verdict(dict(one), lang) for one in found.verdicts],
    )  # fmt: skip
    return HttpResponse(msgspec.json.encode(told), content_type="application/json")


def told_of(batch: intake.Batch, taken: Taken, *, verdicts: str, lang: str) -> bytes:
    """Return the answer to a batch whose events were looked at."""
    data = [_Told(i, text, "accepted") for i, text in enumerate(batch.ids)]
    for event in taken.repeats:
        data[event.row - 1].verdict = "repeated"
    for event in taken.conflicts:
        data[event.row - 1] = _conflict(event.row - 1, event.event_id, lang)
    for row in taken.rejections:
        text = batch.ids[row.row - 1]
        data[row.row - 1] = _refused(row.row - 1, text, row.code, row.field, row.params, lang)
    if verdicts == "faults":
        data = [one for one in data if one.verdict not in ("accepted", "repeated")]
    return msgspec.json.encode(
        _Sum(
            taken.offered, taken.accepted, len(taken.repeats), len(taken.conflicts),
            len(taken.rejections), taken.version, data,
        )
    )  # fmt: skip


def told_kept(number: UUID, offered: int) -> bytes:
    """Return the answer to a batch whose events are looked at later."""
    return msgspec.json.encode(_Bulk(number, "waiting", offered))


def _verdict(one: dict[str, Any], lang: str) -> _Told:
    index, text = int(one["index"]), str(one["id"])
    if one["verdict"] == "conflict":
        return _conflict(index, text, lang)
    if one["verdict"] == "rejected":
        return _refused(index, text, one["code"], one["field"], one["params"], lang)
    return _Told(index, text, one["verdict"])


def _conflict(index: int, text: str, lang: str) -> _Told:
    code = "usage_conflict"
    detail, remedy = say(WORDS, code, lang), say(WORDS, f"{code}_remedy", lang)
    return _Told(index, text, "conflict", code, "id", detail, remedy)


def _refused(
    index: int, text: str, code: str, field: str, params: Mapping[str, Any], lang: str
) -> _Told:
    given = {name: str(value) for name, value in params.items()}
    fault = Fault(code, Place("", index + 1, field), given)
    return _Told(index, text, "rejected", code, field, fault.message(lang), fault.remedy(lang))
