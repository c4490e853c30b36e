"""What a customer was charged, a row for each run and subscription, the newest first."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import connection

from kvit.platform.tenancy import current_tenant_id

Before = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class ChargedTogether:
    """The charges that one run made for one subscription: their sum before VAT as priced."""

    id: UUID  # of the first of them
    rated_at: datetime
    subscription_id: UUID
    subscription: str
    starts_on: date
    ends_on: date
    charges: int
    currency: str
    amount_minor: int
    is_again: bool  # differences to what was charged before


def charged(
    customer_id: UUID, *, before: Before | None = None, limit: int
) -> list[ChargedTogether]:
    """Return what the customer was charged before a (moment, id).

    Months are walked by the index of due charges, so no index by customer is kept for this alone.
    """
    at, key = before or (None, None)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE month (day) AS (
              SELECT min(billed_in) FROM rating_charge WHERE tenant_id = %(tenant)s
              UNION ALL
              SELECT (SELECT min(billed_in) FROM rating_charge
                      WHERE tenant_id = %(tenant)s AND billed_in > day)
              FROM month WHERE day IS NOT NULL)
            SELECT g.first::uuid, g.rated_at, subscription_id, subscription_code, since, until, n,
                   currency, minor, is_again
            FROM (SELECT min(c.id::text) AS first, rated_at, subscription_id, subscription_code,
                         min(starts_on) AS since, max(ends_on) AS until, count(*) AS n,
                         currency, sum(amount_minor) AS minor, bool_and(revision > 0) AS is_again
                  FROM month JOIN rating_charge c ON c.tenant_id = %(tenant)s
                       AND c.billed_in = month.day AND c.customer_id = %(customer)s
                  WHERE %(at)s::timestamptz IS NULL OR rated_at <= %(at)s
                  GROUP BY rated_at, subscription_id, subscription_code, currency) g
            WHERE %(at)s::timestamptz IS NULL OR (g.rated_at, g.first::uuid) < (%(at)s, %(key)s)
            ORDER BY g.rated_at DESC, g.first::uuid DESC LIMIT %(limit)s
            """,
            {"tenant": current_tenant_id(), "customer": customer_id, "at": at, "key": key,
             "limit": limit},
        )  # fmt: skip
        return [ChargedTogether(*(*row[:8], int(row[8]), row[9])) for row in cursor.fetchall()]
