"""Postings one by one, for lists of other contexts."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.db.models import Q, QuerySet, Sum

from kvit.ledger.models import DayTurnover, Posting
from kvit.ledger.rows import PostingRow, PostingsAsked
from kvit.parties import queries as parties
from kvit.platform.paging import LIMIT, Page, is_counted, keyset

_FIELDS = (
    "id", "effective_on", "recorded_at", "seller_id", "debit", "credit", "customer_id",
    "amount_minor", "currency", "source", "line",
)  # fmt: skip


def postings_page(
    asked: PostingsAsked, *, after: str = "", limit: int = LIMIT
) -> tuple[Page[PostingRow], Mapping[str, int]]:
    """Return a page of postings, the latest day first, and Σ of all by currency; none of one of
    many pages, which is not counted either.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    rows = _asked(Posting.objects.all(), asked)
    # What is kept of days is everybody's.
    is_kept = asked == _of_days(asked) and parties.reached() is None
    page: Page[dict[str, Any]] = keyset(
        rows.values(*_FIELDS), order=("-effective_on", "-id"), after=after, limit=limit,
        counted=not is_kept,
    )  # fmt: skip
    if not is_counted():
        return page.of(lambda row: PostingRow(**row)), {}
    whole = _asked(DayTurnover.objects.all(), asked) if is_kept else rows
    sums = whole.order_by().values("currency").annotate(minor=Sum("amount_minor"))
    if is_kept:
        sums = sums.annotate(n=Sum("postings"))
        page = replace(page, count=sum(row["n"] for row in sums))
    totals = {row["currency"]: int(row["minor"]) for row in sums}
    return page.of(lambda row: PostingRow(**row)), dict(sorted(totals.items()))


def postings_of(sources: Iterable[str]) -> list[PostingRow]:
    """Return the postings of documents, by source and line."""
    rows = Posting.objects.filter(source__in=list(sources)).order_by("source", "line")
    return [PostingRow(*row) for row in rows.values_list(*_FIELDS)]


def _of_days(asked: PostingsAsked) -> PostingsAsked:
    """Return what of it the kept sums of days can answer."""
    return PostingsAsked(asked.since, asked.until, asked.seller, asked.account)


def _asked(rows: "QuerySet[Any]", asked: PostingsAsked) -> "QuerySet[Any]":
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
