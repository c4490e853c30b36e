"""Usage for people: lists by page, one id wherever it is, sums by day, what intakes brought."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any, Literal
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet, Sum

from kvit.metering._merged import with_released
from kvit.metering._released import Wanted, everything, in_transaction, still_mark
from kvit.metering._standing import STANDING, parameters_of
from kvit.metering.models import (
    Batch,
    ConflictEvent,
    ConflictResolution,
    RejectedRow,
    Retraction,
    UsageCounter,
    UsageEvent,
)
from kvit.metering.rows import EARLIEST, LATEST, SUBJECT_KINDS
from kvit.platform.paging import LIMIT, Page, keyset
from kvit.platform.reading import asked_once

MOST_SUMMED = 2_000_000  # events; beyond, days are summed for one subject at a time
ListOrder = Literal["-received", "-time"]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which accepted events. An order by time needs a subject: it is what the index begins with.

    A subject without a kind may be a subscription's code or a customer's. `among` are the codes,
    by kind of subject, that who asks may see; None: all.
    """

    subject_kind: str = ""
    subject: str = ""
    meter: str = ""
    source: str = ""
    since: datetime | None = None
    until: datetime | None = None
    retracted: bool = False  # only those that were undone
    after_version: int | None = None  # only those taken in later, and not undone
    among: Mapping[str, frozenset[str]] | None = None

    def subjects(self) -> list[tuple[str, str]] | None:
        """Return the pairs (kind, code) whose events are meant; None: anybody's."""
        if self.subject:
            pairs = [(kind, self.subject) for kind in _kinds(self.subject_kind)]
            return [one for one in pairs if may_see(self.among, *one)]
        if self.among is None:
            return None
        return [(kind, code) for kind in SUBJECT_KINDS for code in sorted(self.among[kind])]


@dataclass(frozen=True, slots=True)
class EventRow:
    """An accepted event in a list."""

    id: int
    source: str
    event_id: str
    revision: int
    subject_kind: str
    subject: str
    meter: str
    time: datetime
    value: Decimal | None
    text: str | None
    received_at: datetime
    origin: str
    version: int
    retraction_reason: str


@dataclass(frozen=True, slots=True)
class BatchRow:
    """What one intake brought: accepted + repeated + conflicting + rejected = offered."""

    id: UUID
    source: str
    origin: str
    version: int
    received_at: datetime
    accepted: int
    repeated: int
    conflicting: int
    rejected: int


@dataclass(frozen=True, slots=True)
class DaySum:
    """A local day's standing events of one meter; `value` is Σ where events have numbers."""

    day: date
    events: int
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class IntakeSums:
    """What all intakes brought in a time."""

    accepted: int
    repeated: int
    conflicting: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Traces:
    """Where an id was seen beside the accepted events: in dispute (decided or open), rejected."""

    conflicts: tuple[Mapping[str, Any], ...]
    rejections: tuple[Mapping[str, Any], ...]


def events(
    wanted: EventFilter, *, order: ListOrder = "-received", after: str = "", limit: int = LIMIT
) -> Page[EventRow]:
    """Return a page of accepted events."""
    if wanted.subjects() == []:
        return Page((), None, 0)
    with in_transaction():
        return _events(wanted, order, after, limit)


def may_see(among: Mapping[str, frozenset[str]] | None, kind: str, code: str) -> bool:
    """Whether a subject is among those that who asks may see."""
    return among is None or code in among[kind]


def _events(wanted: EventFilter, order: ListOrder, after: str, limit: int) -> Page[EventRow]:
    told = still_mark()
    rows = _filtered(wanted)
    if not told.is_settled and not wanted.retracted:  # what is on its way, segments tell of
        rows = rows.exclude(
            batch_id__in=Batch.objects.filter(version__lte=told.version).values("pk")
        )
    names = ("-time", "-id") if order == "-time" and wanted.subject else ("-id",)
    is_late = wanted.after_version is not None
    is_narrow = bool(wanted.subject or wanted.source or wanted.retracted or is_late)
    # Of all events nobody counts rows: `intake_sums` knows, from what each intake brought.
    page: Page[UsageEvent] = keyset(rows, order=names, after=after, limit=limit, counted=is_narrow)
    if told.version:
        page = with_released(
            page, _wanted(wanted), told.version, rows=rows, order=names, after=after, limit=limit,
            retracted=wanted.retracted and not is_late, standing=is_late,
        )  # fmt: skip
    batches = {
        one.pk: one for one in Batch.objects.filter(pk__in={row.batch_id for row in page.rows})
    }
    undone = dict(
        Retraction.objects.filter(event__in=[row.pk for row in page.rows]).values_list(
            "event", "reason"
        )
    )
    return page.of(lambda row: _row(row, batches[row.batch_id], undone))


def batches(*, source: str = "", after: str = "", limit: int = LIMIT) -> Page[BatchRow]:
    """Return the intakes, the latest first."""
    rows = Batch.objects.filter(source=source) if source else Batch.objects.all()
    page: Page[Batch] = keyset(rows, order=("-version",), after=after, limit=limit)
    return page.of(
        lambda one: BatchRow(
            one.pk, one.source, one.origin, one.version, one.received_at, one.accepted,
            one.repeated, one.conflicting, one.rejected,
        )
    )  # fmt: skip


def intake_sums(since: datetime | None = None, until: datetime | None = None) -> IntakeSums:
    """Sum up what intakes brought."""
    rows = Batch.objects.all()
    if since is not None:
        rows = rows.filter(received_at__gte=since)
    if until is not None:
        rows = rows.filter(received_at__lt=until)
    names = ("accepted", "repeated", "conflicting", "rejected")
    found = rows.aggregate(**{name: Sum(name) for name in names})
    return IntakeSums(**{name: int(found[name] or 0) for name in names})


@asked_once
def sources() -> list[str]:
    """Return the names of all sources."""
    return list(Batch.objects.order_by("source").values_list("source", flat=True).distinct())


def traces(event_id: str) -> Traces:
    """Return where else an id was seen."""
    conflicts = ConflictEvent.objects.filter(source__in=sources(), event_id=event_id)
    decided = {
        one.conflict_id: one
        for one in ConflictResolution.objects.filter(conflict_id__in=conflicts.values("pk"))
    }
    rejections = list(
        RejectedRow.objects.filter(event_id=event_id).order_by("pk").values(
            "id", "source", "row", "field", "code", "params", "raw", "batch_id"
        )
    )  # fmt: skip
    received = _received(
        [*(one.batch_id for one in conflicts), *(row["batch_id"] for row in rejections)]
    )
    return Traces(
        conflicts=tuple(
            {
                "id": one.pk,
                "source": one.source,
                "row": one.row,
                "subject": one.subject,
                "meter": one.meter,
                "time": one.time,
                "value": one.value,
                "text": one.text,
                "received_at": received.get(one.batch_id),
                "outcome": decided[one.pk].outcome if one.pk in decided else "",
                "reason": decided[one.pk].reason if one.pk in decided else "",
            }
            for one in conflicts.order_by("pk")
        ),
        rejections=tuple(
            row | {"received_at": received.get(row["batch_id"])} for row in rejections
        ),
    )


def by_day(
    meter: str, *, zone: str, since: datetime, until: datetime, subject: tuple[str, str] | None,
    among: Mapping[str, frozenset[str]] | None = None,
) -> list[DaySum] | None:  # fmt: skip
    """Sum the standing events of a meter by local day.

    Args:
        subject: (kind, code), the kind "" for either; None is everybody.
        among: whom of them who asks may see (`EventFilter`).

    None where everybody's are too many to be summed for a page.
    """
    kind, code = subject or ("", "")
    subjects = EventFilter(subject_kind=kind, subject=code, among=among).subjects()
    if subjects == []:
        return []
    if subjects is None and intake_sums().accepted > MOST_SUMMED:
        return None
    version = UsageCounter.objects.values_list("last", flat=True).first() or 0
    asked = Wanted(subjects, [meter], since=since, until=until)
    with everything(asked) as usage, connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT ("time" AT TIME ZONE %(zone)s)::date, count(*), sum(value)
            FROM {usage} e
            WHERE e.tenant_id = %(tenant)s AND meter = %(meter)s
              AND (%(codes)s::text[] IS NULL OR (subject_kind, subject) IN (
                   SELECT * FROM unnest(%(kinds)s::text[], %(codes)s::text[])))
              AND "time" >= %(since)s AND "time" < %(until)s AND {STANDING}
            GROUP BY 1 ORDER BY 1
            """,
            parameters_of(since=since, until=until, as_of=version)
            | {
                "zone": zone,
                "meter": meter,
                "kinds": None if subjects is None else [one for one, _ in subjects],
                "codes": None if subjects is None else [one for _, one in subjects],
            },
        )
        return [DaySum(*row) for row in cursor.fetchall()]


def _filtered(wanted: EventFilter) -> "QuerySet[Any]":
    bounds: dict[str, object] = {
        "meter": wanted.meter or None,
        "source": wanted.source or None,
        "time__gte": wanted.since,
        "time__lt": wanted.until,
    }
    rows = UsageEvent.objects.filter(
        **{name: bound for name, bound in bounds.items() if bound not in (None, "")}
    )
    subjects = wanted.subjects()
    if subjects is not None:
        by_kind = {kind: [code for one, code in subjects if one == kind] for kind, _ in subjects}
        codes = list(by_kind.values())
        if all(one == codes[0] for one in codes):  # one condition, as the index has it
            rows = rows.filter(subject_kind__in=list(by_kind), subject__in=codes[0])
        else:
            wants = (Q(subject_kind=kind, subject__in=some) for kind, some in by_kind.items())
            rows = rows.filter(reduce(or_, wants))
    if wanted.after_version is not None:
        later = Batch.objects.filter(version__gt=wanted.after_version)
        rows = rows.filter(batch_id__in=later.values("pk"))
        return rows.exclude(pk__in=Retraction.objects.values("event"))
    return rows.filter(pk__in=Retraction.objects.values("event")) if wanted.retracted else rows


def _wanted(wanted: EventFilter) -> Wanted:
    return Wanted(
        wanted.subjects(),
        [wanted.meter] if wanted.meter else None,
        wanted.source,
        wanted.since or EARLIEST,
        wanted.until or LATEST,
        wanted.after_version or 0,
    )


def _kinds(kind: str) -> list[str]:
    return [kind] if kind else list(SUBJECT_KINDS)


def _row(row: UsageEvent, batch: Batch, undone: Mapping[int, str]) -> EventRow:
    return EventRow(
        id=row.pk,
        source=row.source,
        event_id=row.event_id,
        revision=row.revision,
        subject_kind=row.subject_kind,
        subject=row.subject,
        meter=row.meter,
        time=row.time,
        value=row.value,
        text=row.text,
        received_at=batch.received_at,
        origin=batch.origin,
        version=batch.version,
        retraction_reason=undone.get(row.pk, ""),
    )


def _received(ids: Sequence[UUID]) -> dict[UUID, datetime]:
    return dict(Batch.objects.filter(pk__in=ids).values_list("pk", "received_at"))
