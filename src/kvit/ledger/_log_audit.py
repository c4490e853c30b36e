"""What is wrong with signed postings, in words, and the proofs of a document's."""

from kvit.core.transparency import ShownEntry, inclusion_proof
from kvit.core.wording import Words
from kvit.ledger._log import BOOKS, NotLogged, entry_of, log_of_books
from kvit.ledger.models import Posting
from kvit.ledger.rows import SIGNED
from kvit.platform.row_log import Held, number_of
from kvit.platform.tlog import WIDTH, Log

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
    "ledger_log_key_changed": (
        "журнал проводок подписан другим ключом: файл secret-key папки данных заменили или"
        " потеряли. Верните прежний из копии и перезапустите Kvit; если копии нет:"
        " kvit books seal --anew",
        "the log of postings was signed by another key: the file secret-key of the data folder was"
        " replaced or lost. Put the former one back from a copy and restart Kvit; without a copy:"
        " kvit books seal --anew",
    ),
}
problems = BOOKS.problems
agrees = BOOKS.agrees


def proofs_of(source: str) -> list[ShownEntry]:
    """Return a proof for each posting of a source, by line.

    Raises:
        NotLogged: the log has none of them, or not all as they stand in the books.
    """
    log = log_of_books()
    note, held = log.note(), Held(**log.grown().notes)
    rows = list(Posting.objects.filter(source=source).order_by("line").values_list(*SIGNED))
    if note is None or not rows:
        raise NotLogged("ledger_not_in_log", source=source)
    head = log.read(note)
    perfect, found = log.perfect(head.size), []
    for row in rows:
        entry = entry_of(row)
        is_held = row[0] <= held.settled or row[0] in held.above
        index = _place(log, head.size, row[0]) if is_held else None
        if index is None or log.entry(index, head.size) != entry:
            raise NotLogged("ledger_not_in_log", source=source)
        hashes = inclusion_proof(index, head.size, perfect)
        found.append(ShownEntry(entry, index, tuple(hashes), note))
    return found


def _place(log: Log, size: int, key: int) -> int | None:
    """Return where the posting of that id stands.

    Entries follow their ids but where a transaction ended late: looked for by halves, then ever
    further around.
    """
    low, high = 0, -(-size // WIDTH)
    while high - low > 1:
        middle = (low + high) // 2
        first = number_of(log.bundle(middle, size)[0])
        low, high = (middle, high) if first is not None and first <= key else (low, middle)
    tiles = range(-(-size // WIDTH))
    for tile in sorted(tiles, key=lambda one: abs(one - low)):
        for at, entry in enumerate(log.bundle(tile, size)):
            if number_of(entry) == key:
                return tile * WIDTH + at
    return None
