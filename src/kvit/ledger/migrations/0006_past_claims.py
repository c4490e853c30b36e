"""What customers owed at the beginning of some days long past. Filled by the night (`_past`)."""

from django.db import migrations, models

import kvit.platform.tenancy


def _tenant() -> models.UUIDField:
    return models.UUIDField(default=kvit.platform.tenancy.current_tenant_id, editable=False)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_one_debt")]

    operations = [
        migrations.CreateModel(
            name="PastDay",
            fields=[
                ("tenant_id", _tenant()),
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("postings", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["tenant_id", "day"], name="pastday_once")
                ]
            },
        ),
        migrations.CreateModel(
            name="PastClaim",
            fields=[
                ("tenant_id", _tenant()),
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("customer_id", models.UUIDField()),
                ("currency", models.CharField(max_length=3)),
                ("balance_minor", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["tenant_id", "day", "customer_id", "currency"],
                        name="pastclaim_of_customer",
                    )
                ]
            },
        ),
    ]
