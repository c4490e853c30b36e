"""Drafts that wait for a person: the seller approves all, or a sum is far outside its history."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from django.db import connection

from kvit.invoicing.services._draft import Draft
from kvit.parties.rows import Seller
from kvit.platform.tenancy import current_tenant_id

HISTORY = 12  # how many earlier invoices are looked at
ENOUGH = 3  # with fewer there is no history to be outside of
TIMES = 10  # more than this many times the largest of them


def held(drafts: Sequence[Draft], sellers: Mapping[UUID, Seller]) -> list[Draft]:
    """Mark the drafts that must not be issued by themselves."""
    usually = largest({draft.group.customer_id for draft in drafts})
    marked = []
    for draft in drafts:
        group = draft.group
        usual = usually.get((group.customer_id, group.seller_id, group.currency))
        policy = sellers[group.seller_id].row
        if policy.approval or policy.four_eyes:
            draft = replace(draft, waits_for="approval", four_eyes=policy.four_eyes)
        elif usual is not None and draft.totals.total > TIMES * usual:
            draft = replace(draft, waits_for="outlier")
        marked.append(draft)
    return marked


def largest(customers: set[UUID]) -> dict[tuple[UUID, UUID, str], int]:
    """Return the largest total among the last invoices of each customer, where there are enough."""
    found: dict[tuple[UUID, UUID, str], list[int]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT customer_id, seller_id, currency, total_minor
            FROM (SELECT customer_id, seller_id, currency, total_minor,
                         row_number() OVER (PARTITION BY customer_id, seller_id, currency
                                            ORDER BY issued_on DESC, number DESC) AS place
                  FROM invoicing_invoice
                  WHERE tenant_id = %s AND customer_id = ANY(%s)
                    AND kind = 'invoice' AND status = 'issued') last
            WHERE place <= %s
            """,
            [current_tenant_id(), list(customers), HISTORY],
        )
        for customer, seller, currency, total in cursor.fetchall():
            found[customer, seller, currency].append(total)
    return {
        key: max(totals)
        for key, totals in found.items()
        if len(totals) >= ENOUGH and max(totals) > 0
    }
