"""Events leave the table for a sealed, whole segment that says the same of each; and come back.

    sealed, files flushed and hashed ── one transaction: the mark ── who read it before has ended
    ── chunk by chunk: what knows an event again is written, its row deleted, in one transaction

From the mark on readers take the events of its versions from segments; before it from the table. So
rows go only when nobody is left who read the mark as it was. Killed anywhere, the next call goes on
where this one ended: the mark says how many have left, in the order of the segments.

A row leaves only if the segment says what it says: its hash is made anew of what the file holds.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import numpy as np
from django.db import OperationalError, connection, transaction
from django.db.models import F, QuerySet, Sum
from psycopg import errors

from kvit.core.wording import Words
from kvit.metering._locks import hold, moving_lock, releasing_lock, seal_lock, source_lock
from kvit.metering._released import KEY, Part, hashes_of, stage, told
from kvit.metering._seal import seal_versions
from kvit.metering._sealed import latest_version, mark, microseconds, opened
from kvit.metering._settled import Settled, held_back
from kvit.metering.models import Batch, ReleasedSeal, Segment
from kvit.platform import audit, files
from kvit.platform.failures import Failure
from kvit.platform.tenancy import current_tenant_id

CHUNK = 20_000  # rows of one transaction
PATIENCE_S = 60.0  # for those who read the mark as it was
BUSY_S = 0.5  # for who holds a source: less than it takes PostgreSQL to look for a deadlock
TRIES = 20

WORDS: Words = {
    "metering_release_differs": (
        "Запечатанный файл говорит не то, что строки базы: из {rows} строк совпали {same}. Ничего"
        " из них не удалено; выполните kvit verify.",
        "The sealed file does not say what the rows of the database say: {same} of {rows} agree."
        " None of them was deleted; run kvit verify.",
    ),
    "metering_release_unsealed": (
        "Записей о запечатанных файлах версий {since}–{until} в базе нет: строки остались, где"
        " были. Выполните kvit verify и верните записи из резервной копии.",
        "The database has no records of the sealed files of versions {since} to {until}: rows"
        " stayed where they were. Run kvit verify, and bring the records back from a backup.",
    ),
    "metering_release_busy": (
        "Сейчас потребление читает или принимает кто-то ещё: строки остались на месте, всё"
        " сосчитано верно. Повторите позже: работа продолжится с этого места.",
        "Somebody else reads usage or takes it in now: rows stayed where they are, and all is"
        " counted. Try again later: it goes on from there.",
    ),
    "metering_release_returning": (
        "События ещё возвращаются в базу: сначала закончите это, kvit usage seal --bring-back.",
        "Events are still on their way back to the database: end that first,"
        " kvit usage seal --bring-back.",
    ),
}
_BUSY = (errors.LockNotAvailable, errors.DeadlockDetected)
# A backup holds the table too, by another role: it sees one moment, and needs no waiting for.
_READERS = """
    SELECT DISTINCT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.relation = 'metering_releasedseal'::regclass
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND a.usename = current_user AND l.pid <> pg_backend_pid()
"""
_SAME = """
    e.tenant_id = %(tenant)s AND e.id = s.id AND e.source = s.source AND e.event_id = s.event_id
    AND e.revision = s.revision AND e."position" = s."position" AND e.payload_hash = h.hash
"""
_LEAVE = f"""
    INSERT INTO metering_releasedevent
        (id, tenant_id, said, number, until_version, part, place)
    SELECT {KEY.format(source="e.source", event_id="e.event_id", revision="e.revision")},
           e.tenant_id, metering_said_key(e.payload_hash), e.id, %(until)s, %(part)s, h.place
    FROM pg_temp.released_usage s
    JOIN unnest(%(ids)s::bigint[], %(hashes)s::bytea[], %(places)s::integer[])
         h (id, hash, place) ON h.id = s.id
    JOIN metering_usageevent e ON {_SAME}
    JOIN metering_batch b ON b.tenant_id = e.tenant_id AND b.id = e.batch_id
                         AND b.version = s.version
    WHERE s.asked = 0
"""
_RETURN = f"""
    INSERT INTO metering_usageevent
        (id, tenant_id, source, event_id, revision, batch_id, "position", subject_kind, subject,
         meter, "time", value, text, dimensions, payload_hash)
    SELECT s.id, %(tenant)s, s.source, s.event_id, s.revision, b.id, s."position", s.subject_kind,
           s.subject, s.meter, s."time", s.value, s.text, s.dimensions, h.hash
    FROM pg_temp.released_usage s
    JOIN unnest(%(ids)s::bigint[], %(hashes)s::bytea[]) h (id, hash) ON h.id = s.id
    JOIN metering_releasedevent r ON r.tenant_id = %(tenant)s AND r.number = s.id
         AND r.id = {KEY.format(source="s.source", event_id="s.event_id", revision="s.revision")}
         AND r.said = metering_said_key(h.hash)
    JOIN metering_batch b ON b.tenant_id = %(tenant)s AND b.version = s.version
    WHERE s.asked = 0
"""


class NotTheSame(Failure):
    """A segment and the database do not say the same of an event: neither is touched."""

    words = WORDS


class Busy(Failure):
    """Somebody holds what rows are to be moved from; nothing is lost by waiting."""

    words = WORDS


class Unsealed(Failure):
    """The records of a seal's segments are gone: nothing says where its rows are."""

    words = WORDS


class Returning(Failure):
    """Events come back: they cannot leave meanwhile."""

    words = WORDS


def release(settled: Settled, *, actor: str, now: datetime, least: int = 1) -> int:
    """Let settled events leave the database; return how many have left.

    They are read from their segments from then on, and nothing that anybody asks for changes by it.
    Leaves off before the first version that brought anything else. Killed, it goes on when it is
    called again.

    Args:
        least: fewer than so many are not worth a seal, and stay.

    Raises:
        Returning: events are on their way back.
        Busy: somebody holds what would leave; what has left by then has left.
        NotTheSame: a segment does not say what the database says.
        Unsealed: the records of what was sealed and marked are gone.
    """
    with transaction.atomic(durable=True):
        hold(seal_lock())
        held = held_back(settled)
        until = latest_version() if held is None else held.version - 1
        if events_marked := begin(until, least=least, now=now, actor=actor):
            audit.record(
                action="metering.usage.released",
                object_type="metering.version",
                object_id=str(until),
                after={"events": events_marked},
                actor=actor,
                now=now,
            )
    return leave()


def bring_back(*, since: datetime, actor: str, now: datetime) -> int:
    """Bring back from segments the events that were released, from the first seal on that has any
    of a time not before `since`; return how many. Raises as `release`.
    """
    with transaction.atomic(durable=True):
        hold(seal_lock())
        if coming := turn_back(since):
            audit.record(
                action="metering.usage.returned",
                object_type="metering.version",
                object_id=str(mark().version),
                after={"events": coming},
                actor=actor,
                now=now,
            )
    return come_back()


def begin(until: int, *, least: int, now: datetime, actor: str) -> int:
    """Seal what comes next up to a version, as one, and mark it; return how many events. The caller
    has the lock of seals.

    Raises:
        Returning: events are on their way back.
    """
    if ReleasedSeal.objects.filter(is_returning=True).exists():
        raise Returning("metering_release_returning")
    since = mark().version
    batches = Batch.objects.filter(version__gt=since, version__lte=until)
    rows = batches.aggregate(n=Sum("accepted"))["n"] or 0
    if rows < max(1, least):
        return 0
    seal = _manifests(ReleasedSeal(from_version=since, until_version=until))
    if not seal.exists():
        seal_versions(since, until, now=now)
    check_sealed(seal, rows)
    ReleasedSeal.objects.create(
        from_version=since, until_version=until, rows=rows, released_at=now, actor=actor
    )
    return int(rows)


def check_sealed(seal: "QuerySet[Any]", rows: int) -> None:
    """Read the files of a seal once more, and compare what it holds with what was accepted."""
    for one in seal:
        files.check(one.events_digest)
        files.check(one.index_digest)
    assert sum(one.rows for one in seal) == rows, "segment and batches differ"


def leave() -> int:
    """Delete the rows that are marked and have not left yet; return how many.

    Raises:
        Busy: somebody holds them; what has left by then has left.
        NotTheSame: a segment does not say what they say.
        Unsealed: the records of the segments are gone.
    """
    seals = list(
        ReleasedSeal.objects.filter(gone__lt=F("rows"), is_returning=False)
        .order_by("until_version")
        .values_list("pk", flat=True)
    )
    if not seals:
        return 0
    _await_readers()
    return sum(_moved(one, _leave_chunk) for one in seals)


def turn_back(since: datetime) -> int:
    """Mark what is to come back: seals from the first on that has events of a time not before
    `since`; return of how many events. Those that are marked already are not counted again."""
    first = None
    for seal in ReleasedSeal.objects.order_by("from_version"):
        segments = [opened(one, one.until_version) for one in _manifests(seal)]
        if any(one.last >= microseconds(since) for one in segments):
            first = seal.from_version
            break
    if first is None:
        return 0
    back = ReleasedSeal.objects.filter(from_version__gte=first, is_returning=False)
    coming = int(back.aggregate(n=Sum("gone"))["n"] or 0)
    back.update(is_returning=True)
    return coming


def come_back() -> int:
    """Bring back what is marked to; return how many events. Raises as `leave`."""
    seals = list(
        ReleasedSeal.objects.filter(is_returning=True)
        .order_by("-until_version")
        .values_list("pk", flat=True)
    )
    if not seals:
        return 0
    _await_readers()
    return sum(_moved(one, _return_chunk) for one in seals)


def _moved(seal: UUID, move: Callable[[UUID], int]) -> int:
    moved = 0
    while step := _patiently(lambda: move(seal)):
        moved += step
    return moved


def _patiently(step: Callable[[], int]) -> int:
    """Try a step again while others hold what it needs."""
    for _ in range(TRIES):
        try:
            with transaction.atomic(durable=True):
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{int(BUSY_S * 1000)}ms'")
                hold(releasing_lock())
                return step()
        except OperationalError as error:
            if not isinstance(error.__cause__, _BUSY):  # a full disk is not mended by waiting
                raise
            sleep(BUSY_S)
    raise Busy("metering_release_busy")


def _await_readers() -> None:
    """Wait until every transaction has ended that may have read the mark as it was before.

    Raises:
        Busy: one goes on and on.
    """
    end = monotonic() + PATIENCE_S
    left = _readers()
    while left:
        if monotonic() > end:
            raise Busy("metering_release_busy")
        sleep(0.05)
        left &= _readers()


def _readers() -> set[str]:
    """Return the transactions that have read a mark: they hold its table until they end."""
    with connection.cursor() as cursor:
        cursor.execute(_READERS)
        return {transaction_ for (transaction_,) in cursor.fetchall()}


def _leave_chunk(key: UUID) -> int:
    seal = ReleasedSeal.objects.get(pk=key)
    if seal.gone >= seal.rows:
        return 0
    part = _chunk(seal, forward=True)
    with _staged(part) as (names, count):
        with connection.cursor() as cursor:
            cursor.execute(_LEAVE, names)
            same = cursor.rowcount
            if same == count:
                cursor.execute("SELECT metering_drop_released(%(ids)s)", names)
                same = cursor.fetchone()[0]
        if same != count:
            raise NotTheSame("metering_release_differs", rows=count, same=same)
        ReleasedSeal.objects.filter(pk=key).update(gone=F("gone") + count)
    return count


def _return_chunk(key: UUID) -> int:
    seal = ReleasedSeal.objects.filter(pk=key).first()
    if seal is None:
        return 0
    if not seal.gone:  # nothing of it had left
        seal.delete()
        return 0
    part = _chunk(seal, forward=False)
    with _staged(part) as (names, count):
        with connection.cursor() as cursor:
            cursor.execute(_RETURN, names)
            same = cursor.rowcount
            if same == count:
                cursor.execute(
                    "DELETE FROM metering_releasedevent"
                    " WHERE tenant_id = %(tenant)s AND number = ANY(%(ids)s)",
                    names,
                )
        if same != count:
            raise NotTheSame("metering_release_differs", rows=count, same=same)
        ReleasedSeal.objects.filter(pk=key).update(gone=F("gone") - count)
        if count == seal.gone:
            seal.delete()
    return count


def _chunk(seal: ReleasedSeal, *, forward: bool) -> Part:
    """Return the rows that go next, or those that went last, of one of the seal's segments.

    Raises:
        Unsealed: none of the segments that are recorded has them.
    """
    start = 0
    for manifest in _manifests(seal):
        end = start + manifest.rows
        if forward and seal.gone < end:
            first, last = seal.gone - start, min(seal.gone - start + CHUNK, manifest.rows)
        elif not forward and seal.gone <= end:
            first, last = max(0, seal.gone - start - CHUNK), seal.gone - start
        else:
            start = end
            continue
        return Part(manifest, opened(manifest, manifest.until_version), np.arange(first, last))
    raise Unsealed(
        "metering_release_unsealed", since=seal.from_version + 1, until=seal.until_version
    )


def _manifests(seal: ReleasedSeal) -> "QuerySet[Any]":
    return Segment.objects.filter(
        from_version=seal.from_version, until_version=seal.until_version, is_whole=True
    ).order_by("part")


@contextmanager
def _staged(part: Part) -> Iterator[tuple[dict[str, Any], int]]:
    """Stage rows of a segment, and hold who takes in events of their sources or asks for them."""
    rows = told(part)
    for source in sorted(set(rows["source"].to_pylist())):
        hold(source_lock(source))
    hold(moving_lock())
    stage(rows, 0)
    yield (
        {
            "tenant": current_tenant_id(),
            "ids": rows["id"].to_pylist(),
            "hashes": hashes_of(rows),
            "places": part.places.tolist(),
            "until": part.manifest.until_version,
            "part": part.manifest.part,
        },
        rows.num_rows,
    )
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pg_temp.released_usage WHERE asked = 0")
