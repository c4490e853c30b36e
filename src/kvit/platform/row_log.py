"""Rows of an append-only table in a transparency log: its owner may change one, but not unseen.

Rows are entries of a log of their company (`platform.tlog`), in the order in which they were found
committed. Its checkpoints are signed outside the database and handed to others; `RowLog.problems`
compares every row with the entry that was signed.

A restore from a backup raises the database's epoch and begins another log: a log never signs what
contradicts an earlier checkpoint of its own, and whoever holds one sees that there was a restore.
"""

import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from kvit.core.transparency import HASH_BYTES, Checkpoint, Frontier, leaf_hash
from kvit.core.wording import Words
from kvit.platform import files
from kvit.platform.epoch import STANDS, Epoch
from kvit.platform.failures import Failure
from kvit.platform.invariants import Problem
from kvit.platform.reading import asked_once
from kvit.platform.signed_notes import Signer
from kvit.platform.tenancy import current_tenant_id
from kvit.platform.tlog import KeyChanged, Log, LogDamaged

BATCH = 20_000  # rows at a time
AT_ONCE = 4_096  # entries that are compared in one query
WORDS: Words = {
    "ledger_log_in_transaction": (
        "В журнал пишут вне транзакции: в ней видны записи, которых может и не быть.",
        "The log is written outside a transaction: inside, rows are seen that may not last.",
    ),
    "ledger_log_goes_on": (
        "Журнал цел и подписывается дальше: начинать его заново не нужно.",
        "The log is whole and is signed on: there is no need to begin it anew.",
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

    `settled`: every row up to this number is in the log, or will never be. `above`: those beyond
    that are in it. Numbers are given before transactions end, so rows do not become visible in
    their order; once all that were `posting` when the log had come to `horizon` are through,
    whatever has a number up to there is committed or gone.
    """

    settled: int = 0
    above: Sequence[int] = ()
    horizon: int = 0
    posting: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RowLog:
    """Which rows: `columns` are those that are signed, the first their number, given rising.

    `entry_of` makes an entry, a JSON array that has the form first and then the columns. `codes`
    are the beginnings of the codes of problems: of a row, and of the log; `called` is a row.
    """

    name: str  # of the log, among those of a company: "ledger"
    table: str
    rows: Callable[[], "QuerySet[Any]"]
    columns: tuple[str, ...]
    entry_of: Callable[[Sequence[Any]], bytes]
    codes: tuple[str, str]
    called: str

    def log(self) -> Log:
        """Return the log of the tenant in scope; making the object touches nothing."""
        origin = f"kvit/{self.name}/{current_tenant_id()}/{_epoch()}"
        return Log(files.folder().with_name("transparency") / origin, Signer.derived(origin))

    def append(self, *, beside: Path | None) -> int:
        """Write the rows that are committed and not in the log yet, and sign; return how many.

        Raises:
            NotLogged: a transaction is open.
            LogDamaged: the log is not as it was left.
        """
        if connection.in_atomic_block:
            raise NotLogged("ledger_log_in_transaction")
        log, count = self.log(), 0
        with log.writing():
            is_more = True
            while is_more:
                grown = log.grown()
                frontier, held = grown.frontier, Held(**grown.notes)
                looked = self._looked(held)
                rows = self._next(held)
                if rows:
                    held = _held(held, looked, [row[0] for row in rows])
                    entries = [self.entry_of(row) for row in rows]
                    frontier = log.append(entries, notes=held._asdict())
                if frontier.size:
                    log.publish(beside=beside)
                count += len(rows)
                is_more = len(rows) == BATCH
        return count

    def begin_anew(self, *, beside: Path | None, now: datetime) -> Path:
        """Put a log aside that cannot be gone on with; the next `append` begins another. Return
        where the former one is.

        Raises:
            NotLogged: it is whole.
        """
        log = self.log()
        with log.writing():
            try:
                log.grown()
                if beside is not None:
                    log.check(beside)
            except LogDamaged:
                return log.put_aside(beside=beside, mark=f"{now:%Y%m%dT%H%M%S}")
        raise NotLogged("ledger_log_goes_on")

    def fault(self) -> LogDamaged | None:
        """Return why nothing more can be signed, as far as the newest checkpoint tells."""
        try:
            self.log().head()
        except LogDamaged as error:
            return error
        return None

    def is_behind(self) -> bool:
        """Whether there are rows that the log does not have; errors as of `append`."""
        held = Held(**self.log().grown().notes)
        return self._beyond(held).exists()

    def problems(self) -> Iterator[Problem]:
        """Compare all that was signed with the rows, and the log with its checkpoints."""
        code = f"{self.codes[1]}_not_as_signed"
        try:
            log = self.log()
            grown, head = log.grown(), log.head()
            if head is not None:
                numbers = array("q")
                yield from self._compared(log, head, numbers)
                yield from self._slipped_in(numbers, Held(**grown.notes).settled)
                for name in log.misfits(head.size):
                    yield Problem(code, name, "not what is below it")
        except KeyChanged as error:
            yield Problem(f"{self.codes[1]}_key_changed", "log", str(error.params["origin"]))
        except LogDamaged as error:
            yield Problem(code, "log", error.text("en"))

    def agrees(self, note: str) -> bool:
        """Whether the log begins with what somebody holds a signed checkpoint of.

        Raises:
            NoteUnusable: the log's key has not signed it.
        """
        log = self.log()
        return log.begins_with(log.read(note))

    def _looked(self, held: Held) -> Held:
        """Look who is writing; return how far the next read will settle, and what to wait for next.

        A number below one that is in the log was given before: who has it either is among those
        who write now or is through, and then what they committed is seen by the next read.
        """
        with connection.cursor() as cursor:
            cursor.execute(_WRITING, [self.table])
            posting = [key for (key,) in cursor.fetchall()]
        if not set(held.posting).isdisjoint(posting):
            return held
        highest = max(held.above, default=held.settled)
        return Held(settled=held.horizon if posting else highest, horizon=highest, posting=posting)

    def _beyond(self, held: Held) -> "QuerySet[Any]":
        number = self.columns[0]
        rows = self.rows().filter(**{f"{number}__gt": held.settled})
        return rows.exclude(**{f"{number}__in": list(held.above)})

    def _next(self, held: Held) -> list[tuple[Any, ...]]:
        rows = self._beyond(held).order_by(self.columns[0])
        return list(rows.values_list(*self.columns)[:BATCH])

    def _compared(self, log: Log, head: Checkpoint, numbers: "array[int]") -> Iterator[Problem]:
        """Compare entry by entry; `numbers` gets those of the rows that the database has."""
        of_row, of_log = self.codes
        told = _entries(log, head, f"{of_log}_not_as_signed")
        while some := list(islice(told, AT_ONCE)):
            entries: dict[int, bytes] = {}
            for index, entry, problem in some:
                if problem is not None:
                    yield problem
                elif (key := number_of(entry)) is None:
                    yield Problem(f"{of_log}_not_as_signed", f"entry:{index}", "unreadable")
                else:
                    entries[key] = entry
            wanted = self.rows().filter(**{f"{self.columns[0]}__in": list(entries)})
            stored = {row[0]: row for row in wanted.values_list(*self.columns)}
            numbers.extend(stored)
            for key, entry in entries.items():
                if key not in stored:
                    yield Problem(f"{of_row}_gone", f"{self.called}:{key}", entry.decode())
                elif (now := self.entry_of(stored[key])) != entry:
                    told_now = _changes(self.columns, entry, now)
                    yield Problem(f"{of_row}_not_as_signed", f"{self.called}:{key}", told_now)

    def _slipped_in(self, numbers: "array[int]", settled: int) -> Iterator[Problem]:
        """Look for rows that came to stand where the log was complete."""
        below = self.rows().filter(**{f"{self.columns[0]}__lte": settled})
        if below.count() == sum(one <= settled for one in numbers):
            return
        logged = set(numbers)
        for row in below.order_by(self.columns[0]).values_list(*self.columns).iterator():
            if row[0] not in logged:
                told = self.entry_of(row).decode()
                yield Problem(f"{self.codes[0]}_slipped_in", f"{self.called}:{row[0]}", told)


@asked_once
def _epoch() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {STANDS}")
        [told] = cursor.fetchone()
    return Epoch.read(told).number


def number_of(entry: bytes) -> int | None:
    """Return the number of the row that an entry is of; None where it cannot be read."""
    try:
        key = json.loads(entry)[1]
    except (ValueError, LookupError, TypeError):
        return None
    return key if isinstance(key, int) else None


def _held(held: Held, looked: Held, read: Sequence[int]) -> Held:
    """Return what is held once the numbers that were read are in the log."""
    settled = max(held.settled, looked.settled)
    if len(read) == BATCH:  # there may be more of them behind the last
        settled = max(held.settled, min(settled, read[-1]))
    above = sorted(one for one in (*held.above, *read) if one > settled)
    return looked._replace(settled=settled, above=above)


def _entries(
    log: Log, head: Checkpoint, code: str
) -> Iterator[tuple[int, bytes, Problem | None]]:  # fmt: skip
    """Yield the entries with their places, and what is wrong with an entry or a checkpoint."""
    frontier, is_told = Frontier(0, []), False
    signed = log.signed()
    until = next(signed, head)
    for entries, tile in log.bundles(head.size):
        for at, entry in enumerate(entries):
            index, leaf = frontier.size, leaf_hash(entry)
            frontier.add(leaf)
            yield index, entry, (
                None if leaf == tile[at * HASH_BYTES : (at + 1) * HASH_BYTES]
                else Problem(code, f"entry:{index}", "not what its hash says")
            )  # fmt: skip
            if frontier.size == until.size:
                if frontier.root != until.root and not is_told:
                    is_told = True  # all that come after differ as well
                    yield index, entry, Problem(code, f"checkpoint:{until.size}", "another root")
                until = next(signed, head)


def _changes(columns: Sequence[str], signed: bytes, now: bytes) -> str:
    pairs = zip(columns, json.loads(signed)[1:], json.loads(now)[1:], strict=True)
    return ", ".join(f"{name} {old} -> {new}" for name, old, new in pairs if old != new)


# Whoever inserts holds this lock from before the first number until the end is seen by all.
_WRITING = """
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND relation = %s::regclass
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND mode = 'RowExclusiveLock' AND granted
"""
