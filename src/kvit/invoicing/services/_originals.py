"""Which issued document a run's charge corrects, and whether that one has room for it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from kvit.core.tax import tax_lines
from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.invoicing.rows import DraftLine
from kvit.invoicing.services import _draft
from kvit.invoicing.services._draft import Draft, Group
from kvit.invoicing.services._family import Family, families, has_room
from kvit.parties.rows import Seller
from kvit.rating import queries as rating
from kvit.rating.rows import ChargeInfo

LOOKED_AT = 12  # how many invoices back a credit looks for one with room


class Corrected(NamedTuple):
    """A line of an issued invoice."""

    invoice_id: UUID
    line_id: UUID


def originals(charges: Sequence[ChargeInfo]) -> dict[UUID, Corrected]:
    """Return charge id → the line that billed the stretch which the charge corrects.

    A charge of another payer, seller or currency than the line's corrects nothing: what was
    transferred back in time is taken back from the one and asked of the other.
    """
    wanted = [one for one in charges if one.reason == "correction"]
    if not wanted:
        return {}
    earlier = rating.original_charges(wanted)
    lines = InvoiceLine.objects.filter(
        charge_id__in=[key for keys in earlier.values() for key in keys],
        invoice__status="issued",
        invoice__corrects__isnull=True,
    ).values_list(
        "charge_id", "invoice__customer_id", "invoice__seller_id", "invoice__currency",
        "invoice_id", "pk",
    )  # fmt: skip
    billed = {row[0]: (row[1:4], Corrected(*row[4:])) for row in lines}
    found = {}
    for one in wanted:
        mine = (one.customer_id, one.seller_id, one.currency)
        known = [billed[key] for key in earlier[one.id] if key in billed]
        fitting = [line for whose, line in known if whose == mine]
        if fitting:
            found[one.id] = fitting[0]
    return found


def only_where_room(
    gathered: Mapping[Group, list[DraftLine]], sellers: Mapping[UUID, Seller]
) -> dict[Group, list[DraftLine]]:
    """Send corrections whose original has no room for them to the open period's document.

    An original loses room by being voided or credited by hand: what is due beyond it is due all
    the same, as a line that lowers (or raises) what is asked for now.
    """
    ids = {group.corrects_id for group in gathered if group.corrects_id}
    known = families(ids, lock=True)
    kept: dict[Group, list[DraftLine]] = defaultdict(list)
    for group, lines in gathered.items():
        if group.corrects_id is None or _fits(group, lines, known, sellers):
            kept[group] += lines
        else:
            kept[group._replace(corrects_id=None)] += [
                replace(line, corrects_line_id=None) for line in lines
            ]
    return dict(kept)


def credit_where_negative(draft: Draft) -> Draft:
    """A document that asks for less than nothing is a credit note of what it takes back from: the
    latest invoice that has room for it. Where none has, it stays as it is."""
    if draft.kind != Invoice.Kind.INVOICE or draft.totals.total >= 0:
        return draft
    group = draft.group
    latest = (
        Invoice.objects.filter(
            customer_id=group.customer_id, seller_id=group.seller_id, currency=group.currency,
            kind=Invoice.Kind.INVOICE, status="issued",
        )
        .order_by("-issued_at", "-number")
        .values_list("pk", flat=True)[:LOOKED_AT]
    )  # fmt: skip
    known = families(latest, lock=True)
    parts = [(None, one) for one in draft.taxed]
    for key in latest:
        if has_room(known[key], parts):
            made = _draft.make(
                group._replace(corrects_id=key),
                draft.lines,
                window=draft.window,
                vat_rounding=draft.vat_rounding,
            )
            return replace(made, waits_for=draft.waits_for)
    return draft


def _fits(
    group: Group,
    lines: Sequence[DraftLine],
    known: Mapping[UUID, Family],
    sellers: Mapping[UUID, Seller],
) -> bool:
    assert group.corrects_id is not None
    taxed = tax_lines([_draft.taxable(one) for one in lines], sellers[group.seller_id].vat_rounding)  # type: ignore[arg-type]
    parts = [(line.corrects_line_id, sums) for line, sums in zip(lines, taxed, strict=True)]
    return has_room(known[group.corrects_id], parts)
