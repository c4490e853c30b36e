"""What a user may do where, read anew at each request; and which customers they may see.

A user may have several roles in a company: their rights add up. A membership may be bound to a
branch; then every read in `reaching(...)` shows its customers alone, and what is theirs.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from datetime import datetime
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BooleanField,
    DateTimeField,
    Exists,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
)

from kvit.parties import models
from kvit.parties.rights import ALL, OF_BRANCH, OWNER, WHOLE_COMPANY
from kvit.parties.rows import Tenant, TenantRow
from kvit.platform.tenancy import current_tenant_id, narrowing

_reach: ContextVar[frozenset[str]] = ContextVar("reach", default=frozenset())


@dataclass(frozen=True, slots=True)
class Standing:
    """A user's place in one company. `branches` empty: all of it.

    `of_branch` are rights over these branches alone, beside `rights`, which say nothing of whom.
    """

    tenant: Tenant
    roles: tuple[str, ...]
    rights: frozenset[str]
    branches: frozenset[str]
    is_enrolled: bool | None = None  # in a second factor, where that was asked
    moment: datetime | None = None  # what the clock that was asked about shows
    of_branch: frozenset[str] = frozenset()


def standings(
    user_id: UUID, *, enrolled: Exists | None = None, moment: Subquery | None = None
) -> list[Standing]:
    """Return the user's places by the company's code, none for who may not log in; no scope.

    Args:
        enrolled: how to see whether a `user` has a second factor, which is asked in passing.
        moment: what the test clock of the company in scope shows, asked in passing too.
    """
    usual = models.RoleRight.objects.filter(role=OuterRef("role")).values("right")
    own = models.TenantRole.objects.filter(tenant=OuterRef("tenant"), role=OuterRef("role"))
    rows = (  # one query: it is asked at each request
        models.Membership.objects.filter(user=user_id, user__is_active=True)
        .select_related("tenant")
        .annotate(
            usual=ArraySubquery(usual),
            own=Subquery(own.values("rights")),
            enrolled=Value(None, BooleanField()) if enrolled is None else enrolled,
            moment=Value(None, DateTimeField()) if moment is None else moment,
        )
        .order_by("tenant__code", "role", "branch")
    )
    found: dict[UUID, Standing] = {}
    for row in rows:
        before = found.get(row.tenant_id) or Standing(
            _tenant(row.tenant), (), frozenset(), frozenset()
        )
        rights = ALL if row.role_id == OWNER else row.usual if row.own is None else row.own
        found[row.tenant_id] = Standing(
            tenant=before.tenant,
            roles=tuple(dict.fromkeys((*before.roles, row.role_id))),
            rights=before.rights | (frozenset(rights) & ALL),
            branches=before.branches | ({row.branch} - {""}),
            is_enrolled=row.enrolled,
            moment=row.moment,
        )
    return [_bound(one) if one.branches else one for one in found.values()]


def role_rights(tenant_ids: Iterable[UUID]) -> dict[UUID, dict[str, frozenset[str]]]:
    """Return the rights of each role in each of these tenants; needs no scope."""
    ids = list(tenant_ids)
    everywhere: dict[str, set[str]] = {
        code: set() for code in models.Role.objects.values_list("code", flat=True)
    }
    for role, right in models.RoleRight.objects.values_list("role_id", "right"):
        everywhere[role].add(right)
    found = {
        tenant: {role: frozenset(rights) & ALL for role, rights in everywhere.items()}
        for tenant in ids
    }
    for own in models.TenantRole.objects.filter(tenant__in=ids):
        found[own.tenant_id][own.role_id] = frozenset(own.rights) & ALL
    for rights in found.values():
        rights[OWNER] = ALL
    return found


def who_gives(right: str) -> list[str]:
    """Name those of the tenant in scope who can give a right: the owners, and who both has it and
    may change roles; at most three, none whose account is closed."""
    tenant_id = current_tenant_id()
    of_role = role_rights([tenant_id])[tenant_id]
    able = [role for role, rights in of_role.items() if {right, "members.write"} <= rights]
    rows = models.Membership.objects.filter(
        tenant=tenant_id, role__in=able, branch="", user__is_active=True
    )
    named = rows.order_by("user__name", "user__email").values_list("user__name", "user__email")
    return list(dict.fromkeys(name or email for name, email in named))[:3]


@contextmanager
def reaching(branches: Iterable[str]) -> Iterator[None]:
    """Show, inside the block, the customers of these branches alone, and what is theirs; of none
    given, everything."""
    bound = frozenset(branches)
    token = _reach.set(bound)
    narrowed = narrowing.set(_narrow if bound else None)
    try:
        yield
    finally:
        narrowing.reset(narrowed)
        _reach.reset(token)


def reach() -> frozenset[str]:
    """Return the branches that who asks is bound to; empty: none, they see everything."""
    return _reach.get()


def reached() -> "QuerySet[models.Customer] | None":
    """Return the ids of the customers whom a member of a branch reaches, as a query; None: all."""
    return models.Customer.objects.values("id") if reach() else None


def _narrow(rows: QuerySet) -> QuerySet:
    way = getattr(rows.model, "reached_by", "")
    if not way:
        return rows
    if rows.model is models.Customer:
        return rows.filter(branch__in=reach())
    return rows.filter(**{f"{way}__in": models.Customer.objects.values("id")})


def _bound(one: Standing) -> Standing:
    return replace(one, rights=one.rights - WHOLE_COMPANY, of_branch=one.rights & OF_BRANCH)


def _tenant(found: models.Tenant) -> Tenant:
    row = TenantRow(**{field.name: getattr(found, field.name) for field in fields(TenantRow)})
    return Tenant(found.id, row)
