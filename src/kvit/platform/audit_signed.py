"""The journal in a transparency log (`platform.row_log`), beside that of the books.

An entry names who did what to which object and when, by ids; of the images, the reason and the
place it holds digests: what they say stays in the database, where a person can be forgotten.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from kvit.core.wording import Words
from kvit.platform.models import AuditRow
from kvit.platform.row_log import RowLog

FORM = "kvit.audit.v1"
SIGNED = (
    "number", "id", "actor", "at", "recorded_at", "action", "object_type", "object_id", "origin",
    "before", "after", "reason",
)  # fmt: skip
_PLAIN = 8  # of them are told as they are
WORDS: Words = {
    "audit_row_not_as_signed": (
        "запись журнала действий не та, что подписана",
        "a row of the audit log is not what was signed",
    ),
    "audit_row_gone": (
        "подписанной записи журнала действий в базе нет",
        "a signed row of the audit log is not in the database",
    ),
    "audit_row_slipped_in": (
        "запись журнала действий появилась там, где он уже закрыт подписью",
        "a row appeared where the audit log was already signed",
    ),
    "audit_log_not_as_signed": (
        "журнал действий не сходится со своей подписанной отметкой",
        "the audit log does not agree with its signed checkpoint",
    ),
    "audit_log_key_changed": (
        "журнал действий подписан другим ключом: файл secret-key папки данных заменили или"
        " потеряли. Верните прежний из копии и перезапустите Kvit; если копии нет:"
        " kvit books seal --anew --journal",
        "the audit log was signed by another key: the file secret-key of the data folder was"
        " replaced or lost. Put the former one back from a copy and restart Kvit; without a copy:"
        " kvit books seal --anew --journal",
    ),
}


def entry_of(row: Sequence[Any]) -> bytes:
    """Return a row, in the order of `SIGNED`, as an entry of the log: a JSON array."""
    number, key, actor, at, recorded_at, *named = row[:_PLAIN]
    times = (one.astimezone(UTC).isoformat() for one in (at, recorded_at))
    digests = (_digest(key, one) for one in row[_PLAIN:])
    told = [FORM, number, str(key), actor, *times, *named, *digests]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _digest(key: object, value: Any) -> str:
    """Return the digest of what a row says, other in each row."""
    text = json.dumps([str(key), value], ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


JOURNAL = RowLog(
    name="audit",
    table="platform_auditrow",
    rows=AuditRow.objects.all,
    columns=SIGNED,
    entry_of=entry_of,
    codes=("audit_row", "audit_log"),
    called="audit row",
)
