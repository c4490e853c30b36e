"""The books in a transparency log (`platform.row_log`): every posting is an entry of it."""

import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db.models import Sum

from kvit.ledger.models import DayTurnover, Posting
from kvit.ledger.rows import SIGNED
from kvit.platform.row_log import NotLogged, RowLog

FORM = "kvit.posting.v1"  # the first part of an entry: what the others are


def entry_of(row: Sequence[Any]) -> bytes:
    """Return a posting, in the order of `SIGNED`, as an entry of the log: a JSON array.

    Ids stand for whom it is about, so that nobody's name is in the log.
    """
    *plain, effective_on, recorded_at = row
    told = [FORM, *(str(one) if isinstance(one, UUID) else one for one in plain)]
    told += [effective_on.isoformat(), recorded_at.astimezone(UTC).isoformat()]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


BOOKS = RowLog(
    name="ledger",
    table="ledger_posting",
    rows=Posting.objects.all,
    columns=SIGNED,
    entry_of=entry_of,
    codes=("ledger_posting", "ledger_log"),
    called="posting",
)
log_of_books = BOOKS.log
append = BOOKS.append


def is_behind() -> bool:
    """Whether there are postings that the log does not have; the kept sums of days count them."""
    posted = DayTurnover.objects.aggregate(n=Sum("postings"))["n"] or 0
    return bool(posted > log_of_books().grown().frontier.size)


__all__ = ["BOOKS", "NotLogged", "append", "entry_of", "is_behind", "log_of_books"]
