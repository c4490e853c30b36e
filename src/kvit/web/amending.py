"""Amendments given at the terminal or in a file like changes.csv: read, judged, recorded.

All rows are recorded or none: half of a file would be hard to give again. Every row gets its
verdict all the same, so that all that is wrong is mended at once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from kvit.adapters.folder.changes import (
    CHANGE_COLUMNS,
    CHANGE_REQUIRED,
    read_change,
    read_changes,
)
from kvit.adapters.folder.fields import Fields
from kvit.adapters.folder.references import named_by
from kvit.adapters.folder.suggest import hints
from kvit.adapters.folder.tables import Table
from kvit.catalog import queries as catalog
from kvit.catalog import services as catalog_services
from kvit.core.money import exact_text
from kvit.core.periods import Period
from kvit.integrations.port import ChangeRow, Fault, Place
from kvit.invoicing import services as invoicing
from kvit.invoicing.rows import Preview
from kvit.parties import queries as parties
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions import services as subscriptions_services
from kvit.subscriptions.rows import NewAmendment

AT_THE_TERMINAL = Place("")


@dataclass(frozen=True, slots=True)
class Given:
    """What was read: sound rows, and what is wrong with the others."""

    rows: Sequence[ChangeRow]
    faults: Sequence[Fault]


@dataclass(slots=True)
class Amended:
    """What became of the rows. `numbers` are those of the amendments, in the order of `rows`."""

    rows: Sequence[ChangeRow]
    faults: list[Fault]
    numbers: list[int] = field(default_factory=list)
    preview: Preview | None = None

    @property
    def recorded(self) -> bool:
        return bool(self.numbers)


def read_file(path: Path) -> Given:
    """Read a file in the form of changes.csv."""
    faults: list[Fault] = []
    table = Table(path, path.name, columns=CHANGE_COLUMNS, required=CHANGE_REQUIRED, faults=faults)
    rows, _ = read_changes(table, _zones())
    return Given(rows if table.whole else [], faults)


def read_one(subscription: str, change: str, at: str, value: str | None) -> Given:
    """Read one change as it would stand in changes.csv."""
    given = read_many([(subscription, change, at, value)])
    rows = [replace(one, place=AT_THE_TERMINAL) for one in given.rows]
    return Given(rows, [replace(one, place=replace(one.place, row=None)) for one in given.faults])


def read_many(rows: Sequence[tuple[str, str, str, str | None]]) -> Given:
    """Read changes (subscription, change, at, value) as they would stand in changes.csv.

    Their places are rows counted from 1.
    """
    zone_of = _zones(subscription for subscription, *_ in rows)
    found: list[ChangeRow] = []
    faults: list[Fault] = []
    for number, (subscription, change, at, value) in enumerate(rows, 1):
        given = {"subscription": subscription, "change": change, "at": at, "value": value or ""}
        fields = Fields(
            given,
            known=CHANGE_COLUMNS,
            at=lambda name, number=number: Place("", number, name),  # type: ignore[misc]
            faults=faults,
        )
        row = read_change(fields, zone_of)
        if row is not None and fields.sound:
            found.append(row)
    return Given(found, faults)


def amend(
    given: Given,
    *,
    reason: str,
    actor: str,
    now: datetime,
    dry_run: bool = False,
    window: Period | None = None,
) -> Amended:
    """Record all changes or none; a dry run prices those that could stand, and records none.

    Args:
        reason: of the rows that give none of their own.
        window: the first period that a dry run shows; the first that is not billed yet.
    """
    answer = Amended(given.rows, list(given.faults))
    with transaction.atomic():
        sound, numbers = _record(given.rows, answer.faults, reason=reason, actor=actor, now=now)
        if answer.faults or dry_run:
            transaction.set_rollback(True)
        else:
            answer.numbers = numbers
    if dry_run and sound:
        answer.preview = invoicing.preview_amendments(sound, now=now, window=window)
    return answer


def _record(
    rows: Iterable[ChangeRow], faults: list[Fault], *, reason: str, actor: str, now: datetime
) -> tuple[list[NewAmendment], list[int]]:
    """Amend by the rows that fit; the others become faults."""
    known = _known()
    ready: list[tuple[ChangeRow, NewAmendment]] = []
    for row in rows:
        fault = _unknown(row, known) or _not_here(row)
        made = None if fault else _amendment(row, reason, faults)
        if fault:
            faults.append(fault)
        elif made is not None:
            ready.append((row, made))
    while ready:
        try:
            recorded = subscriptions_services.amend_many(
                [made for _, made in ready], actor=actor, now=now
            )
        except subscriptions_services.AmendmentRefused as error:
            row, _ = ready.pop(error.row)
            russian, english = error.said
            params = {"code": row.subscription, "russian": russian, "english": english}
            faults.append(Fault("amendment_refused", row.place, params))
        else:
            return [made for _, made in ready], [number for _, number in recorded]
    return [], []


def _amendment(row: ChangeRow, reason: str, faults: list[Fault]) -> NewAmendment | None:
    """Put ids for codes; a coupon is used up by this, and given back where all is rolled back."""
    value: Any = row.value
    if row.change == "transfer":
        value = str(_customer(str(value)))
    elif row.change == "coupon":
        try:
            coupon = catalog_services.redeem(str(value), on=row.at.date())
        except catalog_services.CouponRefused as error:
            params = {"value": str(value), "code": row.subscription}
            faults.append(Fault(f"coupon_{error.code}", row.place, params))
            return None
        kind, amount = (
            ("percent", coupon.percent) if coupon.fixed is None else ("fixed", coupon.fixed)
        )
        assert amount is not None  # a coupon has one of the two
        value = {"code": coupon.code, kind: exact_text(amount), "periods": coupon.periods}
    return NewAmendment(row.subscription, row.at, row.change, value, row.reason or reason)


def _known() -> Mapping[str, frozenset[str]]:
    found = catalog.catalogue()
    return {
        "subscription": frozenset(subscriptions.all_codes()),
        "plan": frozenset(found.plans),
        "customer": frozenset(parties.customer_codes()),
        "price": frozenset(one.code for many in found.prices.values() for one in many),
    }


def _unknown(row: ChangeRow, known: Mapping[str, frozenset[str]]) -> Fault | None:
    """Return a fault for the first thing that the row names and nobody knows."""
    named = [("subscription", row.subscription), *named_by(row.change, row.value)]
    for kind, code in named:
        if kind in known and code not in known[kind]:
            column = "subscription" if kind == "subscription" else "value"
            place = replace(row.place, field=column)
            return Fault(f"unknown_{kind}", place, {"value": code, **hints(code, known[kind])})
    return None


def _not_here(row: ChangeRow) -> Fault | None:
    """A reading is usage, and comes with usage; a payer in other money cannot take over."""
    if row.change == "reading":
        return Fault("reading_is_usage", row.place, {"code": row.subscription})
    if row.change == "transfer":
        [info] = subscriptions.by_codes([row.subscription]).values()
        taker = UUID(str(info.first["customer"]))
        own = parties.customers_by_id([taker])[taker].currency
        other = parties.customers_by_code([str(row.value)])[str(row.value)].currency
        if own != other:
            params = {"code": row.subscription, "currency": own, "other": other}
            return Fault("currency_of_transfer", row.place, params)
    return None


def _customer(code: str) -> UUID:
    return parties.customers_by_code([code])[code].id


def _zones(codes: Iterable[str] = ()) -> Callable[[str], str]:
    """Return what tells a subscription's time zone; of an unknown one, the company's."""
    own = parties.tenant().row.zone
    known = {code: one.zone for code, one in subscriptions.by_codes(codes).items()}

    @cache
    def zone_of(code: str) -> str:
        if code in known:
            return known[code]
        found = subscriptions.by_codes([code])
        return found[code].zone if code in found else own

    return zone_of
