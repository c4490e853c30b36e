"""One row for each change by a person, one for each chunk of a machine's rows.

The origin (host, address, command) is said once, where a request or a command begins:

    with acting_from("cli: kvit bill"):
        ...
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from kvit.platform import bulk
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow
from kvit.platform.tenancy import current_tenant_id

_origin: ContextVar[str] = ContextVar("origin", default="")
_COLUMNS = (
    "id",
    "actor",
    "origin",
    "at",
    "action",
    "object_type",
    "object_id",
    "before",
    "after",
    "reason",
)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object. Images hold what a reader needs, in JSON's types.

    Personal data stays out: it lives in `parties`, so that a person can be forgotten.
    """

    action: str  # "customer.changed"
    object_type: str  # "parties.customer"
    object_id: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@contextmanager
def acting_from(origin: str) -> Iterator[None]:
    """Name the place from which everything in the block is done."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def origin() -> str:
    """Return the place from which what is done now is done."""
    return _origin.get()


def record_many(changes: Iterable[Change], *, actor: str, now: datetime, reason: str = "") -> None:
    """Write an audit row for each change, in the caller's transaction."""
    place = _origin.get()
    bulk.copy_in(
        AuditRow,
        _COLUMNS,
        (
            (
                uuid7(),
                actor,
                place,
                now,
                change.action,
                change.object_type,
                change.object_id,
                change.before,
                change.after,
                reason,
            )
            for change in changes
        ),
    )


def record(
    *,
    action: str,
    object_type: str,
    object_id: str,
    actor: str,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> None:
    """Write one audit row, in the caller's transaction."""
    change = Change(action, object_type, object_id, before, after)
    record_many([change], actor=actor, now=now, reason=reason)


def recording(
    source: str,
    *,
    action: str,
    object_type: str,
    object_id: str,
    after: str,
    actor: str,
    now: datetime,
) -> tuple[str, dict[str, object]]:
    """Return a statement that writes one audit row, to be a part of a larger one; its parameters.

    Where an intake of a few events is one of hundreds a second, each statement is dear.

    Args:
        source: what follows FROM: one row, of which the row is to be written.
        after: an SQL expression for the image, of what stands in `source`.
    """
    sql = f"""
        INSERT INTO platform_auditrow (id, tenant_id, actor, origin, at, action, object_type,
                                       object_id, after, reason)
        SELECT %(audit_id)s, %(tenant)s, %(actor)s, %(audit_origin)s, %(now)s, %(audit_action)s,
               %(audit_type)s, %(audit_object)s, {after}, '' FROM {source}
    """
    return sql, {
        "audit_id": uuid7(), "tenant": current_tenant_id(), "actor": actor, "now": now,
        "audit_origin": _origin.get(), "audit_action": action, "audit_type": object_type,
        "audit_object": object_id,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """An audit row as it is shown."""

    id: UUID
    actor: str
    origin: str
    at: datetime
    action: str
    object_type: str
    object_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    reason: str


def history(
    object_type: str, object_id: str, *, before: tuple[datetime, UUID] | None = None, limit: int
) -> list[Seen]:
    """Return what was done to one object, the newest first, older than a (moment, id)."""
    rows = AuditRow.objects.filter(object_type=object_type, object_id=object_id)
    if before is not None:
        at, key = before
        rows = rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=key))
    found = rows.order_by("-at", "-pk").values_list(*_COLUMNS)[:limit]
    return [Seen(*row) for row in found]
