"""Reads of triggers."""

from django.db.models import Count

from kvit.invoicing.models import Firing, Trigger
from kvit.invoicing.rows import TriggerInfo, TriggerRow


def triggers() -> list[TriggerInfo]:
    """Return the standing triggers in order of code."""
    done = Firing.objects.filter(status="done")
    counts = dict(done.values_list("trigger").annotate(n=Count("pk")))
    newest = done.order_by("trigger_id", "-done_at", "-pk").distinct("trigger_id")
    last = {one.trigger_id: one for one in newest}
    return [
        TriggerInfo(
            id=one.pk,
            row=TriggerRow(one.code, one.kind, **one.said, is_on=one.is_on),
            since=one.since,
            author=one.author,
            fired=counts.get(one.pk, 0),
            last_key=last[one.pk].key if one.pk in last else "",
            last_at=last[one.pk].done_at if one.pk in last else None,
        )
        for one in Trigger.objects.order_by("code")
    ]
