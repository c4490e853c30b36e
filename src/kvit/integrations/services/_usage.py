"""Take a folder's usage in, and name the rows that wait."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from kvit.catalog import queries as catalog
from kvit.integrations.port import CompanyFolder, Fault, Notice, Place, UsageRow, UsageSource
from kvit.integrations.services._subscriptions import READINGS, readings
from kvit.metering import queries as metering
from kvit.metering import services as metering_services
from kvit.metering.rows import EventIn, RejectedIn
from kvit.parties import queries as parties
from kvit.subscriptions import queries as subscriptions

LISTED = 1_000  # rows of one file that are named one by one for one reason


@dataclass(slots=True)
class UsageOutcome:
    """What became of the rows: accepted + repeated + conflicting + rejected = offered."""

    offered: int = 0
    accepted: int = 0
    repeated: int = 0
    conflicting: int = 0
    rejected: int = 0
    faults: list[Fault] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    # The first row of each (customer, meter): whose usage it is, only a run can tell.
    of_customers: dict[tuple[str, str], Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    """Codes that somebody knows, in the database or in the folder."""

    meters: frozenset[str]
    subscriptions: frozenset[str]
    customers: frozenset[str]
    until: datetime  # later events belong to later periods and wait for nothing yet

    def unknown(self, row: UsageRow) -> tuple[str, str] | None:
        """Return (kind, code) of the first thing about the row that nobody knows."""
        if row.time >= self.until:
            return None
        if row.meter not in self.meters:
            return "meter", row.meter
        kind, code = row.subject
        known = self.subscriptions if kind == "subscription" else self.customers
        return None if code in known else (kind, code)


def ingest_usage(
    folder: CompanyFolder, *, until: datetime, actor: str, now: datetime
) -> UsageOutcome:
    """Take in every usage file, each in a transaction of its own, and the readings.

    Args:
        until: the end of the billing period; what is later is stored and no fault.
    """
    outcome = UsageOutcome()
    known = _known(folder, until)
    _take_readings(folder, outcome, actor=actor, now=now)
    for source in folder.usage:
        _take(source, known, outcome, actor=actor, now=now)
    return outcome


def tenant_option(code: str) -> str:
    """Return what a suggested command needs to mean this company: nothing where it is alone."""
    return f" --tenant {shlex.quote(code)}" if len(parties.tenants()) > 1 else ""


def _known(folder: CompanyFolder, until: datetime) -> _Known:
    meters = {row.code for row in folder.meters} | set(catalog.meters())
    own = {row.code for row in folder.subscriptions} | set(subscriptions.all_codes())
    customers = {row.code for row in folder.customers} | set(parties.customer_codes())
    return _Known(frozenset(meters), frozenset(own), frozenset(customers), until)


def _take(
    source: UsageSource, known: _Known, outcome: UsageOutcome, *, actor: str, now: datetime
) -> None:
    rejected: list[RejectedIn] = []
    waits: list[Fault] = []

    def events() -> Iterator[EventIn]:
        for row in source.rows():
            if isinstance(row, Notice):
                outcome.notices.append(row)
            elif isinstance(row, Fault):
                outcome.faults.append(row)
                rejected.append(_rejected(row))
            else:
                if row.subject[0] == "customer" and row.time < known.until:
                    whose = row.subject[1], row.meter
                    if whose not in outcome.of_customers:
                        outcome.of_customers[whose] = Place(row.file, row.row, "customer")
                missing = known.unknown(row)
                if missing is not None and len(waits) < LISTED:
                    waits.append(_waits(row, *missing))
                yield _event(row)

    verdict = metering_services.ingest(
        events(), source=source.name, actor=actor, now=now, rejected=rejected, origin=source.file
    )
    outcome.faults += waits
    outcome.faults += [_conflict(source, event) for event in verdict.conflicts]
    outcome.faults += [
        Fault(
            row.code,
            Place(source.file, row.row, row.field),
            {name: str(value) for name, value in row.params.items()},
        )
        for row in verdict.rejections
        if row not in rejected
    ]
    _add(outcome, verdict)


def _event(row: UsageRow) -> EventIn:
    kind, code = row.subject
    return EventIn(
        row.id, kind, code, row.meter, row.time, row.value, row.text, row.dimensions, row.row
    )


def _rejected(fault: Fault) -> RejectedIn:
    params = dict(fault.params)
    place, event_id = fault.place, params.get("id", "")
    return RejectedIn(place.row or 0, place.field, fault.code, params, event_id=event_id)


def _waits(row: UsageRow, kind: str, code: str) -> Fault:
    place = Place(row.file, row.row, kind)
    # The reader's words for an unknown code may go on with a guess; for usage none is made.
    told = {"value": code, "id": row.id, "hint_ru": "", "hint_en": ""}
    return Fault(f"unknown_{kind}", place, told)


def _conflict(source: UsageSource, event: EventIn) -> Fault:
    place = Place(source.file, event.row or None, "id")
    # As the remedy's commands are typed: an id or a name may hold anything.
    which = f"{shlex.quote(event.event_id)} --source {shlex.quote(source.name)}"
    which += tenant_option(parties.tenant().row.code)
    return Fault("usage_conflict", place, {"id": event.event_id, "which": which})


def _take_readings(
    folder: CompanyFolder, outcome: UsageOutcome, *, actor: str, now: datetime
) -> None:
    told = readings(folder)
    if not told:
        return
    verdict = metering_services.ingest(
        (event for _, event in told), source=READINGS, actor=actor, now=now, origin=READINGS
    )
    _add(outcome, verdict)
    if not verdict.conflicting:
        return
    # A corrected reading takes the place of the estimate, with the reason that the row gives.
    corrected = {event.event_id: row for row, event in told}
    opened: Mapping[str, UUID] = {
        one["event_id"]: one["id"] for one in metering.conflicts().filter(source=READINGS)
    }
    for event_id, conflict_id in opened.items():
        if event_id in corrected:
            metering_services.resolve_conflict(
                conflict_id,
                outcome="replace",
                reason=corrected[event_id].reason or "corrected reading",
                actor=actor,
                now=now,
            )


def _add(outcome: UsageOutcome, verdict: metering_services.BatchVerdict) -> None:
    outcome.offered += verdict.offered
    outcome.accepted += verdict.accepted
    outcome.repeated += verdict.repeated
    outcome.conflicting += verdict.conflicting
    outcome.rejected += verdict.rejected
