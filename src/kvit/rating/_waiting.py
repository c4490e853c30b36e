"""What is not billed: usage that nobody takes or that a fault holds, periods that nobody ran."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection

from kvit.catalog import queries as catalog
from kvit.core.catalogue import Catalogue
from kvit.core.periods import Period
from kvit.core.schedule import Contract, ServicePeriod, reach_of_changes, service_periods
from kvit.core.stretches import charged_when
from kvit.metering import queries as metering
from kvit.metering.queries import Key
from kvit.metering.rows import EARLIEST
from kvit.parties import queries as parties
from kvit.platform.reading import reading
from kvit.platform.tenancy import current_tenant_id
from kvit.rating._load import sole_owners
from kvit.rating.models import RatedPeriod
from kvit.rating.rows import Unbilled, Untaken
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.rows import SubscriptionInfo

CHUNK = 500
TOGETHER = 5_000  # subjects of whom something may be outside of their time
OWN = "subscription"  # a subject that names its subscription
IN_ADVANCE = frozenset({"advance", "once"})
Subject = tuple[str, str]  # kind and code


@dataclass(frozen=True, slots=True)
class Suspects:
    """Of whom usage may wait. Nobody else's does, but for want of a price."""

    unknown: set[str] = field(default_factory=set)  # nobody may know whose it is, or its meter
    outside: set[Subject] = field(default_factory=set)  # some may lie outside of their time


def waiting_events(until: datetime, held: Iterable[str] = ()) -> int:
    """Count the events before `until` that wait: see `waiting_usage`."""
    return waiting_usage(until, held)[0]


@reading()
def waiting_usage(until: datetime, held: Iterable[str] = ()) -> tuple[int, list[Untaken]]:
    """Count the events before `until` that wait: nobody takes them, no price asks for them, or a
    fault holds them. Name those whose codes tell nobody why they wait.

    Args:
        held: codes of subscriptions that a fault holds, and that may be known all the same.
    """
    among = suspects(until)
    nobody, outside = nobodys_keys(among, until), _outside_life(among, until)
    count = sum(key.events for key in nobody) + sum(one.events for one in outside)
    return count + _unpriced(until) + _on_hold(held, until), [*_ambiguous(nobody), *outside]


@reading()
def keys_nobody_takes(until: datetime) -> list[Key]:
    """Return the usage before `until` whose meter, subscription or customer nobody knows."""
    return nobodys_keys(suspects(until), until)


def nobodys_keys(among: Suspects, until: datetime) -> list[Key]:
    """Return what of the suspects' usage nobody takes."""
    if not among.unknown:
        return []
    return nobody_takes(metering.distinct_keys(until=until, subjects=sorted(among.unknown)))


def suspects(until: datetime) -> Suspects:
    """Look once at all of whom there is usage before `until`, in the caller's transaction. Nearly
    everybody is quickly seen to be beyond question."""
    meters = set(catalog.meters())
    found = Suspects()
    for batch in metering.subjects_used(until, meters):
        own = [one.subject for one in batch if one.subject_kind == OWN]
        starts = subscriptions.serving_since(own)
        known = subscriptions.known_codes([code for code in own if code not in starts])
        for kind, subject, first, is_odd in batch:
            start = starts.get(subject) if kind == OWN else None
            if start is None or first < start:
                found.outside.add((kind, subject))
            if is_odd or (start is None and (kind != OWN or subject not in known)):
                found.unknown.add(subject)
    return found


def nobody_takes(keys: Sequence[Key]) -> list[Key]:
    """Return those of the keys whose meter, subscription or customer nobody knows."""
    meters, known = catalog.meters(), owners(keys)
    return [key for key in keys if key.meter not in meters or _name(key) not in known]


def _name(key: Key) -> tuple[str, str, str]:
    return key.subject_kind, key.subject, key.meter


def owners(keys: Iterable[Key]) -> dict[tuple[str, str, str], SubscriptionInfo]:
    """Return whose the usage is: of a customer, the one subscription of his that has the meter."""
    keys = list(keys)
    told = {key.subject for key in keys if key.subject_kind == "subscription"}
    by_code = subscriptions.by_codes(told)
    customers = parties.customers_by_code({key.subject for key in keys} - told)
    by_id = {one.id: one for one in customers.values()}
    theirs = {str(one.id): one for one in subscriptions.of_customers(by_id)}
    alone = sole_owners(theirs.values(), by_id, catalog.catalogue()) if theirs else {}
    found = {}
    for key in keys:
        if key.subject_kind == "subscription":
            info = by_code.get(key.subject)
        else:
            customer = customers.get(key.subject)
            owner = alone.get(customer.id, {}).get(key.meter) if customer else None
            info = theirs.get(owner or "")
        if info is not None:
            found[_name(key)] = info
    return found


def _ambiguous(keys: Sequence[Key]) -> Iterator[Untaken]:
    """Name usage of known customers and meters that points at no one subscription."""
    meters = catalog.meters()
    told = [key for key in keys if key.subject_kind == "customer" and key.meter in meters]
    known = parties.customers_by_code({key.subject for key in told})
    for key in told:
        if key.subject in known:
            yield Untaken("usage_ambiguous", key.subject, key.meter, key.events)


def _outside_life(among: Suspects, until: datetime) -> list[Untaken]:
    """Count events of known subscriptions at times when they did not serve."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for keys in outside_keys(among, until):
        for key, info, _, _, count in outside_spans(keys, until):
            counts[info.code, key.meter] += count
    return [Untaken("usage_outside", *name, count) for name, count in counts.items()]


def outside_keys(among: Suspects, until: datetime) -> Iterator[list[Key]]:
    """Yield the keys of those of whom something may be outside of their time, some at a time."""
    whom = sorted(among.outside)
    for start in range(0, len(whom), TOGETHER):
        some = set(whom[start : start + TOGETHER])
        names = sorted({subject for _, subject in some})
        keys = metering.distinct_keys(until=until, subjects=names)
        yield [one for one in keys if (one.subject_kind, one.subject) in some]


def outside_spans(
    keys: Sequence[Key], until: datetime
) -> Iterator[tuple[Key, SubscriptionInfo, datetime, datetime, int]]:
    """Yield the times [since, to) outside a known subscription's life in which it has events, and
    how many."""
    meters, known = catalog.meters(), owners(keys)
    told = [(key, known[_name(key)]) for key in keys if _name(key) in known and key.meter in meters]
    suspects = {
        info.id: info
        for key, info in told
        if info.ends_on is not None or info.amendments or key.first < info.starts_at
    }
    lives = {contract.code: _life(contract) for contract in _contracts(suspects)}
    for key, info in told:
        for since, to in _gaps(lives.get(info.code, []), until):
            if key.first < to and key.last >= since:
                subject = [(key.subject_kind, key.subject)]
                batches = metering.usage(subject, since=since, until=to, meters=[key.meter])
                if count := sum(batch.num_rows for batch in batches):
                    yield key, info, since, to, count


def _life(contract: Contract) -> list[tuple[datetime, datetime | None]]:
    """Return the times [start, end) in which a subscription serves."""
    return [(spell.start, spell.end) for spell in contract.spells if spell.terms.state != "ended"]


def _contracts(ids: Iterable[UUID]) -> list[Contract]:
    infos = subscriptions.by_ids(ids)
    takers = {UUID(str(info.first["customer"])) for info in infos.values()}
    currencies = {one.id: one.currency for one in parties.customers_by_id(takers).values()}
    return subscriptions.contracts(list(infos), currencies)


def _gaps(
    life: Sequence[tuple[datetime, datetime | None]], until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the times before `until` that no part of a life covers; none for an unknown life."""
    if not life:
        return
    since = EARLIEST
    for start, end in life:
        if start > since:
            yield since, min(start, until)
        if end is None or end >= until:
            return
        since = end
    yield since, until


def _unpriced(until: datetime) -> int:
    """Count events of rated service periods that no price asked for, or whose price waits."""
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


def _on_hold(codes: Iterable[str], until: datetime) -> int:
    """Count the events of subscriptions that are held, what was billed of them left out."""
    infos = list(subscriptions.by_codes(codes).values())
    if not infos:
        return 0
    payers = parties.customers_by_id({one.customer_id for one in infos})
    owned = sole_owners(infos, payers, catalog.catalogue())
    rated = _rated_until([one.id for one in infos])
    meters = sorted(catalog.meters())
    count = 0
    for info in infos:
        since = rated.get(info.id, info.starts_at)
        if since >= until:
            continue
        own = [m for m, owner in owned.get(info.customer_id, {}).items() if owner == str(info.id)]
        subjects = [("subscription", info.code, meters)]
        subjects += [("customer", payers[info.customer_id].row.code, own)] if own else []
        for kind, code, asked in subjects:
            batches = metering.usage([(kind, code)], since=since, until=until, meters=asked)
            count += sum(batch.num_rows for batch in batches)
    return count


def unbilled_before(window: Period) -> tuple[Unbilled, ...]:
    """Return the billing months before `window` in which something was due and is not charged."""
    since = reach_of_changes(window.start)
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
    return _contracts(wanted)


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
