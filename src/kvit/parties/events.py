"""Facts about the parties. They carry ids and codes, never names or addresses."""

from dataclasses import dataclass
from uuid import UUID

from kvit.platform.events import Topic


@dataclass(frozen=True, slots=True)
class PartyCreated:
    """A tenant, seller, branch or customer now exists."""

    id: UUID
    code: str


@dataclass(frozen=True, slots=True)
class PartyChanged:
    """Some fields have new values; ask the queries for them."""

    id: UUID
    code: str
    fields: tuple[str, ...]


TENANT_CREATED = Topic("parties.tenant.created", PartyCreated)
TENANT_CHANGED = Topic("parties.tenant.changed", PartyChanged)
SELLER_CREATED = Topic("parties.seller.created", PartyCreated)
SELLER_CHANGED = Topic("parties.seller.changed", PartyChanged)
BRANCH_CREATED = Topic("parties.branch.created", PartyCreated)
BRANCH_CHANGED = Topic("parties.branch.changed", PartyChanged)
CUSTOMER_CREATED = Topic("parties.customer.created", PartyCreated)
CUSTOMER_CHANGED = Topic("parties.customer.changed", PartyChanged)
