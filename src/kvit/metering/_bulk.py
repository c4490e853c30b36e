"""Usage taken in bulk: kept in a log at once, read and told apart later, a verdict for each event.

    the request ── checked to be JSON, counted ── in the log, flushed ── answered
    later: read, each event checked, compared with all that is known ── one transaction a file
           ── and the file is removed

Killed between the commit and the removal, the file is found again, and its requests are known by
their ids: nothing is taken twice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

import msgspec
from django.db import DataError, connection, transaction

from kvit.metering.models import BulkVerdict
from kvit.metering.rows import MAX_KEY, BulkIn, Offer, Taken, clean
from kvit.platform import durable_log
from kvit.platform.ids import uuid7s
from kvit.platform.tenancy import current_tenant_id

# A file grows for `durable_log.FILE_S`, a request may wait for a flush before its file is begun.
BEGUN_BEFORE_MS, BEGUN_AFTER_MS = 10_000, 60_000
MOST_CLOSED = 10_000  # closed files of which a process remembers what they hold

Reader = Callable[[bytes, str, int], Offer]
"""Reads a body as the API takes it: the source of events that name none, and which request of
those that are taken in together it is."""


_closed: "dict[Path, Held]" = {}


class TakeIn(Protocol):
    """`services.ingest_together`."""

    def __call__(
        self, offers: Sequence[Offer], *, actor: str, now: datetime, origin: str
    ) -> list[Taken]: ...


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """One request as it lies in the log."""

    id: UUID
    tenant: UUID
    actor: str
    source: str
    received_at: datetime
    offered: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Unread:
    """What lies in the logs and was not looked into yet."""

    requests: int
    events: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """A request taken in bulk. While it waits, all counts but `offered` are 0.

    `verdicts`: of each event that was not accepted, `index`, `id`, `verdict` and what is wrong.
    """

    id: UUID
    state: Literal["waiting", "done"]
    received_at: datetime
    offered: int
    accepted: int = 0
    repeated: int = 0
    conflicting: int = 0
    rejected: int = 0
    version: int = 0
    verdicts: Sequence[dict[str, Any]] = ()


def keep(requests: Sequence[BulkIn], *, actor: str, now: datetime) -> list[UUID]:
    """Put requests into the log; their ids, once all of them are on the disk.

    Raises:
        NotKept: none of them is kept.
    """
    tenant = current_tenant_id()
    kept = [
        Kept(number, tenant, actor, one.source, now, one.offered, one.body)
        for number, one in zip(uuid7s(len(requests)), requests, strict=True)
    ]
    durable_log.writer().keep(
        str(tenant),
        [msgspec.msgpack.encode(one) for one in kept],
        weight=sum(one.offered for one in kept),
    )
    return [one.id for one in kept]


def take_up(*, read: Reader, take_in: TakeIn, now: datetime) -> int:
    """Take in what the tenant's log holds; return how many events were looked at.

    A file is one transaction. A damaged one is read as far as it is sound and set aside.

    Raises:
        DataError: the database refuses what a file says. It stays; all others are taken in before.
    """
    looked_at = 0
    refused: DataError | None = None
    for path in durable_log.whole(str(current_tenant_id())):
        try:
            looked_at += _take_file(path, read=read, take_in=take_in, now=now)
        except DataError as error:  # a fault of ours, by which nobody else's usage is to be held
            refused = refused or error
    if refused is not None:
        raise refused
    return looked_at


def _take_file(path: Path, *, read: Reader, take_in: TakeIn, now: datetime) -> int:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                [f"metering-bulk:{current_tenant_id()}"],
            )
        try:
            found = durable_log.read(path)
        except FileNotFoundError:
            return 0  # somebody beside us has taken it
        requests, strange = _decoded(found.records)
        known = set(
            BulkVerdict.objects.filter(pk__in=[one.id for one in requests]).values_list(
                "pk", flat=True
            )
        )
        fresh = [one for one in requests if one.id not in known]
        for actor, mine in groupby(fresh, key=lambda one: one.actor):
            _take(list(mine), actor=actor, read=read, take_in=take_in, now=now)
    if found.damaged or strange:
        durable_log.set_aside(path)
    else:
        durable_log.discard(path)
    return sum(one.offered for one in fresh)


def _decoded(records: Sequence[bytes]) -> tuple[list[Kept], int]:
    """Return the tenant's requests, and how many records are none."""
    requests = []
    for record in records:
        one = _decode(record)
        if one is not None and one.tenant == current_tenant_id():
            requests.append(one)
    return requests, len(records) - len(requests)


def _decode(record: bytes) -> Kept | None:
    try:
        return msgspec.msgpack.decode(record, type=Kept)
    except msgspec.DecodeError:
        return None


def _take(
    requests: Sequence[Kept], *, actor: str, read: Reader, take_in: TakeIn, now: datetime
) -> None:
    offers = [read(one.body, one.source, part) for part, one in enumerate(requests)]
    taken = take_in(offers, actor=actor, now=now, origin="api bulk")
    BulkVerdict.objects.bulk_create(
        [
            BulkVerdict(
                id=request.id,
                actor=actor,
                received_at=request.received_at,
                offered=told.offered,
                accepted=told.accepted,
                repeated=len(told.repeats),
                conflicting=len(told.conflicts),
                rejected=len(told.rejections),
                version=told.version,
                verdicts=_verdicts(told),
                taken_at=now,
            )
            for request, told in zip(requests, taken, strict=True)
        ]
    )


def _verdicts(taken: Taken) -> list[dict[str, Any]]:
    """Return what is to be told of the events that were not accepted, in their order."""
    told: list[dict[str, Any]] = []
    for verdict, events in (("repeated", taken.repeats), ("conflict", taken.conflicts)):
        told += [{"index": e.row - 1, "id": e.event_id, "verdict": verdict} for e in events]
    told += [
        {
            "index": row.row - 1,
            "id": clean(row.event_id, MAX_KEY),
            "verdict": "rejected",
            "code": row.code,
            "field": clean(row.field, MAX_KEY),
            "params": {name: clean(str(value), MAX_KEY) for name, value in row.params.items()},
        }
        for row in taken.rejections
    ]
    return sorted(told, key=lambda one: int(one["index"]))


class Held(NamedTuple):
    """What a file of the log holds; as a whole it is taken up, or not. `request`: its first."""

    request: UUID
    requests: int
    events: int
    oldest: datetime


def in_log() -> list[Held]:
    """Return what each file of the tenant's log holds, those taken up by now too.

    A closed file tells it by its end and is looked at once a process; those that grow are read.
    """
    tenant = current_tenant_id()
    found = [_held(path, tenant) for path in durable_log.unread(str(tenant))]
    # A file renamed while the folder was listed comes twice.
    return list({one.request: one for one in found if one is not None}.values())


def _held(path: Path, tenant: UUID) -> Held | None:
    if path.suffix == ".open":
        return _read_held(path, tenant)
    known = _closed.get(path)
    if known is None and (known := _told_held(path, tenant) or _read_held(path, tenant)):
        if len(_closed) >= MOST_CLOSED:
            _closed.clear()
        _closed[path] = known
    return known


def _told_held(path: Path, tenant: UUID) -> Held | None:
    held, record = durable_log.held(path), durable_log.first(path)
    if held is None or record is None:
        return None
    one = _decode(record)
    if one is None or one.tenant != tenant:
        return None
    return Held(one.id, held.records, held.weight, one.received_at)


def _read_held(path: Path, tenant: UUID) -> Held | None:
    found, _ = _decoded(durable_log.records(path))
    if not found:
        return None
    return Held(found[0].id, len(found), sum(one.offered for one in found), found[0].received_at)


def unread_requests(mention: Sequence[bytes] = ()) -> Iterator[Kept]:
    """Yield the requests of the tenant's log that were not taken up yet, in order.

    Memory holds one file; of one that has none of the bytes of `mention` nothing is yielded. The
    files are listed first: of what is taken up from then on, this yields a request or its row of
    verdicts stands, never neither.
    """
    yield from _unread_of(durable_log.unread(str(current_tenant_id())), mention)


def _unread_of(paths: Sequence[Path], mention: Sequence[bytes] = ()) -> Iterator[Kept]:
    seen: set[UUID] = set()
    for path in paths:
        requests, _ = _decoded(durable_log.records(path, mention=mention))
        found = BulkVerdict.objects.filter(pk__in=[one.id for one in requests])
        seen |= set(found.values_list("pk", flat=True))
        for one in requests:
            if one.id not in seen:  # a file renamed while it was looked for comes twice
                seen.add(one.id)
                yield one


def unread() -> Unread:
    """Count what was taken in bulk and not looked into yet."""
    held = in_log()
    done = set(
        BulkVerdict.objects.filter(pk__in=[one.request for one in held]).values_list(
            "pk", flat=True
        )
    )
    held = [one for one in held if one.request not in done]
    return Unread(
        sum(one.requests for one in held),
        sum(one.events for one in held),
        min((one.oldest for one in held), default=None),
    )


def bulk_request(request_id: UUID) -> BulkRequest | None:
    """Return a request that was taken in bulk, with its verdicts once it was taken up.

    Its id tells when it came: of the log only files begun about then are looked into.
    """
    if done := _done(request_id):
        return done
    came_ms = request_id.int >> 80
    paths = [
        path
        for path in durable_log.unread(str(current_tenant_id()))
        if -BEGUN_BEFORE_MS <= durable_log.begun_ms(path) - came_ms <= BEGUN_AFTER_MS
    ]
    for one in _unread_of(paths, [str(request_id).encode()]):
        if one.id == request_id:
            return BulkRequest(one.id, "waiting", one.received_at, one.offered)
    return _done(request_id)  # it may have been taken up meanwhile


def _done(request_id: UUID) -> BulkRequest | None:
    done = BulkVerdict.objects.filter(pk=request_id).first()
    if done is None:
        return None
    return BulkRequest(
        done.pk, "done", done.received_at, done.offered, done.accepted, done.repeated,
        done.conflicting, done.rejected, done.version, done.verdicts,
    )  # fmt: skip
