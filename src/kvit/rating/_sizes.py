"""How large customers are: what a month's run charged a subscription, and how much was used."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet, Sum

from kvit.platform.tenancy import current_tenant_id
from kvit.rating._taken_back import VOID
from kvit.rating.models import Charge

SHARES = (10, 50, 90)


class Usual(NamedTuple):
    """A subscription than which `share` percent use less."""

    share: int
    subscription: str
    customer_id: UUID
    units: Fraction


def usual(version_ids: Collection[str], *, billed_in: date) -> list[Usual]:
    """Return a small, a middle and a large subscription by units of some versions of prices.

    Each is a real one; fewer come back where fewer were charged.
    """
    if not version_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH used AS (
              SELECT subscription_code AS code, min(customer_id::text)::uuid AS customer_id,
                     sum(units) AS units
              FROM rating_charge
              WHERE tenant_id = %(tenant)s AND billed_in = %(month)s AND reason <> %(void)s
                AND price_version_id = ANY(%(versions)s)
              GROUP BY subscription_code HAVING sum(units) > 0
            ), ranked AS (
              SELECT *, row_number() OVER (ORDER BY units, code) AS place,
                     count(*) OVER () AS whole
              FROM used
            )
            SELECT share, code, customer_id, units
            FROM unnest(%(shares)s) AS share
            JOIN ranked ON place = greatest(1, ceil(whole * share / 100.0))
            ORDER BY share
            """,
            {"tenant": current_tenant_id(), "month": billed_in, "void": VOID,
             "versions": list(version_ids), "shares": list(SHARES)},
        )  # fmt: skip
        return [
            Usual(share, code, customer, Fraction(units))
            for share, code, customer, units in cursor.fetchall()
        ]


def charged_of(ids: Collection[UUID], *, billed_in: date) -> dict[UUID, list[tuple[str, int]]]:
    """Return what a month's run charged each subscription: (currency, minor units before tax)."""
    rows = Charge.objects.filter(subscription_id__in=list(ids), billed_in=billed_in)
    found: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    sums = rows.values("subscription_id", "currency").annotate(sum=Sum("amount_minor"))
    for row in sums.order_by("subscription_id", "currency"):
        found[row["subscription_id"]].append((row["currency"], int(row["sum"])))
    return dict(found)


def charged_in_all(ids: "QuerySet[Any]", *, billed_in: date) -> list[tuple[str, int]]:
    """Return what a month's run charged the subscriptions of a query, by currency."""
    rows = Charge.objects.filter(subscription_id__in=ids, billed_in=billed_in)
    sums = rows.values("currency").annotate(sum=Sum("amount_minor")).order_by("currency")
    return [(row["currency"], int(row["sum"])) for row in sums]


def charged_by_version(billed_in: date) -> Iterable[tuple[str, str, int]]:
    """Yield (version of a price, currency, minor units) of a month's run."""
    rows = Charge.objects.filter(billed_in=billed_in).exclude(price_version_id="")
    sums = rows.values("price_version_id", "currency").annotate(sum=Sum("amount_minor"))
    for row in sums.order_by("price_version_id", "currency"):
        yield row["price_version_id"], row["currency"], int(row["sum"])
