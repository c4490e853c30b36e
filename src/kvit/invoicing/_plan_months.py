"""What was issued by plan in a month: kept by the night, and asked of the lines where that is late.

The plan of each line is looked up, so a month of a hundred thousand lines takes long. The night
keeps it of this month and the last. A kept month carries of how many documents it was made, and how
many changes of plans had reached back to its lines by then. What is issued is never changed, and
what is agreed is only added to: while there are as many, the month stands.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max, OuterRef, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from kvit.core.periods import add_months
from kvit.invoicing.models import InvoiceLine, PlanMonth, Tally, day_of
from kvit.parties import queries as parties
from kvit.subscriptions import queries as subscriptions


@dataclass(frozen=True, slots=True)
class PlanIssued:
    """What of the documents of a month is of one plan, before VAT; "" is of none."""

    plan: str
    currency: str
    net_minor: int


def issued_by_plan(month: date) -> list[PlanIssued]:
    """Return what was issued in a month, by the plan that held on the first day of the line."""
    if parties.reach():  # who sees a branch alone sees its documents
        return of_lines(month)
    kept = PlanMonth.objects.filter(month=month).first()
    return told(kept.sums) if kept is not None and stands(kept) else of_lines(month)


@transaction.atomic
def keep_plan_months(*, today: date) -> int:
    """Keep this month and the last, and no others; return how many were made anew."""
    this = today.replace(day=1)
    months = (add_months(this, -1), this)
    PlanMonth.objects.exclude(month__in=months).delete()
    standing = {one.month for one in PlanMonth.objects.all() if stands(one)}
    for month in (late := [one for one in months if one not in standing]):
        # Counted first: who adds to it meanwhile makes the count wrong, and the month is late.
        documents = _documents(month)
        until = _after(_lines(month).aggregate(last=Max("starts_on"))["last"] or month)
        changes = subscriptions.plan_changes(until)
        sums: dict[str, dict[str, int]] = defaultdict(dict)
        for one in of_lines(month):
            sums[one.currency][one.plan] = one.net_minor
        PlanMonth.objects.update_or_create(
            month=month,
            defaults={"documents": documents, "until": until, "changes": changes, "sums": sums},
        )
    return len(late)


def stands(kept: PlanMonth) -> bool:
    """Whether nothing was issued in the month, and no plan of its lines was changed, since."""
    return kept.documents == _documents(kept.month) and kept.changes == subscriptions.plan_changes(
        kept.until
    )


def of_lines(month: date) -> list[PlanIssued]:
    """Return the same from the lines themselves."""
    plan = subscriptions.plan_at(OuterRef("subscription_id"), OuterRef("starts_on"))
    sums = _lines(month).order_by().annotate(
        plan=Coalesce(plan, Value("")), currency=F("invoice__currency")
    ).values("plan", "currency").annotate(net=Sum("net_minor"))  # fmt: skip
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for name, currency, net in sums.values_list("plan", "currency", "net"):
        found[currency][name] = int(net)
    return told(found)


def told(sums: Mapping[str, Mapping[str, int]]) -> list[PlanIssued]:
    """Return kept sums as they are told, the largest of a currency first."""
    found = [
        PlanIssued(plan, currency, net)
        for currency, plans in sums.items()
        for plan, net in plans.items()
        if net
    ]
    return sorted(found, key=lambda one: (one.currency, -one.net_minor, one.plan))


def _lines(month: date) -> "QuerySet[Any]":
    # The day as the index of the list has it.
    return InvoiceLine.objects.annotate(day=day_of("invoice__issued_on")).filter(
        invoice__status="issued", day__gte=month, day__lt=add_months(month, 1)
    )


def _documents(month: date) -> int:
    rows = Tally.objects.exclude(tab="drafts").filter(day__gte=month, day__lt=add_months(month, 1))
    return int(rows.aggregate(n=Sum("documents"))["n"] or 0)


def _after(day: date) -> datetime:
    """Return the moment from which a change of plan no longer reaches a line of that day."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)
