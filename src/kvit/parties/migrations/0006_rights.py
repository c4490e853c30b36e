"""Rights of the pages for the roles that every installation begins with; a tenant's own roles,
members of a branch, devices that people log in from.
"""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kvit.platform.ids

EVERYTHING = (
    "customers.read", "customers.write", "personal.read", "catalogue.read", "catalogue.write",
    "catalogue.publish", "subscriptions.read", "subscriptions.write", "usage.read", "usage.write",
    "runs.start", "invoices.read", "invoices.approve", "invoices.correct", "books.read",
    "audit.read", "settings.read", "settings.write", "members.read", "members.write",
    "keys.write", "webhooks.write",
)  # fmt: skip
GIVEN = {
    "owner": EVERYTHING,
    "accountant": ("usage.read", "usage.write", "settings.read", "personal.read"),
    "product_manager": ("catalogue.publish", "usage.read", "settings.read"),
    "collector": ("personal.read",),
    "support": ("usage.read", "personal.read"),
    "auditor": ("usage.read", "settings.read", "members.read", "personal.read"),
    "security_officer": ("settings.read", "members.read"),
}


def give_rights(apps: Any, schema_editor: Any) -> None:
    right_model = apps.get_model("parties", "RoleRight")
    standing = set(apps.get_model("parties", "Role").objects.values_list("code", flat=True))
    for role, rights in GIVEN.items():
        for right in rights if role in standing else ():
            right_model.objects.get_or_create(role_id=role, right=right)


class Migration(migrations.Migration):
    dependencies = [("parties", "0005_keys_of_before")]
    operations = [
        migrations.AddField(
            model_name="membership",
            name="branch",
            field=models.CharField(blank=True, db_default="", default="", max_length=80),
        ),
        migrations.RemoveConstraint(model_name="membership", name="membership_once"),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(
                fields=("user", "tenant", "role", "branch"), name="membership_once"
            ),
        ),
        migrations.CreateModel(
            name="TenantRole",
            fields=[
                ("id", models.UUIDField(
                    default=kvit.platform.ids.uuid7, editable=False, primary_key=True,
                    serialize=False,
                )),
                ("rights", models.JSONField()),
                ("role", models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, to="parties.role"
                )),
                ("tenant", models.ForeignKey(
                    db_column="tenant", on_delete=django.db.models.deletion.CASCADE,
                    to="parties.tenant",
                )),
            ],
        ),
        migrations.AddConstraint(
            model_name="tenantrole",
            constraint=models.UniqueConstraint(fields=("tenant", "role"), name="tenant_role_once"),
        ),
        migrations.CreateModel(
            name="Device",
            fields=[
                ("id", models.BigAutoField(
                    auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                )),
                ("digest", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=80)),
                ("first_at", models.DateTimeField()),
                ("user", models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="devices",
                    to=settings.AUTH_USER_MODEL,
                )),
            ],
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.UniqueConstraint(fields=("user", "digest"), name="device_once"),
        ),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
    ]  # fmt: skip
