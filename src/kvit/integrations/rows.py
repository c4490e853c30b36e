"""Webhooks as they are shown."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An address that hears facts; no topic named is all of them."""

    id: UUID
    url: str
    description: str
    topics: tuple[str, ...]
    state: str  # "active", "paused", "disabled", "removed"
    off_because: str  # "gone": it answered 410
    failures: int
    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint with what signs its messages, told once."""

    row: EndpointRow
    secret: str

    def __repr__(self) -> str:
        return f"NewEndpoint({self.row.id})"


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A fact on its way to an endpoint."""

    id: UUID
    endpoint: UUID
    event: UUID
    topic: str
    body: str
    state: str  # "waiting", "delivered", "failed"
    tries: int
    made_at: datetime
    due_at: datetime | None
    done_at: datetime | None

    @property
    def message(self) -> str:
        """The id of the message as the receiver sees it, the same at every try."""
        return f"msg_{self.id.hex}"


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One sending, and what was answered or why nothing was."""

    at: datetime
    status: int | None
    error: str  # a word of `outbound.REASONS`
    answer: str
    duration_ms: int
