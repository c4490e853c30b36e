"""Bring subscriptions and their amendments to what the folder states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from kvit.catalog import services as catalog_services
from kvit.core.money import parse_decimal
from kvit.core.periods import instant_of
from kvit.integrations.models import ImportedObject
from kvit.integrations.port import (
    ChangeRow,
    CompanyFolder,
    Fault,
    Notice,
    Place,
    SubscriptionRow,
)
from kvit.integrations.services._merge import Wanted, merge, plain, remember
from kvit.integrations.services._objects import Outcome
from kvit.metering.rows import EventIn
from kvit.parties import queries as parties
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions import services
from kvit.subscriptions.rows import NewAmendment, NewSubscription, SubscriptionInfo

WITHDRAWN = {"value": {"withdrawn": True}, "number": None}  # equal to no change's content
READINGS = "changes.csv"  # the source of usage events that come as changes
_ONE_A_MOMENT = ("plan", "quantity", "transfer", "terms", "scheme", "trial", "pause", "resume",
                 "cancel")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Change:
    """A stated change: its key among all changes, and the amendment it asks for."""

    key: str
    amendment: NewAmendment
    place: Place

    @property
    def content(self) -> Any:
        return plain(self.amendment.value)


def apply_subscriptions(
    folder: CompanyFolder,
    customers: Mapping[str, UUID],
    outcome: Outcome,
    *,
    take_folder: bool,
    actor: str,
    now: datetime,
) -> None:
    """Open new subscriptions; what is stated otherwise than before is restated."""
    zones = {code: one.zone for code, one in parties.customers_by_code(customers).items()}
    wanted = []
    for row in folder.subscriptions:
        if folder.holds("subscription", row.code) or row.customer not in customers:
            continue
        new = _new(row, customers[row.customer], zones[row.customer])
        wanted.append(Wanted(row.code, plain(new.stated()), new, row.place))
    present = plain(subscriptions.stated([one.code for one in wanted]))
    merged = merge("subscription", wanted, present, take_folder=take_folder)
    services.open_many([one.row for one in merged.create], actor=actor, now=now)
    _restate(merged.change, actor=actor, now=now)
    remember("subscription", merged.write)
    outcome.count("subscription", merged)
    outcome.held_subscriptions |= {one.code for one in merged.conflict}


def apply_changes(
    folder: CompanyFolder,
    customers: Mapping[str, UUID],
    outcome: Outcome,
    *,
    take_folder: bool,
    actor: str,
    now: datetime,
) -> None:
    """Amend what is new; a change that is stated otherwise than before is withdrawn and made anew.

    A row that does not fit holds its subscription: half of a history would be billed wrongly.
    """
    stated = [
        _change(row, customers)
        for row in folder.changes
        if row.change != "reading" and not folder.holds("subscription", row.subscription)
    ]
    known = subscriptions.by_codes({one.amendment.subscription for one in stated})
    stated = [one for one in stated if one.amendment.subscription in known]
    stated = _in_their_money(_told_once(stated, outcome), known, outcome)
    last = dict(
        ImportedObject.objects.filter(
            kind="change", code__in=[one.key for one in stated]
        ).values_list("code", "content")
    )
    fresh = [one for one in stated if last.get(one.key, {"value": ...})["value"] != one.content]
    outcome.unchanged += len(stated) - len(fresh)
    done = _amend(fresh, last, outcome, actor=actor, now=now)
    remember(
        "change",
        [
            Wanted(one.key, {"value": one.content, "number": number}, one, one.place)
            for one, number in done
        ],
    )
    _leave_or_withdraw(
        _gone(folder, stated, outcome), outcome, take_folder=take_folder, actor=actor, now=now
    )
    replaced = sum(one.key in last for one, _ in done)
    outcome.created["change"] = len(done) - replaced
    outcome.changed["change"] = replaced


def _gone(
    folder: CompanyFolder, stated: Sequence[_Change], outcome: Outcome
) -> dict[str, tuple[str, datetime, int]]:
    """Return the changes that the folder stated once and states no more: by key, the
    subscription, the moment and the amendment's number. What a fault holds is not gone."""
    keys = {one.key for one in stated}
    found = {}
    rows = ImportedObject.objects.filter(kind="change").exclude(content__number=None)
    for key, content in rows.values_list("code", "content"):
        subscription, at, _ = key.split("/", 2)
        held = folder.holds("subscription", subscription)
        if key in keys or held or subscription in outcome.held_subscriptions:
            continue
        found[key] = (subscription, datetime.fromisoformat(at), int(content["number"]))
    return found


def _leave_or_withdraw(
    gone: Mapping[str, tuple[str, datetime, int]],
    outcome: Outcome,
    *,
    take_folder: bool,
    actor: str,
    now: datetime,
) -> None:
    """A change that is stated no more stays in force, in sight, until the folder is to decide."""
    if not gone:
        return
    if not take_folder:
        first = ", ".join(f"{code} {at:%Y-%m-%d}" for code, at, _ in list(gone.values())[:3])
        params = {"count": str(len(gone)), "first": first}
        outcome.notices.append(Notice("changes_gone", Place("changes.csv"), params))
        return
    services.amend_many(
        [
            NewAmendment(code, at, "withdraw", number, "the row left changes.csv")
            for code, at, number in gone.values()
        ],
        actor=actor,
        now=now,
    )
    remember(
        "change",
        [Wanted(key, WITHDRAWN, None, Place("changes.csv")) for key in gone],
    )
    outcome.changed["withdrawn"] = len(gone)


def readings(folder: CompanyFolder) -> list[tuple[ChangeRow, EventIn]]:
    """Return the changes that are meter readings, as usage events.

    A reading's id is its subscription, meter and moment: a corrected reading of the same moment
    replaces the estimate.
    """
    found = []
    for place, row in enumerate(folder.changes):
        if row.change != "reading" or not isinstance(row.value, Mapping):
            continue
        meter = str(row.value["meter"])
        serial = row.value.get("serial")
        found.append(
            (
                row,
                EventIn(
                    event_id=f"{row.subscription}/{meter}/{row.at.isoformat()}",
                    subject_kind="subscription",
                    subject=row.subscription,
                    meter=meter,
                    time=row.at,
                    value=_decimal(row.value["value"]),
                    dimensions={} if serial is None else {"serial": str(serial)},
                    row=row.place.row or place,
                ),
            )
        )
    return found


def _decimal(value: object) -> Decimal:
    exact = parse_decimal(value)
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def _new(row: SubscriptionRow, customer_id: UUID, zone: str) -> NewSubscription:
    return NewSubscription(
        code=row.code,
        customer_id=customer_id,
        plan=row.plan,
        zone=zone,
        start=row.start,
        end=row.end,
        quantity=row.quantity,
        terms=plain(row.terms),
    )


def _restate(changed: Sequence[Wanted[NewSubscription]], *, actor: str, now: datetime) -> None:
    """The first statement was corrected in the folder: it holds from the start."""
    rows = [
        NewAmendment(
            subscription=one.code,
            at=instant_of(one.row.start, one.row.zone),
            change="restate",
            value={**one.row.document(), "end": one.content["end"]},
            reason="subscriptions.csv was changed",
        )
        for one in changed
    ]
    if rows:
        services.amend_many(rows, actor=actor, now=now)


def _change(row: ChangeRow, customers: Mapping[str, UUID]) -> _Change:
    value: object = plain(row.value)
    change = row.change
    if change == "transfer":
        value = str(customers[str(row.value)])
    told = "" if change in _ONE_A_MOMENT else f"/{value}"
    key = f"{row.subscription}/{row.at.isoformat()}/{change}{told}"[:400]
    amendment = NewAmendment(row.subscription, row.at, change, value, row.reason)
    return _Change(key, amendment, row.place)


def _told_once(stated: Sequence[_Change], outcome: Outcome) -> list[_Change]:
    """Leave repeats out; two values of one thing at one moment hold their subscription."""
    first: dict[str, _Change] = {}
    for one in stated:
        before = first.setdefault(one.key, one)
        if before.content != one.content:
            code = one.amendment.subscription
            params = {"code": code, "first_row": str(before.place.row or "–")}
            outcome.faults.append(Fault("changes_contradict", one.place, params))
            outcome.held_subscriptions.add(code)
    return [
        one
        for one in first.values()
        if one.amendment.subscription not in outcome.held_subscriptions
    ]


def _in_their_money(
    stated: Sequence[_Change], known: Mapping[str, SubscriptionInfo], outcome: Outcome
) -> list[_Change]:
    """A payer in other money cannot take a subscription over: that holds it."""
    transfers = [one for one in stated if one.amendment.change == "transfer"]
    first = {code: UUID(str(info.first["customer"])) for code, info in known.items()}
    takers = {UUID(str(one.amendment.value)) for one in transfers}
    people = parties.customers_by_id({*takers, *first.values()}) if transfers else {}
    for one in transfers:
        code = one.amendment.subscription
        own = people[first[code]].currency
        other = people[UUID(str(one.amendment.value))].currency
        if own != other:
            params = {"code": code, "currency": own, "other": other}
            place = replace(one.place, field="value")
            outcome.faults.append(Fault("currency_of_transfer", place, params))
            outcome.held_subscriptions.add(code)
    return [one for one in stated if one.amendment.subscription not in outcome.held_subscriptions]


def _redeemed(change: _Change, last: Mapping[str, Any], outcome: Outcome) -> NewAmendment | None:
    """Use a coupon up when its change is new; None when it is refused, with a fault."""
    amendment = change.amendment
    if amendment.change != "coupon" or change.key in last:
        return amendment
    code = str(amendment.value)
    try:
        coupon = catalog_services.redeem(code, on=amendment.at.date())
    except catalog_services.CouponRefused as error:
        params = {"value": code, "code": amendment.subscription}
        outcome.faults.append(Fault(f"coupon_{error.code}", change.place, params))
        outcome.held_subscriptions.add(amendment.subscription)
        return None
    amount = {"fixed": coupon.fixed} if coupon.percent is None else {"percent": coupon.percent}
    return replace(amendment, value=plain({"code": code, **amount, "periods": coupon.periods}))


def _amend(
    fresh: Sequence[_Change],
    last: Mapping[str, Mapping[str, Any]],
    outcome: Outcome,
    *,
    actor: str,
    now: datetime,
) -> list[tuple[_Change, int]]:
    """Record the amendments; those that do not fit become faults and the others go on."""
    ready = [(one, _redeemed(one, last, outcome)) for one in fresh]
    amendments = {id(one): amendment for one, amendment in ready if amendment is not None}
    rest = [one for one, amendment in ready if amendment is not None]
    while rest:
        rows: list[NewAmendment] = []
        owner: list[_Change] = []
        for one in rest:
            if last.get(one.key, WITHDRAWN) != WITHDRAWN:
                rows.append(_withdrawal(one, last[one.key]["number"]))
                owner.append(one)
            rows.append(amendments[id(one)])
            owner.append(one)
        try:
            recorded = services.amend_many(rows, actor=actor, now=now)
        except services.AmendmentRefused as error:
            bad = owner[error.row]
            code = bad.amendment.subscription
            outcome.faults.append(
                Fault(
                    "amendment_refused",
                    bad.place,
                    {"code": code, "russian": error.said[0], "english": error.said[1]},
                )
            )
            outcome.held_subscriptions.add(code)
            rest = [one for one in rest if one is not bad]
            continue
        numbers = {id(one): number for one, (_, number) in zip(owner, recorded, strict=True)}
        return [(one, numbers[id(one)]) for one in rest]
    return []


def _withdrawal(change: _Change, number: int) -> NewAmendment:
    amendment = change.amendment
    return NewAmendment(
        amendment.subscription, amendment.at, "withdraw", number, "changes.csv was changed"
    )
