"""Usage that was sent: listed, followed to its invoice, decided and undone. Sending is `events`."""

from datetime import date, timedelta
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.core.periods import instant_of
from kvit.metering import queries, services
from kvit.metering.queries import EventFilter
from kvit.platform.paging import keyset
from kvit.rating import queries as rating
from kvit.web import fates
from kvit.web.api.core import Router, operation
from kvit.web.api.schemas import (
    Day,
    Input,
    Listed,
    Moment,
    Paging,
    Reason,
    Schema,
    Text,
    listed,
    number_text,
)
from kvit.web.own import own_subjects
from kvit.web.tags import lang

TAG = ("Потребление", "Usage")
router = Router()
MOST = 1_000  # events undone in one request
LONGEST = 366  # days of a chart
FIRST, LAST = date(1970, 1, 1), date(2199, 12, 31)  # between which usage is kept


class EventQuery(Paging):
    """Which accepted events. An order by time needs a subject."""

    subject_kind: Literal["", "subscription", "customer"] = ""
    subject: Text = ""
    meter: Text = ""
    source: Text = ""
    since: Moment | None = None
    until: Moment | None = None
    retracted: bool = False
    order: Literal["-received", "-time"] = "-received"


class EventOut(Schema):
    """An accepted event."""

    source: str
    id: str
    subject_kind: str
    subject: str
    meter: str
    time: Moment
    value: str | None
    text: str | None
    received_at: Moment
    version: int
    retraction_reason: str


class FateQuery(Input):
    """The id of an event, in whatever source."""

    id: str = Field(min_length=1, max_length=200)


class FateStepOut(Schema):
    """A step of the way; `ok` false where it ends for now."""

    code: str
    title: str
    text: str
    ok: bool
    at: Moment | None


class FateOut(Schema):
    """What became of an id in one source: billed, waits, or stopped, with what to do."""

    source: str
    outcome: str = Field(pattern="^(billed|waits|stopped)$")
    steps: list[FateStepOut]
    remedy: str
    conflict: UUID | None


class FatesOut(Schema):
    """One for each source that sent it."""

    fates: list[FateOut]


class WaitingOut(Schema):
    """Accepted usage that is not billed, and why."""

    reason: str
    message: str
    subject_kind: str
    subject: str
    meter: str
    events: int
    since: Moment
    until: Moment


class WaitingListOut(Schema):
    """All of it, by reason, subject and meter."""

    data: list[WaitingOut]


class ConflictOut(Schema):
    """A row that came under the id of an accepted event and says something else."""

    id: UUID
    source: str
    event: str
    row: int
    subject: str
    meter: str
    time: Moment
    value: str | None
    text: str | None


class RejectedOut(Schema):
    """A row that could not become an event, what is wrong and what to do."""

    id: UUID
    source: str
    row: int
    event: str
    field: str
    code: str
    message: str
    remedy: str
    raw: str


class DecideIn(Input):
    """ "keep": the accepted event stands; "replace": the disputed row takes its place."""

    outcome: Literal["keep", "replace"]
    reason: Reason


class EventNameIn(Input):
    """An event by its source and id."""

    source: str = Field(min_length=1, max_length=200)
    id: str = Field(min_length=1, max_length=200)


class RetractIn(Input):
    """Events to undo: all of them, or none."""

    events: list[EventNameIn] = Field(min_length=1, max_length=MOST)
    reason: Reason


class VersionOut(Schema):
    """The usage version from which it counts."""

    version: int


class DaysQuery(Input):
    """A meter and local days of the company, both included."""

    meter: str = Field(min_length=1, max_length=200)
    since: Day
    to: Day
    subject_kind: Literal["", "subscription", "customer"] = ""
    subject: Text = ""


class UsageDay(Schema):
    """A day's events and, where they have numbers, their sum."""

    day: date
    events: int
    value: str | None


class DaysOut(Schema):
    """`is_too_much`: everybody's events are too many to be summed; name a subject."""

    days: list[UsageDay]
    is_too_much: bool


class IntakeRowOut(Schema):
    """What one intake brought; the four counts make what was offered."""

    id: UUID
    source: str
    origin: str
    version: int
    received_at: Moment
    accepted: int
    repeated: int
    conflicting: int
    rejected: int


@operation(
    router, "GET", "/usage/events", right="usage.read", reach="branch", response=Listed[EventOut]
)
def list_usage_events(request: HttpRequest, query: Query[EventQuery]) -> Any:
    """Accepted events; `count` is told where a subject or a source narrows the list."""
    wanted = EventFilter(
        subject_kind=query.subject_kind,
        subject=query.subject,
        meter=query.meter,
        source=query.source,
        since=query.since,
        until=query.until,
        retracted=query.retracted,
        among=own_subjects(),
    )
    found = queries.events(wanted, order=query.order, after=query.after, limit=query.limit)
    return listed(
        found,
        lambda row: EventOut(
            source=row.source, id=row.event_id, subject_kind=row.subject_kind,
            subject=row.subject, meter=row.meter, time=row.time, value=_number(row.value),
            text=row.text, received_at=row.received_at, version=row.version,
            retraction_reason=row.retraction_reason,
        ),
    )  # fmt: skip


@operation(router, "GET", "/usage/fate", right="usage.read", reach="branch", response=FatesOut)
def read_usage_fate(request: HttpRequest, query: Query[FateQuery]) -> FatesOut:
    """Where an event is: its way to a line of an invoice, or the step where it stopped."""
    zone = request.principal.tenant.row.zone
    return FatesOut(
        fates=[
            FateOut(
                source=one.source,
                outcome=one.outcome,
                steps=[
                    FateStepOut(
                        code=step.code, title=step.title, text=step.text, ok=step.ok, at=step.at
                    )
                    for step in one.steps
                ],
                remedy=one.remedy,
                conflict=one.conflict_id,
            )
            for one in fates.fates_of(query.id, zone=zone, lang=lang())
        ]
    )


@operation(router, "GET", "/usage/waiting", right="usage.read", response=WaitingListOut)
def list_waiting_usage(request: HttpRequest) -> WaitingListOut:
    """Accepted usage that nobody takes, that no price asks for, or whose price is faulty."""
    return WaitingListOut(
        data=[
            WaitingOut(
                reason=one.reason, message=fates.waiting_text(one, lang()),
                subject_kind=one.subject_kind, subject=one.subject, meter=one.meter,
                events=one.events, since=one.since, until=one.until,
            )
            for one in rating.waiting_by_reason()
        ]
    )  # fmt: skip


@operation(router, "GET", "/usage/conflicts", right="usage.read", response=Listed[ConflictOut])
def list_usage_conflicts(request: HttpRequest, page: Query[Paging]) -> Any:
    """Rows in dispute that nobody has decided, the newest first."""
    found = keyset(queries.conflicts(), order=("-id",), after=page.after, limit=page.limit)
    return listed(
        found,
        lambda row: ConflictOut(
            id=row["id"], source=row["source"], event=row["event_id"], row=row["row"],
            subject=row["subject"], meter=row["meter"], time=row["time"],
            value=_number(row["value"]), text=row["text"],
        ),
    )  # fmt: skip


@operation(router, "GET", "/usage/rejected", right="usage.read", response=Listed[RejectedOut])
def list_rejected_usage(request: HttpRequest, page: Query[Paging]) -> Any:
    """Rows that could not be read and have not come right since, the newest first."""
    found = keyset(queries.rejections(), order=("-id",), after=page.after, limit=page.limit)

    def shown(row: Any) -> RejectedOut:
        fault = fates.fault_of(row)
        return RejectedOut(
            id=row["id"], source=row["source"], row=row["row"], event=row["event_id"],
            field=row["field"], code=row["code"], message=fault.message(lang()),
            remedy=fault.remedy(lang()), raw=row["raw"],
        )  # fmt: skip

    return listed(found, shown)


@operation(router, "GET", "/usage/intakes", right="usage.read", response=Listed[IntakeRowOut])
def list_usage_intakes(request: HttpRequest, page: Query[Paging]) -> Any:
    """What each intake brought, the latest first."""
    found = queries.listed_batches(after=page.after, limit=page.limit)
    return listed(
        found,
        lambda row: IntakeRowOut(
            id=row.id, source=row.source, origin=row.origin, version=row.version,
            received_at=row.received_at, accepted=row.accepted, repeated=row.repeated,
            conflicting=row.conflicting, rejected=row.rejected,
        ),
    )  # fmt: skip


@operation(router, "GET", "/usage/days", right="usage.read", reach="branch", response=DaysOut)
def sum_usage_days(request: HttpRequest, query: Query[DaysQuery]) -> DaysOut:
    """A meter's events by local day: of one subject, or of everybody."""
    zone = request.principal.tenant.row.zone
    first = max(FIRST, min(query.since, LAST))
    to = max(first, min(query.to, first + timedelta(days=LONGEST), LAST))
    subject = (query.subject_kind, query.subject) if query.subject else None
    days = queries.by_day(
        query.meter, zone=zone, since=instant_of(first, zone),
        until=instant_of(to, zone) + timedelta(days=1), subject=subject,
        among=own_subjects(),
    )  # fmt: skip
    return DaysOut(
        days=[
            UsageDay(day=one.day, events=one.events, value=_number(one.value)) for one in days or ()
        ],
        is_too_much=days is None,
    )


@operation(
    router, "POST", "/usage/conflicts/{conflict}/decision", right="usage.write",
    response=VersionOut,
)  # fmt: skip
def decide_usage_conflict(request: HttpRequest, conflict: UUID, body: DecideIn) -> VersionOut:
    """Say which of two contents is the event."""
    version = services.resolve_conflict(
        conflict, outcome=body.outcome, reason=body.reason, actor=request.principal.actor,
        now=request.now,
    )  # fmt: skip
    return VersionOut(version=version)


@operation(router, "POST", "/usage/retractions", right="usage.write", response=VersionOut)
def retract_usage_events(request: HttpRequest, body: RetractIn) -> VersionOut:
    """Undo events: they stay in sight and count for nothing from that version on."""
    version = services.retract(
        [(one.source, one.id) for one in body.events], reason=body.reason,
        actor=request.principal.actor, now=request.now,
    )  # fmt: skip
    return VersionOut(version=version)


def _number(value: Any) -> str | None:
    return None if value is None else number_text(value)
