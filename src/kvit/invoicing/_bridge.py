"""Bills compared with those before them: one invoice, or a whole billing period.

Both go through `core.bridge`, so that the sentence on an invoice and the sums of a run never tell
two stories. Voided invoices, drafts of other periods and corrections are compared with nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from kvit.core.bridge import BillPart, BridgeStep, Cause, bridge, by_cause
from kvit.invoicing._family_rows import family_rows, line_rows
from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.platform.paging import key_chunks
from kvit.platform.tenancy import current_tenant_id
from kvit.rating import queries as rating

PAYERS = 1_000  # compared at once
_UNKNOWN = rating.Origin("", "period", 0, 0)


@dataclass(frozen=True, slots=True)
class InvoiceBridge:
    """An invoice beside the payer's one before it. The steps sum to `total − previous total`."""

    previous_id: UUID
    previous_number: str
    previous_start: date
    previous_end: date
    previous_minor: int
    steps: tuple[BridgeStep, ...]


class PayerBills(NamedTuple):
    """What a payer is billed in one currency for a period and for the one before it."""

    customer_id: UUID
    currency: str
    before_minor: int
    now_minor: int
    causes: Mapping[Cause, int]  # they sum to now − before
    has_stopped: bool  # something is gone of a subscription that is billed for something still


class _Line(NamedTuple):
    invoice_id: UUID
    charge_id: UUID | None
    subscription: str
    price: str
    name: str
    units: Any
    starts_on: date
    ends_on: date
    minor: int


def bridge_of(invoice_id: UUID) -> InvoiceBridge | None:
    """Compare an invoice with the payer's last one before it: same seller, currency and service.

    None for a correction, and where there was no bill before.
    """
    this = next((one for one in family_rows(invoice_id) if one.pk == invoice_id), None)
    if this is None or this.kind != "invoice":
        return None
    rows = Invoice.objects.filter(
        customer_id=this.customer_id, seller_id=this.seller_id, currency=this.currency,
        split_key=this.split_key, status="issued", billed_in__lt=this.billed_in,
    )  # fmt: skip
    last = _standing(rows).order_by("-billed_in", "-issued_on", "-number")
    lines = InvoiceLine.objects.filter(invoice_id=Subquery(last.values("pk")[:1]))
    found = list(lines.select_related("invoice").order_by("position"))
    before = found[0].invoice if found else last.first()  # one without a line is none of theirs
    if before is None:
        return None
    parts = _made([_line(one) for one in (*found, *line_rows(this.pk))])
    return InvoiceBridge(
        before.pk,
        before.number_text,
        before.period_start,
        before.period_end,
        before.total_minor,
        bridge(parts[before.pk], parts[this.pk]),
    )


def compared(billed_in: date, previous: date | None) -> Iterator[PayerBills]:
    """Yield every payer's bills of a period beside those of another, a currency each.

    Args:
        previous: the first day of the other billing period; None compares with nothing.
    """
    bills = _bills(billed_in, previous)
    yield from _compared(key_chunks(bills, "customer_id", size=PAYERS), billed_in, previous)


def compared_of(
    payers: Sequence[UUID], billed_in: date, previous: date | None
) -> Iterator[PayerBills]:
    """Yield the bills of some payers, as `compared`."""
    starts = range(0, len(payers), PAYERS)
    chunks = (payers[start : start + PAYERS] for start in starts)
    yield from _compared(chunks, billed_in, previous)


def _bills(billed_in: date, previous: date | None) -> "QuerySet[Any]":
    months = [billed_in] if previous is None else [previous, billed_in]
    return _standing(Invoice.objects.filter(billed_in__in=months, kind="invoice"))


def _compared(
    chunks: Iterable[Sequence[UUID]], billed_in: date, previous: date | None
) -> Iterator[PayerBills]:
    bills = _bills(billed_in, previous)
    for payers in chunks:
        chunk = bills.filter(customer_id__in=payers).order_by("customer_id", "currency")
        rows = list(chunk.values_list("pk", "customer_id", "currency", "billed_in", "total_minor"))
        alone = _wholly_new([row[:2] for row in rows if row[3] == billed_in],
                            {row[1] for row in rows if row[3] != billed_in})  # fmt: skip
        parts = _parts([row[0] for row in rows if row[1] not in alone])
        found: dict[tuple[UUID, str], list[tuple[bool, int, list[BillPart]]]] = defaultdict(list)
        for key, customer, currency, month, total in rows:
            found[customer, currency].append((month == billed_in, total, parts.get(key, [])))
        for (customer, currency), many in found.items():
            before = sum(total for is_now, total, _ in many if not is_now)
            now = sum(total for is_now, total, _ in many if is_now)
            told: tuple[Mapping[Cause, int], bool] = {"new": now}, False
            if customer not in alone:
                told = _told(
                    [part for is_now, _, own in many if not is_now for part in own],
                    [part for is_now, _, own in many if is_now for part in own],
                )
            yield PayerBills(customer, currency, before, now, *told)


def _wholly_new(bills: Sequence[tuple[UUID, UUID]], before: set[UUID]) -> set[UUID]:
    """Return the payers without a bill before whose (bill, payer)s put nothing earlier right: each
    line is new, and none needs to be looked at."""
    new = {payer for _, payer in bills} - before
    suspects = rating.payers_put_right(new)
    owners = {bill: payer for bill, payer in bills if payer in suspects}
    lines = _charges(list(owners)) if owners else []
    late = rating.recalculated([charge for _, charge in lines])
    return new - {owners[bill] for bill, charge in lines if charge in late}


def _told(before: Sequence[BillPart], now: Sequence[BillPart]) -> tuple[Mapping[Cause, int], bool]:
    steps, billed = bridge(before, now), {part.key[0] for part in now}
    return by_cause(steps), any(one.cause == "gone" and one.key[0] in billed for one in steps)


def period_before(billed_in: date) -> date | None:
    """Return the first day of the last billing period before this one that has issued invoices."""
    rows = Invoice.objects.filter(billed_in__lt=billed_in, kind="invoice", status="issued")
    found: date | None = rows.order_by("-billed_in").values_list("billed_in", flat=True).first()
    return found


def _standing(rows: "QuerySet[Any]") -> "QuerySet[Any]":
    voids = Invoice.objects.filter(kind="void", status="issued", corrects_id=OuterRef("pk"))
    return rows.filter(kind="invoice").exclude(Exists(voids))


def _charges(ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Return (invoice, charge) of the lines of some invoices."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT invoice_id, charge_id FROM invoicing_invoiceline"
            " WHERE tenant_id = %s AND invoice_id = ANY(%s) AND charge_id IS NOT NULL",
            [current_tenant_id(), list(ids)],
        )
        return list(cursor.fetchall())


def _parts(ids: Sequence[UUID]) -> dict[UUID, list[BillPart]]:
    with connection.cursor() as cursor:
        # An array, and not a parameter each: there are thousands.
        cursor.execute(
            """
            SELECT invoice_id, charge_id, subscription_code, price_code, name, units, starts_on,
                   ends_on, total_minor
            FROM invoicing_invoiceline WHERE tenant_id = %s AND invoice_id = ANY(%s)
            ORDER BY invoice_id, position
            """,
            [current_tenant_id(), list(ids)],
        )
        return _made([_Line(*row) for row in cursor.fetchall()])


def _line(one: InvoiceLine) -> _Line:
    return _Line(
        one.invoice_id, one.charge_id, one.subscription_code, one.price_code, one.name, one.units,
        one.starts_on, one.ends_on, one.total_minor,
    )  # fmt: skip


def _made(lines: Sequence[_Line]) -> dict[UUID, list[BillPart]]:
    origins = rating.origins([line.charge_id for line in lines if line.charge_id is not None])
    found: dict[UUID, list[BillPart]] = defaultdict(list)
    for line in lines:
        origin = origins.get(line.charge_id, _UNKNOWN)
        found[line.invoice_id].append(
            BillPart(
                key=(line.subscription, line.price),
                name=line.name,
                units=Fraction(line.units),
                days=(line.ends_on - line.starts_on).days,
                minor=line.minor,
                version=origin.version,
                recalculated=origin.reason != "period",
                whole=0 if origin.events else origin.whole,
            )
        )
    return found
