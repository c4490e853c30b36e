"""Let the customers be found that were there before there was anything to find them by."""

from typing import Any
from uuid import UUID

from django.db import migrations

from kvit.core.searching import keys_of, sorted_by
from kvit.platform.tenancy import tenant_scope

CHUNK = 1_000


def write_keys(apps: Any, _: Any) -> None:
    # Forced row-level security hides every row from the owner too, until a tenant is in scope.
    for tenant_id in list(apps.get_model("parties", "Tenant").objects.values_list("id", flat=True)):
        with tenant_scope(tenant_id):
            _of_tenant(apps, tenant_id)


def _of_tenant(apps: Any, tenant_id: UUID) -> None:
    customers = apps.get_model("parties", "Customer").objects.order_by("pk")
    key_model = apps.get_model("parties", "SearchKey")
    last: UUID | None = None
    while True:
        rows = customers.filter(tenant_id=tenant_id)
        chunk = list((rows if last is None else rows.filter(pk__gt=last))[:CHUNK])
        if not chunk:
            return
        for one in chunk:
            one.sort_name = sorted_by(one.name)
        customers.bulk_update(chunk, ["sort_name"])
        key_model.objects.bulk_create(
            key_model(tenant_id=tenant_id, customer_id=one.pk, key=key)
            for one in chunk
            for key in sorted(keys_of((one.code, one.name, one.inn, one.email), phone=one.phone))
        )
        last = chunk[-1].pk


class Migration(migrations.Migration):
    dependencies = [("parties", "0004_found_customers")]
    operations = [migrations.RunPython(write_keys, migrations.RunPython.noop)]
