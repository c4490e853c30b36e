"""Subscriptions by who pays for them now, and by plan."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from kvit.subscriptions._listed import Asked, Standing, standing_of
from kvit.subscriptions.models import Amendment, Spell


def paying_ids(now: datetime) -> "QuerySet[Any]":
    """Return the ids of the customers who pay for something active now, as a query."""
    running = Q(starts_at__lte=now) & (Q(ends_at__isnull=True) | Q(ends_at__gt=now))
    return Spell.objects.filter(running, state="active").values("payer_id")


def of_payers(customer_ids: Collection[UUID], *, now: datetime) -> dict[UUID, list[Standing]]:
    """Return what these customers pay for, by customer and code: ended ones too."""
    found: dict[UUID, list[Standing]] = defaultdict(list)
    for one in standing_of(Asked(customers=customer_ids), now=now):
        found[one.customer_id].append(one)
    return dict(found)


def plan_changes(until: datetime) -> int:
    """Return how many changes of plans reach to before a moment; a withdrawal or a restatement may
    reach back to any."""
    rows = Amendment.objects.filter(
        Q(change="plan", at__lt=until) | Q(change__in=("restate", "withdraw"))
    )
    return rows.count()


def plan_at(subscription: OuterRef, at: Any) -> Subquery:
    """Return an expression: the plan of a subscription on a day, for sums by plan."""
    spells = Spell.objects.filter(subscription_id=subscription, starts_at__date__lte=at)
    return Subquery(spells.order_by("-place").values("plan")[:1])
