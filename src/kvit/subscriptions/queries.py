"""Reads of subscriptions: contracts for the arithmetic, infos for everybody else."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Q, QuerySet

from kvit.core.schedule import Contract
from kvit.core.terms import Amendment as Change
from kvit.core.terms import counts_from, milestones, timeline
from kvit.platform.paging import key_chunks
from kvit.platform.tenancy import current_tenant_id
from kvit.subscriptions import _invariants
from kvit.subscriptions._history import amended
from kvit.subscriptions._listed import (
    SORTS,
    STATES,
    Asked,
    Standing,
    asked_ids,
    count_on_plans,
    listed,
    on_plans,
    standing,
    taken,
)
from kvit.subscriptions._payers import of_payers, paying_ids, plan_at, plan_changes
from kvit.subscriptions._shares import customer_shares
from kvit.subscriptions.models import Amendment, Spell, Subscription
from kvit.subscriptions.rows import AmendmentInfo, SubscriptionInfo, Unamended, first_terms

PROBLEM_WORDS = _invariants.WORDS
problems = _invariants.problems

__all__ = [
    "SORTS", "STATES", "Asked", "Standing", "all_codes", "amended", "amendments_of_codes",
    "asked_ids", "by_codes", "by_ids", "contracts", "contracts_of", "count_alive",
    "count_on_plans", "customer_shares", "due_chunks", "ever_of", "ever_paid_by_of",
    "ever_served", "listed",
    "of_customers", "of_payers", "on_plans", "paying_ids", "plan_at", "plan_changes",
    "serving_since", "standing", "stated", "taken",
]  # fmt: skip


def by_codes(codes: Iterable[str]) -> dict[str, SubscriptionInfo]:
    """Return the subscriptions of these codes; unknown codes are absent."""
    return {row.code: _info(row) for row in Subscription.objects.filter(code__in=list(codes))}


def known_codes(codes: Sequence[str]) -> set[str]:
    """Return which of these codes are of subscriptions."""
    with connection.cursor() as cursor:
        # An array, and not a parameter each: there are thousands.
        cursor.execute(
            "SELECT code FROM subscriptions_subscription WHERE tenant_id = %s AND code = ANY(%s)",
            [current_tenant_id(), list(codes)],
        )
        return {code for (code,) in cursor.fetchall()}


def by_ids(ids: Iterable[UUID], *, lock: bool = False) -> dict[UUID, SubscriptionInfo]:
    """Return the subscriptions of these ids, in order of id.

    Args:
        lock: hold the rows until the transaction ends, so that no amendment slips in.
    """
    rows = Subscription.objects.filter(pk__in=list(ids)).order_by("pk")
    if lock:
        rows = rows.select_for_update(of=("self",))
    return {row.pk: _info(row) for row in rows}


def of_customers(customer_ids: Iterable[UUID]) -> list[SubscriptionInfo]:
    """Return every subscription that these customers pay for now."""
    rows = Subscription.objects.filter(customer_id__in=list(customer_ids)).order_by("id")
    return [_info(row) for row in rows]


def ever_paid_by_of(codes: Iterable[str]) -> set[UUID]:
    """Return the customers who pay for these subscriptions, did, or will."""
    rows = Subscription.objects.filter(code__in=list(codes))
    found = set()
    for key, now, first in rows.values_list("pk", "customer_id", "first"):
        found |= {now, UUID(str(first["customer"]))}
        found |= _transferred_to(Amendment.objects.filter(subscription_id=key))
    return found


def ever_of(customer_ids: Iterable[UUID]) -> set[UUID]:
    """Return the subscriptions that these customers pay for, did, or will."""
    return set(_ever(customer_ids))


def ever_served(customer_ids: Iterable[UUID]) -> dict[UUID, SubscriptionInfo]:
    """Return the same with what is known of them, by id."""
    return {row.pk: _info(row) for row in Subscription.objects.filter(pk__in=_ever(customer_ids))}


def _ever(customer_ids: Iterable[UUID]) -> "QuerySet[Any]":
    ids = list(customer_ids)
    told = [str(key) for key in ids]
    own = Spell.objects.filter(payer_id__in=ids).values_list("subscription_id", flat=True)
    # Of whom it was moved away from before it began, or whose transfer was withdrawn, no spell is.
    moved = Amendment.objects.filter(change__in=("transfer", "restate")).filter(
        Q(value__in=told) | Q(value__customer__in=told) | Q(subscription__first__customer__in=told)
    )
    return own.union(moved.values_list("subscription_id", flat=True))


def _transferred_to(amendments: "QuerySet[Amendment]") -> set[UUID]:
    moved = amendments.filter(change="transfer").values_list("value", flat=True)
    restated = amendments.filter(change="restate").values_list("value__customer", flat=True)
    return {UUID(str(key)) for key in (*moved, *restated) if key}


def all_codes() -> dict[str, UUID]:
    """Return code → customer id of every subscription of the tenant."""
    return dict(Subscription.objects.values_list("code", "customer_id"))


def serving_since(codes: Sequence[str]) -> dict[str, datetime]:
    """Return since when those of these codes serve that were never amended and have no end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, starts_at FROM subscriptions_subscription WHERE tenant_id = %s"
            " AND code = ANY(%s) AND amendments = 0 AND ends_on IS NULL",
            [current_tenant_id(), list(codes)],
        )
        return dict(cursor.fetchall())


def due_chunks(
    *, before: date, since: date | None, size: int, beyond: UUID | None = None
) -> Iterator[list[UUID]]:
    """Yield ids of subscriptions alive in [since, before), in chunks, in order of id.

    Args:
        beyond: only those after this id: what a run that was killed has not done.

    Those that ended on `since` are included: their last day's end may belong to the period. The
    next chunk is asked for after the last id, so rows that are added meanwhile do no harm.
    """
    alive = _alive(before, since)
    if beyond is not None:
        alive = alive.filter(pk__gt=beyond)
    return key_chunks(alive, "pk", size=size)


def count_alive(*, before: date, since: date | None) -> int:
    """How many subscriptions `due_chunks` will yield."""
    return int(_alive(before, since).count())


def contracts(
    ids: Sequence[UUID],
    currencies: Mapping[UUID, str],
    *,
    known: Mapping[UUID, int] | None = None,
) -> list[Contract]:
    """Return subscriptions with their amendments folded into spells, in order of id.

    Args:
        currencies: by customer id; the currency of the customer who took the subscription.
        known: only amendments up to this number, by subscription: the terms as they were known
            when a charge was made.
    """
    return contracts_of(list(by_ids(ids).values()), currencies, known=known)


def contracts_of(
    infos: Sequence[SubscriptionInfo],
    currencies: Mapping[UUID, str],
    *,
    known: Mapping[UUID, int] | None = None,
) -> list[Contract]:
    """Return the same of subscriptions that are read already, in their order."""
    changes: dict[UUID, list[Change]] = defaultdict(list)
    changed = [one.id for one in infos if one.amendments]
    told = Amendment.objects.filter(subscription_id__in=changed)
    for key, number, at, change, value in told.order_by("subscription_id", "number").values_list(
        "subscription_id", "number", "at", "change", "value"
    ):
        if known is None or number <= known.get(key, number):
            changes[key].append(Change(number, at, change, value))
    return [_contract(one, changes[one.id], currencies, known) for one in infos]


def unamended(ids: Sequence[UUID], *, lock: bool = False) -> list[Unamended]:
    """Return those of the subscriptions that were never amended, in order of id.

    Args:
        lock: hold the rows until the transaction ends, so that no amendment slips in.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, code, customer_id, zone, starts_at, ends_at, first"
            " FROM subscriptions_subscription"
            " WHERE tenant_id = %s AND id = ANY(%s) AND amendments = 0 ORDER BY id"
            + (" FOR UPDATE" if lock else ""),
            [current_tenant_id(), list(ids)],
        )
        return [Unamended._make([*row[:6], orjson.loads(row[6])]) for row in cursor.fetchall()]


def contract_of(one: Unamended, currency: str) -> Contract:
    """Return the contract of a subscription that was never amended."""
    terms = first_terms(one.first, UUID(str(one.first["customer"])))
    spells = timeline(start=one.starts_at, end=one.ends_at, first=terms)
    return Contract(str(one.id), one.code, one.zone, currency, spells)


def amendments_of_codes(codes: Iterable[str]) -> dict[str, list[AmendmentInfo]]:
    """Return the amendments by subscription code, each list in order of recording."""
    found: dict[str, list[AmendmentInfo]] = defaultdict(list)
    rows = Amendment.objects.filter(subscription__code__in=list(codes)).select_related(
        "subscription"
    )
    for row in rows.order_by("subscription_id", "number"):
        found[row.subscription.code].append(_amendment(row))
    return found


def stated(codes: Iterable[str]) -> dict[str, dict[str, object]]:
    """Return what was stated about each subscription, as last restated: its document with
    "start" and "end"."""
    rows = {row.pk: row for row in Subscription.objects.filter(code__in=list(codes))}
    found: dict[str, dict[str, object]] = {}
    for row in rows.values():
        end = None if row.ends_at is None else row.ends_at.isoformat()
        found[row.code] = {**row.first, "start": row.starts_on.isoformat(), "end": end}
    again = Amendment.objects.filter(subscription_id__in=rows, change="restate")
    for key, value in again.order_by("number").values_list("subscription_id", "value"):
        found[rows[key].code] |= value
    return found


def _alive(before: date, since: date | None) -> "QuerySet[Subscription]":
    alive = Subscription.objects.filter(starts_on__lt=before)
    if since is not None:
        alive = alive.filter(Q(ends_on__isnull=True) | Q(ends_on__gte=since))
    return alive


def _contract(
    one: SubscriptionInfo,
    changes: Sequence[Change],
    currencies: Mapping[UUID, str],
    known: Mapping[UUID, int] | None,
) -> Contract:
    customer = UUID(str(one.first["customer"]))
    spells = timeline(
        start=one.starts_at,
        end=one.ends_at,
        first=first_terms(one.first, customer),
        amendments=changes,
    )
    number = one.amendments if known is None else known.get(one.id, one.amendments)
    return Contract(
        id=str(one.id),
        code=one.code,
        zone=one.zone,
        currency=currencies[customer],
        spells=spells,
        milestones=milestones(changes),
        terms_number=number,
        changes=counts_from(changes),
    )


def _info(row: Subscription) -> SubscriptionInfo:
    return SubscriptionInfo(
        id=row.pk,
        code=row.code,
        customer_id=row.customer_id,
        zone=row.zone,
        starts_at=row.starts_at,
        starts_on=row.starts_on,
        ends_at=row.ends_at,
        ends_on=row.ends_on,
        first=row.first,
        amendments=row.amendments,
    )


def _amendment(row: Amendment) -> AmendmentInfo:
    return AmendmentInfo(
        subscription_id=row.subscription_id,
        number=row.number,
        at=row.at,
        change=row.change,
        value=row.value,
        reason=row.reason,
        author=row.author,
        recorded_at=row.recorded_at,
    )
