"""Writing customers: payers are settled and personal data is kept out of the audit rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from kvit.core.money import UnknownCurrency, exponent
from kvit.core.periods import UnknownZone, zone_of
from kvit.core.searching import keys_of, sorted_by
from kvit.parties import coded, models
from kvit.parties.coded import Images, Kind, Step
from kvit.parties.events import CUSTOMER_CHANGED, CUSTOMER_CREATED
from kvit.parties.personal import PERSONAL, public_part, store_images, take_image
from kvit.parties.queries import customer_row
from kvit.parties.rows import Changes, CustomerRow
from kvit.platform import bulk
from kvit.platform.failures import Failure

WORDS = {
    "payer_unknown": (
        "Плательщик {payer} клиента {code} не найден среди клиентов.",
        "The payer {payer} of customer {code} is not among the customers.",
    ),
    "payer_is_self": (
        "Клиент {code} указан плательщиком самого себя; оставьте поле пустым.",
        "Customer {code} is named as its own payer; leave the field empty.",
    ),
    "payer_has_payer": (
        "За клиента {code} платит {payer}, но за {payer} самого платит другой: плательщик платит"
        " за себя сам.",
        "Customer {code} is paid for by {payer}, who is paid for by another: a payer pays for"
        " itself.",
    ),
    "zone_unknown": (
        "Часовой пояс {zone} клиента {code} неизвестен; пример: Europe/Moscow.",
        "The time zone {zone} of customer {code} is unknown; an example: Europe/Moscow.",
    ),
    "currency_unknown": (
        "Валюта {currency} клиента {code} неизвестна; пример: RUB.",
        "The currency {currency} of customer {code} is unknown; an example: RUB.",
    ),
}


class CustomerRefused(Failure):
    """A row cannot be applied; nothing of its set was."""

    words = WORDS


@transaction.atomic
def apply_customers(
    rows: Sequence[CustomerRow], *, actor: str, now: datetime, reason: str
) -> Changes:
    """Make the customers of these codes be as the rows say; others are left alone.

    Raises:
        CustomerRefused, CodeTwice: see their words; nothing was changed.
    """
    for row in rows:
        for fault in wrong_names(row):
            raise fault
    present = coded.lock(KIND, rows)
    steps = coded.plan(KIND, rows, present)
    ids = _payer_ids(rows) | {code: found.id for code, found in present.items()}
    ids |= {step.after.code: step.id for step in steps}
    _check_payers(rows, ids)

    before = {found.id: found.personal for found in present.values()}
    images = {step.id: take_image(step.after) for step in steps if _is_other_person(step)}
    after = before | {owner: image.digest for owner, image in images.items()}

    def write(step: Step) -> tuple[Any, ...]:
        row = step.after
        plain = (getattr(row, name) for name in COPIED)
        search, sort_name = _search_text(row), sorted_by(row.name)
        return (*plain, ids.get(row.payer), search, sort_name, after[step.id])

    def show(step: Step) -> Images:
        old = None
        if step.before is not None:
            old = public_part(step.before) | {"personal": before[step.id]}
        return old, public_part(step.after) | {"personal": after[step.id]}

    changes = coded.apply(
        KIND, rows, steps, write=write, show=show, actor=actor, now=now, reason=reason
    )
    store_images(images)
    _store_keys(steps)
    return changes


def wrong_names(row: CustomerRow) -> Iterator[CustomerRefused]:
    """Yield why a zone, a currency or a payer cannot be, whoever else there is."""
    try:
        if row.zone:
            zone_of(row.zone)
    except UnknownZone:
        yield CustomerRefused("zone_unknown", zone=row.zone, code=row.code)
    try:
        if row.currency:
            exponent(row.currency)
    except UnknownCurrency:
        yield CustomerRefused("currency_unknown", currency=row.currency, code=row.code)
    if row.payer and row.payer == row.code:
        yield CustomerRefused("payer_is_self", code=row.code)


def wrong_payer(row: CustomerRow) -> Iterator[CustomerRefused]:
    """Yield why the payer of this customer alone cannot be."""
    try:
        _check_payers([row], _payer_ids([row]))
    except CustomerRefused as error:
        yield error


def _payer_ids(rows: Sequence[CustomerRow]) -> dict[str, UUID]:
    named = {row.payer for row in rows if row.payer}
    found = models.Customer.objects.filter(code__in=named)
    return dict(found.values_list("code", "id"))


def _check_payers(rows: Sequence[CustomerRow], ids: Mapping[str, UUID]) -> None:
    """Refuse a payer that does not exist, or that does not pay for itself once all is applied."""
    given = {row.code: row.payer for row in rows}
    paid_for = {row.code for row in rows if row.payer}
    others = models.Customer.objects.exclude(code__in=given)
    chained = dict(
        others.filter(payer__isnull=False)
        .filter(Q(code__in=set(given.values())) | Q(payer__code__in=paid_for))
        .values_list("code", "payer__code")
    )
    for code, payer in given.items():
        if payer and payer not in ids:
            raise CustomerRefused("payer_unknown", payer=payer, code=code)
    final = given | chained
    for code, payer in final.items():
        if payer and final.get(payer):
            raise CustomerRefused("payer_has_payer", payer=payer, code=code)


def _is_other_person(step: Step) -> bool:
    """Whether the personal fields are new, so that a new image of them is due."""
    return step.before is None or any(
        getattr(step.before, name) != getattr(step.after, name) for name in PERSONAL
    )


def _search_text(row: CustomerRow) -> str:
    return " ".join((row.code, row.name, row.inn, row.email, row.phone)).lower().replace("ё", "е")


def _store_keys(steps: Sequence[Step]) -> None:
    """Let the customers be found by what their rows say now."""
    told = [
        step for step in steps if step.before is None or _keys(step.before) != _keys(step.after)
    ]
    old = [step.id for step in told if step.before is not None]
    if old:
        models.SearchKey.objects.filter(customer_id__in=old).delete()
    bulk.copy_in(
        models.SearchKey,
        ("customer_id", "key"),
        ((step.id, key) for step in told for key in sorted(_keys(step.after))),
    )


def _keys(row: CustomerRow) -> frozenset[str]:
    return keys_of((row.code, row.name, row.inn, row.email), phone=row.phone)


def _read(found: models.Customer) -> CustomerRow:
    return customer_row(found, payer=found.payer.code if found.payer else "")


COPIED = tuple(f.name for f in fields(CustomerRow) if f.name not in ("code", "payer"))
KIND = Kind(
    name="customer",
    model=models.Customer,
    columns=(*COPIED, "payer_id", "search", "sort_name", "personal"),
    created=CUSTOMER_CREATED,
    changed=CUSTOMER_CHANGED,
    read=_read,
    joined=("payer",),
)
