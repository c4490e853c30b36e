"""What must hold among a tenant's charges, recomputed from the rows; for `kvit verify`."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from uuid import UUID

from django.db import transaction

from kvit.catalog import queries as catalog
from kvit.core.money import exponent
from kvit.core.wording import Words
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.platform.invariants import Problem, found_by
from kvit.rating._load import sole_owners
from kvit.rating.models import Charge, RatedPeriod
from kvit.subscriptions import queries as subscriptions

CHUNK = 500
UsageKey = tuple[str, str, str]  # subject kind, subject, meter
WORDS: Words = {
    "rating_revisions_broken": (
        "ревизии одного начисления идут с пропуском или повтором",
        "the revisions of one stretch have a gap or a repeat",
    ),
    "rating_sum_not_exact": (
        "ревизии начисления не сходятся с его точной суммой, округлённой один раз",
        "the revisions of a stretch do not add up to its exact sum, rounded once",
    ),
    "rating_discounts_do_not_sum": (
        "сумма до скидок за вычетом скидок не равна начисленной",
        "the sum before discounts less the discounts is not what was charged",
    ),
    "rating_stretches_overlap": (
        "одна цена начислена дважды за одно время",
        "one price is charged twice for one time",
    ),
    "rating_periods_overlap": (
        "расчётные периоды одной подписки накладываются",
        "rated periods of one subscription overlap",
    ),
    "rating_charge_without_period": (
        "начисление не относится ни к одному расчётному периоду",
        "a charge belongs to no rated period",
    ),
    "rating_usage_miscounted": (
        "в расчётном периоде не столько событий, сколько он учёл",
        "a rated period has another number of events than it counts",
    ),
}
_INVARIANTS = {
    "rating_revisions_broken": """
        SELECT 'charge:' || (array_agg(id::text ORDER BY revision DESC))[1],
               format('%%s %%s from %%s: revisions %%s', min(subscription_code), price_key,
                      starts_at, array_agg(revision ORDER BY revision))
        FROM rating_charge WHERE tenant_id = %(tenant)s
        GROUP BY subscription_id, price_key, period_start, starts_at
        HAVING min(revision) <> 0 OR max(revision) <> count(*) - 1
            OR count(DISTINCT revision) <> count(*)
        ORDER BY 1
    """,
    # Whole numbers all the way: div() cuts nothing but the remainder, half goes away from zero.
    "rating_sum_not_exact": """
        SELECT 'charge:' || id,
               format('%%s %%s revision %%s: charged %%s in all, exact %%s/%%s gives %%s',
                      subscription_code, price_key, revision, charged, exact_num, exact_den,
                      rounded)
        FROM (SELECT c.*, sign(exact_num) * div(2 * abs(exact_num) * scale + exact_den,
                                                2 * exact_den) AS rounded,
                     sum(amount_minor) OVER (PARTITION BY subscription_id, price_key, period_start,
                                             starts_at, customer_id ORDER BY revision) AS charged
              FROM rating_charge c
              CROSS JOIN LATERAL (SELECT power(10::numeric, (%(digits)s::jsonb ->> currency)::int)
                                         AS scale) one
              WHERE tenant_id = %(tenant)s) found
        WHERE reason <> 'void' AND charged <> rounded ORDER BY id
    """,
    "rating_discounts_do_not_sum": """
        SELECT 'charge:' || id,
               format('%%s %%s: %%s less %%s is not %%s', subscription_code, price_key, gross_minor,
                      taken, amount_minor)
        FROM (SELECT c.*, (SELECT coalesce(sum((one ->> 'amount_minor')::bigint), 0)
                           FROM jsonb_array_elements(discounts) one) AS taken
              FROM rating_charge c WHERE tenant_id = %(tenant)s) found
        WHERE gross_minor - taken <> amount_minor ORDER BY id
    """,
    # What was taken back to nothing may lie under what took its place.
    "rating_stretches_overlap": """
        SELECT 'charge:' || id, format('%%s %%s from %%s lies within the stretch before it, to %%s',
                                       subscription_code, price_key, starts_at, before)
        FROM (SELECT found.*, lag(ends_at) OVER (PARTITION BY subscription_id, price_key
                                                 ORDER BY starts_at) AS before
              FROM (SELECT subscription_id, min(subscription_code) AS subscription_code, price_key,
                           starts_at, (array_agg(ends_at ORDER BY revision DESC))[1] AS ends_at,
                           (array_agg(id::text ORDER BY revision DESC))[1] AS id
                    FROM rating_charge WHERE tenant_id = %(tenant)s
                    GROUP BY subscription_id, price_key, period_start, starts_at, customer_id
                    HAVING sum(amount_minor) <> 0) found) placed
        WHERE before > starts_at ORDER BY id
    """,
    "rating_periods_overlap": """
        SELECT 'rated period:' || id,
               format('subscription %%s: from %%s, the one before it to %%s', subscription_id,
                      starts_at, before)
        FROM (SELECT r.*, lag(ends_at) OVER (PARTITION BY subscription_id
                                             ORDER BY starts_at, ends_at) AS before
              FROM rating_ratedperiod r
              WHERE tenant_id = %(tenant)s AND starts_at < ends_at) placed
        WHERE before > starts_at ORDER BY id
    """,
    "rating_charge_without_period": """
        SELECT 'charge:' || c.id, format('%%s %%s, period of %%s', c.subscription_code,
                                         c.price_key, c.period_start)
        FROM rating_charge c WHERE c.tenant_id = %(tenant)s AND NOT EXISTS (
            SELECT FROM rating_ratedperiod r WHERE r.tenant_id = c.tenant_id
            AND r.subscription_id = c.subscription_id AND r.period_start = c.period_start)
        ORDER BY c.id
    """,
}


def problems(*, unknown: Set[UsageKey] = frozenset()) -> Iterator[Problem]:
    """Recompute what must hold, what the constraints promise included: an owner can drop them.

    Args:
        unknown: usage whose meter or subscription the last run did not know; it is not counted.
    """
    currencies = Charge.objects.values_list("currency", flat=True).distinct()
    digits = json.dumps({currency: exponent(currency) for currency in currencies})
    yield from found_by(_INVARIANTS, digits=digits)
    last: UUID | None = None
    while True:
        rows = RatedPeriod.objects.order_by("subscription_id")
        rows = rows if last is None else rows.filter(subscription_id__gt=last)
        ids = list(rows.values_list("subscription_id", flat=True).distinct()[:CHUNK])
        if not ids:
            return
        yield from _miscounted(ids, unknown)
        last = ids[-1]


@transaction.atomic
def _miscounted(ids: Sequence[UUID], unknown: Set[UsageKey]) -> list[Problem]:
    """Count the events of each rated period again, as of the usage version that it knows."""
    periods = RatedPeriod.objects.filter(subscription_id__in=ids, whens__contains=["arrears"])
    by_version: dict[int, list[RatedPeriod]] = defaultdict(list)
    for period in periods.order_by("subscription_id", "starts_at"):
        by_version[period.usage_version].append(period)
    found = []
    owners = _owners(ids)
    for version, known in by_version.items():
        counts = _counts(known, version, {k: o for k, o in owners.items() if k not in unknown})
        for period in known:
            stored = period.events + sum(period.uncovered.values())
            if stored != counts[period.pk]:
                detail = f"{period.period_start}: counts {stored}, has {counts[period.pk]}"
                found.append(
                    Problem("rating_usage_miscounted", f"rated period:{period.pk}", detail)
                )
    return found


def _owners(ids: Sequence[UUID]) -> dict[UsageKey, UUID]:
    """Return whose usage counts: (subject kind, subject, meter) → subscription."""
    infos = subscriptions.by_ids(ids)
    payers = parties.customers_by_id({info.customer_id for info in infos.values()})
    catalogue = catalog.catalogue()
    owners: dict[UsageKey, UUID] = {
        ("subscription", info.code, meter): key
        for key, info in infos.items()
        for meter in catalogue.meters
    }
    for customer, meters in sole_owners(infos.values(), payers, catalogue).items():
        for meter, owner in meters.items():
            if UUID(owner) in infos:
                owners["customer", payers[customer].row.code, meter] = UUID(owner)
    return owners


def _counts(
    periods: Sequence[RatedPeriod], version: int, owners: dict[UsageKey, UUID]
) -> dict[UUID, int]:
    starts: dict[UUID, list[tuple[datetime, datetime, UUID]]] = defaultdict(list)
    for one in periods:
        starts[one.subscription_id].append((one.starts_at, one.ends_at, one.pk))
    counts = {one.pk: 0 for one in periods}
    subjects = sorted({key[:2] for key, owner in owners.items() if owner in starts})
    since, until = min(o.starts_at for o in periods), max(o.ends_at for o in periods)
    if not subjects or since >= until:
        return counts
    for batch in metering.usage(subjects, since=since, until=until, as_of=version):
        for row in metering.rows(batch):
            owner = owners.get((row.subject_kind, row.subject, row.meter))
            spans = starts.get(owner) if owner else None
            if spans is None:
                continue
            place = bisect_right(spans, row.time, key=lambda span: span[0]) - 1
            if place >= 0 and row.time < spans[place][1]:
                counts[spans[place][2]] += 1
    return counts
