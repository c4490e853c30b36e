"""The bill run: rate in chunks, then invoice in chunks. Killed anywhere, it is started again.

A chunk is one transaction. What it charged is charged, what it invoiced is invoiced, and the next
start finds both and goes on; two runs at once take turns chunk by chunk and the later one finds
nothing left to do.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import transaction

from kvit.catalog import queries as catalog
from kvit.core.catalogue import Catalogue
from kvit.core.schedule import reach_of_changes
from kvit.invoicing.events import RUN_FINISHED, BillRunFinished
from kvit.invoicing.models import BillRun
from kvit.invoicing.queries import looked_from
from kvit.invoicing.rows import Progress, RunReport, RunRequest, RunTotals, silent
from kvit.invoicing.services import _documents, _freed
from kvit.ledger import services as ledger
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.parties.rows import Seller
from kvit.platform import audit, events
from kvit.platform.ids import uuid7
from kvit.platform.reading import steadily
from kvit.rating import queries as rating
from kvit.rating import services as rating_services
from kvit.rating.rows import RatingResult, RatingRun, SellerTerms
from kvit.subscriptions import queries as subscriptions

LateKey = tuple[str, str, str]  # subject kind, subject, meter


class NoSeller(Exception):
    """The tenant has no seller: nobody could issue an invoice."""


def run(
    request: RunRequest, *, actor: str, now: datetime, progress: Progress = silent
) -> RunReport:
    """Bill a period: charge what is due, gather charges into documents, issue them.

    Runs its own transactions where it is not inside one already (a preview is).

    Raises:
        NoSeller: see the class.
    """
    with transaction.atomic(), steadily():
        prepare(actor=actor, now=now)
        record, rating_run = _begun(request, catalog.catalogue(), actor=actor, now=now)
    report = _billed(request, rating_run, record.pk, actor=actor, now=now, progress=progress)
    finish(record, request, report.totals)
    return report


def run_unheard(
    request: RunRequest, catalogue: Catalogue, *, actor: str, now: datetime
) -> RunReport:
    """Bill a period inside a transaction that will be rolled back: the same documents, and nobody
    is told that the run is over. Its sellers are prepared, its catalogue is read."""
    with steadily():
        record, rating_run = _begun(request, catalogue, actor=actor, now=now)
    return _billed(request, rating_run, record.pk, actor=actor, now=now, progress=silent)


def _begun(
    request: RunRequest, catalogue: Catalogue, *, actor: str, now: datetime
) -> tuple[BillRun, RatingRun]:
    record = new_record(request, metering.latest_version(), actor=actor, now=now)
    rating_run = rating_run_of(record, request, catalogue)
    if request.run_id is not None:  # its worker was killed, and this is another
        BillRun.objects.filter(pk=record.pk).delete()
    record.save(force_insert=True)
    return record, rating_run


def _billed(
    request: RunRequest,
    rating_run: RatingRun,
    run_id: UUID,
    *,
    actor: str,
    now: datetime,
    progress: Progress,
) -> RunReport:
    report = RunReport(run_id, RatingResult())
    _rate(request, rating_run, report, progress)
    _invoice(request, report, actor=actor, now=now, progress=progress)
    return report


def prepare(*, actor: str, now: datetime) -> None:
    """See to it that there are sellers, and that each has books.

    Raises:
        NoSeller: see the class.
    """
    sellers = parties.sellers()
    if not sellers:
        raise NoSeller
    for seller in sellers.values():  # one that was made on a page has no books yet
        ledger.ensure_chart(seller.id, actor=actor, now=now)


def new_record(request: RunRequest, version: int, *, actor: str, now: datetime) -> BillRun:
    """Return the record of a run that begins, not stored yet."""
    return BillRun(
        pk=request.run_id or uuid7(),
        period_start=request.window.start,
        period_end=request.window.end,
        clock=request.clock,
        started_at=now,
        author=actor,
        usage_version=version,
        looked_from=looked_from(),
        is_narrow=request.only is not None,
    )


def rating_run_of(record: BillRun, request: RunRequest, catalogue: Catalogue) -> RatingRun:
    """Return what every chunk of the run reads: as of its usage version, by its catalogue."""
    version = record.usage_version
    terms = {code: _seller_terms(seller) for code, seller in parties.sellers().items()}
    late = late_usage(_changed(record))
    return RatingRun(
        window=request.window,
        clock=request.gate,
        now=record.started_at,
        actor=record.author,
        catalogue=catalogue,
        catalogue_at=cache(lambda revision: catalog.catalogue(as_of=revision)),
        usage_version=version,
        sellers=terms,
        default_seller=next(iter(terms.values())),
        lang=parties.tenant().row.language,
        late=parties.tenant().row.late_events,
        late_usage=rating.by_subject(late, catalogue),
        held_prices=request.held_prices,
        held_subscriptions=request.held_subscriptions,
        reopened=_freed.reopened(request.window.start),
        only=request.whens,
        usage_thresholds=request.usage_thresholds,
        columnar=request.columnar,
    )


def _seller_terms(seller: Seller) -> SellerTerms:
    return SellerTerms(seller.id, seller.row.code, seller.row.price_basis, seller.row.vat)


def _changed(record: BillRun) -> Iterator[metering.Key]:
    """Yield usage that came, or was undone, since a period was rated that it may concern.

    What came since, of times after all that is rated, is no late usage: that is most of it.
    """
    ends: dict[int, datetime] = {}
    for version, until in rating.rated_until().items():
        known = max(version, record.looked_from)
        ends[known] = max(until, ends.get(known, until))
    for known, until in ends.items():
        if known < record.usage_version:
            yield from metering.changed_since(known, as_of=record.usage_version, before=until)


def late_usage(changed: Iterable[metering.Key]) -> dict[LateKey, tuple[datetime, datetime]]:
    """Return the time spans of usage that may bear on what is charged: what changed since the
    last run, and what nobody took then, for its meter or subscription may be known by now."""
    spans: dict[LateKey, tuple[datetime, datetime]] = {}
    for key in changed:
        name = key.subject_kind, key.subject, key.meter
        first, until = spans.get(name, (key.first, key.last))
        spans[name] = (min(first, key.first), max(until, key.last))
    last = _last_run()
    for kind, subject, meter, *times in last.waited if last else ():
        first, until = map(datetime.fromisoformat, times)
        known = spans.get((kind, subject, meter), (first, until))
        spans[kind, subject, meter] = (min(first, known[0]), max(until, known[1]))
    return spans


def _last_run() -> BillRun | None:
    """Return the run that began last, not the one of the latest period: ids rise with time."""
    return BillRun.objects.filter(status="done", is_narrow=False).order_by("-id").first()


def _rate(
    request: RunRequest, rating_run: RatingRun, report: RunReport, progress: Progress
) -> None:
    alive: Any = {
        "before": request.window.end, "since": reach_of_changes(request.window.start),
    }  # fmt: skip
    if request.only is None:
        chunks, whole = _counted(
            subscriptions.due_chunks(**alive, size=request.chunk),
            request.chunk,
            lambda: subscriptions.count_alive(**alive),
        )
    else:
        whole = len(request.only.subscriptions)
        chunks = iter([sorted(request.only.subscriptions)])
    progress("rating", 0, whole)
    for ids in chunks:
        report.rated.add(rating_services.rate_many(ids, rating_run))
        progress("rating", report.rated.subscriptions, whole)


def _invoice(
    request: RunRequest, report: RunReport, *, actor: str, now: datetime, progress: Progress
) -> None:
    billed_in = request.window.start
    chunks: Iterable[Sequence[UUID]]
    if request.only is None:
        charged, whole = _counted(
            rating.payer_chunks(billed_in, size=request.chunk),
            request.chunk,
            lambda: rating.payer_count(billed_in),
        )
        # Then who has no charge of this period, but freed ones.
        chunks = chain(charged, _freed.payer_chunks(billed_in, size=request.chunk))
    else:
        named, whole = sorted(request.only.payers), len(request.only.payers)
        chunks = (named[at : at + request.chunk] for at in range(0, whole, request.chunk))
    done = 0
    progress("invoicing", 0, whole)
    for payers in chunks:
        issued, drafts = _documents.invoice_chunk(request, payers, actor=actor, now=now)
        report.issued += issued
        report.drafts += drafts
        done = min(done + len(payers), whole)
        progress("invoicing", done, whole)


def _counted(
    chunks: Iterator[list[UUID]], size: int, count: Callable[[], int]
) -> tuple[Iterator[list[UUID]], int]:
    """Return the chunks, and how much is in them: it is asked where one is not all."""
    first = next(chunks, [])
    whole = len(first) if len(first) < size else count()
    return chain([first] if first else [], chunks), whole


def finish(record: BillRun, request: RunRequest, totals: RunTotals) -> None:
    """Note that everybody was looked at, and what is to be looked at again."""
    actor, now = record.author, record.started_at
    held = bool(request.held_subscriptions or request.held_prices or totals.problems)
    with transaction.atomic():
        record.status = "done"
        record.finished_at = now
        record.charges = totals.charges + totals.differences
        record.invoices = totals.issued + totals.drafts
        # What was held or put off must be looked at again, however old the usage is by then.
        record.put_off = bool(totals.put_off) or held
        record.waited = _waited(request, is_open=record.put_off)
        record.save(
            update_fields=["status", "finished_at", "charges", "invoices", "put_off", "waited"]
        )
        events.publish(
            RUN_FINISHED,
            key=str(record.pk),
            payload=BillRunFinished(
                record.pk, record.period_start, record.period_end, record.charges, record.invoices
            ),
            actor=actor,
            now=now,
        )
        audit.record(
            action="invoicing.run.finished",
            object_type="invoicing.run",
            object_id=str(record.pk),
            after={"period": str(request.window), "charges": record.charges,
                   "invoices": record.invoices},
            actor=actor,
            now=now,
        )  # fmt: skip


def _waited(request: RunRequest, *, is_open: bool) -> list[list[str]]:
    """Return the usage that nobody takes yet. What the last run left stays while anything does."""
    spans = {
        (key.subject_kind, key.subject, key.meter): (key.first, key.last)
        for key in rating.keys_nobody_takes(request.window.end_instant(parties.tenant().row.zone))
    }
    if is_open:
        spans = late_usage(()) | spans
    return [[*key, first.isoformat(), last.isoformat()] for key, (first, last) in spans.items()]
