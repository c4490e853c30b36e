"""Reads of the journal: who did what, when, from where, from what to what, and why.

The newest first, by the row's id, which rises with time; that order has its index in every tenant.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from kvit.platform.models import AuditRow
from kvit.platform.paging import Page, keyset

ORDER = ("-id",)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What is looked for; empty means anything. Moments are half-open, by the server's clock."""

    actor: str = ""
    action: str = ""  # "attempt" finds "attempt.refused"
    object_type: str = ""
    object_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that a change touched."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the journal."""

    id: UUID
    actor: str
    origin: str
    at: datetime  # by the company's clock
    recorded_at: datetime  # by the server's
    action: str
    object_type: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The fields whose values differ, in the order of their names."""
        before, after = _fields(self.before), _fields(self.after)
        return tuple(
            Difference(name, before.get(name), after.get(name))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        )


def entries(asked: AuditFilter, *, after: str = "", limit: int = 50) -> Page[Entry]:
    """Return a page of the journal."""
    return keyset(_rows(asked), order=ORDER, after=after, limit=limit).of(_entry)


def history(object_type: str, object_id: str, *, limit: int = 10) -> list[Entry]:
    """Return the latest changes of one object."""
    rows = AuditRow.objects.filter(object_type=object_type, object_id=object_id)
    return [_entry(row) for row in rows.order_by(*ORDER)[:limit]]


def entry(key: UUID) -> Entry | None:
    """Return one row of the journal."""
    found = AuditRow.objects.filter(pk=key).first()
    return None if found is None else _entry(found)


def _rows(asked: AuditFilter) -> "QuerySet[Any]":
    conditions = Q()
    for name in ("actor", "object_type", "object_id"):
        if value := getattr(asked, name):
            conditions &= Q(**{name: value})
    if asked.action:
        conditions &= Q(action__startswith=asked.action)
    if asked.since is not None:
        conditions &= Q(recorded_at__gte=asked.since)
    if asked.until is not None:
        conditions &= Q(recorded_at__lt=asked.until)
    return AuditRow.objects.filter(conditions)


def _entry(row: Any) -> Entry:
    return Entry(**{name: getattr(row, name) for name in Entry.__slots__})


def _fields(image: Any) -> dict[str, Any]:
    return image if isinstance(image, dict) else {"": image} if image is not None else {}
