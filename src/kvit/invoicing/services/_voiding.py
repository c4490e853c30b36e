"""What a void does beyond its lines: the books mirrored, the charges taken back."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.ledger import services as ledger
from kvit.rating import services as rating
from kvit.subscriptions import services as subscriptions


def lock_subscriptions(invoice_ids: Iterable[UUID]) -> None:
    """Hold the subscriptions on these invoices: charges are only written under their lock.

    It comes before any lock of an invoice, as everywhere where both are needed.
    """
    rows = InvoiceLine.objects.filter(invoice_id__in=list(invoice_ids))
    subscriptions.lock(
        rows.filter(subscription_id__isnull=False).values_list("subscription_id", flat=True)
    )


def postings(voids: Sequence[Invoice], *, issue_on: date) -> list[ledger.PostingIn]:
    """Return the opposite of all that the originals and their corrections posted."""
    family: dict[UUID, list[UUID]] = defaultdict(list)
    corrections = Invoice.objects.filter(
        corrects_id__in=[one.corrects_id for one in voids], status="issued"
    ).exclude(kind=Invoice.Kind.VOID)
    for original, key in corrections.order_by("pk").values_list("corrects_id", "pk"):
        family[original].append(key)
    rows: list[ledger.PostingIn] = []
    for one in voids:
        sources = [f"invoice:{key}" for key in (one.corrects_id, *family[one.corrects_id])]
        rows += ledger.mirrored(sources, source=f"invoice:{one.pk}", effective_on=issue_on)
    return rows


def take_charges_back(voids: Sequence[Invoice], *, actor: str, now: datetime) -> None:
    """Write the opposite of every charge on the originals and on their corrections."""
    originals = [one.corrects_id for one in voids]
    lines = InvoiceLine.objects.filter(charge_id__isnull=False)
    ids = set(lines.filter(invoice_id__in=originals).values_list("charge_id", flat=True))
    ids |= set(
        lines.filter(
            invoice__corrects_id__in=originals, invoice__status="issued"
        ).values_list("charge_id", flat=True)
    )  # fmt: skip
    rating.take_back(sorted(ids), actor=actor, now=now)
