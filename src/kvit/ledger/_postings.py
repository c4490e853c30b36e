"""Postings one by one, and what customers owe: for lists of other contexts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField as Whole
from django.db.models import Case, F, Q, QuerySet, Sum, Value, When

from kvit.ledger.models import Account, Posting
from kvit.ledger.rows import PostingRow, PostingsAsked
from kvit.platform.paging import LIMIT, Page, keyset

CLAIMS = ("receivable", "advance")
_FIELDS = (
    "id", "effective_on", "recorded_at", "seller_id", "debit", "credit", "customer_id",
    "amount_minor", "currency", "source", "line",
)  # fmt: skip


def postings_page(
    asked: PostingsAsked, *, after: str = "", limit: int = LIMIT
) -> tuple[Page[PostingRow], Mapping[str, int]]:
    """Return a page of postings, the latest day first, and Σ of all by currency.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    rows = _asked(asked)
    page: Page[dict[str, Any]] = keyset(
        rows.values(*_FIELDS), order=("-effective_on", "-id"), after=after, limit=limit
    )
    sums = rows.order_by().values("currency").annotate(minor=Sum("amount_minor"))
    totals = {currency: int(minor) for currency, minor in sums.values_list("currency", "minor")}
    return page.of(lambda row: PostingRow(**row)), dict(sorted(totals.items()))


def postings_of(sources: Iterable[str]) -> list[PostingRow]:
    """Return the postings of documents, by source and line."""
    rows = Posting.objects.filter(source__in=list(sources)).order_by("source", "line")
    return [PostingRow(*row) for row in rows.values_list(*_FIELDS)]


def owed_by(customers: Iterable[UUID], *, on: date) -> dict[UUID, dict[str, int]]:
    """Return what each of these customers owes at the end of a day, by currency; zeroes left
    out."""
    found: dict[UUID, dict[str, int]] = {}
    rows = _claims(on).filter(customer_id__in=list(customers))
    rows = rows.values("customer_id", "currency").annotate(minor=Sum("moved"))
    for key, currency, minor in rows.values_list("customer_id", "currency", "minor"):
        if minor:
            found.setdefault(key, {})[currency] = int(minor)
    return found


def owed_in_all(customers: Any, *, on: date) -> dict[str, int]:
    """Return what customers (a query of their ids, or None for all) owe together, by currency."""
    rows = _claims(on)
    if customers is not None:
        rows = rows.filter(customer_id__in=customers)
    sums = rows.values("currency").annotate(minor=Sum("moved")).values_list("currency", "minor")
    return {currency: int(minor) for currency, minor in sorted(sums) if minor}


def claimed_by_documents() -> dict[str, int]:
    """Return what documents added to the claim account, by currency: Σ of all that was issued."""
    debit, credit = _sides(("receivable",))
    rows = Posting.objects.filter(debit | credit, source__startswith="invoice:").order_by()
    moved = _if(debit, F("amount_minor")) - _if(credit, F("amount_minor"))
    sums = rows.annotate(moved=moved).values("currency").annotate(minor=Sum("moved"))
    return {currency: int(minor) for currency, minor in sums.values_list("currency", "minor")}


def owing_ids(*, on: date) -> "QuerySet[Any]":
    """Return the ids of the customers who owe something in some currency, as a query."""
    rows = _claims(on).filter(customer_id__isnull=False)
    sums = rows.values("customer_id", "currency").annotate(minor=Sum("moved"))
    return sums.filter(minor__gt=0).values("customer_id")


def _claims(on: date) -> "QuerySet[Any]":
    """Postings that touch a claim account up to a day; `moved` is what they add to the claim."""
    debit, credit = _sides(CLAIMS)
    moved = _if(debit, F("amount_minor")) - _if(credit, F("amount_minor"))
    return Posting.objects.filter(effective_on__lte=on).annotate(moved=moved).order_by()


def _sides(roles: Sequence[str]) -> tuple[Q, Q]:
    """Return what holds of postings that debit an account of these roles, and that credit one."""
    debit, credit = Q(pk__in=()), Q(pk__in=())
    for seller, code in Account.objects.filter(role__in=roles).values_list("seller_id", "code"):
        debit |= Q(seller_id=seller, debit=code)
        credit |= Q(seller_id=seller, credit=code)
    return debit, credit


def _if(side: Q, then: Any) -> Case:
    return Case(When(side, then=then), default=Value(0), output_field=Whole())


def _asked(asked: PostingsAsked) -> "QuerySet[Any]":
    rows = Posting.objects.all()
    bounds = {
        "effective_on__gte": asked.since,
        "effective_on__lte": asked.until,
        "seller_id": asked.seller,
        "customer_id": asked.customer,
        "source": asked.source or None,
        "amount_minor__gte": asked.least_minor,
        "amount_minor__lte": asked.most_minor,
    }
    rows = rows.filter(**{name: bound for name, bound in bounds.items() if bound is not None})
    if asked.account:
        rows = rows.filter(Q(debit=asked.account) | Q(credit=asked.account))
    return rows
