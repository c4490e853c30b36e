"""Open subscriptions and amend them. What was said first is never edited, only amended."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from kvit.core.money import NotANumber, exact_text
from kvit.core.periods import instant_of, local_date
from kvit.core.pricing import PriceError
from kvit.core.terms import Amendment as Change
from kvit.core.terms import BadAmendment, Spell, check_prices, timeline, together
from kvit.platform import audit, events
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.subscriptions import _spells
from kvit.subscriptions.events import (
    AMENDED,
    OPENED,
    SubscriptionAmended,
    SubscriptionOpened,
)
from kvit.subscriptions.models import Amendment, Subscription
from kvit.subscriptions.rows import NewAmendment, NewSubscription, first_terms


class SubscriptionExists(Exception):
    """A subscription with this code stands already; amend it instead."""


Said = tuple[str, str]  # why, in Russian and English


class TermsRefused(Exception):
    """The terms of a new subscription cannot be read: a price, a discount, a quantity."""

    def __init__(self, code: str, said: Said) -> None:
        super().__init__(f"{code}: {said[1]}")
        self.code, self.said = code, said


class SubscriptionNotFound(Exception):
    """No subscription has this code."""


class AmendmentRefused(Exception):
    """The amendment does not fit the subscription. `row` is the place in the given sequence."""

    def __init__(self, row: int, code: str, said: Said) -> None:
        super().__init__(f"amendment {row}: {said[1]}")
        self.row = row
        self.code = code
        self.said = said


@transaction.atomic
def open_many(rows: Sequence[NewSubscription], *, actor: str, now: datetime) -> dict[str, UUID]:
    """Open subscriptions in one set; return their ids by code.

    Raises:
        SubscriptionExists: one of the codes is taken; nothing was opened.
        TermsRefused: the terms of one of them cannot be read; nothing was opened.
    """
    codes = [row.code for row in rows]
    folds = [_check(row) for row in rows]
    # In no order: `first()` would walk through all that there are by id, to find none.
    taken = next(
        iter(Subscription.objects.filter(code__in=codes).values_list("code", flat=True)), None
    )
    if taken is not None or len(set(codes)) != len(codes):
        raise SubscriptionExists(taken or "twice in one set")
    ids = {row.code: uuid7() for row in rows}
    copy_in(
        Subscription,
        ("id", "code", "customer_id", "zone", "starts_at", "starts_on", "ends_on", "ends_at",
         "first", "amendments"),
        (
            (ids[row.code], row.code, row.customer_id, row.zone, instant_of(row.start, row.zone),
             row.start, row.end, row.ends_at,
             row.document(), 0)
            for row in rows
        ),
    )  # fmt: skip
    _spells.write({ids[row.code]: fold for row, fold in zip(rows, folds, strict=True)}, again=False)
    audit.record_many(
        (
            audit.Change(
                "subscriptions.subscription.opened",
                "subscriptions.subscription",
                str(ids[row.code]),
                after={"code": row.code, **row.document()},
            )
            for row in rows
        ),
        actor=actor,
        now=now,
    )
    events.publish_many(
        OPENED,
        (
            events.EventRow(
                str(ids[row.code]),
                SubscriptionOpened(ids[row.code], row.customer_id, row.plan, row.start),
            )
            for row in rows
        ),
        actor=actor,
        now=now,
    )
    return ids


def _check(row: NewSubscription) -> tuple[Spell, ...]:
    try:
        if row.quantity < 0:
            raise BadAmendment("bad_value", "below_zero", value=exact_text(row.quantity))
        first = first_terms(row.document(), row.customer_id)
        check_prices(first)
        return timeline(start=instant_of(row.start, row.zone), end=row.ends_at, first=first)
    except ValueError as error:  # BadAmendment and PriceError among them
        raise TermsRefused(row.code, _said(error)) from error


@transaction.atomic
def amend_many(
    rows: Sequence[NewAmendment], *, actor: str, now: datetime
) -> list[tuple[UUID, int]]:
    """Record amendments in one set; return (subscription id, number) for each row, in order.

    The whole history with the new rows is folded before anything is written, so an amendment
    that cannot stand is refused here and not when a bill is made.

    Raises:
        SubscriptionNotFound, AmendmentRefused: nothing was recorded.
    """
    codes = {row.subscription for row in rows}
    # Lock first, in one order, then look: numbers and the fold must not change meanwhile.
    locked = Subscription.objects.select_for_update().filter(code__in=codes).order_by("id")
    known = {one.code: one for one in locked}
    history = _history(list(known.values()))
    numbered: dict[int, tuple[UUID, int]] = {}
    folds: dict[UUID, tuple[Spell, ...]] = {}
    written = []
    for index in _numbering(rows):
        row = rows[index]
        subscription = known.get(row.subscription)
        if subscription is None:
            raise SubscriptionNotFound(row.subscription)
        subscription.amendments += 1
        change = Change(subscription.amendments, row.at, row.change, row.value)
        history[subscription.pk].append(change)
        folds[subscription.pk] = _fold(subscription, history[subscription.pk], index)
        _follow(subscription, folds[subscription.pk])
        numbered[index] = (subscription.pk, subscription.amendments)
        written.append((uuid7(), subscription.pk, subscription.amendments, row.at, row.change,
                        row.value, row.reason, actor, now))  # fmt: skip
    recorded = [numbered[index] for index in range(len(rows))]
    copy_in(
        Amendment,
        ("id", "subscription_id", "number", "at", "change", "value", "reason", "author",
         "recorded_at"),
        written,
    )  # fmt: skip
    Subscription.objects.bulk_update(
        list(known.values()), ["amendments", "customer", "ends_on"], batch_size=1000
    )
    _spells.write(folds, again=True)
    _tell(rows, recorded, actor=actor, now=now)
    return recorded


def _numbering(rows: Sequence[NewAmendment]) -> list[int]:
    """Return the places of the rows in the order in which they are numbered: see `together`."""

    def place(index: int) -> tuple[bool, datetime, int, bool, str]:
        row = rows[index]
        try:
            return together(Change(0, row.at, row.change, row.value))
        except BadAmendment as error:
            raise AmendmentRefused(index, error.code, error.said) from error

    return sorted(range(len(rows)), key=place)


def lock(ids: Iterable[UUID]) -> None:
    """Hold subscriptions until the transaction ends, in order of id: no amendment or charge slips
    in."""
    rows = Subscription.objects.filter(pk__in=list(ids)).order_by("pk")
    list(rows.select_for_update(of=("self",)).values_list("pk", flat=True))


def _history(subscriptions: Sequence[Subscription]) -> dict[UUID, list[Change]]:
    found: dict[UUID, list[Change]] = defaultdict(list)
    rows = Amendment.objects.filter(subscription__in=subscriptions).order_by("number")
    for key, *rest in rows.values_list("subscription_id", "number", "at", "change", "value"):
        found[key].append(Change(*rest))
    return found


def _fold(subscription: Subscription, changes: Iterable[Change], index: int) -> tuple[Spell, ...]:
    try:
        spells = timeline(
            start=subscription.starts_at,
            end=subscription.ends_at,
            first=first_terms(subscription.first, UUID(str(subscription.first["customer"]))),
            amendments=changes,
        )
        for spell in spells:
            check_prices(spell.terms)
        return spells
    except BadAmendment as error:
        raise AmendmentRefused(index, error.code, error.said) from error
    except ValueError as error:  # a value that is no number, no date
        raise AmendmentRefused(index, "bad_value", _said(error)) from error


def _said(error: ValueError) -> Said:
    """Say in both languages why terms cannot be read."""
    match error:
        case BadAmendment():
            return error.said
        case PriceError():
            return error.message("ru"), error.message("en")
        case NotANumber():
            return f"это не число: {error}", f"no number: {error}"
    return f"значение не читается: «{error}»", f"the value cannot be read: “{error}”"


def _follow(subscription: Subscription, spells: tuple[Spell, ...]) -> None:
    """Let the columns that find a subscription follow its terms."""
    last = spells[-1]
    subscription.customer_id = UUID(last.terms.customer)
    subscription.ends_on = None
    if last.terms.state == "ended":
        day = local_date(last.start, subscription.zone)
        subscription.ends_on = max(day, subscription.starts_on)


def _tell(
    rows: Sequence[NewAmendment],
    recorded: Sequence[tuple[UUID, int]],
    *,
    actor: str,
    now: datetime,
) -> None:
    told = list(zip(rows, recorded, strict=True))
    audit.record_many(
        (
            audit.Change(
                f"subscriptions.subscription.{row.change}",
                "subscriptions.subscription",
                str(key),
                after={
                    "number": number,
                    "at": row.at.isoformat(),
                    "value": row.value,
                    "reason": row.reason,
                },
            )
            for row, (key, number) in told
        ),
        actor=actor,
        now=now,
    )
    events.publish_many(
        AMENDED,
        (
            events.EventRow(str(key), SubscriptionAmended(key, number, row.change, row.at))
            for row, (key, number) in told
        ),
        actor=actor,
        now=now,
    )
