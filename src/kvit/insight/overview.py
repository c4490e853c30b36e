"""The overview: what needs a person now, whether the figures agree, what was issued and is to be.

Each figure comes with what the list behind its door is narrowed by, so that the two are the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from kvit.core.periods import Period, add_months
from kvit.invoicing import queries as invoicing
from kvit.invoicing import services as invoicing_services
from kvit.invoicing.queries import Issued, MonthIssued, PlanIssued
from kvit.ledger import queries as ledger
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.platform.audit_signed import JOURNAL
from kvit.rating import queries as rating
from kvit.subscriptions import queries as subscriptions

MONTHS = 13
DAY = timedelta(days=1)
Cause = Literal["drafts", "failed_run", "conflicts", "rejected", "waiting", "late", "unsigned"]


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that waits for a person: how many, the money in it, since when the oldest.

    `detail` counts kinds within: drafts by what they wait for, usage by why it waits.
    """

    cause: Cause
    count: int
    sums: Mapping[str, int] = field(default_factory=dict)
    oldest: datetime | None = None
    detail: Mapping[str, int] = field(default_factory=dict)
    key: str = ""  # of the one object to open, where there is one
    quantities: Mapping[str, Decimal] = field(default_factory=dict)  # by meter


@dataclass(frozen=True, slots=True)
class Agreement:
    """Σ of issued documents beside what they claim in the books, in one currency."""

    currency: str
    issued_minor: int
    posted_minor: int

    @property
    def difference_minor(self) -> int:
        return self.issued_minor - self.posted_minor


@dataclass(frozen=True, slots=True)
class Figures:
    """This month up to today beside the same days of the last; what comes next."""

    today: date
    this_since: date
    last_since: date
    last_until: date  # not included
    this_month: Sequence[Issued]
    last_month: Sequence[Issued]
    next_period: Period
    subscriptions: int  # that the next run will look at
    billed_before: Sequence[Issued]  # what the last closed month came to


def attention(now: datetime) -> list[Attention]:
    """Return what waits for a person: logs that are not signed on, then the most money, then the
    most things."""
    drafts = invoicing.drafts_waiting()
    found = []
    if drafts:
        sums: dict[str, int] = {}
        for one in drafts:
            for currency, minor in one.sums.items():
                sums[currency] = sums.get(currency, 0) + minor
        found.append(
            Attention(
                "drafts", sum(one.count for one in drafts), sums, min(o.oldest for o in drafts),
                {one.waits_for: one.count for one in drafts},
            )
        )  # fmt: skip
    failed, key, since = invoicing.failed_runs()
    if failed:
        found.append(Attention("failed_run", failed, {}, since, key=str(key)))
    conflicts, rejected = metering.conflicts_to_decide(), metering.rejections_to_mend()
    if conflicts.count:
        found.append(Attention("conflicts", conflicts.count, {}, conflicts.oldest))
    if rejected.count:
        found.append(Attention("rejected", rejected.count, {}, rejected.oldest))
    found.sort(key=lambda one: (-max(one.sums.values(), default=0), -one.count))
    faults = [rows.name for rows in (ledger.BOOKS, JOURNAL) if rows.fault() is not None]
    # First of all: what is done meanwhile is in no signed log.
    unsigned = [Attention("unsigned", len(faults), detail=dict.fromkeys(faults, 1))]
    return [*(unsigned if faults else ()), *found]


def usage_that_waits(now: datetime) -> Attention | None:
    """Return the usage that no bill takes as things stand; dear to find, so asked for apart."""
    rows = rating.waiting_by_reason(until=now)
    if not rows:
        return None
    detail: dict[str, int] = {}
    for row in rows:
        detail[row.reason] = detail.get(row.reason, 0) + row.events
    return Attention("waiting", len(rows), {}, min(row.since for row in rows), detail)


@dataclass(frozen=True, slots=True)
class Billed:
    """Up to where usage is billed: what came after `version` for a time before `until` is late."""

    version: int
    until: datetime


def billed_up_to() -> Billed | None:
    """Return up to where usage is billed; None before the first run."""
    last = invoicing.last_billed()
    if last is None:
        return None
    return Billed(invoicing.looked_from(), last.end_instant(parties.tenant().row.zone))


def late_usage() -> Attention | None:
    """Return the usage that came after its period was billed, with its quantity by meter."""
    billed = billed_up_to()
    rows = metering.late_usage(billed.version, before=billed.until) if billed else []
    if not rows:
        return None
    return Attention(
        "late",
        sum(row.events for row in rows),
        oldest=min(row.received_at for row in rows),
        detail={row.meter: row.events for row in rows},
        quantities={row.meter: row.value for row in rows},
    )


def agreement() -> list[Agreement]:
    """Return, by currency, whether all that was issued is in the books."""
    issued, posted = invoicing.issued_in_all(), ledger.claimed_by_documents()
    return [
        Agreement(currency, issued.get(currency, 0), posted.get(currency, 0))
        for currency in sorted({*issued, *posted})
    ]


def figures(*, today: date, now: datetime) -> Figures:
    """Return the month so far and what is to come."""
    this_since = today.replace(day=1)
    last_since = add_months(this_since, -1)
    last_until = min(add_months(today, -1) + DAY, this_since)
    before = (add_months(this_since, -1), this_since)
    this_month, last_month, whole = invoicing.issued_within(
        [(this_since, today + DAY), (last_since, last_until), before]
    )
    window = invoicing_services.open_window(now)
    return Figures(
        today,
        this_since,
        last_since,
        last_until,
        this_month,
        last_month,
        window,
        subscriptions.count_alive(before=window.end, since=window.start),
        whole,
    )


def owed(today: date) -> Mapping[str, int]:
    """Return what all customers owe at the end of the day, by currency."""
    return ledger.owed_in_all(None, on=today)


def by_month(today: date) -> list[MonthIssued]:
    """Return what was issued in each of the last 13 months, this one up to today."""
    this = today.replace(day=1)
    return invoicing.issued_by_month(add_months(this, 1 - MONTHS), today + DAY)


def by_plan(today: date) -> tuple[Period, list[PlanIssued]]:
    """Return what was issued last month by plan; of this month where there was nothing."""
    this = today.replace(day=1)
    last = Period(add_months(this, -1), this)
    found = invoicing.issued_by_plan(last.start)
    if found:
        return last, found
    present = Period(this, add_months(this, 1))
    return present, invoicing.issued_by_plan(present.start)
