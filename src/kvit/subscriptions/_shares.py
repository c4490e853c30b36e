"""Due subscriptions parted by a hash of their customer, for workers that share a run.

Twelve subscriptions of customers A (2), B, C, … in parts of 3, four parts a block:

    order of customers   A A B C D E F G H I J K      one block: 3 × 4 subscriptions
    hash mod 4           1 1 3 0 2 3 0 1 2 2 0 3
    parts                C F J · A A G · D H I · B E K

Whoever is in one part is in no other, so one customer is never the business of two workers; heavy
customers that came one after the other are spread evenly. Blocks keep what is read together close
together: a hash over everybody would have each part look through all usage.
"""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

from django.db import connection, transaction

from kvit.platform.tenancy import current_tenant_id

BLOCK = 16  # parts of a block, at most
TOGETHER = 4  # parts that are fetched at once
# A customer's rows have one rank, so one block, one share and one piece of it, and one part. That
# of a customer who alone has more than parts usually differ by is cut.
_PARTS = """
    SELECT array_agg(id) FROM (
        SELECT id, block, share,
               (rank() OVER (PARTITION BY block, share ORDER BY customer_id) - 1)
                   / (2 * %(size)s) AS piece,
               (row_number() OVER (PARTITION BY block, share, customer_id ORDER BY id) - 1)
                   / (2 * %(size)s) AS cut
        FROM (
            SELECT id, customer_id,
                   (rank() OVER (ORDER BY customer_id) - 1) / (%(size)s * %(shares)s) AS block,
                   abs(uuid_hash_extended(customer_id, 0) %% %(shares)s) AS share
            FROM subscriptions_subscription
            WHERE tenant_id = %(tenant)s AND starts_on < %(before)s
              AND (ends_on IS NULL OR ends_on >= %(since)s)) due) laid
    GROUP BY block, share, piece, cut ORDER BY block, share, piece, cut
"""


def customer_shares(*, before: date, since: date, size: int, shares: int) -> Iterator[list[UUID]]:
    """Yield ids of subscriptions alive in [since, before) in parts of about `size`.

    Args:
        shares: into how many parts hashes of customers are laid; `BLOCK` at most.

    Inside the caller's transaction, which may do other things between two parts.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("parts are read inside a transaction")
    asked = {"before": before, "since": since, "size": size, "shares": min(shares, BLOCK)}
    with connection.chunked_cursor() as cursor:
        cursor.execute(_PARTS, {**asked, "tenant": current_tenant_id()})
        while parts := cursor.fetchmany(TOGETHER):
            for (ids,) in parts:
                yield ids
