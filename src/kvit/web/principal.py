"""Who is asking: a member of the staff or an API key, for one tenant, with certain rights."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest

from kvit.parties.rows import Tenant

KEEPER = "settings.write"


@dataclass(frozen=True, slots=True)
class Principal:
    """Set on the request by `kvit.web.access` once everything was proved; read anew each time.

    `branches` are the codes that a member of a branch is bound to; empty: the whole company.
    """

    kind: Literal["user", "key"]
    id: UUID
    name: str
    email: str
    tenant: Tenant
    rights: frozenset[str]
    roles: tuple[str, ...] = ()
    branches: frozenset[str] = frozenset()
    of_branch: frozenset[str] = frozenset()  # rights over their own branch alone
    companies: tuple[tuple[UUID, str], ...] = ()  # all that the person may choose, by name
    test_clock: bool = False  # the tenant lives by a clock of its own
    looks_as: str = ""  # an owner who sees the office as this role does, and changes nothing

    @property
    def actor(self) -> str:
        """What is written as the author: "user:<id>" or "key:<id>"."""
        return f"{self.kind}:{self.id}"


def by(request: HttpRequest) -> dict[str, Any]:
    """What a service asks about the author of a change: who, and when by the company's clock."""
    return {"actor": request.principal.actor, "now": request.now}


def is_keeper(request: HttpRequest) -> bool:
    """Whether who asks may change what others share."""
    return KEEPER in request.principal.rights
