"""Reads about the staff of the tenant in scope: members, roles, what each role may do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kvit.parties import models
from kvit.parties.limits import APPROVE, role_limits
from kvit.parties.rights import OWNER, RIGHTS
from kvit.parties.standing import role_rights
from kvit.platform.tenancy import current_tenant_id


@dataclass(frozen=True, slots=True)
class Member:
    """A person of the staff; `held` is (role, branch), a branch "" meaning the whole company."""

    user_id: UUID
    email: str
    name: str
    is_active: bool
    has_password: bool  # False: the invitation was not taken up yet
    last_login: datetime | None
    held: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RoleCard:
    """A role with its rights in this tenant; `is_own` where they differ from the usual ones."""

    code: str
    name_ru: str
    name_en: str
    rights: frozenset[str]
    is_own: bool
    members: int
    limits: Mapping[str, int]  # by currency, in minor units; empty: none
    invoice_limits: Mapping[str, int]  # the same of approving invoices

    def name(self, lang: str) -> str:
        """The role's name."""
        return self.name_ru if lang == "ru" else self.name_en


def members() -> list[Member]:
    """Return the staff by name and address."""
    rows = models.Membership.objects.filter(tenant=current_tenant_id()).select_related("user")
    held: dict[UUID, list[tuple[str, str]]] = {}
    people: dict[UUID, models.User] = {}
    for row in rows.order_by("user__name", "user__email", "role", "branch"):
        people[row.user_id] = row.user
        held.setdefault(row.user_id, []).append((row.role_id, row.branch))
    return [
        Member(
            user_id=user.id,
            email=user.email,
            name=user.name,
            is_active=user.is_active,
            has_password=user.has_usable_password(),
            last_login=user.last_login,
            held=tuple(held[user.id]),
        )
        for user in people.values()
    ]


def roles() -> list[RoleCard]:
    """Return the roles, the owner's first, then by how much they may do."""
    tenant_id = current_tenant_id()
    rights = role_rights([tenant_id])[tenant_id]
    own = set(models.TenantRole.objects.filter(tenant=tenant_id).values_list("role_id", flat=True))
    limits, invoice_limits = role_limits(), role_limits(act=APPROVE)
    counts: dict[str, set[UUID]] = {}
    for role, user in models.Membership.objects.filter(tenant=tenant_id).values_list(
        "role_id", "user_id"
    ):
        counts.setdefault(role, set()).add(user)
    cards = [
        RoleCard(
            code=one.code,
            name_ru=one.name_ru,
            name_en=one.name_en,
            rights=rights[one.code],
            is_own=one.code in own,
            members=len(counts.get(one.code, ())),
            limits=limits.get(one.code, {}),
            invoice_limits=invoice_limits.get(one.code, {}),
        )
        for one in models.Role.objects.all()
    ]
    return sorted(cards, key=lambda one: (one.code != OWNER, -len(one.rights), one.code))


def role_names(codes: Iterable[str], lang: str = "ru") -> dict[str, str]:
    """Return the names of roles by code."""
    field = "name_ru" if lang == "ru" else "name_en"
    return dict(models.Role.objects.filter(code__in=list(codes)).values_list("code", field))


def right_words(code: str, lang: str) -> str:
    """Return a right in words; of one that is no more, its code."""
    return RIGHTS[code].text(lang) if code in RIGHTS else code
