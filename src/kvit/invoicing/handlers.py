"""What invoicing hears of subscriptions: facts that a trigger bills at once."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from kvit.invoicing import services
from kvit.platform.events import Event, consumes
from kvit.subscriptions.events import AMENDED, OPENED, SubscriptionOpened


@consumes(OPENED, AMENDED, name="invoicing.triggers", wanted=services.is_waited_for)
def hear(events: Sequence[Event], *, now: datetime) -> None:
    services.heard(map(_told, events))


def _told(event: Event) -> tuple[UUID, str, str, datetime]:
    fact = event.payload
    if isinstance(fact, SubscriptionOpened):
        return fact.subscription_id, "open", f"{fact.subscription_id} opened", event.occurred_at
    key = f"{fact.subscription_id} {fact.number}"
    return fact.subscription_id, fact.change, key, max(fact.at, event.occurred_at)
