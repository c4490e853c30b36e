"""Applying a set of coded rows: lock, compare, insert, update, audit, publish.

Each step is one statement, whatever the number of rows. Sellers, branches and customers differ
only in what `Kind` says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from kvit.parties.events import PartyChanged, PartyCreated
from kvit.parties.rows import Changes
from kvit.platform import audit, bulk
from kvit.platform.events import EventRow, Topic, publish_many
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import current_tenant_id

WORDS = {
    "code_twice": (
        "Код {code} указан дважды.",
        "The code {code} is given twice.",
    ),
}


class CodeTwice(Failure):
    """Two rows of a set have one code."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Kind:
    """A table of coded rows and how its rows are written and told."""

    name: str  # "customer"
    model: Any
    columns: tuple[str, ...]
    created: Topic
    changed: Topic
    read: Callable[[Any], Any]  # a model's object as the row that would leave it as it is
    joined: tuple[str, ...] = ()  # foreign keys that `read` follows


@dataclass(frozen=True, slots=True)
class Step:
    """One row to write: `before` is None when it is new."""

    id: UUID
    before: Any
    after: Any


Images = tuple[Mapping[str, Any] | None, Mapping[str, Any]]  # before (None: new) and after


def show_all(step: Step) -> Images:
    """Return images with every field: for rows without personal data."""
    return None if step.before is None else asdict(step.before), asdict(step.after)


def lock(kind: Kind, rows: Sequence[Any]) -> dict[str, Any]:
    """Return the present objects of the rows' codes by code, locked until the end.

    Raises:
        CodeTwice: two rows have one code.
    """
    codes = [row.code for row in rows]
    if len(set(codes)) < len(codes):
        twice = next(code for code in codes if codes.count(code) > 1)
        raise CodeTwice("code_twice", code=twice)
    with connection.cursor() as cursor:
        # Rows that do not exist yet cannot be locked; whoever would make them waits here.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))",
            [f"parties.{kind.name}", str(current_tenant_id())],
        )
    found = kind.model.objects.select_for_update(of=("self",)).filter(code__in=codes)
    if kind.joined:
        found = found.select_related(*kind.joined)
    return {one.code: one for one in found.order_by("code")}


def plan(kind: Kind, rows: Sequence[Any], present: Mapping[str, Any]) -> list[Step]:
    """Return what is to be written; rows that change nothing are left out."""
    steps = []
    for row in rows:
        old = present.get(row.code)
        before = None if old is None else kind.read(old)
        if before != row:
            steps.append(Step(uuid7() if old is None else old.id, before, row))
    return steps


def apply(
    kind: Kind,
    rows: Sequence[Any],
    steps: Sequence[Step],
    *,
    write: Callable[[Step], tuple[Any, ...]],
    show: Callable[[Step], Images] = show_all,
    actor: str,
    now: datetime,
    reason: str,
) -> Changes:
    """Write the steps, their audit rows and their events.

    Args:
        write: returns the new values, in the order of the kind's columns.
        show: returns the images before and after, for the audit row.
    """
    new = [step for step in steps if step.before is None]
    old = [step for step in steps if step.before is not None]
    bulk.copy_in(
        kind.model,
        ("id", "code", *kind.columns),
        ((step.id, step.after.code, *write(step)) for step in new),
    )
    bulk.update_in(kind.model, kind.columns, ((step.id, *write(step)) for step in old))
    changes = (_audited(kind, step, show(step)) for step in steps)
    audit.record_many(changes, actor=actor, now=now, reason=reason)
    _publish(kind, new, old, actor=actor, now=now)
    written = {step.after.code for step in steps}
    return Changes(
        created=tuple(step.after.code for step in new),
        changed=tuple(step.after.code for step in old),
        unchanged=tuple(row.code for row in rows if row.code not in written),
    )


def _audited(kind: Kind, step: Step, images: Images) -> audit.Change:
    return audit.Change(
        action=f"{kind.name}.{'created' if step.before is None else 'changed'}",
        object_type=f"parties.{kind.name}",
        object_id=str(step.id),
        before=images[0],
        after=images[1],
    )


def _publish(
    kind: Kind, new: Sequence[Step], old: Sequence[Step], *, actor: str, now: datetime
) -> None:
    publish_many(
        kind.created,
        (EventRow(str(step.id), PartyCreated(step.id, step.after.code)) for step in new),
        actor=actor,
        now=now,
    )
    publish_many(
        kind.changed,
        (EventRow(str(step.id), _told(step)) for step in old),
        actor=actor,
        now=now,
    )


def _told(step: Step) -> PartyChanged:
    names = (field.name for field in fields(step.after))
    differing = [n for n in names if getattr(step.before, n) != getattr(step.after, n)]
    return PartyChanged(step.id, step.after.code, tuple(differing))
