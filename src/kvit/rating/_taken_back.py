"""Take charges back: what a voided document asked for is charged no more."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from kvit.platform import audit
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.rating.models import Charge

VOID = "void"  # the reason of a charge that takes another back; it goes on no document
_TURNED = ("units", "events", "exact_num", "gross_minor", "amount_minor")


@transaction.atomic
def take_back(charge_ids: Sequence[UUID], *, actor: str, now: datetime) -> int:
    """Write the opposite of each charge as the next revision of its stretch; return how many.

    The caller holds the subscriptions' rows, as whoever charges them does. The sums of a stretch
    are then nothing, so what is learned of it later is charged in full.
    """
    charges = list(Charge.objects.filter(pk__in=charge_ids).order_by("revision", "pk"))
    if not charges:
        return 0
    last = _last_revisions(charges)
    columns = [field.column for field in Charge._meta.local_concrete_fields]
    columns.remove("tenant_id")
    rows = []
    for charge in charges:
        place = _place(charge)
        last[place] += 1
        changed = {
            "id": uuid7(),
            "revision": last[place],
            "reason": VOID,
            "rated_at": now,
            "discounts": [
                {**one, "amount_minor": -one["amount_minor"]} for one in charge.discounts
            ],
            **{name: -getattr(charge, name) for name in _TURNED},
        }
        rows.append([changed.get(name, getattr(charge, name)) for name in columns])
    copy_in(Charge, columns, rows)
    audit.record(
        action="rating.charges.taken_back",
        object_type="rating.chunk",
        object_id=str(rows[0][columns.index("id")]),
        after={"charges": [str(charge.pk) for charge in charges]},
        actor=actor,
        now=now,
    )
    return len(rows)


def _place(charge: Charge) -> tuple[UUID, str, date, datetime]:
    """What revisions are counted within: whoever pays, a stretch begins once."""
    return charge.subscription_id, charge.price_key, charge.period_start, charge.starts_at


def _last_revisions(charges: Sequence[Charge]) -> dict[tuple[UUID, str, date, datetime], int]:
    last: dict[tuple[UUID, str, date, datetime], int] = defaultdict(int)
    rows = Charge.objects.filter(
        subscription_id__in={one.subscription_id for one in charges},
        period_start__in={one.period_start for one in charges},
    ).values("subscription_id", "price_key", "period_start", "starts_at")
    for row in rows.annotate(last=Max("revision")):
        place = (row["subscription_id"], row["price_key"], row["period_start"], row["starts_at"])
        last[place] = row["last"]
    return last
