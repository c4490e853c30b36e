"""Part a chunk of subscriptions: those that are rated together in columns, and the others.

Together are those whose terms never changed, of which nothing is charged of the periods looked
at, and which stand beside others of the same shape. The rest is rated one by one and comes to the
same: `RatingRun.columnar` says which way, and a test compares the two.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from kvit.core.catalogue import Catalogue
from kvit.core.columnar.plain import carrying, is_timeless, pattern
from kvit.core.schedule import Contract, ServicePeriod, service_periods
from kvit.core.stretches import Charge as Pattern
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.parties.rows import Payer
from kvit.platform.tenancy import current_tenant_id
from kvit.rating._due import looked_back, when_due
from kvit.rating._load import LOOK_AGAIN
from kvit.rating.rows import RatingRun
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.rows import Unamended

FEW = 4  # so few of one shape are rated one by one: a shape costs more than a subscription
_RATED = """
    SELECT subscription_id, max(ends_at),
           bool_or(held <> '[]' OR terms_number = %(again)s
                   OR (period_end > %(start)s AND (uncovered <> '{}' OR pool <> ''))),
           array_agg(period_start) FILTER (WHERE period_end > %(start)s),
           jsonb_agg(whens) FILTER (WHERE period_end > %(start)s)
    FROM rating_ratedperiod
    WHERE tenant_id = %(tenant)s AND subscription_id = ANY(%(ids)s) GROUP BY 1
"""
_BEFORE = timedelta(days=62)  # a start before this reaches no month that a run looks at


@dataclass(frozen=True, slots=True)
class Shape:
    """What all its members have alike: a contract that stands for them, and its charges."""

    contract: Contract
    service: ServicePeriod
    whens: frozenset[str]
    charges: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A subscription and who pays for it."""

    id: UUID
    code: str
    payer_id: UUID
    customer: str  # its customer's code
    own: Mapping[str, bytes]  # documents of metered prices that replace the plan's, by code


@dataclass(slots=True)
class Group:
    """Subscriptions of one shape, in byte order of their codes."""

    shape: Shape
    members: list[Member] = field(default_factory=list)


class _Known(NamedTuple):
    """What is rated of a subscription."""

    until: datetime
    is_odd: bool  # something of it is to be looked at again, or told again
    starts: Sequence[date] | None  # of the periods that reach into the window
    whens: Sequence[Sequence[str]] | None

    def is_settled(self, shape: Shape) -> bool:
        """Whether all that the shape has to be charged is charged."""
        if self.starts is None or self.whens is None:
            return False
        return list(self.starts) == [shape.service.key] and set(self.whens[0]) == shape.whens


def part(ids: Sequence[UUID], run: RatingRun) -> tuple[list[Group], set[UUID]]:
    """Lock those of `ids` that can be rated together, and return them by shape; and those of which
    nothing is left to be charged."""
    # A run of something alone (usage so far, a milestone) goes subscription by subscription.
    if not run.columnar or run.only is not None or run.usage_thresholds:
        return [], set()
    rows = subscriptions.unamended(ids, lock=True)
    payers = parties.payers({UUID(str(one.first["customer"])) for one in rows})
    known = _rated([one.id for one in rows], run)
    groups: dict[object, list[Unamended]] = defaultdict(list)
    timeless: dict[str, bool] = {}
    for one in _untouched(rows, known, payers, run):
        plan = str(one.first["plan"])
        if plan not in timeless:
            timeless[plan] = is_timeless(run.catalogue, plan)
        currency = payers[UUID(str(one.first["customer"]))].currency
        groups[_key(one, currency, run, is_timeless=timeless[plan])].append(one)
    found, settled = [], set[UUID]()
    for many in groups.values():
        shape = _shape(many[0], payers, run) if len(many) >= FEW else None
        if shape is None:
            continue
        fresh = [one for one in many if one.id not in known or known[one.id].starts is None]
        settled |= {one.id for one in many if one.id in known and known[one.id].is_settled(shape)}
        members = [_member(one, payers, run) for one in fresh]
        members.sort(key=lambda one: one.code.encode())
        found.append(Group(shape, members))
    kept = (_without_customers_usage(one, run) for one in found)
    return [one for one in kept if one.members], settled


def _member(one: Unamended, payers: Mapping[UUID, Payer], run: RatingRun) -> Member:
    payer = payers[UUID(str(one.first["customer"]))]
    _, own = _parted(one, run.catalogue)
    written = {
        code: orjson.dumps(document, option=orjson.OPT_SORT_KEYS) for code, document in own.items()
    }
    return Member(one.id, one.code, payer.payer_id, payer.code, written)


def _parted(one: Unamended, catalogue: Catalogue) -> tuple[dict[str, object], Mapping[str, object]]:
    """Part the first terms: what decides the shape, and prices of its own for what is metered."""
    terms = {name: value for name, value in one.first.items() if name != "customer"}
    stated = terms.get("terms")
    if not isinstance(stated, Mapping) or not stated:
        return terms, {}
    prices = catalogue.prices.get(str(one.first["plan"]), ())
    metered = {price.code for price in prices} - {price.code for price in prices if not price.meter}
    own = {code: given for code, given in stated.items() if code in metered and given is not None}
    # Null puts the plan's own price back: of what is metered, nothing is stated.
    terms["terms"] = {code: given for code, given in stated.items() if code not in metered}
    return terms, own


def _key(one: Unamended, currency: str, run: RatingRun, *, is_timeless: bool) -> object:
    written = orjson.dumps(_parted(one, run.catalogue)[0], option=orjson.OPT_SORT_KEYS)
    is_old = is_timeless and one.starts_at.date() < run.window.start - _BEFORE
    return written, one.zone, currency, None if is_old else one.starts_at, one.ends_at


def _shape(one: Unamended, payers: Mapping[UUID, Payer], run: RatingRun) -> Shape | None:
    currency = payers[UUID(str(one.first["customer"]))].currency
    terms, _ = _parted(one, run.catalogue)
    plain = one._replace(first={**terms, "customer": one.first["customer"]})
    contract = subscriptions.contract_of(plain, currency)
    # A clock inside the window decides period by period what is over by then.
    if run.clock is not None and run.clock < run.window.end_instant(contract.zone):
        return None
    services = service_periods(contract, run.catalogue, run.window)
    jobs = [(one, when_due(contract, one, run, is_known=False)) for one in services]
    jobs = [job for job in jobs if job[1]]
    if len(jobs) != 1:
        return None
    [(service, whens)] = jobs
    charges = pattern(contract, service, run.catalogue, whens, run.held_prices)
    return None if charges is None else Shape(contract, service, whens, charges)


def _rated(ids: Sequence[UUID], run: RatingRun) -> dict[UUID, _Known]:
    names = {"again": LOOK_AGAIN, "start": run.window.start, "tenant": current_tenant_id()}
    with connection.cursor() as cursor:
        cursor.execute(_RATED, {**names, "ids": list(ids)})
        return {
            key: _Known(until, is_odd, starts, whens and orjson.loads(whens))
            for key, until, is_odd, starts, whens in cursor.fetchall()
        }


def _untouched(
    rows: Iterable[Unamended],
    known: Mapping[UUID, _Known],
    payers: Mapping[UUID, Payer],
    run: RatingRun,
) -> list[Unamended]:
    """Leave out what has anything to look at in periods that were rated before."""
    lost = {key for key, _ in run.reopened} | {key for key, one in known.items() if one.is_odd}

    def is_late(one: Unamended) -> bool:
        if one.id not in known:
            return False
        customer = payers[UUID(str(one.first["customer"]))].code
        spans = (run.late_usage.get(("subscription", one.code)),
                 run.late_usage.get(("customer", customer)))  # fmt: skip
        return any(span and span[0] < known[one.id].until for span in spans)

    return [
        one
        for one in rows
        if one.code not in run.held_subscriptions and one.id not in lost and not is_late(one)
    ]


def _without_customers_usage(group: Group, run: RatingRun) -> Group:
    """Leave out whom an event of their customer may concern: whose it is, is found one by one."""
    service = group.shape.service
    goes_on = carrying(group.shape.charges, run.catalogue)
    since = looked_back(service.start) if goes_on else service.start
    codes = sorted({one.customer for one in group.members})
    used = metering.subjects_in_use("customer", codes, since=since, until=service.end)
    if not used:
        return group
    return Group(group.shape, [one for one in group.members if one.customer not in used])
