"""Standing triggers: bills that start themselves by schedule, by a threshold, by an event.

    state_triggers([TriggerRow("month", "schedule", day=1, time="06:00")], …)    what is wanted
    look(now=…)                once a minute, a tenant: what is due by now, and do it
    heard(…)                   an event that some trigger waits for

A condition that occurred is a `Firing` with a unique key (the month, the usage version, the
amendment), so a signal that comes again is no second one; and a bill run charges what is due and
not charged, so one that is done again after a kill issues nothing.

A schedule orders an ordinary bill run of the month before, or bills what is due by now of the month
that has begun (prepaid fees). A threshold and an event bill the payers concerned alone, and of them
only what the trigger is about: the rest of their month waits for its own run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.db import transaction

from kvit.core.firing import due_months
from kvit.core.money import NotANumber, parse_decimal
from kvit.core.periods import Period, add_months, local_date
from kvit.invoicing.models import Firing, RunOrder, Trigger
from kvit.invoicing.rows import RunReport, RunRequest, Scope, TriggerRow
from kvit.invoicing.services._orders import UNDER_WAY, OrderRefused, order_run
from kvit.invoicing.services._runs import NoSeller, run
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.platform import audit
from kvit.platform.bulk import copy_in
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.revisions import Seen, refuse_stale
from kvit.subscriptions import queries as subscriptions

BEGUN = "begun"
AHEAD = timedelta(hours=1)
KINDS = ("schedule", "threshold", "event")
EVENTS = {  # what a subscription tells → what is charged at once
    "open": frozenset({"advance", "once"}),
    "milestone": frozenset({"milestone"}),
    "cancel": frozenset({"arrears"}),
}
WORDS = {
    "trigger_kind": (
        "Триггер {code}: вид «{value}» неизвестен. Возможны: schedule, threshold, event.",
        "Trigger {code}: the kind “{value}” is not known. Possible: schedule, threshold, event.",
    ),
    "trigger_day": (
        "Триггер {code}: день {value} — от 1 до 28, считая с первого дня после периода.",
        "Trigger {code}: day {value} must be 1 to 28, counted from the first after the period.",
    ),
    "trigger_period": (
        "Триггер {code}: период «{value}» неизвестен. Оставьте пустым (прошедший месяц) или"
        " укажите begun (начавшийся).",
        "Trigger {code}: the period “{value}” is not known. Leave it empty (the month before) or"
        " say begun (the month that has begun).",
    ),
    "trigger_time": (
        "Триггер {code}: время «{value}» не понято, например 06:00.",
        "Trigger {code}: the time “{value}” is not understood, such as 06:00.",
    ),
    "trigger_event": (
        "Триггер {code}: событие «{value}» неизвестно. Возможны: open, milestone, cancel.",
        "Trigger {code}: the event “{value}” is not known. Possible: open, milestone, cancel.",
    ),
    "trigger_code_taken": ("Код {code} уже занят.", "The code {code} is taken already."),
    "trigger_not_found": ("Триггера {code} нет.", "There is no trigger {code}."),
    "trigger_units": (
        "Триггер {code}: для порога потребления нужны и meter, и units больше нуля.",
        "Trigger {code}: a threshold of usage needs a meter, and units above zero.",
    ),
}


class TriggerRefused(Failure):
    """A trigger cannot be as it is stated; nothing was changed."""

    words = WORDS


@transaction.atomic
def state_triggers(
    rows: Sequence[TriggerRow], *, actor: str, now: datetime, reason: str = ""
) -> None:
    """Make the triggers of these codes be as the rows say; others are left alone.

    Raises:
        TriggerRefused: see its words.
    """
    for row in rows:
        _check(row)
    known = {
        one.code: one
        for one in Trigger.objects.select_for_update().filter(code__in=[r.code for r in rows])
    }
    for row in rows:
        said = {k: v for k, v in asdict(row).items() if k not in ("code", "kind", "is_on")}
        said = {name: value for name, value in said.items() if value not in ("", 0)}
        before = known.get(row.code)
        stands = before and (before.kind, before.said, before.is_on)
        if stands == (row.kind, said, row.is_on):
            continue
        fresh = {"kind": row.kind, "said": said, "is_on": row.is_on, "author": actor}
        # What was due before it was set up, or on again, is not made up for.
        if before is None or (row.is_on and not before.is_on):
            fresh |= {"since": now, "looked_at": metering.latest_version()}
        after, _ = Trigger.objects.update_or_create(code=row.code, defaults=fresh)
        audit.record(
            action="invoicing.trigger.stated",
            object_type="invoicing.trigger",
            object_id=str(after.pk),
            before=None if before is None else {"kind": before.kind, **before.said,
                                                "is_on": before.is_on},
            after={"kind": row.kind, **said, "is_on": row.is_on},
            actor=actor,
            now=now,
            reason=reason,
        )  # fmt: skip


@transaction.atomic
def save_trigger(
    row: TriggerRow, *, is_new: bool | None, seen: Seen = None, actor: str, now: datetime,
    reason: str = "",
) -> None:  # fmt: skip
    """Make a trigger, or make the one of that code be as the row says.

    Args:
        is_new: whether there is none of that code yet; None: either is well.

    Raises:
        TriggerRefused: see its words; the code is taken, or there is none to change.
        Stale: it was changed since it was seen.
    """
    found = Trigger.objects.select_for_update().filter(code=row.code).first()
    if is_new and found is not None:
        raise TriggerRefused("trigger_code_taken", field="code", code=row.code)
    if is_new is False and found is None:
        raise TriggerRefused("trigger_not_found", code=row.code)
    stands = found and TriggerRow(found.code, found.kind, **found.said, is_on=found.is_on)
    refuse_stale(stands, seen, of=("invoicing.trigger", str(found.pk) if found else ""))
    state_triggers([row], actor=actor, now=now, reason=reason)


def _check(row: TriggerRow) -> None:
    if row.kind not in KINDS:
        raise TriggerRefused("trigger_kind", code=row.code, value=row.kind)
    if row.kind == "schedule":
        if row.period not in ("", BEGUN):
            raise TriggerRefused("trigger_period", code=row.code, value=row.period)
        if not 1 <= row.day <= 28:
            raise TriggerRefused("trigger_day", code=row.code, value=row.day)
        try:
            time.fromisoformat(row.time or "00:00")
        except ValueError:
            raise TriggerRefused("trigger_time", code=row.code, value=row.time) from None
    if row.kind == "event" and row.event not in EVENTS:
        raise TriggerRefused("trigger_event", code=row.code, value=row.event)
    if row.kind == "threshold" and not _is_limit(row):
        raise TriggerRefused("trigger_units", code=row.code)


def _is_limit(row: TriggerRow) -> bool:
    """Money alone (a plan's `threshold`), or units of a meter."""
    if not row.meter and not row.units:
        return True
    try:
        return bool(row.meter) and parse_decimal(row.units) > 0
    except NotANumber:
        return False


def is_waited_for() -> bool:
    """Whether the tenant has a trigger that waits for events."""
    return Trigger.objects.filter(kind="event", is_on=True).exists()


def heard(told: Iterable[tuple[UUID, str, str, datetime]]) -> None:
    """Remember events (subscription, what happened, key, from when it counts) that fire."""
    triggers = list(Trigger.objects.filter(kind="event", is_on=True))
    told = list(told)
    known = subscriptions.by_ids({subscription for subscription, *_ in told})
    copy_in(
        Firing,
        ("id", "trigger_id", "key", "due_at", "subscription_id", "status", "documents"),
        (
            (uuid7(), trigger.pk, key, max(at, known[subscription].starts_at), subscription,
             "waiting", 0)
            for subscription, event, key, at in told
            for trigger in triggers
            if trigger.said["event"] == event
        ),
        on_conflict="(tenant_id, trigger_id, key) DO NOTHING",
    )  # fmt: skip


def look(*, now: datetime) -> list[RunReport]:
    """Do what is due by now, each in transactions of its own; return the runs that were made."""
    reports = []
    for trigger in Trigger.objects.filter(is_on=True).order_by("since", "pk"):
        if trigger.kind == "schedule":
            _look_at_months(trigger, now)
        elif trigger.kind == "threshold":
            reports += _look_at_usage(trigger, now)
    waiting = Firing.objects.filter(status="waiting", due_at__lte=now, trigger__is_on=True)
    for firing in waiting.select_related("trigger").order_by("due_at", "pk"):
        if firing.trigger.kind == "schedule":
            reports += _bill_month(firing, now)
        else:
            reports += _bill_event(firing, now)
    return reports


def _look_at_months(trigger: Trigger, now: datetime) -> None:
    zone = parties.tenant().row.zone
    months = due_months(
        day=trigger.said["day"],
        at=time.fromisoformat(trigger.said.get("time", "00:00")),
        begun=trigger.said.get("period") == BEGUN,
        since=trigger.since,
        now=now,
        zone=zone,
    )
    for month, moment in months:
        Firing.objects.get_or_create(
            trigger=trigger, key=month.start.isoformat(), defaults={"due_at": moment}
        )


def _bill_month(firing: Firing, now: datetime) -> list[RunReport]:
    """Order the month's run, or bill one that has begun.

    While a run is under way the next look tries again: months go one after the other.
    """
    if RunOrder.objects.filter(status__in=UNDER_WAY).exists():
        return []
    start = date.fromisoformat(firing.key)
    if firing.trigger.said.get("period") == BEGUN:
        window = Period(start, add_months(start, 1))
        today = local_date(now, parties.tenant().row.zone)
        request = RunRequest(window, now, issue_on=min(today, window.end), gate=now)
        report = run(request, actor=_author(firing.trigger), now=now)
        _done(firing, now, run_id=report.run_id, report=report)
        return [report]
    try:
        with transaction.atomic():
            order = order_run(start, action="bill", author=_author(firing.trigger), now=now)
            _done(firing, now, run_id=order)
    except OrderRefused:
        pass
    return []


def _look_at_usage(trigger: Trigger, now: datetime) -> list[RunReport]:
    """Bill those whose usage has reached the threshold since the last look."""
    version = metering.latest_version()
    if version == trigger.looked_at:
        return []
    meter = trigger.said.get("meter", "")
    changed = [
        one
        for one in metering.changed_since(trigger.looked_at, as_of=version)
        if meter in ("", one.meter)
    ]
    scope = _scope(_takers(changed))
    reports = []
    if scope is not None:
        limits = {meter: Fraction(trigger.said["units"])} if meter else {}
        report = _run(scope, frozenset({"interim"}), limits, _author(trigger), now)
        if report.issued or report.drafts:
            reports.append(report)
            firing, _ = Firing.objects.get_or_create(
                trigger=trigger, key=f"usage {version}", defaults={"due_at": now}
            )
            _done(firing, now, run_id=report.run_id, report=report)
    # What is stamped a little ahead of this clock is not read yet: the next look sees it.
    if not any(now <= one.last < now + AHEAD for one in changed):
        Trigger.objects.filter(pk=trigger.pk).update(looked_at=version)
    return reports


def _takers(keys: Iterable[metering.Key]) -> set[UUID]:
    """Return the subscriptions that changed usage may be of."""
    subjects = {(one.subject_kind, one.subject) for one in keys}
    codes = [code for kind, code in subjects if kind == "subscription"]
    found = {one.id for one in subscriptions.by_codes(codes).values()}
    customers = parties.customers_by_code([code for kind, code in subjects if kind == "customer"])
    return found | {
        one.id for one in subscriptions.of_customers([c.id for c in customers.values()])
    }


def _bill_event(firing: Firing, now: datetime) -> list[RunReport]:
    assert firing.subscription_id is not None
    scope = _scope({firing.subscription_id})
    if scope is None:
        return []
    whens = EVENTS[firing.trigger.said["event"]]
    report = _run(scope, whens, {}, _author(firing.trigger), now)
    _done(firing, now, run_id=report.run_id, report=report)
    return [report] if report.issued or report.drafts else []


def _scope(ids: set[UUID]) -> Scope | None:
    infos = subscriptions.by_ids(ids)
    if not infos:
        return None
    payers = parties.customers_by_id({one.customer_id for one in infos.values()})
    return Scope(frozenset(one.payer_id for one in payers.values()), frozenset(infos))


def _run(
    scope: Scope, whens: frozenset[str], limits: dict[str, Fraction], author: str, now: datetime
) -> RunReport:
    """Bill some payers now, within the month that is going on."""
    today = local_date(now, parties.tenant().row.zone)
    first = today.replace(day=1)
    window = Period(first, add_months(first, 1))
    request = RunRequest(
        window,
        now,
        issue_on=today,
        gate=now,
        only=scope,
        whens=whens,
        usage_thresholds=limits,
    )
    return run(request, actor=author, now=now)


def _done(firing: Firing, now: datetime, *, run_id: UUID, report: RunReport | None = None) -> None:
    documents = 0 if report is None else len(report.issued) + len(report.drafts)
    values: dict[str, Any] = {"status": "done", "done_at": now, "run_id": run_id}
    Firing.objects.filter(pk=firing.pk).update(**values, documents=documents)
    audit.record(
        action="invoicing.trigger.fired",
        object_type="invoicing.trigger",
        object_id=str(firing.trigger_id),
        after={"key": firing.key, "run": str(run_id), "documents": documents},
        actor=_author(firing.trigger),
        now=now,
    )


def _author(trigger: Trigger) -> str:
    return f"trigger:{trigger.code}"


__all__ = [
    "EVENTS", "KINDS", "NoSeller", "TriggerRefused", "heard", "is_waited_for", "look",
    "state_triggers",
]  # fmt: skip
