"""Up to which sum a role corrects invoices by itself."""

from django.db import migrations, models

import kvit.platform.ids
import kvit.platform.tenancy


class Migration(migrations.Migration):
    dependencies = [
        ("parties", "0009_brands"),
    ]

    operations = [
        migrations.CreateModel(
            name="RoleLimit",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kvit.platform.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "tenant_id",
                    models.UUIDField(
                        default=kvit.platform.tenancy.current_tenant_id, editable=False
                    ),
                ),
                ("role", models.CharField(max_length=40)),
                ("currency", models.CharField(max_length=3)),
                ("minor", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "role", "currency"), name="role_limit_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("minor__gte", 0)), name="role_limit_not_negative"
                    ),
                ],
            },
        ),
    ]
