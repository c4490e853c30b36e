"""A topic and a consumer for tests: what was heard is kept in audit rows, in the drain's
transaction.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from kvit.platform import events
from kvit.platform.audit import record
from kvit.platform.events import Event, EventRow, Topic, publish_many
from kvit.platform.models import AuditRow
from kvit.platform.tenancy import tenant_scope


@dataclass(frozen=True, slots=True)
class Counted:
    """The n-th fact of a key."""

    n: int


COUNTED = Topic("tests.thing.counted", Counted)
NAME = "tests.listener"


class Broken(Exception):
    """A handler that cannot."""


def tell(pairs: Iterable[tuple[str, int]], now: datetime) -> list[Any]:
    rows = [EventRow(key, Counted(n)) for key, n in pairs]
    return publish_many(COUNTED, rows, actor="t", now=now)


def heard(tenant: Any) -> list[tuple[str, int]]:
    """What the listener has heard for a tenant, in its order."""
    with tenant_scope(tenant, switch=True):
        rows = AuditRow.objects.filter(object_type="tests.heard").order_by("id")
        return [(row.object_id, row.after["n"]) for row in rows]


def listen(
    patch: pytest.MonkeyPatch, refuse: Callable[[Event], bool] = lambda event: False
) -> None:
    """Register the listener for the rest of the test; it fails at events that `refuse` picks."""

    def handle(heard_events: Sequence[Event], *, now: datetime) -> None:
        for event in heard_events:
            record(
                action="heard",
                object_type="tests.heard",
                object_id=event.key,
                after={"n": event.payload.n},
                actor="job:test",
                now=now,
            )
            if refuse(event):
                raise Broken(f"{event.key} {event.payload.n}")

    patch.setitem(events._consumers, NAME, events.Consumer(NAME, (COUNTED,), handle))
    patch.setitem(events._hearers, COUNTED.name, [NAME])
