"""What metering tells: ids and figures, never usage itself."""

from dataclasses import dataclass
from uuid import UUID

from kvit.platform.events import Topic


@dataclass(frozen=True, slots=True)
class UsageAccepted:
    """An intake brought something new; its four counts make what was offered."""

    batch_id: UUID
    version: int
    accepted: int
    repeated: int
    conflicting: int
    rejected: int


@dataclass(frozen=True, slots=True)
class UsageRetracted:
    """Accepted events were undone: from `version` on they count for nothing."""

    version: int
    events: int


USAGE_ACCEPTED = Topic("metering.usage.accepted", UsageAccepted)
USAGE_RETRACTED = Topic("metering.usage.retracted", UsageRetracted)
