"""The documents of some payers, in one transaction: together where they are ordinary, else each."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from django.db import connection, transaction

from kvit.invoicing.events import DRAFT_WAITS, DraftWaits
from kvit.invoicing.models import InvoiceLine
from kvit.invoicing.rows import RunRequest
from kvit.invoicing.services import _draft, _freed, _originals, _outliers
from kvit.invoicing.services._issue import InTurn, at_once, issue_many
from kvit.invoicing.services._together import issue_together
from kvit.parties import queries as parties
from kvit.parties.rows import Seller
from kvit.platform import events
from kvit.platform.reading import steadily
from kvit.platform.tenancy import current_tenant_id
from kvit.rating import queries as rating
from kvit.rating.rows import ChargeInfo


@transaction.atomic
@steadily()
def invoice_chunk(
    request: RunRequest,
    payers: Sequence[UUID],
    *,
    actor: str,
    now: datetime,
    in_turn: InTurn = at_once,
) -> tuple[list[UUID], list[UUID]]:
    """Gather, write and issue the documents of some payers; returns (issued, drafts).

    Args:
        in_turn: waits, before numbers are taken, for those who take theirs first.
    """
    if in_turn is at_once:
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
            in_turn=in_turn,
        )
    if not payers:
        return together, []
    issued, drafts = _invoice_each(request, payers, sellers, actor=actor, now=now, in_turn=in_turn)
    return together + issued, drafts


def _invoice_each(
    request: RunRequest,
    payers: Sequence[UUID],
    sellers: Mapping[UUID, Seller],
    *,
    actor: str,
    now: datetime,
    in_turn: InTurn,
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
    issued = issue_many(ready, issue_on=request.issue_on, actor=actor, now=now, in_turn=in_turn)
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
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_turn(billed_in)])


def share_turn(billed_in: date) -> None:
    """Let workers at one run invoice beside each other, and not beside another run's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [_turn(billed_in)]
        )


def _turn(billed_in: date) -> str:
    return f"invoicing:{current_tenant_id()}:{billed_in}"


def _not_invoiced(charges: Sequence[ChargeInfo]) -> list[ChargeInfo]:
    known = set(
        InvoiceLine.objects.filter(charge_id__in=[one.id for one in charges]).values_list(
            "charge_id", flat=True
        )
    )
    # A freed charge of this very period is told twice.
    return list({one.id: one for one in charges if one.id not in known}.values())
