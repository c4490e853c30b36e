"""Why usage waits: each thing that stands in its way, with the events behind it."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from kvit.catalog import queries as catalog
from kvit.metering.queries import Key
from kvit.metering.rows import LATEST
from kvit.parties import queries as parties
from kvit.platform.reading import reading
from kvit.rating._waiting import Suspects, nobodys_keys, outside_keys, outside_spans, suspects
from kvit.rating.models import RatedPeriod
from kvit.rating.rows import Waiting
from kvit.subscriptions import queries as subscriptions

_INSTANT = timedelta(microseconds=1)  # times are kept to it


@reading()
def waiting_by_reason(until: datetime = LATEST) -> list[Waiting]:
    """Return what of the stored usage before `until` waits, by reason.

    What a folder's fault holds is not among it: only a run that reads the folder knows.
    """
    among = suspects(until)
    outside = [one for keys in outside_keys(among, until) for one in _outside(keys, until)]
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


def _outside(keys: Sequence[Key], until: datetime) -> Iterator[Waiting]:
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
