"""Why usage waits: each thing that stands in its way, with the events behind it."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from kvit.catalog import queries as catalog
from kvit.metering import queries as metering
from kvit.metering.queries import Key
from kvit.metering.rows import LATEST
from kvit.parties import queries as parties
from kvit.rating._waiting import Subject, Suspects, nobodys_keys, outside_spans, suspects
from kvit.rating.models import RatedPeriod
from kvit.rating.rows import Waiting
from kvit.subscriptions import queries as subscriptions

TOGETHER = 5_000  # subjects of whom something may be outside of their time
_INSTANT = timedelta(microseconds=1)  # times are kept to it


@transaction.atomic
def waiting_by_reason(until: datetime = LATEST) -> list[Waiting]:
    """Return what of the stored usage before `until` waits, by reason.

    What a folder's fault holds is not among it: only a run that reads the folder knows.
    """
    among = suspects(until)
    whom = sorted(among.outside)
    starts = range(0, len(whom), TOGETHER)
    outside = [one for start in starts for one in _outside(whom[start : start + TOGETHER], until)]
    return [*_nobody_takes(among, until), *outside, *_unpriced(until)]


def _nobody_takes(among: Suspects, until: datetime) -> Iterator[Waiting]:
    keys = nobodys_keys(among, until)
    reasons = reasons_of(keys)
    for key, reason in zip(keys, reasons, strict=True):
        yield Waiting(reason, *key[:4], key.first, key.last + _INSTANT)


def reasons_of(keys: Sequence[Key]) -> list[str]:
    """Say of usage that nobody takes what is unknown about it."""
    meters = catalog.meters()
    own = subscriptions.by_codes({key.subject for key in keys})
    customers = parties.customers_by_code({key.subject for key in keys})
    return [_reason(key, meters, own, customers) for key in keys]


def _reason(
    key: Key, meters: Collection[str], own: Collection[str], customers: Collection[str]
) -> str:
    if key.meter not in meters:
        return "unknown_meter"
    if key.subject_kind == "subscription" and key.subject not in own:
        return "unknown_subscription"
    if key.subject_kind == "customer" and key.subject not in customers:
        return "unknown_customer"
    return "usage_ambiguous"


def _outside(whom: Sequence[Subject], until: datetime) -> Iterator[Waiting]:
    meant = set(whom)
    names = sorted({subject for _, subject in whom})
    keys = [
        one
        for one in metering.distinct_keys(until=until, subjects=names)
        if (one.subject_kind, one.subject) in meant
    ]
    for key, _, since, to, count in outside_spans(keys, until):
        span = max(since, key.first), min(to, key.last + _INSTANT)
        yield Waiting("usage_outside", *key[:3], count, *span)


def _unpriced(until: datetime) -> Iterator[Waiting]:
    """Usage of rated periods: a price waits for a fault to be mended, or none asks for it."""
    rows = RatedPeriod.objects.filter(whens__contains="arrears", ends_at__lte=until)
    rows = rows.exclude(uncovered={}).order_by("period_start")
    infos = subscriptions.by_ids({row.subscription_id for row in rows})
    for row in rows:
        code = infos[row.subscription_id].code
        reason = "not_priced" if row.held else "unpriced_usage"
        for meter, count in sorted(row.uncovered.items()):
            span = row.starts_at, row.ends_at
            yield Waiting(reason, "subscription", code, meter, int(count), *span)
