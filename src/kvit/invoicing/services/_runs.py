"""The bill run: rate in chunks, then invoice in chunks. Killed anywhere, it is started again.

A chunk is one transaction. What it charged is charged, what it invoiced is invoiced, and the next
start finds both and goes on; two runs at once take turns chunk by chunk and the later one finds
nothing left to do.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from itertools import chain
from uuid import UUID

from django.db import connection, transaction

from kvit.catalog import queries as catalog
from kvit.core.schedule import reach_of_changes
from kvit.invoicing.events import DRAFT_WAITS, RUN_FINISHED, BillRunFinished, DraftWaits
from kvit.invoicing.models import BillRun, InvoiceLine
from kvit.invoicing.queries import looked_from
from kvit.invoicing.rows import Progress, RunReport, RunRequest, silent
from kvit.invoicing.services import _draft, _freed, _originals, _outliers
from kvit.invoicing.services._issue import issue_many
from kvit.invoicing.services._together import issue_together
from kvit.ledger import services as ledger
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.parties.rows import Seller
from kvit.platform import audit, events
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import current_tenant_id
from kvit.rating import queries as rating
from kvit.rating import services as rating_services
from kvit.rating.rows import ChargeInfo, RatingResult, RatingRun, SellerTerms
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
    rating_run = _begin(request, actor=actor, now=now)
    BillRun.objects.filter(pk=request.run_id).delete()  # its worker was killed, and this is another
    record = BillRun.objects.create(
        pk=request.run_id or uuid7(),
        period_start=request.window.start,
        period_end=request.window.end,
        clock=request.clock,
        started_at=now,
        author=actor,
        usage_version=rating_run.usage_version,
        looked_from=looked_from(),
        is_narrow=request.only is not None,
    )
    report = RunReport(record.pk, RatingResult())
    _rate(request, rating_run, report, progress)
    _invoice(request, report, actor=actor, now=now, progress=progress)
    _finish(record, request, report, actor=actor, now=now)
    return report


def _begin(request: RunRequest, *, actor: str, now: datetime) -> RatingRun:
    sellers = parties.sellers()
    if not sellers:
        raise NoSeller
    for seller in sellers.values():  # one that was made on a page has no books yet
        ledger.ensure_chart(seller.id, actor=actor, now=now)
    terms = {code: _seller_terms(seller) for code, seller in sellers.items()}
    version = metering.latest_version()
    catalogue = catalog.catalogue()
    late = late_usage(metering.changed_since(looked_from(), as_of=version))
    return RatingRun(
        window=request.window,
        clock=request.gate,
        now=now,
        actor=actor,
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


def late_usage(changed: Iterable[metering.Key]) -> dict[LateKey, tuple[datetime, datetime]]:
    """Return the time spans of usage that may bear on what is charged: what changed since the
    last run, and what nobody took then, for its meter or subscription may be known by now."""
    spans = {(key.subject_kind, key.subject, key.meter): (key.first, key.last) for key in changed}
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
    since = reach_of_changes(request.window.start)
    whole = subscriptions.count_alive(before=request.window.end, since=since)
    progress("rating", 0, whole)
    if request.only is None:
        chunks = subscriptions.due_chunks(
            before=request.window.end, since=since, size=request.chunk
        )
    else:
        chunks = iter([sorted(request.only.subscriptions)])
    for ids in chunks:
        report.rated.add(rating_services.rate_many(ids, rating_run))
        progress("rating", report.rated.subscriptions, whole)


def _invoice(
    request: RunRequest, report: RunReport, *, actor: str, now: datetime, progress: Progress
) -> None:
    billed_in = request.window.start
    whole, done = rating.payer_count(billed_in), 0
    progress("invoicing", 0, whole)
    only = None if request.only is None else request.only.payers
    for payers in chain(
        rating.payer_chunks(billed_in, size=request.chunk),
        _freed.payer_chunks(billed_in, size=request.chunk),  # who has no charge of this period
    ):
        payers = [key for key in payers if only is None or key in only]
        issued, drafts = _invoice_chunk(request, payers, actor=actor, now=now)
        report.issued += issued
        report.drafts += drafts
        done = min(done + len(payers), whole)
        progress("invoicing", done, whole)


@transaction.atomic
def _invoice_chunk(
    request: RunRequest, payers: Sequence[UUID], *, actor: str, now: datetime
) -> tuple[list[UUID], list[UUID]]:
    """Gather, write and issue the documents of some payers; returns (issued, drafts)."""
    _take_turn(request.window.start)
    sellers = {seller.id: seller for seller in parties.sellers().values()}
    together: list[UUID] = []
    if request.columnar:
        together, payers = issue_together(
            payers,
            sellers,
            window=request.window,
            issue_on=request.issue_on,
            actor=actor,
            now=now,
        )
    if not payers:
        return together, []
    issued, drafts = _invoice_each(request, payers, sellers, actor=actor, now=now)
    return together + issued, drafts


def _invoice_each(
    request: RunRequest,
    payers: Sequence[UUID],
    sellers: Mapping[UUID, Seller],
    *,
    actor: str,
    now: datetime,
) -> tuple[list[UUID], list[UUID]]:
    """Bill payers of whom something may need a person, or corrects what was issued."""
    freed = _freed.take(request.window.start, payers)
    charges = _not_invoiced(
        [*rating.charges_of_payers(request.window.start, payers), *rating.charges(freed)]
    )
    if not charges:
        return [], []
    tenant = parties.tenant()
    corrected = _originals.originals(charges)
    gathered = _draft.gather(charges, sellers, corrected, tenant.row.language)
    drafts = [
        _draft.make(
            group,
            lines,
            window=request.window,
            vat_rounding=sellers[group.seller_id].vat_rounding,
        )
        for group, lines in _originals.only_where_room(gathered, sellers).items()
    ]
    drafts = _outliers.held(drafts, sellers)
    drafts = [_originals.credit_where_negative(draft) for draft in drafts]
    _draft.write(drafts, actor=actor, now=now)
    ready = [draft.id for draft in drafts if not draft.waits_for]
    waiting = [draft for draft in drafts if draft.waits_for]
    issued = issue_many(ready, issue_on=request.issue_on, actor=actor, now=now)
    events.publish_many(
        DRAFT_WAITS,
        (
            events.EventRow(
                str(draft.id), DraftWaits(draft.id, draft.group.customer_id, draft.waits_for)
            )
            for draft in waiting
        ),
        actor=actor,
        now=now,
    )
    return issued, [draft.id for draft in waiting]


def _take_turn(billed_in: date) -> None:
    """Let two runs of one period invoice one after the other: a charge is billed once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"invoicing:{current_tenant_id()}:{billed_in}"],
        )


def _not_invoiced(charges: Sequence[ChargeInfo]) -> list[ChargeInfo]:
    known = set(
        InvoiceLine.objects.filter(charge_id__in=[one.id for one in charges]).values_list(
            "charge_id", flat=True
        )
    )
    # A freed charge of this very period is told twice.
    return list({one.id: one for one in charges if one.id not in known}.values())


def _finish(
    record: BillRun, request: RunRequest, report: RunReport, *, actor: str, now: datetime
) -> None:
    rated = report.rated
    held = bool(request.held_subscriptions or request.held_prices or rated.problems)
    with transaction.atomic():
        record.status = "done"
        record.finished_at = now
        record.charges = rated.charges + rated.differences
        record.invoices = len(report.issued) + len(report.drafts)
        # What was held or put off must be looked at again, however old the usage is by then.
        record.put_off = bool(rated.put_off) or held
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
