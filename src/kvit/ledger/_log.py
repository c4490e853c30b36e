"""The books in a transparency log: who owns the tables may change a posting, but not unseen.

Postings are entries of a log of their company (`platform.tlog`), in the order in which they were
found committed. Its checkpoints are signed outside the database and handed to others; `_log_audit`
compares every posting with the entry that was signed.

A restore from a backup raises the database's epoch and begins another log: a log never signs what
contradicts an earlier checkpoint of its own, and whoever holds one sees that there was a restore.
"""

import json
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from kvit.core.wording import Words
from kvit.ledger.models import DayTurnover, Posting
from kvit.ledger.rows import SIGNED
from kvit.platform import files
from kvit.platform.failures import Failure
from kvit.platform.signed_notes import Signer
from kvit.platform.tenancy import current_tenant_id
from kvit.platform.tlog import Log

FORM = "kvit.posting.v1"  # the first part of an entry: what the others are
BATCH = 20_000  # postings at a time
WORDS: Words = {
    "ledger_log_in_transaction": (
        "В журнал пишут вне транзакции: в ней видны проводки, которых может и не быть.",
        "The log is written outside a transaction: inside, postings are seen that may not last.",
    ),
    "ledger_not_in_log": (
        "В журнале нет проводок с основанием {source}: запишите их командой kvit books seal.",
        "The log has no postings of {source}: write them there with kvit books seal.",
    ),
}


class NotLogged(Failure):
    """What is asked about is not in the log, or cannot be written there now."""

    words = WORDS


class Held(NamedTuple):
    """How far the log is sure of what it has; kept beside it.

    `settled`: every posting up to this id is in the log, or will never be. `above`: those beyond
    that are in it. Ids are given before transactions end, so postings do not become visible in
    their order; once all that were `posting` when the log had come to `horizon` are through,
    whatever has an id up to there is committed or gone.
    """

    settled: int = 0
    above: Sequence[int] = ()
    horizon: int = 0
    posting: Sequence[str] = ()


def log_of_books() -> Log:
    """Return the log of the tenant in scope; making the object touches nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('kvit.epoch', true)")
        [epoch] = cursor.fetchone()
    origin = f"kvit/ledger/{current_tenant_id()}/{epoch or 1}"
    return Log(files.folder().with_name("transparency") / origin, Signer.derived(origin))


def append(*, beside: Path | None) -> int:
    """Write the postings that are committed and not in the log yet, and sign; return how many.

    Raises:
        NotLogged: a transaction is open.
        LogDamaged, NoteUnusable: the log is not as it was left.
    """
    if connection.in_atomic_block:
        raise NotLogged("ledger_log_in_transaction")
    log, count = log_of_books(), 0
    with log.writing():
        is_more = True
        while is_more:
            grown = log.grown()
            frontier, held = grown.frontier, Held(**grown.notes)
            looked = _looked(held)
            rows = _next(held)
            if rows:
                held = _held(held, looked, [row[0] for row in rows])
                frontier = log.append([entry_of(row) for row in rows], notes=held._asdict())
            if frontier.size:
                log.publish(beside=beside)
            count += len(rows)
            is_more = len(rows) == BATCH
    return count


def is_behind() -> bool:
    """Whether there are postings that the log does not have; the kept sums of days count them."""
    posted = DayTurnover.objects.aggregate(n=Sum("postings"))["n"] or 0
    return bool(posted > log_of_books().grown().frontier.size)


def entry_of(row: Sequence[Any]) -> bytes:
    """Return a posting, in the order of `SIGNED`, as an entry of the log: a JSON array.

    Ids stand for whom it is about, so that nobody's name is in the log.
    """
    *plain, effective_on, recorded_at = row
    told = [FORM, *(str(one) if isinstance(one, UUID) else one for one in plain)]
    told += [effective_on.isoformat(), recorded_at.astimezone(UTC).isoformat()]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _looked(held: Held) -> Held:
    """Look who is posting; return how far the next read will settle, and what to wait for next.

    An id below one that is in the log was given before: who has it either is among those who post
    now or is through, and then what they committed is seen by the next read.
    """
    with connection.cursor() as cursor:
        cursor.execute(_POSTING)
        posting = [key for (key,) in cursor.fetchall()]
    if not set(held.posting).isdisjoint(posting):
        return held
    highest = max(held.above, default=held.settled)
    return Held(settled=held.horizon if posting else highest, horizon=highest, posting=posting)


def _held(held: Held, looked: Held, read: Sequence[int]) -> Held:
    """Return what is held once the ids that were read are in the log."""
    settled = max(held.settled, looked.settled)
    if len(read) == BATCH:  # there may be more of them behind the last
        settled = max(held.settled, min(settled, read[-1]))
    above = sorted(one for one in (*held.above, *read) if one > settled)
    return looked._replace(settled=settled, above=above)


def _next(held: Held) -> list[tuple[Any, ...]]:
    rows = Posting.objects.filter(id__gt=held.settled).exclude(id__in=list(held.above))
    return list(rows.order_by("id").values_list(*SIGNED)[:BATCH])


# Whoever inserts holds this lock from before the first id until the end is seen by all.
_POSTING = """
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'ledger_posting'::regclass
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND mode = 'RowExclusiveLock' AND granted
"""
