"""Facts that subscriptions tell."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kvit.platform.events import Topic


@dataclass(frozen=True, slots=True)
class SubscriptionOpened:
    """A customer takes a plan from a day on."""

    subscription_id: UUID
    customer_id: UUID
    plan: str
    starts_on: date


@dataclass(frozen=True, slots=True)
class SubscriptionAmended:
    """Its terms change from `at` on. `number` counts the amendments of the subscription."""

    subscription_id: UUID
    number: int
    change: str
    at: datetime


OPENED = Topic("subscriptions.subscription.opened", SubscriptionOpened)
AMENDED = Topic("subscriptions.subscription.amended", SubscriptionAmended)
