"""What must hold among a tenant's subscriptions, recomputed from the rows; for `kvit verify`."""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from uuid import UUID

from kvit.core.money import exact_text
from kvit.core.periods import local_date
from kvit.core.terms import Amendment as Change
from kvit.core.terms import BadAmendment, timeline
from kvit.core.wording import Words
from kvit.platform.invariants import Problem, found_by
from kvit.subscriptions import _spells
from kvit.subscriptions.models import Amendment, Spell, Subscription
from kvit.subscriptions.rows import first_terms

CHUNK = 1_000
WORDS: Words = {
    "subscriptions_amendments_miscounted": (
        "у подписки не столько изменений, сколько она насчитала",
        "a subscription has another number of amendments than it counts",
    ),
    "subscriptions_history_broken": (
        "изменения подписки нельзя применить по порядку",
        "a subscription's amendments cannot be applied in order",
    ),
    "subscriptions_do_not_follow": (
        "плательщик или конец подписки не те, что следуют из её изменений",
        "a subscription's payer or end is not what its amendments say",
    ),
    "subscriptions_spells_do_not_follow": (
        "отрезки подписки не те, что следуют из её изменений",
        "a subscription's spells are not what its amendments say",
    ),
}
_MISCOUNTED = """
    SELECT 'subscription:' || s.code,
           format('counts %%s, has %%s, the last is %%s', s.amendments, count(a.id),
                  coalesce(max(a.number), 0))
    FROM subscriptions_subscription s
    LEFT JOIN subscriptions_amendment a ON a.tenant_id = s.tenant_id AND a.subscription_id = s.id
    WHERE s.tenant_id = %(tenant)s
    GROUP BY s.id, s.code, s.amendments
    HAVING count(a.id) <> s.amendments OR coalesce(max(a.number), 0) <> s.amendments
        OR count(DISTINCT a.number) <> s.amendments
    ORDER BY s.code
"""


def problems() -> Iterator[Problem]:
    """Recompute what must hold; the fold of every history that was amended included."""
    yield from found_by({"subscriptions_amendments_miscounted": _MISCOUNTED})
    last: UUID | None = None
    while True:
        rows = Subscription.objects.order_by("pk")
        chunk = list((rows if last is None else rows.filter(pk__gt=last))[:CHUNK])
        if not chunk:
            return
        yield from _folded(chunk)
        last = chunk[-1].pk


def _folded(subscriptions: list[Subscription]) -> Iterator[Problem]:
    changes: dict[UUID, list[Change]] = defaultdict(list)
    rows = Amendment.objects.filter(subscription__in=subscriptions).order_by("number")
    for key, *rest in rows.values_list("subscription_id", "number", "at", "change", "value"):
        changes[key].append(Change(*rest))
    standing: dict[UUID, list[tuple[object, ...]]] = defaultdict(list)
    spelt = Spell.objects.filter(subscription__in=subscriptions).order_by("place")
    for key, place, *said, quantity, state, is_special, add_ons in spelt.values_list(
        "subscription_id", *_spells.COLUMNS[2:]
    ):
        told = (place, *said, exact_text(Fraction(quantity)), state, is_special, add_ons)
        standing[key].append(told)
    for one in subscriptions:
        row = f"subscription:{one.code}"
        try:
            spells = timeline(
                start=one.starts_at,
                end=one.ends_at,
                first=first_terms(one.first, UUID(str(one.first["customer"]))),
                amendments=changes[one.pk],
            )
        except (BadAmendment, ValueError) as error:
            yield Problem("subscriptions_history_broken", row, str(error))
            continue
        expected = [_spells.columns(place, fold) for place, fold in enumerate(spells)]
        if standing[one.pk] != expected:
            detail = f"{len(standing[one.pk])} spells, expected {len(expected)}"
            yield Problem("subscriptions_spells_do_not_follow", row, detail)
        terms = spells[-1].terms
        ends_on = None
        if terms.state == "ended":
            ends_on = max(local_date(spells[-1].start, one.zone), one.starts_on)
        stands, follows = (one.ends_on, str(one.customer_id)), (ends_on, terms.customer)
        if stands != follows:
            detail = "ends {}, payer {}; ".format(*stands) + "expected {}, {}".format(*follows)
            yield Problem("subscriptions_do_not_follow", row, detail)
