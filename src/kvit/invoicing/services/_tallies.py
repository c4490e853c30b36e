"""Bring the kept totals of documents together."""

from django.db import connection, transaction

from kvit.platform.tenancy import current_tenant_id

_MERGE = """
    WITH gone AS (DELETE FROM invoicing_tally WHERE tenant_id = %(tenant)s RETURNING *),
    made AS (
        INSERT INTO invoicing_tally (tenant_id, seller_id, currency, kind, tab, waits_for,
                                     billed_in, day, documents, net_minor, total_minor)
        SELECT tenant_id, seller_id, currency, kind, tab, waits_for, billed_in, day,
               sum(documents), sum(net_minor), sum(total_minor)
        FROM gone GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        HAVING sum(documents) <> 0 OR sum(net_minor) <> 0 OR sum(total_minor) <> 0 RETURNING 1)
    SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM made)
"""


@transaction.atomic
def merge_tallies() -> int:
    """Make one row of the many that documents left; return how many rows that saved.

    Who issues meanwhile adds rows of their own, which are left for the next time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MERGE, {"tenant": current_tenant_id()})
        [[before, after]] = cursor.fetchall()
    return int(before - after)
