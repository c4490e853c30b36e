"""Charges gathered into documents: who gets which, with which lines, taxed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from kvit.core.periods import Period
from kvit.core.tax import Basis, TaxableLine, TaxedLine, tax_lines, vat_rate
from kvit.core.wording import Words, period_text, say
from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.invoicing.rows import DraftLine
from kvit.parties.rows import Seller
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.rating.rows import ChargeInfo

WORDS: Words = {
    "recalculated": (
        "Перерасчёт за {period}: {name}",
        "Recalculation for {period}: {name}",
    ),
}
INVOICE_COLUMNS = (
    "id", "kind", "status", "waits_for", "seller_id", "customer_id", "currency", "billed_in",
    "period_start", "period_end", "split_key", "series", "number_text", "net_minor", "vat_minor",
    "total_minor", "vat_rounding", "corrects_id", "reason", "author", "approver", "created_at",
    "four_eyes",
)  # fmt: skip
LINE_COLUMNS = (
    "id", "invoice_id", "position", "charge_id", "corrects_line_id", "subscription_id",
    "subscription_code", "price_code", "name", "unit", "starts_on", "ends_on", "units",
    "gross_minor", "discounts", "basis", "vat_code", "vat_rate", "net_minor", "vat_minor",
    "total_minor",
)  # fmt: skip


class Group(NamedTuple):
    """What goes on one document together."""

    customer_id: UUID
    seller_id: UUID
    currency: str
    split_key: str
    corrects_id: UUID | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A document before it is written."""

    id: UUID
    group: Group
    kind: str
    window: Period
    lines: tuple[DraftLine, ...]
    taxed: tuple[TaxedLine, ...]
    vat_rounding: str
    reason: str = ""
    waits_for: str = ""
    four_eyes: bool = False

    @property
    def totals(self) -> TaxedLine:
        return sum(self.taxed, TaxedLine(0, 0, 0))


def gather(
    charges: Iterable[ChargeInfo],
    sellers: Mapping[UUID, Seller],
    corrected: Mapping[UUID, tuple[UUID, UUID]],
    lang: str,
) -> dict[Group, list[DraftLine]]:
    """Sort charges onto documents.

    Args:
        corrected: charge id → the issued document and its line that the charge corrects.

    A charge of nothing, for nothing used, makes no line; it stays on record as a charge.
    """
    found: dict[Group, list[DraftLine]] = defaultdict(list)
    for charge in charges:
        if not charge.amount_minor and (charge.revision or not charge.units):
            continue
        seller = sellers[charge.seller_id]
        split = charge.service if seller.row.split == "service" else ""
        invoice, line = corrected.get(charge.id, (None, None))
        group = Group(charge.customer_id, charge.seller_id, charge.currency, split, invoice)
        found[group].append(replace(_line(charge, lang), corrects_line_id=line))
    return found


def make(
    group: Group,
    lines: Sequence[DraftLine],
    *,
    window: Period,
    vat_rounding: str,
    reason: str = "",
    kind: str = "",
) -> Draft:
    """Tax the lines and settle what kind of document they make."""
    taxed = tax_lines([taxable(line) for line in lines], vat_rounding)  # type: ignore[arg-type]
    total = sum(one.total for one in taxed)
    if not kind:
        kind = Invoice.Kind.INVOICE
        if group.corrects_id is not None:
            kind = Invoice.Kind.CREDIT_NOTE if total <= 0 else Invoice.Kind.DEBIT_NOTE
    return Draft(
        uuid7(), group, kind, window, tuple(lines), tuple(taxed), vat_rounding, reason
    )  # fmt: skip


def taxable(line: DraftLine) -> TaxableLine:
    """Return what is taxed of a line, at the rate of the day that holds for it."""
    basis: Basis = "gross" if line.basis == "gross" else "net"
    return TaxableLine(line.amount_minor, vat_rate(line.vat_code, line.vat_on), basis)


def write(drafts: Sequence[Draft], *, actor: str, now: datetime) -> None:
    """Store drafts with their lines, a statement for each table."""
    copy_in(Invoice, INVOICE_COLUMNS, (_invoice_row(draft, actor, now) for draft in drafts))
    copy_in(
        InvoiceLine,
        LINE_COLUMNS,
        (
            _line_row(draft, position, line, taxed)
            for draft in drafts
            for position, (line, taxed) in enumerate(zip(draft.lines, draft.taxed, strict=True), 1)
        ),
    )


def _line(charge: ChargeInfo, lang: str) -> DraftLine:
    name = charge.name
    if charge.reason != "period":
        period = Period(charge.period_start, charge.period_end)
        name = say(WORDS, "recalculated", lang, period=period_text(period, lang), name=name)
    return DraftLine(
        charge_id=charge.id,
        subscription_id=charge.subscription_id,
        subscription_code=charge.subscription_code,
        price_code=charge.price_code,
        name=name,
        unit=charge.unit,
        starts_on=charge.starts_on,
        ends_on=charge.ends_on,
        vat_on=charge.vat_on,
        units=charge.units,
        gross_minor=charge.gross_minor,
        amount_minor=charge.amount_minor,
        discounts=charge.discounts,
        basis=charge.basis,
        vat_code=charge.vat_code,
    )


def _invoice_row(draft: Draft, actor: str, now: datetime) -> tuple[object, ...]:
    group, totals = draft.group, draft.totals
    return (
        draft.id, draft.kind, "draft", draft.waits_for, group.seller_id, group.customer_id,
        group.currency, draft.window.start, draft.window.start, draft.window.end, group.split_key,
        "", "", totals.net, totals.vat, totals.total, draft.vat_rounding, group.corrects_id,
        draft.reason, actor, "", now, draft.four_eyes,
    )  # fmt: skip


def _line_row(draft: Draft, position: int, line: DraftLine, taxed: TaxedLine) -> tuple[object, ...]:
    rate = vat_rate(line.vat_code, line.vat_on)
    return (
        uuid7(), draft.id, position, line.charge_id, line.corrects_line_id, line.subscription_id,
        line.subscription_code, line.price_code, line.name, line.unit, line.starts_on,
        line.ends_on, line.units, line.gross_minor, line.discounts, line.basis, line.vat_code,
        None if rate is None else Decimal(rate.numerator) / Decimal(rate.denominator),
        taxed.net, taxed.vat, taxed.total,
    )  # fmt: skip
