"""Write the spells of subscriptions that were opened before there was a table of them."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from django.db import migrations

from kvit.core.money import exact_text
from kvit.core.terms import Amendment as Change
from kvit.core.terms import timeline
from kvit.platform.ids import uuid7
from kvit.subscriptions.rows import first_terms

CHUNK = 1_000
PLACES = 12  # decimals of a quantity's column


def write_spells(apps: Any, _: Any) -> None:
    subscriptions = apps.get_model("subscriptions", "Subscription")
    last: UUID | None = None
    while True:
        rows = subscriptions.objects.order_by("pk")
        chunk = list((rows if last is None else rows.filter(pk__gt=last))[:CHUNK])
        if not chunk:
            return
        _write_chunk(apps, chunk)
        last = chunk[-1].pk


def _write_chunk(apps: Any, chunk: list[Any]) -> None:
    spell = apps.get_model("subscriptions", "Spell")
    changes: dict[UUID, list[Change]] = defaultdict(list)
    rows = apps.get_model("subscriptions", "Amendment").objects.order_by("number")
    for key, *rest in rows.filter(subscription__in=chunk).values_list(
        "subscription_id", "number", "at", "change", "value"
    ):
        changes[key].append(Change(*rest))
    made = []
    for one in chunk:
        spells = timeline(
            start=one.starts_at,
            end=one.ends_at,
            first=first_terms(one.first, UUID(str(one.first["customer"]))),
            amendments=changes[one.pk],
        )
        for place, fold in enumerate(spells):
            terms = fold.terms
            made.append(
                spell(
                    id=uuid7(),
                    tenant_id=one.tenant_id,
                    subscription_id=one.pk,
                    place=place,
                    starts_at=fold.start,
                    ends_at=fold.end,
                    plan=terms.plan,
                    payer_id=UUID(terms.customer),
                    quantity=exact_text(round(terms.quantity, PLACES)),
                    state=terms.state,
                    is_special=bool(terms.overrides or terms.discounts or terms.pinned_on),
                    add_ons=[code for code, _ in terms.add_ons],
                )
            )
    spell.objects.bulk_create(made, batch_size=CHUNK)


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0002_spells")]
    operations = [migrations.RunPython(write_spells, migrations.RunPython.noop)]
