"""A bill run that any number of workers share, without anybody to part it among them.

    begin(request, …)              the record of the run, its parts of rating by customers' hash
    do_parts(run, "rating", …)     in as many workers as there are
    begin_invoicing(run)           whoever finds no part of rating left makes those of invoicing
    do_parts(run, "invoicing", …)  each part is summed up by whoever has time
    do_parts(run, "comparing", …)  where one was not, by a death
    finished(run)                  whoever finds none left of these

A part is a row and one transaction: it is locked first and marked done last. So nobody meets a
part that another is at, what a dead worker was at is free at once, and nothing is done twice.
Documents take their numbers in the order of the parts, whoever does them: a part waits for those
before it, and one that is left over by a death is done first.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from math import ceil
from typing import Any, Literal
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import Q, Sum

from kvit.catalog import queries as catalog
from kvit.core.periods import Period
from kvit.core.schedule import reach_of_changes
from kvit.invoicing._summary import sums_of
from kvit.invoicing.models import BillRun, RunPart
from kvit.invoicing.rows import Progress, RunRequest, RunTotals
from kvit.invoicing.services import _documents, _freed
from kvit.invoicing.services._runs import finish, new_record, prepare, rating_run_of
from kvit.metering import queries as metering
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.platform.jobs import is_to_give_way
from kvit.platform.tenancy import current_tenant_id
from kvit.rating import queries as rating
from kvit.rating import services as rating_services
from kvit.subscriptions import queries as subscriptions

Stage = Literal["rating", "invoicing", "comparing"]
Act = Callable[[RunPart], None]
LEAST, SPREAD = 50, 8  # a small run has so many parts, if a part is no smaller
TOGETHER = 16  # parts that are written at once
_COLUMNS = (
    "id", "run_id", "stage", "place", "size", "ids", "is_done", "brought", "issued", "drafts",
)  # fmt: skip
LAST = 2**31 - 1  # a place after all others
_LEFT: dict[Stage, str] = {  # what of a run is left to be done
    "rating": "stage = 'rating' AND NOT is_done",
    "invoicing": "stage = 'invoicing' AND NOT is_done",
    "comparing": "stage = 'invoicing' AND is_done AND brought = '{}'",
}
_BRINGS = {
    "rating": ["is_done", "brought"],
    "invoicing": ["is_done", "issued", "drafts"],
    "comparing": ["brought"],
}
_FIRST_LEFT = """
    SELECT id FROM invoicing_runpart
    WHERE tenant_id = %s AND run_id = %s AND place < %s AND {left} ORDER BY place LIMIT 1 {lock}
"""
_TOTALS = """
    SELECT coalesce(sum((brought->>'charges')::bigint), 0),
           coalesce(sum((brought->>'differences')::bigint), 0),
           coalesce(sum((brought->>'put_off')::bigint), 0),
           coalesce(sum(jsonb_array_length(brought->'problems')), 0),
           coalesce(sum(cardinality(issued)), 0), coalesce(sum(cardinality(drafts)), 0)
    FROM invoicing_runpart WHERE tenant_id = %s AND run_id = %s
"""


class _NotItsTurn(Exception):
    """A part before this one was left undone: it is done first."""


@transaction.atomic
def begin(request: RunRequest, *, actor: str, now: Any) -> bool:
    """Store the run with its parts of rating; return whether it was not there already.

    Raises:
        NoSeller: nobody could issue an invoice.
    """
    prepare(actor=actor, now=now)
    version, catalogue = metering.latest_version(), catalog.catalogue()
    record = new_record(request, version, actor=actor, now=now)
    record.stage = "rating"
    record.asked = {
        "request": msgspec.to_builtins(request, enc_hook=str),
        "catalogue": catalogue.revision,
    }
    named = {
        field.attname: getattr(record, field.attname)
        for field in record._meta.concrete_fields
        if not field.primary_key
    }
    record, is_new = BillRun.objects.get_or_create(pk=record.pk, defaults=named)
    if is_new:
        alive: Any = {"before": request.window.end, "since": reach_of_changes(request.window.start)}
        count = subscriptions.count_alive(**alive)
        size = _size(count, request.chunk)
        shares = ceil(count / size)
        _make(record, subscriptions.customer_shares(**alive, size=size, shares=shares))
    return is_new


@transaction.atomic
def begin_invoicing(run_id: UUID) -> bool:
    """Make the parts of invoicing once everything is rated; return whether this call made them."""
    record = BillRun.objects.select_for_update().get(pk=run_id)
    if record.stage != "rating" or _first_left(record, "rating"):
        return False
    _, rated = _progress(record)  # counted already: there are hardly more payers
    record.stage = "invoicing"
    record.save(update_fields=["stage"])
    _make(record, _payers(record, _size(rated, _request(record).chunk)))
    return True


def do_parts(run_id: UUID, stage: Stage, progress: Progress) -> bool:
    """Do parts of a stage, beside whoever else does, until none is left: then return True; or
    until this worker is to stop or to let others go first, after the part that it is at."""
    record = BillRun.objects.get(pk=run_id)
    if record.stage != ("rating" if stage == "rating" else "invoicing") or record.status == "done":
        return True
    act = {"rating": _rating, "invoicing": _invoicing, "comparing": _comparing}[stage](record)
    compare = _comparing(record)
    progress(stage, *_progress(record))
    while _do_next(record, stage, act):
        if stage == "invoicing":  # what was written just now is quickly read
            _do_next(record, "comparing", compare, waits=False)
        progress(stage, *_progress(record))
        if is_to_give_way():
            return False
    return True


@transaction.atomic
def finished(run_id: UUID) -> RunTotals | None:
    """Close the run if nothing of it is left, and return how much it brought; else None."""
    record = BillRun.objects.select_for_update().get(pk=run_id)
    if record.stage != "invoicing" or any(_first_left(record, one) for one in _LEFT):
        return None
    totals = _totals(record)
    if record.status != "done":
        finish(record, _request(record), totals)
    return totals


def _size(number: int, most: int) -> int:
    return max(LEAST, min(most, ceil(number / SPREAD)))


def _payers(record: BillRun, size: int) -> Iterable[Sequence[UUID]]:
    """Yield payers in parts, each once: those with charges, then those with freed ones alone."""
    billed_in = record.period_start
    yield from rating.payer_chunks(billed_in, size=size)
    for payers in _freed.payer_chunks(billed_in, size=size):
        charged = rating.payers_among(billed_in, payers)
        yield [one for one in payers if one not in charged]


def _make(record: BillRun, parts: Iterable[Sequence[UUID]]) -> None:
    rows: Iterator[Sequence[object]] = (
        (uuid7(), record.pk, record.stage, place, len(ids), list(ids), False, {}, [], [])
        for place, ids in enumerate(parts)
    )
    # Some at a time: what yields the parts reads by the same connection between two writes.
    while some := list(islice(rows, TOGETHER)):
        copy_in(RunPart, _COLUMNS, some)


def _do_next(record: BillRun, stage: Stage, act: Act, *, waits: bool = True) -> bool:
    """Do the first part that nobody is at; return whether there was one, or may be one yet."""
    try:
        with transaction.atomic():
            if stage == "invoicing":
                _documents.share_turn(record.period_start)  # before a part: see there
            found = _first_left(record, stage, lock="FOR UPDATE SKIP LOCKED")
            if found is None:  # of those that others are at one may be left by a death
                return waits and _is_left(record, stage)
            part = RunPart.objects.get(pk=found)
            act(part)
            part.is_done = True
            part.save(update_fields=_BRINGS[stage])
    except _NotItsTurn:
        pass
    return True


def _is_left(record: BillRun, stage: Stage, *, before: int = LAST) -> bool:
    """Wait for the workers at parts before a place, until they have committed or died; return
    whether a part is left undone.

    A row that was waited for stays locked though it is done by then. These locks are shared, so
    that nobody is kept from a turn by one whose own turn comes later.
    """
    return _first_left(record, stage, before=before, lock="FOR SHARE") is not None


def _first_left(
    record: BillRun, stage: Stage, *, before: int = LAST, lock: str = ""
) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(
            _FIRST_LEFT.format(left=_LEFT[stage], lock=lock),
            [current_tenant_id(), record.pk, before],
        )
        row = cursor.fetchone()
        return None if row is None else row[0]


def _rating(record: BillRun) -> Act:
    catalogue = catalog.catalogue(as_of=record.asked["catalogue"])
    run = rating_run_of(record, _request(record), catalogue)

    def act(part: RunPart) -> None:
        result = rating_services.rate_many(part.ids, run)
        part.brought = msgspec.to_builtins(result)

    return act


def _invoicing(record: BillRun) -> Act:
    request = _request(record)

    def act(part: RunPart) -> None:
        def in_turn() -> None:
            if _is_left(record, "invoicing", before=part.place):
                raise _NotItsTurn

        part.issued, part.drafts = _documents.invoice_chunk(
            request, part.ids, actor=record.author, now=record.started_at, in_turn=in_turn
        )

    return act


def _comparing(record: BillRun) -> Act:
    window = Period(record.period_start, record.period_end)

    def act(part: RunPart) -> None:
        part.brought = sums_of(window, part.ids, part.issued + part.drafts)

    return act


def _progress(record: BillRun) -> tuple[int, int]:
    parts = RunPart.objects.filter(run=record, stage=record.stage)
    found = parts.aggregate(done=Sum("size", filter=Q(is_done=True)), whole=Sum("size"))
    return found["done"] or 0, found["whole"] or 0


def _totals(record: BillRun) -> RunTotals:
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, [current_tenant_id(), record.pk])
        return RunTotals(*map(int, cursor.fetchone()))


def _request(record: BillRun) -> RunRequest:
    return msgspec.convert(record.asked["request"], RunRequest, dec_hook=_fraction)


def _fraction(kind: type, said: str) -> Fraction:
    return Fraction(said)
