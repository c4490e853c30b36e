"""Writes about the staff: who is a member by which role, what a role may do, who came in.

Nobody gives or takes a right that they do not have, and a company keeps an owner. `granter` is
the rights of who asks; `ALL` where the operator of the installation does.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from kvit.core.wording import Words
from kvit.parties import models
from kvit.parties.rights import ALL, OWNER, RIGHTS
from kvit.parties.standing import role_rights
from kvit.platform import audit
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.revisions import Seen, refuse_stale
from kvit.platform.tenancy import current_tenant_id, tenant_scope

WORDS: Words = {
    "staff_email_invalid": (
        "Адрес {email} не похож на электронную почту.",
        "{email} does not look like an e-mail address.",
    ),
    "staff_role_unknown": ("Роли {role} нет.", "There is no role {role}."),
    "staff_branch_unknown": (
        "Филиала {branch} нет. Заведите его в настройках.",
        "There is no branch {branch}. Add it in the settings.",
    ),
    "staff_above_own": (
        "В роли «{role}» есть права, которых нет у вас: {missing}. Попросите владельца.",
        "The role “{role}” has rights that you do not have: {missing}. Ask an owner.",
    ),
    "staff_role_twice": (
        "У {email} эта роль уже есть.",
        "{email} has this role already.",
    ),
    "staff_last_owner": (
        "Это последний владелец компании. Сначала назначьте второго.",
        "This is the last owner of the company. Make a second one first.",
    ),
    "staff_not_member": (
        "Этого сотрудника в компании нет.",
        "This person is not a member of the company.",
    ),
    "staff_right_unknown": ("Права {right} нет.", "There is no right {right}."),
    "staff_owner_fixed": (
        "У владельца все права, их не убавить. Дайте сотруднику другую роль.",
        "An owner has every right, none can be taken. Give the person another role.",
    ),
    "staff_right_beyond": (
        "Права «{right}» у вас нет: дать или отнять его может тот, у кого оно есть.",
        "You do not have the right “{right}”: who has it can give or take it.",
    ),
}


class StaffRefused(Failure):
    """It cannot be so; nothing was changed."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Invited:
    """Who was invited; a new account has no password until its link is followed."""

    user_id: UUID
    email: str
    is_new: bool


@transaction.atomic
def invite(
    *, email: str, name: str, role: str, granter: frozenset[str], actor: str, now: datetime,
    branch: str = "", reason: str = "",
) -> Invited:  # fmt: skip
    """Make a person a member of the tenant in scope; the account is made if there is none.

    Raises:
        StaffRefused: the address, role or branch is none, the role is above one's own rights, or
            they have it already.
    """
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise StaffRefused("staff_email_invalid", email=address) from None
    _check_role(role, granter)
    _check_branch(branch)
    user, is_new = models.User.objects.get_or_create(
        email=address,
        defaults={"id": uuid7(), "name": name.strip(), "password": make_password(None)},
    )
    _add(user, role, branch, actor=actor, now=now, reason=reason)
    return Invited(user.id, address, is_new)


@transaction.atomic
def grant(
    *, user_id: UUID, role: str, granter: frozenset[str], actor: str, now: datetime,
    branch: str = "", reason: str = "",
) -> None:  # fmt: skip
    """Give a member one more role.

    Raises:
        StaffRefused: as in `invite`, or they are no member.
    """
    _check_role(role, granter)
    _check_branch(branch)
    _add(_member(user_id), role, branch, actor=actor, now=now, reason=reason)


@transaction.atomic
def revoke(
    *, user_id: UUID, role: str, granter: frozenset[str], actor: str, now: datetime,
    branch: str = "", reason: str,
) -> None:  # fmt: skip
    """Take a role from a member; who has none left cannot open the company from then on.

    Raises:
        StaffRefused: they do not have it, it is above one's own rights, or nobody would be owner.
    """
    _check_role(role, granter)
    _lock_members()
    held = models.Membership.objects.filter(
        user=user_id, tenant=current_tenant_id(), role=role, branch=branch
    )
    if not held.exists():
        raise StaffRefused("staff_not_member")
    if role == OWNER and not _other_owners(user_id):
        raise StaffRefused("staff_last_owner")
    held.delete()
    _record("member.removed", user_id, before=_image(role, branch), actor=actor, now=now,
            reason=reason)  # fmt: skip


@transaction.atomic
def change_role(
    role: str, rights: frozenset[str], *, granter: frozenset[str], seen: Seen = None, actor: str,
    now: datetime, reason: str = "",
) -> bool:  # fmt: skip
    """Make the role have exactly these rights in the tenant in scope; returns whether it changed.

    Args:
        seen: the revision of its rights as a sorted list.

    Raises:
        Stale: they were changed since they were seen.
        StaffRefused: a right is unknown, the difference is beyond one's own, or it is the owner's.
    """
    if not models.Role.objects.filter(code=role).exists():
        raise StaffRefused("staff_role_unknown", role=role)
    if role == OWNER:
        raise StaffRefused("staff_owner_fixed")
    for right in sorted(rights - ALL):
        raise StaffRefused("staff_right_unknown", right=right)
    _lock_members()
    tenant_id = current_tenant_id()
    before = role_rights([tenant_id])[tenant_id][role]
    refuse_stale(sorted(before), seen, of=("parties.role", role))
    for right in sorted((before ^ rights) - granter):
        raise StaffRefused("staff_right_beyond", right=RIGHTS[right].code)
    if before == rights:
        return False
    models.TenantRole.objects.update_or_create(
        tenant_id=tenant_id, role_id=role, defaults={"rights": sorted(rights)}
    )
    audit.record(
        action="role.changed",
        object_type="parties.role",
        object_id=role,
        before={"rights": sorted(before)},
        after={"rights": sorted(rights)},
        actor=actor,
        now=now,
        reason=reason,
    )
    return True


@transaction.atomic
def note_login(
    user_id: UUID, action: str, *, now: datetime, after: dict[str, Any] | None = None
) -> None:
    """Write what happened at the door into the journal of each of the user's companies."""
    held = models.Membership.objects.filter(user=user_id).values_list("tenant_id", flat=True)
    for tenant_id in sorted(set(held)):
        with tenant_scope(tenant_id, switch=True):
            _record(action, user_id, after=after, actor=f"user:{user_id}", now=now)


@transaction.atomic
def note_device(user_id: UUID, *, digest: str, name: str, now: datetime) -> tuple[bool, bool]:
    """Remember a browser; returns whether it is new for the user, and whether it is their first."""
    is_first = not models.Device.objects.filter(user=user_id).exists()
    _, is_new = models.Device.objects.get_or_create(
        user_id=user_id, digest=digest, defaults={"name": name[:80], "first_at": now}
    )
    return is_new, is_first


def _add(
    user: models.User, role: str, branch: str, *, actor: str, now: datetime, reason: str
) -> None:
    _, is_added = models.Membership.objects.get_or_create(
        user=user, tenant_id=current_tenant_id(), role_id=role, branch=branch
    )
    if not is_added:
        raise StaffRefused("staff_role_twice", email=user.email)
    _record("member.added", user.id, after=_image(role, branch), actor=actor, now=now,
            reason=reason)  # fmt: skip


def _member(user_id: UUID) -> models.User:
    found = models.User.objects.filter(pk=user_id, memberships__tenant=current_tenant_id()).first()
    if found is None:
        raise StaffRefused("staff_not_member")
    return found


def _check_role(role: str, granter: frozenset[str]) -> None:
    tenant_id = current_tenant_id()
    rights = role_rights([tenant_id])[tenant_id].get(role)
    if rights is None:
        raise StaffRefused("staff_role_unknown", role=role)
    if missing := rights - granter:
        raise StaffRefused("staff_above_own", role=role, missing=", ".join(sorted(missing)))


def _check_branch(branch: str) -> None:
    if branch and not models.Branch.objects.filter(code=branch).exists():
        raise StaffRefused("staff_branch_unknown", branch=branch)


def _lock_members() -> None:
    """Let changes of one company's staff take turns: two owners do not remove each other."""
    models.Tenant.objects.select_for_update().get(pk=current_tenant_id())


def _other_owners(user_id: UUID) -> bool:
    owners = models.Membership.objects.filter(
        tenant=current_tenant_id(), role=OWNER, branch="", user__is_active=True
    )
    return owners.exclude(user=user_id).exists()


def _image(role: str, branch: str) -> dict[str, str]:
    return {"role": role, "branch": branch} if branch else {"role": role}


def _record(action: str, user_id: UUID, **rest: Any) -> None:
    audit.record(action=action, object_type="parties.user", object_id=str(user_id), **rest)
