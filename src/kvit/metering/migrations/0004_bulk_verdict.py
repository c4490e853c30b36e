"""What became of requests that were taken in bulk."""

from django.db import migrations, models

import kvit.platform.ids
import kvit.platform.tenancy


class Migration(migrations.Migration):
    dependencies = [("metering", "0003_segments")]

    operations = [
        migrations.CreateModel(
            name="BulkVerdict",
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
                ("actor", models.CharField(max_length=200)),
                ("received_at", models.DateTimeField()),
                ("offered", models.IntegerField()),
                ("accepted", models.IntegerField()),
                ("repeated", models.IntegerField()),
                ("conflicting", models.IntegerField()),
                ("rejected", models.IntegerField()),
                ("version", models.BigIntegerField()),
                ("verdicts", models.JSONField()),
                ("taken_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "offered",
                                models.F("accepted")
                                + models.F("repeated")
                                + models.F("conflicting")
                                + models.F("rejected"),
                            )
                        ),
                        name="bulk_verdict_adds_up",
                    ),
                ],
            },
            bases=(kvit.platform.tenancy.AppendOnly, models.Model),
        ),
    ]
