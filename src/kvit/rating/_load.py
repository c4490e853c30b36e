"""What a chunk of subscriptions needs before it can be rated, a query for each kind of thing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from django.db.models import Q

from kvit.core.catalogue import Catalogue
from kvit.core.differences import Due, Slot, Standing
from kvit.core.extras import ADVANCE, Advanced
from kvit.core.measured import CARRYING, Measured, event, meters_read
from kvit.core.money import round_fraction
from kvit.core.periods import Period, parse_cycle
from kvit.core.schedule import Contract, ServicePeriod, service_periods
from kvit.core.usage import UsageEvent
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.parties.rows import Customer
from kvit.platform.ids import uuid7
from kvit.rating.models import Charge, RatedPeriod
from kvit.rating.rows import RatingRun
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.rows import SubscriptionInfo

Span = tuple[datetime, datetime]
Key = tuple[str, date]  # subscription id, first day of the service period
SCALE = 12
LOOK_BACK_YEARS = 3  # how far a reading before the period is looked for


def quantized(units: Fraction) -> Decimal:
    """Return units at the scale they are shown with; the exact sum is kept apart."""
    return Decimal(round_fraction(units * 10**SCALE, "half-even")).scaleb(-SCALE)


def rated_periods(
    contracts: Sequence[Contract], window: Period, late: Mapping[str, Span]
) -> dict[Key, RatedPeriod]:
    """Return what is remembered of periods that may need a look: those of the window, and all
    of subscriptions that were ever amended or have late usage."""
    suspects = [c.id for c in contracts if c.terms_number or c.id in late]
    rows = RatedPeriod.objects.filter(
        Q(subscription_id__in=[c.id for c in contracts], period_end__gte=window.start)
        | Q(subscription_id__in=suspects)
    )
    return {(str(row.subscription_id), row.period_start): row for row in rows}


def periods_to_rate(
    contract: Contract,
    catalogue: Catalogue,
    window: Period,
    known: Mapping[Key, RatedPeriod],
) -> list[ServicePeriod]:
    """Return the service periods of the window and the remembered ones outside it.

    A remembered period that the terms no longer have comes back as one that serves nothing, so
    that what was charged for it is taken back.
    """
    found = {one.period.start: one for one in service_periods(contract, catalogue, window)}
    for (subscription, start), rated in known.items():
        if subscription != contract.id or start in found:
            continue
        period = Period(rated.period_start, rated.period_end)
        again = {one.period.start: one for one in service_periods(contract, catalogue, period)}
        found[start] = again.get(start) or _nothing_served(rated)
    return [found[start] for start in sorted(found)]


def _nothing_served(rated: RatedPeriod) -> ServicePeriod:
    whole = Period(rated.period_start, rated.period_end)
    empty = Period(rated.period_start, rated.period_start)
    cycle = parse_cycle("month", "calendar")
    return ServicePeriod(whole, 0, rated.starts_at, rated.starts_at, empty, cycle, whole.start)


def is_stale(rated: RatedPeriod, contract: Contract, late: Span | None) -> bool:
    """Whether something was learned since that may change what the period costs."""
    if late is not None and late[0] < rated.ends_at and late[1] >= rated.starts_at:
        return True
    return any(
        number > rated.terms_number and at < rated.ends_at for number, at in contract.changes
    )


def late_spans(
    infos: Mapping[UUID, SubscriptionInfo],
    payers: Mapping[UUID, Customer],
    late_usage: Mapping[tuple[str, str, str], Span],
) -> dict[str, Span]:
    """Return, by subscription id, the time span of events that came since the last run."""
    if not late_usage:
        return {}
    spans: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for (kind, subject, _), span in late_usage.items():
        spans[kind, subject].append(span)
    found = {}
    for key, info in infos.items():
        customer = payers[info.customer_id].row.code
        told = spans.get(("subscription", info.code), []) + spans.get(("customer", customer), [])
        if told:
            found[str(key)] = (min(a for a, _ in told), max(b for _, b in told))
    return found


def usage_of(
    wanted: Sequence[tuple[Contract, ServicePeriod]],
    infos: Mapping[UUID, SubscriptionInfo],
    payers: Mapping[UUID, Customer],
    run: RatingRun,
) -> dict[Key, Measured]:
    """Read the events of these service periods, one pass, as of the run's usage version."""
    owners = _owners(wanted, infos, payers, run.catalogue)
    since = min(service.start for _, service in wanted)
    until = max(service.end for _, service in wanted)
    events: dict[str, dict[str, list[UsageEvent]]] = defaultdict(lambda: defaultdict(list))
    if owners and since < until:
        subjects = sorted({(kind, code) for kind, code, _ in owners})
        batches = metering.usage(subjects, since=since, until=until, as_of=run.usage_version)
        for batch in batches:
            for row in metering.rows(batch):
                owner = owners.get((row.subject_kind, row.subject, row.meter))
                if owner is not None:
                    events[owner][row.meter].append(_event(row))
    carried = _carried(owners, since, run)
    return {
        (contract.id, service.period.start): _measured(
            events.get(contract.id, {}), service, carried.get(contract.id, {})
        )
        for contract, service in wanted
    }


def _event(row: metering.UsageRow) -> UsageEvent:
    return event(row.time, row.event_id, row.value, row.text, row.dimensions)


def _measured(
    events: Mapping[str, list[UsageEvent]],
    service: ServicePeriod,
    carried: Mapping[str, list[UsageEvent]],
) -> Measured:
    """Cut a subscription's events to a service period. Two kinds of subject are merged in order."""
    inside: dict[str, list[UsageEvent]] = {}
    before: dict[str, list[UsageEvent]] = {}
    for meter, many in events.items():
        many.sort(key=lambda one: (one.time, one.id))
        inside[meter] = [one for one in many if service.start <= one.time < service.end]
        before[meter] = [one for one in many if one.time < service.start]
    for meter, many in carried.items():
        before[meter] = sorted(many + before.get(meter, []), key=lambda one: (one.time, one.id))
    return Measured(inside, {m: many for m, many in before.items() if m in carried})


def _owners(
    wanted: Sequence[tuple[Contract, ServicePeriod]],
    infos: Mapping[UUID, SubscriptionInfo],
    payers: Mapping[UUID, Customer],
    catalogue: Catalogue,
) -> dict[tuple[str, str, str], str]:
    """Say whose an event is: (subject kind, code, meter) → subscription id.

    A customer may stand for a subscription where exactly one of his has the meter.
    """
    owners: dict[tuple[str, str, str], str] = {}
    meters_of = {contract.id: meters_read(contract, catalogue) for contract, _ in wanted}
    for contract, _ in wanted:
        for meter in meters_of[contract.id]:
            owners["subscription", contract.code, meter] = contract.id
    for customer_id, meter_owner in sole_owners(infos.values(), payers, catalogue).items():
        for meter, owner in meter_owner.items():
            if owner in meters_of:
                owners["customer", payers[customer_id].row.code, meter] = owner
    return owners


def sole_owners(
    infos: Iterable[SubscriptionInfo],
    payers: Mapping[UUID, Customer],
    catalogue: Catalogue,
) -> dict[UUID, dict[str, str]]:
    """Return, by customer and meter, the one subscription that has the meter."""
    customers = {info.customer_id for info in infos}
    theirs = subscriptions.of_customers(customers)
    currencies = {key: payer.currency for key, payer in payers.items()}
    missing = {UUID(str(one.first["customer"])) for one in theirs} - set(currencies)
    if missing:
        currencies |= {key: one.currency for key, one in parties.customers_by_id(missing).items()}
    contracts = {c.id: c for c in subscriptions.contracts([i.id for i in theirs], currencies)}
    having: dict[tuple[UUID, str], list[str]] = defaultdict(list)
    for info in theirs:
        for meter in meters_read(contracts[str(info.id)], catalogue):
            having[info.customer_id, meter].append(str(info.id))
    found: dict[UUID, dict[str, str]] = defaultdict(dict)
    for (customer, meter), owners in having.items():
        if len(owners) == 1:
            found[customer][meter] = owners[0]
    return found


def _carried(
    owners: Mapping[tuple[str, str, str], str], since: datetime, run: RatingRun
) -> dict[str, dict[str, list[UsageEvent]]]:
    """Read what meters showed before: a reading or a level goes on until the next one."""
    meters = sorted(
        {meter for _, _, meter in owners if run.catalogue.meters[meter].aggregation in CARRYING}
    )
    if not meters:
        return {}
    subjects = sorted({(kind, code) for kind, code, meter in owners if meter in meters})
    found: dict[str, dict[str, list[UsageEvent]]] = defaultdict(lambda: defaultdict(list))
    back = since.replace(year=since.year - LOOK_BACK_YEARS, day=min(since.day, 28))
    for batch in metering.usage(
        subjects, since=back, until=since, as_of=run.usage_version, meters=meters
    ):
        for row in metering.rows(batch):
            owner = owners.get((row.subject_kind, row.subject, row.meter))
            if owner is not None:
                found[owner][row.meter].append(_event(row))
    return found


def standing_charges(
    wanted: Sequence[tuple[Contract, ServicePeriod]],
) -> dict[Key, dict[Slot, Standing]]:
    """Return what is charged already, by service period and slot, over all revisions."""
    found: dict[Key, dict[Slot, Standing]] = defaultdict(dict)
    rows = Charge.objects.filter(
        subscription_id__in={contract.id for contract, _ in wanted},
        period_start__in={service.period.start for _, service in wanted},
    ).values_list(
        "subscription_id", "period_start", "price_key", "starts_at", "customer_id",
        "amount_minor", "units", "events", "revision", "discounts",
    )  # fmt: skip
    for subscription, start, price, at, customer, amount, units, events, revision, taken in rows:
        slots = found[str(subscription), start]
        slot = Slot(price, at, str(customer))
        before = slots.get(slot, Standing(0, Fraction(0), 0, -1))
        by_code = dict(before.taken)
        for one in taken:
            by_code[one["code"]] = by_code.get(one["code"], 0) + one["amount_minor"]
        slots[slot] = Standing(
            before.amount_minor + amount,
            before.units + Fraction(units),
            before.events + events,
            max(before.revision, revision),
            by_code,
        )
    return found


def advanced(standing: Mapping[Slot, Standing]) -> Advanced:
    """Return what was asked for in advance of a service period."""
    asked = [known for slot, known in standing.items() if slot.price_key == ADVANCE]
    return Advanced(sum(known.amount_minor for known in asked) if asked else None)


def spent_balances(
    wanted: Sequence[tuple[Contract, ServicePeriod]],
) -> dict[str, dict[date, dict[str, int]]]:
    """Return what periods before each wanted one drew from balances, by discount code."""
    codes = {
        contract.id: {one.code for spell in contract.spells for one in spell.terms.discounts
                      if one.balance}
        for contract, _ in wanted
    }  # fmt: skip
    drawing = [key for key, found in codes.items() if found]
    if not drawing:
        return {}
    rows = list(
        Charge.objects.filter(subscription_id__in=drawing)
        .exclude(discounts=[])
        .values_list("subscription_id", "period_start", "discounts")
    )
    spent: dict[str, dict[date, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for contract, service in wanted:
        mine = spent[contract.id][service.period.start]
        for subscription, start, taken in rows:
            if str(subscription) != contract.id or start >= service.period.start:
                continue
            for one in taken:
                if one["code"] in codes[contract.id]:
                    mine[one["code"]] = mine.get(one["code"], 0) + one["amount_minor"]
    return spent


def reversal(
    contract: Contract,
    service: ServicePeriod,
    run: RatingRun,
    due: Due,
    reason: str,
    discounts: list[dict[str, object]],
) -> tuple[object, ...]:
    """Take a stretch back: the row of its first charge with the sums turned."""
    first = (
        Charge.objects.filter(
            subscription_id=contract.id,
            period_start=service.period.start,
            price_key=due.slot.price_key,
            starts_at=due.slot.starts_at,
            customer_id=due.slot.customer,
        )
        .order_by("revision")
        .first()
    )
    assert first is not None
    return (
        uuid7(), first.subscription_id, first.subscription_code, first.customer_id,
        first.seller_id, first.service, first.price_key, first.price_code,
        first.price_version_id, first.name, first.unit, run.window.start, first.period_start,
        first.period_end, first.starts_at, first.ends_at, first.starts_on, first.ends_on,
        due.revision, reason, first.currency, first.basis, first.vat_code, first.vat_on,
        quantized(due.units), due.events, 0, 1, due.gross_minor, due.amount_minor, discounts,
        run.usage_version, contract.terms_number, run.catalogue.revision, run.now,
    )  # fmt: skip
