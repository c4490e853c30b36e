"""Lists of subscriptions: by what holds of them at a moment, read from their spells."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Literal
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet

from kvit.platform.paging import LIMIT, Page, key_chunks, keyset
from kvit.platform.tenancy import current_tenant_id
from kvit.subscriptions.models import Spell

State = Literal["future", "active", "ending", "paused", "ended"]
STATES: tuple[State, ...] = ("future", "active", "ending", "paused", "ended")
SORTS = {
    "code": ("subscription__code",),
    "-code": ("-subscription__code",),
    "starts": ("subscription__starts_on", "subscription__code"),
    "-starts": ("-subscription__starts_on", "subscription__code"),
    "change": (
        "ends_at",
        "subscription__code",
    ),  # the next change of terms; only of those that have one
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list of subscriptions is narrowed to; an empty field narrows nothing."""

    code: str = ""  # a part of it
    plan: str = ""
    state: str = ""  # one of STATES
    customers: Collection[UUID] | None = None  # who pay now
    scheduled: bool = False  # a change of terms is to come
    special: bool = False
    since: date | None = None  # begun on that day or later
    until: date | None = None  # begun before that day


@dataclass(frozen=True, slots=True)
class Standing:
    """A subscription and the terms that hold at the moment of the list.

    Of one that is yet to begin, the terms with which it will. `changes_at` is when they change
    next, `becomes` the plan and state that follow.
    """

    id: UUID
    code: str
    customer_id: UUID
    zone: str
    plan: str
    quantity: Fraction
    state: State
    is_special: bool
    add_ons: tuple[str, ...]
    starts_on: date
    ends_on: date | None
    changes_at: datetime | None
    becomes: tuple[str, str] | None


def listed(asked: Asked, *, now: datetime, sort: str = "code", after: str = "",
           limit: int = LIMIT) -> Page[Standing]:  # fmt: skip
    """Return a page of the subscriptions asked for, with what holds of them now."""
    if sort == "change":
        asked = replace(asked, scheduled=True)
    rows = _asked(asked, now).select_related("subscription")
    page = keyset(rows, order=SORTS.get(sort, SORTS["code"]), after=after, limit=limit)
    following = _following([row for row in page.rows if row.ends_at is not None])
    return page.of(lambda row: _standing(row, now, following.get(row.subscription_id)))


def standing(ids: Collection[UUID], *, now: datetime) -> dict[UUID, Standing]:
    """Return what holds now of these subscriptions."""
    rows = list(_at(now).filter(subscription_id__in=list(ids)).select_related("subscription"))
    following = _following([row for row in rows if row.ends_at is not None])
    return {
        row.subscription_id: _standing(row, now, following.get(row.subscription_id)) for row in rows
    }


def standing_of(asked: Asked, *, now: datetime) -> list[Standing]:
    """Return all that is asked for, by code: for the few of some customers."""
    rows = list(
        _asked(asked, now).select_related("subscription").order_by("subscription__code", "id")
    )
    following = _following([row for row in rows if row.ends_at is not None])
    return [_standing(row, now, following.get(row.subscription_id)) for row in rows]


def asked_ids(asked: Asked, *, now: datetime) -> "QuerySet[Any]":
    """Return the ids that a list is narrowed to, as a query: for totals of the whole filter."""
    return _asked(asked, now).values("subscription_id")


def taken(*, now: datetime) -> dict[str, int]:
    """Return how many subscriptions have each plan now, as their own or as an add-on."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT plan, count(*) FROM (
              SELECT s.plan FROM subscriptions_spell s WHERE s.tenant_id = %(tenant)s
                AND s.state <> 'ended' AND s.starts_at <= %(now)s
                AND (s.ends_at IS NULL OR s.ends_at > %(now)s)
              UNION ALL
              SELECT jsonb_array_elements_text(s.add_ons) FROM subscriptions_spell s
              WHERE s.tenant_id = %(tenant)s AND s.state <> 'ended' AND s.starts_at <= %(now)s
                AND (s.ends_at IS NULL OR s.ends_at > %(now)s) AND s.add_ons <> '[]'
            ) each GROUP BY plan
            """,
            {"tenant": current_tenant_id(), "now": now},
        )
        return dict(cursor.fetchall())


def on_plans(
    plans: Collection[str], *, since: datetime, size: int, special: bool = False
) -> Iterator[list[UUID]]:
    """Yield, in chunks, the subscriptions that have one of the plans at `since` or later.

    With `special`, only those that have it then on terms of their own.
    """
    rows = _having(plans, since)
    if special:
        rows = rows.filter(is_special=True)
    return key_chunks(rows, "subscription_id", size=size)


def count_on_plans(plans: Collection[str], *, since: datetime) -> int:
    """How many subscriptions `on_plans` yields."""
    found = _having(plans, since).aggregate(n=Count("subscription_id", distinct=True))
    return int(found["n"])


def _having(plans: Collection[str], since: datetime) -> "QuerySet[Any]":
    have = Q(plan__in=list(plans))
    for code in plans:
        have |= Q(add_ons__contains=[code])
    rows = Spell.objects.filter(have, Q(ends_at__isnull=True) | Q(ends_at__gt=since))
    return rows.exclude(state="ended")


def _at(now: datetime) -> "QuerySet[Any]":
    """One spell a subscription: that of now, or the first of one that is yet to begin."""
    running = Q(starts_at__lte=now) & (Q(ends_at__isnull=True) | Q(ends_at__gt=now))
    return Spell.objects.filter(running | Q(place=0, starts_at__gt=now))


def _asked(asked: Asked, now: datetime) -> "QuerySet[Any]":
    rows = _at(now)
    if asked.code:
        rows = rows.filter(subscription__code__icontains=asked.code)
    if asked.plan:
        rows = rows.filter(Q(plan=asked.plan) | Q(add_ons__contains=[asked.plan]))
    if asked.customers is not None:
        rows = rows.filter(payer_id__in=list(asked.customers))
    if asked.scheduled:
        rows = rows.filter(ends_at__isnull=False)
    if asked.special:
        rows = rows.filter(is_special=True)
    if asked.since:
        rows = rows.filter(subscription__starts_on__gte=asked.since)
    if asked.until:
        rows = rows.filter(subscription__starts_on__lt=asked.until)
    return rows.filter(_in_state(asked.state, now)) if asked.state else rows


def _in_state(state: str, now: datetime) -> Q:
    match state:
        case "future":
            return Q(starts_at__gt=now)
        case "ending":
            return Q(starts_at__lte=now, state="active", subscription__ends_on__isnull=False)
        case _:
            return Q(starts_at__lte=now, state=state)


def _following(rows: Sequence[Any]) -> dict[UUID, Any]:
    """Return the spell after each of these: one query a page."""
    places = {row.subscription_id: row.place for row in rows}
    found = Spell.objects.filter(subscription_id__in=list(places))
    return {
        one.subscription_id: one for one in found if one.place == places[one.subscription_id] + 1
    }


def _standing(row: Any, now: datetime, following: Any) -> Standing:
    subscription = row.subscription
    state: State = row.state
    if row.starts_at > now:
        state = "future"
    elif state == "active" and subscription.ends_on is not None:
        state = "ending"
    return Standing(
        id=row.subscription_id,
        code=subscription.code,
        customer_id=row.payer_id,
        zone=subscription.zone,
        plan=row.plan,
        quantity=Fraction(row.quantity),
        state=state,
        is_special=row.is_special,
        add_ons=tuple(row.add_ons),
        starts_on=subscription.starts_on,
        ends_on=subscription.ends_on,
        changes_at=row.ends_at,
        becomes=None if following is None else (following.plan, following.state),
    )
