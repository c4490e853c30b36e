"""What was issued by plan in this month and the last. Filled by the night (`_plan_months`)."""

from django.db import migrations, models

import kvit.platform.tenancy


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0010_undone_parts")]

    operations = [
        migrations.CreateModel(
            name="PlanMonth",
            fields=[
                (
                    "tenant_id",
                    models.UUIDField(
                        default=kvit.platform.tenancy.current_tenant_id, editable=False
                    ),
                ),
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("month", models.DateField()),
                ("documents", models.BigIntegerField()),
                ("until", models.DateTimeField()),
                ("changes", models.BigIntegerField()),
                ("sums", models.JSONField(default=dict)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["tenant_id", "month"], name="planmonth_once")
                ]
            },
        )
    ]
