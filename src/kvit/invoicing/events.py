"""Facts that invoicing tells."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from kvit.platform.events import Topic


@dataclass(frozen=True, slots=True)
class InvoiceIssued:
    """A document got its number and stands in the books. Corrections are told alike: `kind`."""

    invoice_id: UUID
    kind: str
    number: str
    seller_id: UUID
    customer_id: UUID
    currency: str
    net_minor: int
    vat_minor: int
    total_minor: int
    issued_on: date
    period_start: date
    period_end: date
    corrects_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DraftWaits:
    """A draft waits for a person: the seller approves each, or its sum is far from its history."""

    invoice_id: UUID
    customer_id: UUID
    waits_for: str


@dataclass(frozen=True, slots=True)
class DraftRefused:
    """A draft was refused and is gone; its charges wait for the next run."""

    invoice_id: UUID
    kind: str
    customer_id: UUID
    charges: int


@dataclass(frozen=True, slots=True)
class BillRunFinished:
    """A run went through all subscriptions of its period."""

    run_id: UUID
    period_start: date
    period_end: date
    charges: int
    invoices: int


INVOICE_ISSUED = Topic("invoicing.invoice.issued", InvoiceIssued)
DRAFT_WAITS = Topic("invoicing.draft.waits", DraftWaits)
DRAFT_REFUSED = Topic("invoicing.draft.refused", DraftRefused)
RUN_FINISHED = Topic("invoicing.run.finished", BillRunFinished)
