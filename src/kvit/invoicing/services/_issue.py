"""Issue: number, postings, event. Many at once; the single form calls it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction

from kvit.core.bookkeeping import InvoiceFact, Share, invoice_entries
from kvit.core.numbering import number_text, series_of
from kvit.core.wording import Words
from kvit.invoicing.events import INVOICE_ISSUED, InvoiceIssued
from kvit.invoicing.models import Invoice, InvoiceLine, NumberSeries
from kvit.invoicing.services import _voiding
from kvit.ledger import services as ledger
from kvit.parties import queries as parties
from kvit.platform import audit, events
from kvit.platform.bulk import update_in
from kvit.platform.failures import Failure

WORDS: Words = {
    "not_a_draft": (
        "Это уже не черновик: {documents}. Выставленное исправляют другим документом.",
        "This is no draft any more: {documents}. What is issued is corrected by another document.",
    ),
    "draft_gone": (
        "Черновика {documents} нет: его отклонили или не было.",
        "There is no draft {documents}: it was refused, or never was.",
    ),
}


InTurn = Callable[[], None]
"""Called before numbers are taken: waits for whoever takes his first."""


def at_once() -> None:
    """Wait for nobody: numbers go to whoever comes first."""


class InvoiceNotDraft(Failure):
    """The document has left the draft state; correct it with a credit or debit note."""

    words = WORDS


@dataclass(slots=True)
class Document:
    """An ordinary invoice on its way: the same names as `Invoice`, without a model's cost."""

    id: UUID
    seller_id: UUID
    customer_id: UUID
    currency: str
    billed_in: date
    period_start: date
    period_end: date
    split_key: str
    net_minor: int
    vat_minor: int
    total_minor: int
    vat_rounding: str
    author: str
    created_at: datetime
    issued_on: date
    issued_at: datetime
    number: int = 0
    number_text: str = ""
    series: str = ""
    kind: str = "invoice"
    status: str = "issued"
    waits_for: str = ""
    reason: str = ""
    approver: str = ""
    four_eyes: bool = False
    corrects_id: UUID | None = None

    @property
    def pk(self) -> UUID:
        return self.id


@transaction.atomic
def issue_many(
    invoice_ids: Sequence[UUID],
    *,
    issue_on: date,
    actor: str,
    now: datetime,
    approver: str = "",
    in_turn: InTurn = at_once,
) -> list[UUID]:
    """Number the drafts in the given order, post them and announce them: all or none.

    Raises:
        InvoiceNotDraft: one was issued already, perhaps by a request running beside this one.
    """
    if not invoice_ids:
        return []
    issue_locked(
        locked_drafts(invoice_ids), issue_on=issue_on, actor=actor, now=now, approver=approver,
        in_turn=in_turn,
    )  # fmt: skip
    return list(dict.fromkeys(invoice_ids))


def issue_locked(
    drafts: Sequence[Invoice],
    *,
    issue_on: date,
    actor: str,
    now: datetime,
    approver: str,
    in_turn: InTurn = at_once,
) -> None:
    """Issue drafts that the caller has locked, in the given order; they bear their numbers then."""
    voids = [draft for draft in drafts if draft.kind == Invoice.Kind.VOID]
    if voids:
        _voiding.take_charges_back(voids, actor=actor, now=now)
    _post(drafts, issue_on=issue_on, now=now)
    # Numbers come last: their rows are the ones that every other issuer waits for.
    in_turn()
    number_documents(drafts, issue_on=issue_on)
    columns = ("status", "waits_for", "series", "number", "number_text", "issued_on",
               "issued_at", "approver")  # fmt: skip
    update_in(
        Invoice,
        columns,
        (
            (one.pk, "issued", "", one.series, one.number, one.number_text, issue_on, now, approver)
            for one in drafts
        ),
    )
    tell_issued(drafts, issue_on=issue_on, actor=actor, now=now)
    record_issued(drafts, actor=actor, now=now)


def locked_drafts(invoice_ids: Sequence[UUID]) -> list[Invoice]:
    """Lock drafts, together with what they correct, and return them in the given order.

    Raises:
        InvoiceNotDraft: one of them is issued, or gone.
    """
    # Lock first, then look: a check made before the lock may be false by the time it is used.
    # The original's lock is also what keeps the facts told of it in order.
    originals = Invoice.objects.filter(pk__in=invoice_ids, corrects__isnull=False)
    keys = {*invoice_ids, *originals.values_list("corrects_id", flat=True)}
    locked = Invoice.objects.select_for_update(of=("self",)).filter(pk__in=keys)
    found = {invoice.pk: invoice for invoice in locked.order_by("pk")}
    issued = [found[key] for key in invoice_ids if key in found and found[key].status != "draft"]
    if issued:
        raise InvoiceNotDraft("not_a_draft", documents=", ".join(map(str, issued)))
    gone = [key for key in invoice_ids if key not in found]
    if gone:
        raise InvoiceNotDraft("draft_gone", documents=", ".join(map(str, gone)))
    return [found[key] for key in dict.fromkeys(invoice_ids)]


def _post(drafts: Iterable[Invoice], *, issue_on: date, now: datetime) -> None:
    drafts = list(drafts)
    shares: dict[UUID, list[Share]] = defaultdict(list)
    lines = InvoiceLine.objects.filter(invoice_id__in=[draft.pk for draft in drafts])
    for key, net, vat, ends_on in lines.order_by("position").values_list(
        "invoice_id", "net_minor", "vat_minor", "ends_on"
    ):
        shares[key].append(Share(net, vat, ends_on - timedelta(days=1)))
    voids = [draft for draft in drafts if draft.kind == Invoice.Kind.VOID]
    rows = _voiding.postings(voids, issue_on=issue_on)
    for draft in drafts:
        if draft.kind == Invoice.Kind.VOID:
            continue
        fact = InvoiceFact(draft.currency, issue_on, tuple(shares[draft.pk]))
        rows += ledger.postings_of(
            invoice_entries(fact),
            seller_id=draft.seller_id,
            customer_id=draft.customer_id,
            source=f"invoice:{draft.pk}",
        )
    ledger.post_many(rows, now=now)


def number_documents(drafts: "Sequence[Invoice | Document]", *, issue_on: date) -> None:
    """Give each draft the next number of its series. The series' rows are held until commit, so
    a rollback leaves no gap; they are locked in one order, so two issuers cannot deadlock."""
    sellers = {seller.id: seller.row for seller in parties.sellers().values()}
    customers = parties.payers({draft.customer_id for draft in drafts})
    waiting: dict[tuple[UUID, str], list[Invoice | Document]] = defaultdict(list)
    for draft in drafts:
        pattern = sellers[draft.seller_id].series
        branch = customers[draft.customer_id].branch
        waiting[draft.seller_id, series_of(pattern, on=issue_on, branch=branch)].append(draft)
    for seller_id, key in sorted(waiting, key=str):
        members = waiting[seller_id, key]
        locked = NumberSeries.objects.select_for_update().filter(seller_id=seller_id, key=key)
        row = locked.first()
        if row is None:
            NumberSeries.objects.get_or_create(seller_id=seller_id, key=key)
            row = locked.get()
        for number, draft in enumerate(members, row.last + 1):
            draft.series, draft.number = key, number
            draft.number_text = number_text(key, number)
        row.last += len(members)
        row.save(update_fields=["last"])


def tell_issued(
    drafts: "Sequence[Invoice | Document]", *, issue_on: date, actor: str, now: datetime
) -> None:
    events.publish_many(
        INVOICE_ISSUED,
        (
            events.EventRow(
                # The row that is locked: a correction is about the document that it corrects.
                str(one.corrects_id or one.pk),
                InvoiceIssued(
                    invoice_id=one.pk,
                    kind=one.kind,
                    number=one.number_text,
                    seller_id=one.seller_id,
                    customer_id=one.customer_id,
                    currency=one.currency,
                    net_minor=one.net_minor,
                    vat_minor=one.vat_minor,
                    total_minor=one.total_minor,
                    issued_on=issue_on,
                    period_start=one.period_start,
                    period_end=one.period_end,
                    corrects_id=one.corrects_id,
                ),
            )
            for one in drafts
        ),
        actor=actor,
        now=now,
    )


def record_issued(drafts: "Sequence[Invoice | Document]", *, actor: str, now: datetime) -> None:
    audit.record(
        action="invoicing.invoices.issued",
        object_type="invoicing.invoice",
        object_id=str(drafts[0].pk),
        after={
            "first": drafts[0].number_text,
            "last": drafts[-1].number_text,
            "count": len(drafts),
        },
        actor=actor,
        now=now,
    )
