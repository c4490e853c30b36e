"""Every posting compared with the entry of it that was signed, and the proofs of a document."""

import json
from array import array
from collections.abc import Iterator
from itertools import islice

from kvit.core.transparency import (
    HASH_BYTES,
    Checkpoint,
    Frontier,
    ShownEntry,
    inclusion_proof,
    leaf_hash,
)
from kvit.core.wording import Words
from kvit.ledger._invariants import Problem
from kvit.ledger._log import Held, NotLogged, entry_of, log_of_books
from kvit.ledger.models import Posting
from kvit.ledger.rows import SIGNED
from kvit.platform.signed_notes import NoteUnusable
from kvit.platform.tlog import WIDTH, Log, LogDamaged

AT_ONCE = 4_096  # entries that are compared in one query
WORDS: Words = {
    "ledger_posting_not_as_signed": (
        "проводка не та, что подписана в журнале",
        "a posting is not what was signed in the log",
    ),
    "ledger_posting_gone": (
        "проводки из подписанного журнала в базе нет",
        "a posting of the signed log is not in the database",
    ),
    "ledger_posting_slipped_in": (
        "проводка появилась там, где журнал уже закрыт подписью",
        "a posting appeared where the log was already signed",
    ),
    "ledger_log_not_as_signed": (
        "журнал проводок не сходится со своей подписанной отметкой",
        "the log of postings does not agree with its signed checkpoint",
    ),
}


def problems() -> Iterator[Problem]:
    """Compare all that was signed with the postings, and the log with its checkpoints."""
    try:
        log = log_of_books()
        grown, head = log.grown(), log.head()
        if head is not None:
            ids = array("q")
            yield from _compared(log, head, ids)
            yield from _slipped_in(ids, Held(**grown.notes).settled)
            for name in log.misfits(head.size):
                yield Problem("ledger_log_not_as_signed", name, "not what is below it")
    except (LogDamaged, NoteUnusable) as error:
        yield Problem("ledger_log_not_as_signed", "log", error.text("en"))


def agrees(note: str) -> bool:
    """Whether the log begins with what somebody holds a signed checkpoint of.

    Raises:
        NoteUnusable: the log's key has not signed it.
    """
    log = log_of_books()
    return log.begins_with(log.read(note))


def proofs_of(source: str) -> list[ShownEntry]:
    """Return a proof for each posting of a source, by line.

    Raises:
        NotLogged: the log has none of them, or not all as they stand in the books.
    """
    log = log_of_books()
    head, note = log.head(), log.note()
    rows = list(Posting.objects.filter(source=source).order_by("line").values_list(*SIGNED))
    if head is None or note is None or not rows:
        raise NotLogged("ledger_not_in_log", source=source)
    perfect, found = log.perfect(head.size), []
    for row in rows:
        entry = entry_of(row)
        index = _place(log, head.size, row[0])
        if index is None or log.entry(index, head.size) != entry:
            raise NotLogged("ledger_not_in_log", source=source)
        hashes = inclusion_proof(index, head.size, perfect)
        found.append(ShownEntry(entry, index, tuple(hashes), note))
    return found


def _compared(log: Log, head: Checkpoint, ids: "array[int]") -> Iterator[Problem]:
    """Compare entry by entry; `ids` gets those of the postings that the database has."""
    told = _entries(log, head)
    while some := list(islice(told, AT_ONCE)):
        entries: dict[int, bytes] = {}
        for index, entry, problem in some:
            if problem is not None:
                yield problem
            elif (key := _id_of(entry)) is None:
                yield Problem("ledger_log_not_as_signed", f"entry:{index}", "unreadable")
            else:
                entries[key] = entry
        stored = {row[0]: row for row in Posting.objects.filter(id__in=list(entries))
                  .values_list(*SIGNED)}  # fmt: skip
        ids.extend(stored)
        for key, entry in entries.items():
            if key not in stored:
                yield Problem("ledger_posting_gone", f"posting:{key}", entry.decode())
            elif (now := entry_of(stored[key])) != entry:
                yield Problem(
                    "ledger_posting_not_as_signed", f"posting:{key}", _changes(entry, now)
                )


def _entries(log: Log, head: Checkpoint) -> Iterator[tuple[int, bytes, Problem | None]]:
    """Yield the entries with their places, and what is wrong with an entry or a checkpoint."""
    code, frontier, is_told = "ledger_log_not_as_signed", Frontier(0, []), False
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


def _slipped_in(ids: "array[int]", settled: int) -> Iterator[Problem]:
    """Look for postings that came to stand where the log was complete."""
    below = Posting.objects.filter(id__lte=settled)
    if below.count() == sum(one <= settled for one in ids):
        return
    logged = set(ids)
    for row in below.order_by("id").values_list(*SIGNED).iterator():
        if row[0] not in logged:
            yield Problem("ledger_posting_slipped_in", f"posting:{row[0]}", entry_of(row).decode())


def _id_of(entry: bytes) -> int | None:
    try:
        key = json.loads(entry)[1]
    except (ValueError, LookupError, TypeError):
        return None
    return key if isinstance(key, int) else None


def _changes(signed: bytes, now: bytes) -> str:
    pairs = zip(SIGNED, json.loads(signed)[1:], json.loads(now)[1:], strict=True)
    return ", ".join(f"{name} {old} -> {new}" for name, old, new in pairs if old != new)


def _place(log: Log, size: int, key: int) -> int | None:
    """Return where the posting of that id stands.

    Entries follow their ids but where a transaction ended late: looked for by halves, then ever
    further around.
    """
    low, high = 0, -(-size // WIDTH)
    while high - low > 1:
        middle = (low + high) // 2
        first = _id_of(log.bundle(middle, size)[0])
        low, high = (middle, high) if first is not None and first <= key else (low, middle)
    tiles = range(-(-size // WIDTH))
    for tile in sorted(tiles, key=lambda one: abs(one - low)):
        for at, entry in enumerate(log.bundle(tile, size)):
            if _id_of(entry) == key:
                return tile * WIDTH + at
    return None
