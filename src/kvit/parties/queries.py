"""Reads about the parties. Codes are what people use; ids are what other contexts keep."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from kvit.parties import _invariants, models
from kvit.parties._listing import (
    ORDERS,
    asked,
    asked_ids,
    looked_up,
    of_inn,
)
from kvit.parties._listing import (
    choices as customer_choices,
)
from kvit.parties._people import actor_names, notes_of
from kvit.parties.api_keys import Known, key_by_id, key_row, keys, known_key, machine_factors
from kvit.parties.list_views import (
    Kept,
    ListViewRow,
    ViewNotFound,
    list_kept,
    normal_query,
    view_by_id,
)
from kvit.parties.masking import called, in_clear, masking, shown
from kvit.parties.members import Member, RoleCard, members, right_words, role_names, roles
from kvit.parties.rows import (
    BranchRow,
    Customer,
    CustomerAsked,
    CustomerRow,
    Payer,
    Seller,
    SellerRow,
    Tenant,
    TenantRow,
)
from kvit.parties.standing import (
    Standing,
    reach,
    reached,
    reaching,
    role_rights,
    standings,
    who_gives,
)
from kvit.platform.paging import LIMIT, Page, keyset
from kvit.platform.reading import asked_once, steady
from kvit.platform.tenancy import current_tenant_id

__all__ = [
    "ORDERS",
    "Kept",
    "Known",
    "ListViewRow",
    "Member",
    "RoleCard",
    "Standing",
    "ViewNotFound",
    "actor_names",
    "asked_ids",
    "branches",
    "customer_choices",
    "customer_codes",
    "customer_row",
    "customers",
    "customers_by_code",
    "customers_by_id",
    "customers_page",
    "in_clear",
    "key_by_id",
    "key_row",
    "keys",
    "known_key",
    "list_kept",
    "looked_up",
    "machine_factors",
    "masking",
    "members",
    "memberships",
    "normal_query",
    "notes_of",
    "of_inn",
    "paid_for_by",
    "payers",
    "personal_images",
    "reach",
    "reached",
    "reaching",
    "right_words",
    "rights",
    "role_names",
    "role_rights",
    "roles",
    "sellers",
    "standings",
    "tenant",
    "tenant_by_code",
    "tenants",
    "user_by_email",
    "view_by_id",
    "who_gives",
    "with_payees",
]  # fmt: skip


PROBLEM_WORDS = _invariants.WORDS
problems = _invariants.problems


def tenant_by_code(code: str) -> Tenant | None:
    """Return the tenant of that code; needs no scope."""
    found = models.Tenant.objects.filter(code=code).first()
    return None if found is None else _tenant(found)


def tenants() -> list[Tenant]:
    """Return all tenants of the installation by code; needs no scope."""
    return [_tenant(found) for found in models.Tenant.objects.order_by("code")]


@steady
def tenant() -> Tenant:
    """Return the tenant in scope."""
    return _tenant(models.Tenant.objects.get(pk=current_tenant_id()))


@steady
def sellers() -> dict[str, Seller]:
    """Return all sellers by code."""
    own = tenant().row.vat_rounding
    return {
        found.code: Seller(found.id, _row(SellerRow, found), found.vat_rounding or own)
        for found in models.Seller.objects.order_by("code")
    }


@asked_once
def branches() -> dict[str, BranchRow]:
    """Return all branches by code."""
    rows = models.Branch.objects.order_by("code").values_list("code", "name", "seller__code")
    return {code: BranchRow(code, name, seller) for code, name, seller in rows}


def customers_by_code(codes: Iterable[str]) -> dict[str, Customer]:
    """Return the customers of those codes; codes that nobody has are left out."""
    return {one.row.code: one for one in _customers(code__in=list(codes))}


def customers_by_id(ids: Iterable[UUID]) -> dict[UUID, Customer]:
    """Return the customers of those ids."""
    return {one.id: one for one in _customers(id__in=list(ids))}


def customers_named(ids: Iterable[UUID]) -> dict[UUID, tuple[str, str, str]]:
    """Return code, name and ИНН of customers by id: a quarter of the work of whole ones."""
    rows = models.Customer.objects.filter(id__in=list(ids))
    return {
        key: (code, *called(kind, name, inn))
        for key, code, kind, name, inn in rows.values_list("id", "code", "kind", "name", "inn")
    }


def customers_page(
    wanted: CustomerAsked, *, order: str = "name", after: str = "", limit: int = LIMIT
) -> Page[Customer]:
    """Return a page of customers.

    Args:
        order: a key of `ORDERS`.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    page = keyset(asked(wanted), order=ORDERS[order], after=after, limit=limit)
    return Page(tuple(_made(page.rows)), page.next, page.count)


def payers(ids: Iterable[UUID]) -> dict[UUID, Payer]:
    """Return who pays for these customers and in which currency; names are not read."""
    own = tenant().row.currency
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, code, payer_id, currency, branch FROM parties_customer"
            " WHERE tenant_id = %s AND id = ANY(%s)",
            [current_tenant_id(), list(ids)],
        )
        rows = cursor.fetchall()
    return {
        key: Payer(code, payer or key, currency or own, branch)
        for key, code, payer, currency, branch in rows
    }


def paid_for_by(payer_ids: Iterable[UUID]) -> set[UUID]:
    """Return the customers whose charges these payers are billed for, themselves included."""
    ids = list(payer_ids)
    rows = models.Customer.objects.filter(payer_id__in=ids)
    return set(ids) | set(rows.values_list("pk", flat=True))


def with_payees(payer_id: UUID) -> list[Customer]:
    """Return a customer and those whom it pays for, by code: one question. None of an unknown."""
    rows = models.Customer.objects.filter(Q(pk=payer_id) | Q(payer_id=payer_id)).order_by("code")
    return _made(list(rows))


def customers() -> dict[str, Customer]:
    """Return all customers by code."""
    return {one.row.code: one for one in _customers()}


def without_requisites(ids: Iterable[UUID]) -> set[UUID]:
    """Return those of these customers who need an ИНН on their documents and have none."""
    with connection.cursor() as cursor:
        # An array, and not a parameter each: there are thousands.
        cursor.execute(
            "SELECT id FROM parties_customer"
            " WHERE tenant_id = %s AND id = ANY(%s) AND inn = '' AND kind <> 'person'",
            [current_tenant_id(), list(ids)],
        )
        return {key for (key,) in cursor.fetchall()}


def named_like(text: str) -> set[UUID]:
    """Return the customers whom the text means, as the list of customers has it; a thousand at
    most."""
    return set(asked_ids(CustomerAsked(text=text)).values_list("pk", flat=True)[:1_000])


@asked_once
def currencies() -> list[str]:
    """Return the currencies in which somebody is billed: the tenant's own first."""
    own = tenant().row.currency
    rows = models.Customer.objects.exclude(currency__in=("", own)).order_by("currency")
    return [own, *rows.values_list("currency", flat=True).distinct()]


def user_names(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return what members of the tenant are called."""
    rows = models.Membership.objects.filter(user_id__in=list(ids), tenant_id=current_tenant_id())
    return {
        key: name or email
        for key, name, email in rows.values_list("user_id", "user__name", "user__email")
    }


def customer_codes() -> set[str]:
    """Return the codes of all customers."""
    return set(models.Customer.objects.values_list("code", flat=True))


def personal_images(digests: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """Return what audit rows stand for by `personal`; a forgotten person's are left out."""
    rows = models.PersonalImage.objects.filter(digest__in=list(digests))
    return dict(rows.values_list("digest", "fields"))


def memberships(user_id: UUID) -> list[tuple[UUID, str]]:
    """Return (tenant, role) of a user, who may log in still; needs no scope."""
    rows = models.Membership.objects.filter(user=user_id, user__is_active=True)
    return list(rows.order_by("tenant__code", "role").values_list("tenant_id", "role_id"))


def rights(role: str) -> frozenset[str]:
    """Return the rights of a role; needs no scope."""
    return frozenset(models.RoleRight.objects.filter(role=role).values_list("right", flat=True))


def user_by_email(email: str) -> UUID | None:
    """Return the user of that address; needs no scope."""
    found: UUID | None = (
        models.User.objects.filter(email=email.strip().lower()).values_list("id", flat=True).first()
    )
    return found


def _customers(**conditions: Any) -> list[Customer]:
    return _made(list(models.Customer.objects.filter(**conditions).order_by("code")))


def _made(rows: Sequence[models.Customer]) -> list[Customer]:
    own = tenant().row
    # Asked for apart: of a table just filled, without statistics, a join to itself is planned as
    # every row with every row.
    codes = {row.pk: row.code for row in rows}
    if others := {row.payer_id for row in rows} - {None, *codes}:
        payers = models.Customer.objects.filter(id__in=others)
        codes |= dict(payers.values_list("id", "code"))
    return [
        Customer(
            id=found.id,
            row=shown(customer_row(found, payer=codes.get(found.payer_id, ""))),
            zone=found.zone or own.zone,
            currency=found.currency or own.currency,
            payer_id=found.payer_id or found.id,
        )
        for found in rows
    ]


def customer_row(found: models.Customer, *, payer: str) -> CustomerRow:
    """Return the row that would leave this customer as it is."""
    return _row(CustomerRow, found, payer=payer)


def _tenant(found: models.Tenant) -> Tenant:
    return Tenant(found.id, _row(TenantRow, found))


def _row(kind: type, found: Any, **given: Any) -> Any:
    names = _names(kind)
    return kind(**{name: getattr(found, name) for name in names if name not in given}, **given)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
