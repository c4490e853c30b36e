"""Which tenant the code works for, and the base of every row that belongs to one.

    with tenant_scope(tenant.id):
        Customer.objects.count()        # this tenant's
    Customer.objects.count()            # WrongTenant

Two nets: the manager raises without a scope and filters by it; the database's row-level security
shows no row of another tenant even when the manager is bypassed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.db import models

from kvit.platform.db.base import current_tenant
from kvit.platform.ids import uuid7


class WrongTenant(Exception):
    """No tenant is in scope, or another one is."""


def current_tenant_id() -> UUID:
    """Return the tenant in scope.

    Raises:
        WrongTenant: no scope was entered.
    """
    tenant = current_tenant.get()
    if tenant is None:
        raise WrongTenant("no tenant is in scope: enter tenant_scope(tenant_id) first")
    return tenant


@contextmanager
def tenant_scope(tenant_id: UUID, *, switch: bool = False) -> Iterator[UUID]:
    """Work for one tenant inside the block. `switch` permits to leave another tenant for it.

    A generator (a stream, server-sent events) enters it around each read: the web's middleware
    has left its own scope before a streamed body is produced.

    Raises:
        WrongTenant: another tenant is in scope and `switch` is not set.
    """
    present = current_tenant.get()
    if present not in (None, tenant_id) and not switch:
        raise WrongTenant(f"tenant {present} is in scope; {tenant_id} needs switch=True")
    token = current_tenant.set(tenant_id)
    try:
        yield tenant_id
    finally:
        current_tenant.reset(token)


class AppendOnly:
    """Mixin, first among the bases: rows are added and never changed, by anybody.

    The schema editor grants SELECT and INSERT only, and adds a trigger that refuses UPDATE,
    DELETE and TRUNCATE even to the owner of the table.
    """

    append_only = True


# Narrows every read of the tenant's rows further, for who may see a part of them alone; set by
# `kvit.parties.queries.reaching`.
narrowing: "ContextVar[Callable[[models.QuerySet[Any]], models.QuerySet[Any]] | None]" = ContextVar(
    "narrowing", default=None
)


class TenantManager(models.Manager[Any]):
    """Shows the rows of the tenant in scope; raises `WrongTenant` without one.

    A model whose rows are about customers names the way to them, `reached_by = "customer_id"`: a
    member of a branch then meets those of its customers alone, whatever the query.
    """

    def get_queryset(self) -> models.QuerySet[Any]:
        rows = super().get_queryset().filter(tenant_id=current_tenant_id())
        narrow = narrowing.get()
        return rows if narrow is None else narrow(rows)


class TenantModel(models.Model):
    """A row that belongs to one tenant. Unique constraints of a subclass start with `tenant_id`.

    A table of many rows that nothing points at may have its own
    `id = models.BigAutoField(primary_key=True)` instead.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # No foreign key to the tenant: one check a row, in every bulk insert, for nothing.
    tenant_id = models.UUIDField(default=current_tenant_id, editable=False)

    objects = TenantManager()

    class Meta:
        abstract = True
