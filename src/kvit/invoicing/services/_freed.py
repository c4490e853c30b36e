"""Charges that lost their document, and the runs that take them up again."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from uuid import UUID

from kvit.invoicing.models import FreedCharge, Invoice, InvoiceLine
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.platform.paging import key_chunks
from kvit.rating import queries as rating


def free(charge_ids: Sequence[UUID]) -> None:
    """Leave charges to the next run of their billing period or of a later one."""
    copy_in(
        FreedCharge,
        ("id", "charge_id", "customer_id", "subscription_id", "period_start", "billed_in"),
        (
            (uuid7(), pin.id, pin.customer_id, pin.subscription_id, pin.period_start, pin.billed_in)
            for pin in rating.pins(charge_ids).values()
        ),
        on_conflict="DO NOTHING",
    )


def reopened(billed_in: date) -> frozenset[tuple[UUID, date]]:
    """Return the (subscription, first day of the service period) to be looked at once more."""
    rows = FreedCharge.objects.filter(billed_in__lte=billed_in)
    return frozenset(rows.values_list("subscription_id", "period_start"))


def payer_chunks(billed_in: date, *, size: int) -> Iterator[list[UUID]]:
    """Yield the payers of freed charges, in chunks, in order of id."""
    return key_chunks(
        FreedCharge.objects.filter(billed_in__lte=billed_in), "customer_id", size=size
    )


def keep_billed(invoice_ids: Sequence[UUID]) -> None:
    """Take back the freeing of what these invoices bill: their void was refused."""
    lines = InvoiceLine.objects.filter(invoice_id__in=invoice_ids, charge_id__isnull=False)
    charges = list(lines.values_list("charge_id", flat=True))
    FreedCharge.objects.filter(charge_id__in=charges).delete()


def take(billed_in: date, payers: Sequence[UUID]) -> list[UUID]:
    """Return the freed charges of some payers and drop their rows: the caller bills them now.

    A run beside this one that wants them waits for the rows, and then finds them gone. A charge
    whose invoice is still to be voided (the void waits for approval) stays freed.
    """
    rows = FreedCharge.objects.filter(billed_in__lte=billed_in, customer_id__in=payers)
    locked = {row.pk: row.charge_id for row in rows.select_for_update().order_by("pk")}
    billed = set(_billed(list(locked.values())))
    ready = {key: charge for key, charge in locked.items() if charge not in billed}
    FreedCharge.objects.filter(pk__in=ready).delete()
    return list(ready.values())


def _billed(charge_ids: Sequence[UUID]) -> Iterable[UUID]:
    """Return those that stand on a document which is not void."""
    lines = InvoiceLine.objects.filter(charge_id__in=charge_ids)
    voids = Invoice.objects.filter(kind=Invoice.Kind.VOID, status="issued")
    return lines.exclude(invoice_id__in=voids.values("corrects_id")).values_list(
        "charge_id", flat=True
    )
