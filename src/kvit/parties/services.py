"""Writes about the parties: tenants, members, sellers, branches, customers.

Whole sets are applied at once; a single object is a set of one. Codes name objects.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction

from kvit.core.money import UnknownCurrency, exponent
from kvit.core.periods import UnknownZone, zone_of
from kvit.core.wording import Words
from kvit.parties import coded, models
from kvit.parties.api_keys import (
    KeyNotFound,
    KeyRefused,
    NewKey,
    change_key,
    create_key,
    note_use,
    revoke_key,
    rotate_key,
    set_machine_factors,
    take_nonce,
)
from kvit.parties.coded import CodeTwice, Kind, Step
from kvit.parties.customers import CustomerRefused, apply_customers
from kvit.parties.events import (
    BRANCH_CHANGED,
    BRANCH_CREATED,
    SELLER_CHANGED,
    SELLER_CREATED,
    TENANT_CHANGED,
    TENANT_CREATED,
    PartyChanged,
    PartyCreated,
)
from kvit.parties.list_views import (
    ViewRefused,
    change_view,
    choose_columns,
    open_list_with,
    remove_view,
    restore_view,
    save_view,
)
from kvit.parties.one_customer import (
    CustomerNotTaken,
    add_note,
    change_customer,
    create_customer,
    faults_of,
)
from kvit.parties.rows import BranchRow, Changes, SellerRow, Tenant, TenantRow
from kvit.parties.staff import (
    Invited,
    StaffRefused,
    change_role,
    grant,
    invite,
    note_device,
    note_login,
    revoke,
)
from kvit.platform import audit
from kvit.platform.events import publish
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.revisions import Seen, refuse_stale
from kvit.platform.tenancy import current_tenant_id, tenant_scope

__all__ = [
    "CodeTwice",
    "CustomerNotTaken",
    "CustomerRefused",
    "Invited",
    "KeyNotFound",
    "KeyRefused",
    "NewKey",
    "PartyRefused",
    "StaffRefused",
    "ViewRefused",
    "add_member",
    "add_note",
    "apply_branches",
    "apply_customers",
    "apply_sellers",
    "change_customer",
    "change_key",
    "change_role",
    "change_tenant",
    "change_view",
    "choose_columns",
    "create_customer",
    "create_key",
    "create_tenant",
    "faults_of",
    "grant",
    "invite",
    "note_device",
    "note_login",
    "note_use",
    "open_list_with",
    "remove_member",
    "remove_view",
    "restore_view",
    "revoke",
    "revoke_key",
    "rotate_key",
    "save_view",
    "set_machine_factors",
    "take_nonce",
]

WORDS: Words = {
    "tenant_exists": (
        "Компания с кодом {code} уже есть.",
        "There is a company with the code {code} already.",
    ),
    "tenant_zone_unknown": (
        "Часовой пояс {zone} неизвестен; пример: Europe/Moscow.",
        "The time zone {zone} is unknown; an example: Europe/Moscow.",
    ),
    "tenant_currency_unknown": (
        "Валюта {currency} неизвестна; пример: RUB.",
        "The currency {currency} is unknown; an example: RUB.",
    ),
    "seller_unknown": (
        "Продавец {seller} филиала {code} не найден.",
        "The seller {seller} of branch {code} is not known.",
    ),
    "role_unknown": (
        "Роли {role} нет.",
        "There is no role {role}.",
    ),
    "password_given_twice": (
        "У {email} уже есть пароль; меняет его только сам человек.",
        "{email} has a password already; only that person changes it.",
    ),
}


class PartyRefused(Failure):
    """What was asked for cannot be so; nothing was changed."""

    words = WORDS


@transaction.atomic
def create_tenant(row: TenantRow, *, actor: str, now: datetime, reason: str = "") -> Tenant:
    """Make a tenant. Its code must be free; needs no scope.

    Raises:
        PartyRefused: the code is taken, or the zone or currency unknown.
    """
    _check_tenant(row)
    made, is_new = models.Tenant.objects.get_or_create(code=row.code, defaults=asdict(row))
    if not is_new:
        raise PartyRefused("tenant_exists", code=row.code)
    with tenant_scope(made.id, switch=True):
        audit.record(
            action="tenant.created",
            object_type="parties.tenant",
            object_id=str(made.id),
            after=asdict(row),
            actor=actor,
            now=now,
            reason=reason,
        )
        fact = PartyCreated(made.id, row.code)
        publish(TENANT_CREATED, key=str(made.id), payload=fact, actor=actor, now=now)
    return Tenant(made.id, row)


@transaction.atomic
def change_tenant(
    row: TenantRow, *, seen: Seen = None, actor: str, now: datetime, reason: str
) -> bool:
    """Make the tenant in scope be as the row says; returns whether anything changed.

    Raises:
        PartyRefused: another tenant has the code, or the zone or currency is unknown.
        Stale: it was changed since it was seen.
    """
    _check_tenant(row)
    found = models.Tenant.objects.select_for_update().get(pk=current_tenant_id())
    before = {name: getattr(found, name) for name in asdict(row)}
    refuse_stale(TenantRow(**before), seen, of=("parties.tenant", str(found.id)))
    if before == asdict(row):
        return False
    if models.Tenant.objects.filter(code=row.code).exclude(pk=found.id).exists():
        raise PartyRefused("tenant_exists", code=row.code)
    models.Tenant.objects.filter(pk=found.id).update(**asdict(row))
    audit.record(
        action="tenant.changed",
        object_type="parties.tenant",
        object_id=str(found.id),
        before=before,
        after=asdict(row),
        actor=actor,
        now=now,
        reason=reason,
    )
    changed = tuple(name for name, value in asdict(row).items() if before[name] != value)
    fact = PartyChanged(found.id, row.code, changed)
    publish(TENANT_CHANGED, key=str(found.id), payload=fact, actor=actor, now=now)
    return True


@transaction.atomic
def apply_sellers(rows: Sequence[SellerRow], *, actor: str, now: datetime, reason: str) -> Changes:
    """Make the sellers of these codes be as the rows say; others are left alone.

    Raises:
        CodeTwice: two rows have one code; nothing was changed.
    """

    def write(step: Step) -> tuple[Any, ...]:
        return tuple(getattr(step.after, name) for name in SELLERS.columns)

    steps = coded.plan(SELLERS, rows, coded.lock(SELLERS, rows))
    return coded.apply(SELLERS, rows, steps, write=write, actor=actor, now=now, reason=reason)


@transaction.atomic
def apply_branches(rows: Sequence[BranchRow], *, actor: str, now: datetime, reason: str) -> Changes:
    """Make the branches of these codes be as the rows say; others are left alone.

    Raises:
        PartyRefused: a seller is unknown; CodeTwice: two rows have one code.
    """
    wanted = {row.seller for row in rows}
    ids = dict(models.Seller.objects.filter(code__in=wanted).values_list("code", "id"))
    for row in rows:
        if row.seller not in ids:
            raise PartyRefused("seller_unknown", seller=row.seller, code=row.code)

    def write(step: Step) -> tuple[Any, ...]:
        return step.after.name, ids[step.after.seller]

    steps = coded.plan(BRANCHES, rows, coded.lock(BRANCHES, rows))
    return coded.apply(BRANCHES, rows, steps, write=write, actor=actor, now=now, reason=reason)


@transaction.atomic
def add_member(
    *, email: str, name: str, role: str, actor: str, now: datetime, password: str | None = None
) -> UUID:
    """Give a person a role in the tenant in scope; the account is made if there is none.

    Returns the user's id. A new account without a password cannot log in by one.

    Raises:
        PartyRefused: no such role; or a password for an account that exists.
    """
    if not models.Role.objects.filter(code=role).exists():
        raise PartyRefused("role_unknown", role=role)
    address = email.strip().lower()
    user, is_new = models.User.objects.get_or_create(
        email=address, defaults={"id": uuid7(), "name": name, "password": make_password(password)}
    )
    if password is not None and not is_new:
        raise PartyRefused("password_given_twice", email=address)
    _, is_added = models.Membership.objects.get_or_create(
        user=user, tenant_id=current_tenant_id(), role_id=role
    )
    if is_added:
        _record_member("member.added", user.id, after={"role": role}, actor=actor, now=now)
    return user.id


@transaction.atomic
def remove_member(*, user_id: UUID, role: str, actor: str, now: datetime, reason: str) -> bool:
    """Take a role in the tenant in scope from a user; returns whether they had it."""
    gone, _ = models.Membership.objects.filter(
        user=user_id, tenant_id=current_tenant_id(), role_id=role
    ).delete()
    if gone:
        before = {"role": role}
        _record_member(
            "member.removed", user_id, before=before, actor=actor, now=now, reason=reason
        )
    return gone > 0


def _record_member(action: str, user_id: UUID, **rest: Any) -> None:
    audit.record(action=action, object_type="parties.user", object_id=str(user_id), **rest)


def _check_tenant(row: TenantRow) -> None:
    try:
        zone_of(row.zone)
        exponent(row.currency)
    except UnknownZone:
        raise PartyRefused("tenant_zone_unknown", zone=row.zone) from None
    except UnknownCurrency:
        raise PartyRefused("tenant_currency_unknown", currency=row.currency) from None


def _read_seller(found: models.Seller) -> SellerRow:
    return SellerRow(**{field.name: getattr(found, field.name) for field in fields(SellerRow)})


def _read_branch(found: models.Branch) -> BranchRow:
    return BranchRow(code=found.code, name=found.name, seller=found.seller.code)


SELLERS = Kind(
    name="seller",
    model=models.Seller,
    columns=tuple(field.name for field in fields(SellerRow) if field.name != "code"),
    created=SELLER_CREATED,
    changed=SELLER_CHANGED,
    read=_read_seller,
)
BRANCHES = Kind(
    name="branch",
    model=models.Branch,
    columns=("name", "seller_id"),
    created=BRANCH_CREATED,
    changed=BRANCH_CHANGED,
    read=_read_branch,
    joined=("seller",),
)
