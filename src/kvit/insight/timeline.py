"""A customer's timeline: one stream of everything that happened, the newest first, paged by key.

Each source gives what it has before the cursor, at most a page; the merge of them is the page. So a
page costs one look at each source, however long the story is.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import merge
from itertools import groupby, islice
from typing import Any, Literal
from uuid import UUID

from kvit.catalog import queries as catalog
from kvit.invoicing import queries as invoicing
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.parties.rows import Customer
from kvit.platform import audit
from kvit.platform.paging import LIMIT, cursor_of, moment_of, read_cursor
from kvit.rating import queries as rating
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.rows import SubscriptionInfo

Kind = Literal["subscription", "amendment", "usage", "charge", "invoice", "note", "change"]
KINDS: tuple[Kind, ...] = (
    "subscription", "amendment", "usage", "charge", "invoice", "note", "change",
)  # fmt: skip
Before = tuple[datetime, UUID]
FAR = datetime(9000, 1, 1, tzinfo=UTC)
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `facts` are what its sentence is made of (`kvit.web.story`)."""

    at: datetime
    kind: Kind
    id: UUID
    actor: str = ""
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """A page of a timeline. `people` are the names of its actors."""

    entries: tuple[Entry, ...]
    next: str | None
    people: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Whose:
    customer: Customer
    subscriptions: Mapping[UUID, SubscriptionInfo]


def timeline(
    customer: Customer, *, kinds: Collection[str] = (), after: str = "", limit: int = LIMIT
) -> Stream:
    """Return what happened to a customer.

    Args:
        kinds: only these; empty means all.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    place = read_cursor("timeline", after, moment_of, str, UUID) if after else None
    whose = _Whose(customer, subscriptions.ever_served([customer.id]))
    wanted = [kind for kind in KINDS if not kinds or kind in kinds]
    found = [_SOURCES[kind](whose, _before(kind, place), limit + 1) for kind in wanted]
    entries = list(islice(merge(*found, key=_key, reverse=True), limit + 1))
    is_more = len(entries) > limit
    entries = entries[:limit]
    following = cursor_of("timeline", *_key(entries[-1])) if is_more else None
    return Stream(tuple(entries), following, parties.actor_names(one.actor for one in entries))


def _key(entry: Entry) -> tuple[datetime, str, UUID]:
    return entry.at, entry.kind, entry.id


def _before(kind: str, place: tuple[Any, ...] | None) -> Before | None:
    """Return what entries of a kind must be below to come after the place of the cursor."""
    if place is None:
        return None
    at, last, key = place
    if kind == last:
        return at, key
    return at, _LAST if kind < last else _FIRST


def _opened(whose: _Whose, before: Before | None, limit: int) -> list[Entry]:
    every = sorted(whose.subscriptions.values(), key=_beginning, reverse=True)
    rows = [one for one in every if before is None or _beginning(one) < before][:limit]
    plans = catalog.plan_names() if rows else {}
    return [
        Entry(row.starts_at, "subscription", row.id, facts={
            "id": row.id, "code": row.code,
            "plan": plans.get(str(row.first["plan"]), row.first["plan"]),
            "quantity": row.first["quantity"], "on": row.starts_on,
        })
        for row in rows
    ]  # fmt: skip


def _beginning(one: SubscriptionInfo) -> Before:
    return one.starts_at, one.id


def _amended(whose: _Whose, before: Before | None, limit: int) -> list[Entry]:
    changed = [key for key, one in whose.subscriptions.items() if one.amendments]
    rows = subscriptions.amended(changed, before=before, limit=limit)
    plans = catalog.plan_names() if rows else {}
    return [
        Entry(row.recorded_at, "amendment", key, row.author, row.reason, {
            "id": row.subscription_id, "code": code, "change": row.change,
            "value": plans.get(str(row.value), row.value) if row.change == "plan" else row.value,
            "at": row.at,
        })
        for key, code, row in rows
    ]  # fmt: skip


def _used(whose: _Whose, before: Before | None, limit: int) -> list[Entry]:
    subjects = [("subscription", one.code) for one in whose.subscriptions.values()]
    subjects.append(("customer", whose.customer.row.code))
    moment = before[0] if before else FAR
    rows = metering.days_of(subjects, zone=whose.customer.zone, before=moment, days=limit)
    meters = catalog.meters() if rows else {}
    entries = []
    for day, group in groupby(rows, key=lambda row: row.day):
        of_day = list(group)
        told = [
            {
                "meter": row.meter,
                "name": meters[row.meter].name if row.meter in meters else row.meter,
                "unit": meters[row.meter].unit if row.meter in meters else "",
                "events": row.events,
                # Values of other aggregations do not add up to anything.
                "total": row.total
                if row.meter in meters and meters[row.meter].aggregation == "sum"
                else None,
            }
            for row in of_day
        ]
        last = max(row.last for row in of_day)
        entries.append(Entry(last, "usage", _FIRST, facts={"day": day, "meters": told}))
    return entries


def _charged(whose: _Whose, before: Before | None, limit: int) -> list[Entry]:
    rows = rating.charged(whose.customer.id, before=before, limit=limit)
    return [
        Entry(row.rated_at, "charge", row.id, facts={
            "id": row.subscription_id, "code": row.subscription, "since": row.starts_on,
            "until": row.ends_on, "charges": row.charges, "currency": row.currency,
            "minor": row.amount_minor, "is_again": row.is_again,
        })
        for row in rows
    ]  # fmt: skip


def _billed(whose: _Whose, before: Before | None, limit: int) -> list[Entry]:
    rows = invoicing.told_to(whose.customer.id, before=before, limit=limit)
    return [
        Entry(row.at, "invoice", row.id, row.approver or row.author, row.reason, {
            "id": row.id, "document": row.kind, "status": row.status, "waits_for": row.waits_for,
            "number": row.number, "currency": row.currency, "minor": row.total_minor,
            "since": row.period_start, "until": row.period_end, "corrects": row.corrects_number,
        })
        for row in rows
    ]  # fmt: skip


def _noted(whose: _Whose, before: Before | None, limit: int) -> list[Entry]:
    rows = parties.notes_of(whose.customer.id, before=before, limit=limit)
    return [Entry(row.at, "note", row.id, row.author, facts={"text": row.text}) for row in rows]


def _changed(whose: _Whose, before: Before | None, limit: int) -> list[Entry]:
    rows = audit.history("parties.customer", str(whose.customer.id), before=before, limit=limit)
    digests = {str((image or {}).get("personal")) for r in rows for image in (r.before, r.after)}
    images = parties.personal_images(digests)
    return [
        Entry(row.at, "change", row.id, row.actor, row.reason, {
            "action": row.action, "fields": _differing(row, images), "origin": row.origin,
        })
        for row in rows
    ]  # fmt: skip


def _differing(row: audit.Seen, images: Mapping[str, Mapping[str, str]]) -> Sequence[str]:
    """Return the names of the fields that a change touched; values stay where they are."""
    if row.before is None or row.after is None:
        return ()
    before, after = (_whole(image, images) for image in (row.before, row.after))
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _whole(image: Mapping[str, Any], images: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    digest = str(image.get("personal"))
    person = images.get(digest, {"personal": digest})  # forgotten: only that something was changed
    return {name: value for name, value in image.items() if name != "personal"} | dict(person)


_SOURCES: Mapping[Kind, Callable[[_Whose, Before | None, int], list[Entry]]] = {
    "subscription": _opened,
    "amendment": _amended,
    "usage": _used,
    "charge": _charged,
    "invoice": _billed,
    "note": _noted,
    "change": _changed,
}
