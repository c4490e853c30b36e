"""What a chunk of subscriptions needs before it can be rated, a query for each kind of thing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db.models import Q

from kvit.core.catalogue import Catalogue
from kvit.core.differences import Due, Slot, Standing
from kvit.core.extras import ADVANCE, Advanced
from kvit.core.measured import CARRYING, Measured, event, meters_read
from kvit.core.money import to_minor
from kvit.core.periods import Period, instant_of, parse_cycle
from kvit.core.pricing.allowance import Allowance, carry_over
from kvit.core.schedule import Contract, ServicePeriod, service_periods
from kvit.core.usage import UsageEvent
from kvit.metering import queries as metering
from kvit.metering.rows import LATEST
from kvit.parties import queries as parties
from kvit.parties.rows import Customer
from kvit.rating._due import looked_back
from kvit.rating._taken_back import VOID
from kvit.rating._write import discounts_of
from kvit.rating.models import Charge, RatedPeriod
from kvit.rating.rows import RatingRun
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.rows import SubscriptionInfo

Span = tuple[datetime, datetime]
# First day served, price key, units, what discounts took.
_HistoryRow = tuple[date, str, Fraction, list[dict[str, Any]]]
Key = tuple[str, date]  # subscription id, first day of the service period
LOOK_AGAIN = -1  # in place of the last amendment known: what was learned is not settled yet


def rated_periods(
    contracts: Sequence[Contract],
    window: Period,
    late: Mapping[str, Span],
    reopened: Set[tuple[UUID, date]],
    marks: Mapping[str, str] = MappingProxyType({}),
) -> dict[Key, RatedPeriod]:
    """Return what is remembered of periods that may need a look: those of the window, those with
    a price that was held, and all of subscriptions that were ever amended, have late usage, lost a
    document or draw on a balance, or whose pool has another mark by now."""
    lost = {str(key) for key, _ in reopened}
    suspects = [
        c.id for c in contracts if c.terms_number or c.id in late or c.id in lost or _balances(c)
    ]
    rows = RatedPeriod.objects.filter(
        Q(period_end__gte=window.start)
        | Q(subscription_id__in=suspects)
        | ~Q(held=[])
        | Q(terms_number=LOOK_AGAIN)
        | (Q(subscription_id__in=list(marks)) & ~Q(pool__in=set(marks.values()))),
        subscription_id__in=[c.id for c in contracts],
    )
    return {(str(row.subscription_id), row.period_start): row for row in rows}


def periods_to_rate(
    contract: Contract,
    catalogue: Catalogue,
    window: Period,
    known: Mapping[date, RatedPeriod],
) -> list[ServicePeriod]:
    """Return the service periods of the window and the remembered ones outside it.

    A remembered period that the terms no longer have comes back as one that serves nothing, so
    that what was charged for it is taken back.
    """
    found = {one.key: one for one in service_periods(contract, catalogue, window)}
    for start, rated in known.items():
        if start in found:
            continue
        period = Period(rated.period_start, max(rated.period_end, start + timedelta(days=1)))
        again = {one.key: one for one in service_periods(contract, catalogue, period)}
        found[start] = again.get(start) or _nothing_served(rated)
    return [found[start] for start in sorted(found)]


def _nothing_served(rated: RatedPeriod) -> ServicePeriod:
    whole = Period(rated.period_start, rated.period_end)
    empty = Period(rated.period_start, rated.period_start)
    cycle = parse_cycle("month", "calendar")
    return ServicePeriod(whole, 0, rated.starts_at, rated.starts_at, empty, cycle, whole.start)


def is_stale(rated: RatedPeriod, contract: Contract, late: Span | None) -> bool:
    """Whether something was learned since that may change what the period costs, or a price
    waits to be charged."""
    if rated.held or rated.terms_number == LOOK_AGAIN:
        return True
    if late is not None and late[0] < rated.ends_at and late[1] >= rated.starts_at:
        return True
    return is_amended(rated, contract)


def is_amended(rated: RatedPeriod, contract: Contract) -> bool:
    """Whether an amendment was recorded since that may change what the period costs."""
    # The whole period, not only what was served of it: an end may have been taken back since.
    ends = max(rated.ends_at, instant_of(rated.period_end, contract.zone))
    return any(number > rated.terms_number and at <= ends for number, at in contract.changes)


def by_subject(
    changed: Mapping[tuple[str, str, str], Span], catalogue: Catalogue
) -> dict[tuple[str, str], Span]:
    """Return the time span that changes of usage touch, by (kind, subject).

    Args:
        changed: the times of changed events, by (kind, subject, meter).

    A reading or a level is gone on from: what it changes has no end.
    """
    found: dict[tuple[str, str], Span] = {}
    for (kind, subject, code), (first, last) in changed.items():
        meter = catalogue.meters.get(code)
        carries = meter is not None and meter.aggregation in CARRYING
        span = (first, LATEST if carries else last)
        found[kind, subject] = _both(found.get((kind, subject), span), span)
    return found


def late_spans(
    infos: Mapping[UUID, SubscriptionInfo],
    payers: Mapping[UUID, Customer],
    late_usage: Mapping[tuple[str, str], Span],
) -> dict[str, Span]:
    """Return, by subscription id, the time span that events touch which came since the last run."""
    found = {}
    for key, info in infos.items():
        own = late_usage.get(("subscription", info.code))
        customers = late_usage.get(("customer", payers[info.customer_id].row.code))
        told = own or customers
        if told is not None:
            found[str(key)] = _both(told, customers or told)
    return found


def _both(one: Span, other: Span) -> Span:
    return min(one[0], other[0]), max(one[1], other[1])


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
    if run.clock is not None:
        until = min(until, run.clock)  # an interim bill takes what was used by then
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
    carrying = {m for m, one in run.catalogue.meters.items() if one.aggregation in CARRYING}
    return {
        (contract.id, service.key): _measured(
            events.get(contract.id, {}), service, carried.get(contract.id, {}), carrying
        )
        for contract, service in wanted
    }


def _event(row: metering.UsageRow) -> UsageEvent:
    return event(row.time, row.event_id, row.value, row.text, row.dimensions)


def _measured(
    events: Mapping[str, list[UsageEvent]],
    service: ServicePeriod,
    carried: Mapping[str, list[UsageEvent]],
    carrying: Collection[str],
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
    return Measured(inside, {m: many for m, many in before.items() if m in carrying})


def _owners(
    wanted: Sequence[tuple[Contract, ServicePeriod]],
    infos: Mapping[UUID, SubscriptionInfo],
    payers: Mapping[UUID, Customer],
    catalogue: Catalogue,
) -> dict[tuple[str, str, str], str]:
    """Say whose an event is: (subject kind, code, meter) → subscription id.

    Meters that no price of the subscription reads belong to it too: their events must be seen to
    wait. A customer may stand for a subscription where exactly one of his has the meter.
    """
    owners: dict[tuple[str, str, str], str] = {}
    for contract, _ in wanted:
        for meter in catalogue.meters:
            owners["subscription", contract.code, meter] = contract.id
    known = {contract.id: contract for contract, _ in wanted}
    for customer_id, meter_owner in sole_owners(infos.values(), payers, catalogue, known).items():
        for meter, owner in meter_owner.items():
            if owner in known:
                owners["customer", payers[customer_id].row.code, meter] = owner
    return owners


def sole_owners(
    infos: Iterable[SubscriptionInfo],
    payers: Mapping[UUID, Customer],
    catalogue: Catalogue,
    known: Mapping[str, Contract] = MappingProxyType({}),
) -> dict[UUID, dict[str, str]]:
    """Return, by customer and meter, the one subscription that has the meter.

    Args:
        known: contracts that are read already, by id.
    """
    customers = {info.customer_id for info in infos}
    theirs = subscriptions.of_customers(customers)
    currencies = {key: payer.currency for key, payer in payers.items()}
    missing = {UUID(str(one.first["customer"])) for one in theirs} - set(currencies)
    if missing:
        currencies |= {key: one.currency for key, one in parties.customers_by_id(missing).items()}
    unread = [one for one in theirs if str(one.id) not in known]
    contracts = {**known, **{c.id: c for c in subscriptions.contracts_of(unread, currencies)}}
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
    for batch in metering.usage(
        subjects, since=looked_back(since), until=since, as_of=run.usage_version, meters=meters
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
        period_start__in={service.key for _, service in wanted},
    ).values_list(
        "subscription_id", "period_start", "price_key", "starts_at", "customer_id",
        "amount_minor", "units", "events", "revision", "discounts", "reason", "ends_at",
    )  # fmt: skip
    for subscription, start, price, at, customer, *rest in rows:
        amount, units, events, revision, taken, reason, ends_at = rest
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
            before.voided if revision < before.revision else reason == VOID,
            before.ends_at if revision < before.revision else ends_at,
        )
    return found


def advanced(standing: Mapping[Slot, Standing]) -> Advanced:
    """Return what was asked for in advance of a service period."""
    asked = [known for slot, known in standing.items() if slot.price_key == ADVANCE]
    return Advanced(sum(known.amount_minor for known in asked) if asked else None)


@dataclass(frozen=True, slots=True)
class Memory:
    """What other periods left to a service period."""

    spent: Mapping[str, int] = field(default_factory=dict)  # drawn from balances, minor units
    carried: Mapping[str, tuple[Fraction, ...]] = field(default_factory=dict)  # by price key


@dataclass(slots=True)
class History:
    """A subscription's charges from which later periods inherit; it grows as periods are rated."""

    balances: Mapping[str, int] = field(default_factory=dict)  # minor units, by discount
    allowances: Mapping[str, Allowance] = field(default_factory=dict)  # by price key
    rows: list[_HistoryRow] = field(default_factory=list)

    @property
    def is_inherited(self) -> bool:
        """Whether what one period costs decides what the next one does."""
        return bool(self.balances or self.allowances)

    def add(self, service: ServicePeriod, dues: Iterable[Due]) -> None:
        """Take in what is charged now, for the periods after it."""
        if self.is_inherited:
            self.rows += [
                (service.key, due.slot.price_key, due.units, discounts_of(due)) for due in dues
            ]

    def memory(self, service: ServicePeriod) -> Memory:
        """Return what the period inherits from those before it."""
        if not self.is_inherited:
            return Memory()
        before = [one for one in self.rows if one[0] < service.key]
        carried = {}
        for charged in {one[1] for one in before}:
            price = self.allowances.get(charged.split("[", 1)[0])  # each group has its own
            if price is not None:
                carried[charged] = _carried_over(price, charged, before, service)
        return Memory(_spent(before, self.balances), carried)

    def drawn_after(self, service: ServicePeriod) -> dict[str, int]:
        """Return what later periods, billed before this one, hold of balances by now."""
        after = [one for one in self.rows if one[0] > service.key]
        return {code: minor for code, minor in _spent(after, self.balances).items() if minor}

    def drawing_after(self, service: ServicePeriod) -> set[date]:
        """Return the first days of later periods that hold something of a balance."""
        after: dict[date, list[_HistoryRow]] = defaultdict(list)
        for one in self.rows:
            if one[0] > service.key:
                after[one[0]].append(one)
        return {key for key, rows in after.items() if any(_spent(rows, self.balances).values())}

    def is_overdrawn(self, service: ServicePeriod, dues: Iterable[Due]) -> bool:
        """Whether, with what the period draws by these, more is drawn than there is."""
        if not self.balances:
            return False
        more = [(service.key, "", Fraction(0), discounts_of(due)) for due in dues]
        drawn = _spent([*self.rows, *more], self.balances)
        return any(minor > self.balances[code] for code, minor in drawn.items())


def histories(
    contracts: Iterable[Contract], catalogue: Catalogue, *, before: UUID | None = None
) -> dict[str, History]:
    """Return what the periods of each subscription may inherit from.

    Args:
        before: a charge; what was charged later than it is left out. Ids rise with time.
    """
    found = {one.id: History(_balances(one), _allowances(one, catalogue)) for one in contracts}
    heirs = [key for key, one in found.items() if one.is_inherited]
    rows = Charge.objects.filter(subscription_id__in=heirs).order_by("period_start")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    for subscription, *row in (
        rows.values_list("subscription_id", "period_start", "price_key", "units", "discounts")
        if heirs
        else ()
    ):
        start, price, units, taken = row
        found[str(subscription)].rows.append((start, price, Fraction(units), taken))
    return found


def _balances(contract: Contract) -> dict[str, int]:
    found: dict[str, int] = {}
    for spell in contract.spells:
        for one in spell.terms.discounts:
            if one.balance:
                whole = to_minor(one.fixed or Fraction(0), contract.currency)
                found[one.code] = max(found.get(one.code, 0), whole)
    return found


def _allowances(contract: Contract, catalogue: Catalogue) -> dict[str, Allowance]:
    """Return, by price key, the allowances of the main plan that carry units over."""
    plan = contract.spells[-1].terms.plan
    return {
        one.code: one.price
        for one in catalogue.prices.get(plan, ())
        if isinstance(one.price, Allowance) and one.price.carry_periods
    }


def _spent(rows: Iterable[tuple[Any, ...]], codes: Collection[str]) -> dict[str, int]:
    spent: dict[str, int] = {}
    for _, _, _, taken in rows:
        for one in taken:
            if one["code"] in codes:
                spent[one["code"]] = spent.get(one["code"], 0) + one["amount_minor"]
    return spent


def together(drawn: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Add up what is drawn from balances."""
    return {code: drawn.get(code, 0) + more.get(code, 0) for code in {*drawn, *more}}


def _carried_over(
    price: Allowance, key: str, before: Iterable[tuple[Any, ...]], service: ServicePeriod
) -> tuple[Fraction, ...]:
    """Fold the allowance through the periods that were charged, the first of them with nothing."""
    used: dict[int, Fraction] = defaultdict(Fraction)
    for start, charged, units, _ in before:
        if charged == key:
            used[service.cycle.index_of(service.anchor, start)] += units
    carried: tuple[Fraction, ...] = ()
    if not used:
        return carried
    for index in range(min(used), service.cycle.index_of(service.anchor, service.key)):
        carried = carry_over(price, used=used[index], carried=carried)
    return carried
