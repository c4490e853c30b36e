"""What the next bills would be: made by billing, and rolled back.

A preview runs the very bill run over the very tables inside a transaction that never commits, so
it cannot differ from the bill. Numbers are taken and given back; nothing is printed. While it
runs it holds what a bill run of the same payers would hold, so it is narrowed to them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from kvit.catalog import queries as catalog
from kvit.core.catalogue import Catalogue
from kvit.core.periods import Period, local_date
from kvit.invoicing import queries
from kvit.invoicing.models import BillRun
from kvit.invoicing.rows import (
    Bill,
    CustomerPreview,
    InvoiceInfo,
    PeriodPreview,
    Preview,
    RunReport,
    RunRequest,
    Scope,
)
from kvit.invoicing.services._runs import prepare, run_unheard
from kvit.parties import queries as parties
from kvit.platform.reading import steadily
from kvit.rating.rows import RatingProblem
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions import services as subscriptions_services
from kvit.subscriptions.rows import NewAmendment

PREVIEWER = "job:preview"
Answer = TypeVar("Answer")
_Bills = tuple[dict[UUID, Bill], ...]


class _RolledBack(Exception):
    """Raised to leave nothing of a preview behind."""


def preview_amendments(
    rows: Sequence[NewAmendment], *, now: datetime, window: Period | None = None
) -> Preview:
    """Return this and the next bill of everybody whom the amendments touch, before and after.

    Args:
        window: the billing period of this bill; the first one that is not billed yet.

    What is not used yet is not in the preview: it knows the usage that is known.

    Raises:
        subscriptions.services.SubscriptionNotFound, AmendmentRefused: they cannot stand.
        NoSeller: nobody could issue the bills.
    """
    this = window or open_window(now)
    windows = (this, following(this))
    known = catalog.catalogue()

    def both() -> Preview:
        # Amended first, looked at second: whoever pays only after a transfer is touched as well.
        scope = rolled_back(lambda: _amended_scope(rows, now))
        before, _ = rolled_back(lambda: _bills(windows, scope, known))
        subscriptions_services.amend_many(rows, actor=PREVIEWER, now=now)
        after, problems = _bills(windows, scope, known)
        return Preview(windows, _by_customer(windows, before, after), tuple(problems))

    return rolled_back(both)


def preview_bill(window: Period) -> PeriodPreview:
    """Return what a run of this billing period would leave: every document of it, drafts too.

    Raises:
        NoSeller: nobody could issue them.
    """

    known = catalog.catalogue()

    def made() -> PeriodPreview:
        [report] = _reports((window,), None, known)
        infos = [_without_number(one) for one in queries.of_period(window.start)]
        return PeriodPreview(window, tuple(infos), tuple(report.problems))

    return rolled_back(made)


def preview_payer(payer_id: UUID, *, now: datetime) -> tuple[Bill, ...]:
    """Return this and the next bill of one payer, as they would be.

    Raises:
        NoSeller: nobody could issue them.
    """
    this = open_window(now)
    windows = (this, following(this))
    theirs = subscriptions.ever_of(parties.paid_for_by([payer_id]))
    scope = Scope(frozenset([payer_id]), frozenset(theirs))
    known = catalog.catalogue()
    bills, _ = rolled_back(lambda: _bills(windows, scope, known))
    return tuple(
        one.get(payer_id, Bill(window, ())) for one, window in zip(bills, windows, strict=True)
    )


def open_window(now: datetime) -> Period:
    """Return the billing month whose bill comes next: the one after the last that was run, or the
    present one where runs have fallen behind, or have never been."""
    today = local_date(now, parties.tenant().row.zone)
    present = _month(today)
    last = BillRun.objects.filter(status="done", is_narrow=False).order_by("-period_end").first()
    if last is None:
        return present
    next_due = _month(last.period_end)
    before = _month(present.start - timedelta(days=1))
    return next_due if next_due.start >= before.start else present


def following(window: Period) -> Period:
    """Return the billing month after a billing period."""
    return _month(window.end)


def rolled_back(make: Callable[[], Answer]) -> Answer:
    """Return what `make` answers, and leave nothing else of it."""
    found: list[Answer] = []
    try:
        with transaction.atomic():
            found.append(make())
            raise _RolledBack
    except _RolledBack:
        return found[0]


def _amended_scope(rows: Sequence[NewAmendment], now: datetime) -> Scope:
    """Return who pays for the amended subscriptions, before or after, and all that is on their
    documents: the subscriptions of everybody for whom they pay, or paid."""
    codes = {row.subscription for row in rows}
    touched = subscriptions.ever_paid_by_of(codes)
    subscriptions_services.amend_many(rows, actor=PREVIEWER, now=now)
    touched |= subscriptions.ever_paid_by_of(codes)
    payers = {one.payer_id for one in parties.customers_by_id(touched).values()}
    return Scope(
        frozenset(payers),
        frozenset(subscriptions.ever_of(parties.paid_for_by(payers))),
    )


def _bills(
    windows: Sequence[Period], scope: Scope, catalogue: Catalogue
) -> tuple[_Bills, list[RatingProblem]]:
    bills, problems = [], []
    for window, report in zip(windows, _reports(windows, scope, catalogue), strict=True):
        problems += report.problems
        found: dict[UUID, list[InvoiceInfo]] = defaultdict(list)
        for one in queries.of_period(window.start, customers=scope.payers):
            found[one.customer_id].append(_without_number(one))
        bills.append({key: Bill(window, tuple(many)) for key, many in found.items()})
    return tuple(bills), problems


def _reports(
    windows: Sequence[Period], scope: Scope | None, catalogue: Catalogue
) -> Iterator[RunReport]:
    """Bill one period after the other."""
    with steadily():
        prepare(actor=PREVIEWER, now=_clock(windows[0]))
    for window in windows:
        yield run_unheard(_request(window, scope), catalogue, actor=PREVIEWER, now=_clock(window))


def _request(window: Period, scope: Scope | None) -> RunRequest:
    last_day = date.fromordinal(window.end.toordinal() - 1)
    return RunRequest(window, _clock(window), issue_on=last_day, only=scope)


def _clock(window: Period) -> datetime:
    return window.end_instant(parties.tenant().row.zone)


def _by_customer(
    windows: Sequence[Period], before: _Bills, after: _Bills
) -> tuple[CustomerPreview, ...]:
    keys = {key for bills in (*before, *after) for key in bills}

    def side(bills: _Bills, key: UUID) -> tuple[Bill, ...]:
        return tuple(
            one.get(key, Bill(window, ())) for one, window in zip(bills, windows, strict=True)
        )

    return tuple(CustomerPreview(key, side(before, key), side(after, key)) for key in sorted(keys))


def _without_number(info: InvoiceInfo) -> InvoiceInfo:
    """A number that was given back must not be seen: somebody else will get it."""
    return replace(info, number="")


def _month(day: date) -> Period:
    first = day.replace(day=1)
    return Period(first, (first + timedelta(days=31)).replace(day=1))
