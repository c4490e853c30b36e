"""What is not billed: usage that no price takes or that a fault holds, periods nobody ran."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection

from kvit.catalog import queries as catalog
from kvit.core.catalogue import Catalogue
from kvit.core.periods import Period
from kvit.core.schedule import Contract, ServicePeriod, service_periods
from kvit.core.stretches import charged_when
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.platform.tenancy import current_tenant_id
from kvit.rating._load import sole_owners
from kvit.rating.models import RatedPeriod
from kvit.rating.rows import Unbilled
from kvit.subscriptions import queries as subscriptions

CHUNK = 500
LOOK_BACK_YEARS = 3  # as far as a run looks for what has changed
IN_ADVANCE = frozenset({"advance", "once"})


def unpriced_events(until: datetime) -> int:
    """Count events of rated service periods that no price asked for."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(one.value::bigint), 0)
            FROM rating_ratedperiod r CROSS JOIN LATERAL jsonb_each_text(r.uncovered) one
            WHERE r.tenant_id = %s AND r.whens ? 'arrears' AND r.ends_at <= %s
            """,
            [current_tenant_id(), until],
        )
        return int(cursor.fetchone()[0])


def events_on_hold(codes: Iterable[str], until: datetime) -> int:
    """Count the events before `until` of subscriptions that a fault holds, billed ones left out."""
    infos = list(subscriptions.by_codes(codes).values())
    if not infos:
        return 0
    payers = parties.customers_by_id({one.customer_id for one in infos})
    owned = sole_owners(infos, payers, catalog.catalogue())
    rated = _rated_until([one.id for one in infos])
    count = 0
    for info in infos:
        since = rated.get(info.id, info.starts_at)
        if since >= until:
            continue
        batches = metering.usage([("subscription", info.code)], since=since, until=until)
        count += sum(batch.num_rows for batch in batches)
        own = [m for m, owner in owned.get(info.customer_id, {}).items() if owner == str(info.id)]
        if own:
            subject = ("customer", payers[info.customer_id].row.code)
            batches = metering.usage([subject], since=since, until=until, meters=own)
            count += sum(batch.num_rows for batch in batches)
    return count


def unbilled_before(window: Period) -> tuple[Unbilled, ...]:
    """Return the billing months before `window` in which something was due and is not charged."""
    since = window.start.replace(
        year=window.start.year - LOOK_BACK_YEARS, day=min(window.start.day, 28)
    )
    catalogue = catalog.catalogue()
    found: dict[date, set[str]] = defaultdict(set)
    for ids in subscriptions.due_chunks(before=window.start, since=since, size=CHUNK):
        for contract in _suspects(ids, window.start):
            rated = _whens(contract)
            for service in service_periods(contract, catalogue, Period(since, window.start)):
                known = rated.get(service.key, frozenset())
                for day in _due_before(contract, service, catalogue, known, window.start):
                    if day >= since:
                        found[day.replace(day=1)].add(contract.id)
    return tuple(Unbilled(month, len(found[month])) for month in sorted(found))


def _due_before(
    contract: Contract,
    service: ServicePeriod,
    catalogue: Catalogue,
    known: frozenset[str],
    before: date,
) -> Iterator[date]:
    """Yield a day of each billing period that should have charged the service and has not."""
    if service.served.end <= before and "arrears" not in known:
        yield service.served.end - timedelta(days=1)
    if service.served.start < before and not known & IN_ADVANCE:
        terms = next(
            spell.terms
            for spell in contract.spells
            if spell.end is None or spell.end > service.start
        )
        plan = catalogue.plan_on(terms.plan, service.served.start)
        prices = catalogue.prices_on(terms.plan, service.served.start)
        scheme = terms.scheme or (plan.scheme if plan else "")
        if any(charged_when(one, scheme) == "advance" for one in prices):
            yield service.served.start


def _suspects(ids: Sequence[UUID], before: date) -> list[Contract]:
    """Return the subscriptions whose rated periods do not cover their life up to a day."""
    infos = subscriptions.by_ids(ids)
    covered = _covered(ids)
    wanted = []
    for key, info in infos.items():
        first, last, whole = covered.get(key, (before, info.starts_on, False))
        end = before if info.ends_on is None else min(before, info.ends_on)
        if not (whole and first <= info.starts_on and last >= end):
            wanted.append(key)
    takers = {UUID(str(infos[key].first["customer"])) for key in wanted}
    currencies = {one.id: one.currency for one in parties.customers_by_id(takers).values()}
    return subscriptions.contracts(wanted, currencies)


def _covered(ids: Sequence[UUID]) -> dict[UUID, tuple[date, date, bool]]:
    """Return, by subscription, the first and last day charged in arrears, and whether all between
    them is."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT subscription_id, min(period_start), max(period_end),
                   sum(period_end - period_start) = max(period_end) - min(period_start)
            FROM rating_ratedperiod
            WHERE tenant_id = %s AND subscription_id = ANY(%s) AND whens ? 'arrears'
            GROUP BY subscription_id
            """,
            [current_tenant_id(), list(ids)],
        )
        return {key: (first, last, whole) for key, first, last, whole in cursor.fetchall()}


def _whens(contract: Contract) -> dict[date, frozenset[str]]:
    rows = RatedPeriod.objects.filter(subscription_id=contract.id)
    return {start: frozenset(whens) for start, whens in rows.values_list("period_start", "whens")}


def _rated_until(ids: Sequence[UUID]) -> dict[UUID, datetime]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subscription_id, max(ends_at) FROM rating_ratedperiod WHERE tenant_id = %s"
            " AND subscription_id = ANY(%s) AND whens ? 'arrears' GROUP BY 1",
            [current_tenant_id(), list(ids)],
        )
        return dict(cursor.fetchall())
