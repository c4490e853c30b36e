"""Whoever changes what stands says which state of it they saw; it is compared under its lock.

    seen = revision_of(row)                    # goes out with a form, or in an ETag
    ...
    found = lock(code)                         # the service: first the lock, then the look
    refuse_stale(row_of(found), seen, of=("parties.seller", str(found.id)))

Who changed a thing from what they saw may overwrite it; who saw an older state is told who was
faster and what stands now. A revision is a digest of the content: there is no number to keep, and
what was changed and put back is what was seen.
"""

import hashlib
import json
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from kvit.core.wording import Words
from kvit.platform.failures import Failure
from kvit.platform.models import AuditRow

# What the writer saw: one revision, or any of several; None asks for no comparison.
Seen = str | frozenset[str] | None
WORDS: Words = {
    "changed_meanwhile": (
        "Пока вы правили, это изменили ({who}). Ваша правка не сохранена: сравните и сохраните"
        " снова.",
        "While you edited, it was changed ({who}). Your edit was not kept: compare and save again.",
    ),
}


class Stale(Failure):
    """Somebody changed it between the look and the write; nothing was changed.

    `stands` is what stands now, `revision` what to have seen for the next try, `at` when the last
    change was recorded. `params["who"]` is the actor who made it, as the journal has it.
    """

    words = WORDS
    status = 412  # of HTTP, where a program asks

    def __init__(self, stands: Any, *, who: str, at: datetime | None) -> None:
        super().__init__("changed_meanwhile", who=who or "—")
        self.stands, self.at = stands, at
        self.revision = revision_of(stands)


def revision_of(stands: Any) -> str:
    """Return what tells this state (a dataclass, or what JSON can say) from any other."""
    told = asdict(stands) if is_dataclass(stands) and not isinstance(stands, type) else stands
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def refuse_stale(stands: Any, seen: Seen, *, of: tuple[str, str]) -> None:
    """Refuse a write made from another state than the one that stands, read under its lock.

    Args:
        of: (type, id) of the object in the journal, which knows who changed it last.

    Raises:
        Stale: see there.
    """
    if seen is None or revision_of(stands) in ({seen} if isinstance(seen, str) else seen):
        return
    rows = AuditRow.objects.filter(object_type=of[0], object_id=of[1])
    last = rows.order_by("-id").values_list("actor", "recorded_at").first()
    who, at = last or ("", None)
    raise Stale(stands, who=who, at=at)
