"""The spells of subscriptions as rows: they follow the amendments, and are read by lists."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any
from uuid import UUID

from kvit.core.money import exact_text
from kvit.core.terms import Spell as Fold
from kvit.core.terms import Terms
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.subscriptions.models import Spell

COLUMNS = (
    "id", "subscription_id", "place", "starts_at", "ends_at", "plan", "payer_id", "quantity",
    "state", "is_special", "add_ons",
)  # fmt: skip
_PLACES = 12  # decimals of a quantity's column
_MOST = Fraction(10**26 - 1)  # what it holds; the terms themselves keep every digit


def write(folds: Mapping[UUID, Sequence[Fold]], *, again: bool) -> None:
    """Write the spells of subscriptions; `again` in place of those that stand."""
    if again:
        Spell.objects.filter(subscription_id__in=list(folds)).delete()
    copy_in(Spell, COLUMNS, _rows(folds))


def columns(place: int, fold: Fold) -> tuple[Any, ...]:
    """Return what a row says of a spell, from `place` on."""
    terms = fold.terms
    return (
        place, fold.start, fold.end, terms.plan, UUID(terms.customer),
        exact_text(round(min(terms.quantity, _MOST), _PLACES)), terms.state, is_special(terms),
        [code for code, _ in terms.add_ons],
    )  # fmt: skip


def is_special(terms: Terms) -> bool:
    """Whether the terms differ from what the plan offers everybody."""
    return bool(terms.overrides or terms.discounts or terms.pinned_on)


def _rows(folds: Mapping[UUID, Iterable[Fold]]) -> Iterator[tuple[Any, ...]]:
    for key, spells in folds.items():
        for place, fold in enumerate(spells):
            yield (uuid7(), key, *columns(place, fold))
