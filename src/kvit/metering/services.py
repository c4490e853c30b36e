"""Take usage in, undo an event, decide a conflict. The catalogue is never asked.

    accepted + repeated + conflicting + rejected = offered

holds for every intake. An intake is one transaction: killed at any moment it leaves nothing, and
sending the same again finds only repeats of what was committed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from kvit.core.wording import Words
from kvit.metering import _bulk, _release, _seal, queries
from kvit.metering._intake import FEW, Intake
from kvit.metering._locks import hold, hold_source, seal_lock
from kvit.metering._record import record
from kvit.metering._released import Last, last_of
from kvit.metering.events import USAGE_RETRACTED, UsageRetracted
from kvit.metering.models import (
    Batch,
    ConflictEvent,
    ConflictResolution,
    Payload,
    Retraction,
    UsageEvent,
)
from kvit.metering.rows import (
    MAX_KEY,
    BulkIn,
    EventIn,
    Offer,
    RejectedIn,
    Taken,
    clean,
    storable,
)
from kvit.platform import audit, events
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import current_tenant_id

WORDS: Words = {
    "metering_source_invalid": (
        "Имя источника — от 1 до {limit} знаков без нулевого байта: «{source}».",
        "A source's name has 1 to {limit} characters and no NUL: “{source}”.",
    ),
    "metering_event_not_found": (
        "События {source}/{event_id} нет, или оно уже отменено.",
        "There is no event {source}/{event_id}, or it is undone already.",
    ),
    "metering_conflict_not_found": (
        "Спорного события {conflict} нет.",
        "There is no disputed event {conflict}.",
    ),
    "metering_conflict_decided": (
        "О спорном событии {conflict} уже решено.",
        "The disputed event {conflict} is decided already.",
    ),
    "metering_outcome_missing": (
        "Выберите, какое из двух событий верно: принятое или спорное.",
        "Choose which of the two events is right: the accepted or the disputed one.",
    ),
    "metering_reason_missing": (
        "Укажите причину: отмена и замена событий остаются в истории.",
        "Give a reason: undone and replaced events stay in the history.",
    ),
}


NotTheSame, Unsealed = _release.NotTheSame, _release.Unsealed
Busy, Returning = _release.Busy, _release.Returning


class InvalidSource(Failure):
    """The source's name is empty, too long or unstorable."""

    words = WORDS


class EventNotFound(Failure):
    """No such event, or it is undone already."""

    words = WORDS


class ConflictNotFound(Failure):
    """No such conflict in this tenant."""

    words = WORDS


OUTCOMES = ("keep", "replace")


class ConflictDecided(Failure):
    """Somebody has decided this conflict."""

    words = WORDS


class OutcomeMissing(Failure):
    """It is not said which of two contents is the event."""

    words = WORDS


class ReasonMissing(Failure):
    """Who undoes usage says why."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class BatchVerdict:
    """What became of an intake. The counts are exact; the lists show the first of each kind."""

    batch_id: UUID | None  # None: nothing was new, so nothing was recorded
    version: int  # the tenant's usage version after this intake
    offered: int
    accepted: int
    repeated: int
    conflicting: int
    rejected: int
    repeats: tuple[EventIn, ...]
    conflicts: tuple[EventIn, ...]
    rejections: tuple[RejectedIn, ...]


@transaction.atomic
def ingest(
    rows: Iterable[EventIn],
    *,
    source: str,
    actor: str,
    now: datetime,
    rejected: Iterable[RejectedIn] = (),
    origin: str = "",
    listed: int = 1_000,
) -> BatchVerdict:
    """Take in a stream of events of one source; memory is bounded by a chunk of 20 000.

    Args:
        rows: in the order of their file; of two with one id the first is the event.
        source: within it an event's id is unique; streams of one source take turns.
        rejected: what the reader could not read. Looked at after the last of `rows`, so a reader
            may append to a list while its events are being streamed.
        origin: where it came from, for people: a file's name, a request.
        listed: how many repeats, conflicts and rejections the verdict lists of each.

    Raises:
        InvalidSource: the source's name is empty, too long or unstorable.
    """
    _check_source(source)
    released = hold_source(source)
    return _ingest(
        rows, source=source, actor=actor, now=now, rejected=rejected, origin=origin, listed=listed,
        released=released,
    )  # fmt: skip


def _ingest(
    rows: Iterable[EventIn],
    *,
    source: str,
    actor: str,
    now: datetime,
    rejected: Iterable[RejectedIn],
    origin: str,
    listed: int,
    released: bool,
) -> BatchVerdict:
    """Take in within the caller's transaction, which has the lock of the source."""
    intake = Intake(source=source, listed=listed, released=released)
    intake.take_events(rows)
    intake.take_rejected(rejected)
    if intake.new_facts:
        version = record(intake, actor=actor, now=now, origin=origin)
    else:
        version = queries.latest_version()
    return BatchVerdict(
        batch_id=intake.batch_id if intake.new_facts else None,
        version=version,
        offered=intake.offered,
        accepted=intake.accepted,
        repeated=intake.repeated,
        conflicting=intake.conflicting,
        rejected=intake.rejected,
        repeats=tuple(intake.repeats),
        conflicts=tuple(intake.conflicts),
        rejections=tuple(intake.rejections),
    )


@transaction.atomic
def ingest_together(
    offers: Sequence[Offer], *, actor: str, now: datetime, origin: str
) -> list[Taken]:
    """Take in what several requests bring, as one batch a source; return what became of each.

    All are committed or none. Of two events with one id that of the earlier request is the first.

    Raises:
        InvalidSource: as `ingest`.
    """
    taken = [Taken(offer.size) for offer in offers]
    sources = {name for offer in offers for name in offer.events}
    sources |= {offer.source for offer in offers if offer.rejected}
    number = sum(offer.size for offer in offers)
    # All locks before the counter of versions is held, in one order: no two can block each other.
    released = {}
    for source in sorted(sources):
        _check_source(source)
        shared = len(sources) == 1 and number <= FEW
        released[source] = hold_source(source, shared=shared)
    for source in sorted(sources):
        verdict = _ingest(
            (
                event if event.part == part else event._replace(part=part)
                for part, offer in enumerate(offers)
                for event in offer.events.get(source, ())
            ),
            source=source,
            actor=actor,
            now=now,
            rejected=[
                row._replace(part=part)
                for part, offer in enumerate(offers)
                if offer.source == source
                for row in offer.rejected
            ],
            origin=origin,
            listed=number,
            released=released[source],
        )
        for event in verdict.repeats:
            taken[event.part].repeats.append(event)
        for event in verdict.conflicts:
            taken[event.part].conflicts.append(event)
        for row in verdict.rejections:
            taken[row.part].rejections.append(row)
        for one in taken:
            one.version = max(one.version, verdict.version)
    return taken


def keep_bulk(requests: Sequence[BulkIn], *, actor: str, now: datetime) -> list[UUID]:
    """Keep requests whose events are looked at later; return their ids once they are on the disk.

    Raises:
        InvalidSource: as `ingest`.
        NotKept: there is no room for them, now or at all.
    """
    for one in requests:
        _check_source(one.source)
    return _bulk.keep(requests, actor=actor, now=now)


def take_up_bulk(*, read: _bulk.Reader, now: datetime) -> int:
    """Take in what was kept, so that it is billed; return how many events were looked at."""
    return _bulk.take_up(read=read, take_in=ingest_together, now=now)


def is_seal_due(*, now: datetime) -> bool:
    """Whether so much came since the last seal, or so long ago, that it is to be sealed."""
    return _seal.is_due(now=now)


@transaction.atomic
def seal(*, now: datetime) -> int:
    """Seal what came in since the last time; return how many events. Seals take turns.

    Many small seals become one, so that readers need not merge them each time.

    Nothing that anybody asks for changes by it, so there is neither fact nor audit row.
    """
    hold(seal_lock())
    since, until = _seal.sealed_version(), queries.latest_version()
    sealed = _seal.seal_versions(since, until, now=now) if until > since else 0
    _seal.merge(now=now)
    return sealed


release = _release.release
bring_back = _release.bring_back


@transaction.atomic
def retract(found: Sequence[tuple[str, str]], *, reason: str, actor: str, now: datetime) -> int:
    """Undo events, named by (source, event id); return the version from which they do not count.

    The events stay, their ids stay taken: sent again they are repeats. All are undone or none.

    Raises:
        ReasonMissing: no reason is given.
        EventNotFound: one of them is unknown or undone already.
    """
    _ask_reason(reason)
    wanted: dict[str, set[str]] = defaultdict(set)
    for source, event_id in found:
        wanted[source].add(event_id)
    standing: list[Last] = []
    for source in sorted(wanted):  # in one order, so that two callers cannot block each other
        hold_source(source)
        standing += _standing(source, wanted[source])
    version = _take_version()
    _undo(standing, version=version, reason=reason, actor=actor, now=now)
    return version


@transaction.atomic
def resolve_conflict(
    conflict_id: UUID,
    *,
    outcome: str,
    reason: str,
    actor: str,
    now: datetime,
) -> int:
    """Decide which of two payloads under one id is the event; return the usage version after it.

    "keep": the accepted one stands. "replace": it is undone, and the disputed one is the event
    from this version on. Either way the disputed row, sent again, is a repeat.

    Raises:
        ReasonMissing: no reason is given.
        OutcomeMissing: the outcome is neither.
        ConflictDecided: it was decided before.
        ConflictNotFound: no such conflict.
    """
    _ask_reason(reason)
    if outcome not in OUTCOMES:
        raise OutcomeMissing("metering_outcome_missing")
    conflict = ConflictEvent.objects.filter(pk=conflict_id).first()
    if conflict is None:
        raise ConflictNotFound("metering_conflict_not_found", conflict=conflict_id)
    hold_source(conflict.source)
    if ConflictResolution.objects.filter(conflict=conflict).exists():
        raise ConflictDecided("metering_conflict_decided", conflict=conflict_id)
    ConflictResolution.objects.create(
        conflict=conflict, outcome=outcome, reason=reason, actor=actor, decided_at=now
    )
    audit.record(
        action="metering.conflict.resolved",
        object_type="metering.conflict",
        object_id=str(conflict_id),
        after={"outcome": outcome},
        reason=reason,
        actor=actor,
        now=now,
    )
    if outcome == "keep":
        return queries.latest_version()
    return _replace(conflict, reason=reason, actor=actor, now=now)


def _replace(conflict: ConflictEvent, *, reason: str, actor: str, now: datetime) -> int:
    [last] = last_of(conflict.source, [conflict.event_id]).values()
    batch_id = uuid7()
    UsageEvent.objects.create(
        source=conflict.source,
        event_id=conflict.event_id,
        revision=last.revision + 1,
        batch_id=batch_id,
        position=1,
        **{field.name: getattr(conflict, field.name) for field in Payload._meta.fields},
    )
    version = _take_version()
    Batch.objects.create(
        id=batch_id,
        source=conflict.source,
        version=version,
        origin=f"conflict:{conflict.pk}",
        actor=actor,
        received_at=now,
        accepted=1,
        repeated=0,
        conflicting=0,
        rejected=0,
    )
    if not Retraction.objects.filter(event=last.number).exists():
        _undo([last], version=version, reason=reason, actor=actor, now=now)
    return version


def _undo(
    standing: Sequence[Last], *, version: int, reason: str, actor: str, now: datetime
) -> None:
    Retraction.objects.bulk_create(
        [
            Retraction(
                event=event.number, version=version, reason=reason, actor=actor, retracted_at=now
            )
            for event in standing
        ]
    )
    audit.record(
        action="metering.event.retracted",
        object_type="metering.version",
        object_id=str(version),
        after={"events": len(standing)},
        reason=reason,
        actor=actor,
        now=now,
    )
    # The counter's row, held until commit, is the lock of the key: facts follow versions.
    events.publish(
        USAGE_RETRACTED,
        key="usage",
        payload=UsageRetracted(version=version, events=len(standing)),
        actor=actor,
        now=now,
    )


def _standing(source: str, event_ids: set[str]) -> list[Last]:
    """Return the last revision of each event, all of them not undone."""
    last = last_of(source, event_ids)
    undone = Retraction.objects.filter(event__in=[event.number for event in last.values()])
    gone = set(undone.values_list("event", flat=True))
    for event_id in sorted(event_ids):
        if event_id not in last or last[event_id].number in gone:
            raise EventNotFound("metering_event_not_found", source=source, event_id=event_id)
    return list(last.values())


def _check_source(source: str) -> None:
    if not source or len(source) > MAX_KEY or not storable(source):
        shown = clean(source, MAX_KEY)
        raise InvalidSource("metering_source_invalid", source=shown, limit=MAX_KEY)


def _ask_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("metering_reason_missing")


def _take_version() -> int:
    """Return the next usage version. Its row is held until commit: versions follow commits."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO metering_usagecounter (id, tenant_id, last) VALUES (%s, %s, 1)
            ON CONFLICT (tenant_id) DO UPDATE SET last = metering_usagecounter.last + 1
            RETURNING last
            """,
            [uuid7(), current_tenant_id()],
        )
        return cursor.fetchone()[0]
