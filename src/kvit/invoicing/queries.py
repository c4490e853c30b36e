"""Reads of invoices."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from uuid import UUID

from django.contrib.postgres.search import TrigramSimilarity

from kvit.core.periods import Period
from kvit.invoicing import _invariants
from kvit.invoicing._bridge import InvoiceBridge, PayerBills, bridge_of, compared, period_before
from kvit.invoicing._family_rows import family_rows, line_rows
from kvit.invoicing._figures import (
    DraftsWaiting,
    Issued,
    MonthIssued,
    drafts_waiting,
    failed_runs,
    issued_by_month,
    issued_in_all,
    issued_within,
)
from kvit.invoicing._history import Told, last_issued, told_to
from kvit.invoicing._listing import (
    ORDERS,
    TABS,
    InvoiceFilter,
    InvoiceRow,
    TabTotal,
    correctors,
    family_of,
    listed,
    rows_of,
    totals,
)
from kvit.invoicing._orders_seen import (
    DraftTotal,
    RunInfo,
    drafts_of,
    periods,
    run_info,
    runs,
    runs_by_command,
)
from kvit.invoicing._plan_months import PlanIssued, issued_by_plan
from kvit.invoicing._summary import Example, ExceptionGroup, RunSummary
from kvit.invoicing._triggers_seen import triggers
from kvit.invoicing.models import BillRun, Invoice, InvoiceLine
from kvit.invoicing.rows import InvoiceInfo, LineInfo

__all__ = [
    "NOTE_WORDS",
    "ORDERS",
    "TABS",
    "DraftTotal",
    "DraftsWaiting",
    "Example",
    "ExceptionGroup",
    "InvoiceBridge",
    "InvoiceFilter",
    "InvoiceRow",
    "Issued",
    "MonthIssued",
    "PayerBills",
    "PlanIssued",
    "RunInfo",
    "RunSummary",
    "TabTotal",
    "Told",
    "bridge_of",
    "by_ids",
    "by_number",
    "compared",
    "corrections_of",
    "correctors",
    "drafts",
    "drafts_of",
    "drafts_waiting",
    "failed_runs",
    "family_of",
    "info_of",
    "issued_by_month",
    "issued_by_plan",
    "issued_in_all",
    "issued_within",
    "last_billed",
    "last_issued",
    "lines_of_charges",
    "listed",
    "looked_from",
    "notes",
    "numbers",
    "numbers_near",
    "of_period",
    "period_before",
    "periods",
    "problems",
    "rows_of",
    "run_info",
    "runs",
    "runs_by_command",
    "told_to",
    "totals",
    "triggers",
    "usage_that_waited",
]  # fmt: skip

PROBLEM_WORDS, NOTE_WORDS = _invariants.WORDS, _invariants.NOTE_WORDS
problems, notes = _invariants.problems, _invariants.notes

_LINE = (
    "invoice_id", "id", "position", "charge_id", "subscription_id", "subscription_code",
    "price_code", "name", "unit", "starts_on", "ends_on", "units", "gross_minor", "discounts",
    "basis", "vat_rate", "net_minor", "vat_minor", "total_minor",
)  # fmt: skip


def of_period(billed_in: date, *, customers: Collection[UUID] | None = None) -> list[InvoiceInfo]:
    """Return the documents of a billing period, drafts included: issued ones by number first.

    Args:
        customers: those of these customers only.
    """
    rows = Invoice.objects.filter(billed_in=billed_in)
    if customers is not None:
        rows = rows.filter(customer_id__in=customers)
    return _infos(rows.order_by("seller_id", "series", "number", "created_at", "id"))


def by_ids(ids: Iterable[UUID]) -> list[InvoiceInfo]:
    """Return documents in order of id."""
    return _infos(Invoice.objects.filter(pk__in=list(ids)).order_by("pk"))


def numbers(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the numbers of documents; a draft's is empty."""
    rows = Invoice.objects.filter(pk__in=list(ids))
    return dict(rows.values_list("pk", "number_text"))


def by_number(number: str) -> list[InvoiceInfo]:
    """Return the issued documents of this number: one for each seller that has it."""
    return _infos(Invoice.objects.filter(number_text=number, status="issued").order_by("pk"))


def lines_of_charges(charge_ids: Iterable[UUID]) -> dict[UUID, tuple[UUID, int]]:
    """Return, by charge, the document and the line that bill it."""
    rows = InvoiceLine.objects.filter(charge_id__in=list(charge_ids))
    return {
        charge: (invoice, position)
        for charge, invoice, position in rows.values_list("charge_id", "invoice_id", "position")
    }


def numbers_near(text: str, *, limit: int) -> list[str]:
    """Return numbers of issued documents, those most like `text` first."""
    issued = Invoice.objects.filter(status="issued")
    ranked = issued.annotate(near=TrigramSimilarity("number_text", text))
    return list(
        ranked.order_by("-near", "-issued_at").values_list("number_text", flat=True)[:limit]
    )


def corrections_of(invoice_id: UUID) -> list[InvoiceInfo]:
    """Return the documents that correct an invoice, in order of issue."""
    return _infos(Invoice.objects.filter(corrects_id=invoice_id).order_by("issued_at", "pk"))


def usage_that_waited() -> frozenset[tuple[str, str, str]]:
    """Return the usage (subject kind, subject, meter) that nobody took at the last run."""
    last = BillRun.objects.filter(status="done", is_narrow=False).order_by("-id").first()
    return frozenset(
        (kind, subject, meter) for kind, subject, meter, *_ in (last.waited if last else ())
    )


def looked_from() -> int:
    """The usage version up to which every change has been charged or found to change nothing."""
    last = BillRun.objects.filter(status="done", is_narrow=False).order_by("-id").first()
    if last is None:
        return 0
    return last.looked_from if last.put_off else last.usage_version


def last_billed() -> Period | None:
    """Return the latest billing period whose run is over; None before the first."""
    last = (
        BillRun.objects.filter(status="done", is_narrow=False)
        .order_by("-period_end", "-id")
        .first()
    )
    return None if last is None else Period(last.period_start, last.period_end)


def drafts() -> list[InvoiceInfo]:
    """Return the documents that wait for a person."""
    return _infos(Invoice.objects.filter(status="draft").order_by("created_at", "pk"))


def info_of(invoice_id: UUID) -> InvoiceInfo | None:
    """Return a document; None where there is none. A page asks for it and its family once."""
    found = next((one for one in family_rows(invoice_id) if one.pk == invoice_id), None)
    if found is None:
        return None
    lines = line_rows(invoice_id)
    return _info(found, (LineInfo(*(getattr(one, name) for name in _LINE[1:])) for one in lines))


def _infos(rows: Iterable[Invoice]) -> list[InvoiceInfo]:
    invoices = list(rows)
    lines = _lines([one.pk for one in invoices])
    return [_info(one, lines[one.pk]) for one in invoices]


def _info(one: Invoice, lines: Iterable[LineInfo]) -> InvoiceInfo:
    return InvoiceInfo(
        id=one.pk,
        kind=one.kind,
        status=one.status,
        waits_for=one.waits_for,
        number=one.number_text,
        seller_id=one.seller_id,
        customer_id=one.customer_id,
        currency=one.currency,
        billed_in=one.billed_in,
        period_start=one.period_start,
        period_end=one.period_end,
        issued_on=one.issued_on,
        net_minor=one.net_minor,
        vat_minor=one.vat_minor,
        total_minor=one.total_minor,
        vat_rounding=one.vat_rounding,
        corrects_id=one.corrects_id,
        reason=one.reason,
        author=one.author,
        lines=tuple(lines),
    )


def _lines(ids: Sequence[UUID]) -> dict[UUID, list[LineInfo]]:
    found: dict[UUID, list[LineInfo]] = defaultdict(list)
    rows = InvoiceLine.objects.filter(invoice_id__in=ids).order_by("invoice_id", "position")
    for key, *values in rows.values_list(*_LINE):
        found[key].append(LineInfo(*values))
    return found
