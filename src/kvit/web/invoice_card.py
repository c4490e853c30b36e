"""An invoice as its card shows it: lines by subscription, taxes by rate, its family, its books."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from kvit.core.bridge import BridgeStep, by_cause
from kvit.invoicing import queries, services
from kvit.invoicing.queries import InvoiceBridge, InvoiceRow
from kvit.invoicing.rows import InvoiceInfo, LineInfo
from kvit.ledger import queries as ledger
from kvit.ledger.queries import SourcePosting
from kvit.parties import brands
from kvit.parties.brands import BrandRow
from kvit.web.office.links import subscription_address


@dataclass(frozen=True, slots=True)
class CardGroup:
    """Lines of one subscription; Σ of their totals."""

    subscription: str
    url: str
    total_minor: int
    lines: tuple[LineInfo, ...]


@dataclass(frozen=True, slots=True)
class TaxSum:
    """Lines of one VAT rate, summed up; `rate` None is without VAT."""

    rate: Decimal | None
    net_minor: int
    vat_minor: int


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause's share of the difference to the bill before, with what it is made of."""

    code: str
    minor: int
    steps: tuple[BridgeStep, ...]


@dataclass(frozen=True, slots=True)
class InvoiceCard:
    """Everything the card shows: `papers` are kinds of printed forms, `standing` is None of what
    cannot be corrected."""

    row: InvoiceRow
    info: InvoiceInfo
    seller: str
    groups: tuple[CardGroup, ...]
    taxes: tuple[TaxSum, ...]
    bridge: InvoiceBridge | None
    difference_minor: int
    causes: tuple[Cause, ...]
    family: tuple[InvoiceRow, ...]
    postings: tuple[SourcePosting, ...]
    papers: tuple[str, ...]
    brand: BrandRow | None
    standing: services.Standing | None


def card_of(invoice_id: UUID) -> InvoiceCard | None:
    """Return the card; None where the tenant has no such document."""
    family = queries.family_of(invoice_id)
    row = next((one for one in family if one.id == invoice_id), None)
    if row is None:
        return None
    info = queries.info_of(invoice_id)
    assert info is not None
    bridge = queries.bridge_of(invoice_id)
    seller, brand = brands.letterhead(row.seller_id)
    difference = row.total_minor - bridge.previous_minor if bridge else 0
    return InvoiceCard(
        row=row,
        info=info,
        seller=seller,
        groups=_groups(info.lines),
        taxes=_taxes(info.lines),
        bridge=bridge,
        difference_minor=difference,
        causes=_causes(bridge.steps) if bridge else (),
        family=tuple(family),
        postings=tuple(ledger.of_source(f"invoice:{invoice_id}")),
        papers=_papers(row),
        brand=brand,
        standing=services.standing(invoice_id),
    )


def _groups(lines: Sequence[LineInfo]) -> tuple[CardGroup, ...]:
    found: dict[str, list[LineInfo]] = defaultdict(list)
    for line in lines:
        found[line.subscription].append(line)
    return tuple(
        CardGroup(
            code, subscription_address(code) if code else "",
            sum(line.total_minor for line in many), tuple(many),
        )
        for code, many in found.items()
    )  # fmt: skip


def _taxes(lines: Sequence[LineInfo]) -> tuple[TaxSum, ...]:
    sums: dict[Decimal | None, list[int]] = defaultdict(lambda: [0, 0])
    for line in lines:
        sums[line.vat_rate][0] += line.net_minor
        sums[line.vat_rate][1] += line.vat_minor
    return tuple(TaxSum(rate, net, vat) for rate, (net, vat) in sums.items())


def _causes(steps: Sequence[BridgeStep]) -> tuple[Cause, ...]:
    return tuple(
        Cause(code, minor, tuple(step for step in steps if step.cause == code))
        for code, minor in by_cause(steps).items()
    )


def _papers(row: InvoiceRow) -> tuple[str, ...]:
    if not row.number:
        return ()
    first = {"void": "reversal"}.get(row.kind, row.kind)
    return (first, "act") if row.kind == "invoice" and row.total_minor >= 0 else (first,)
