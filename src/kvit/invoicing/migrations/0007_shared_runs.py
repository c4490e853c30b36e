"""Parts of a bill run that workers share, each done by whoever has its row locked."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import kvit.platform.ids
import kvit.platform.tenancy


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0006_four_eyes"),
    ]

    operations = [
        migrations.AddField(
            model_name="billrun",
            name="asked",
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name="billrun",
            name="stage",
            field=models.CharField(db_default="", default="", max_length=10),
        ),
        migrations.CreateModel(
            name="RunPart",
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
                ("stage", models.CharField(max_length=10)),
                ("place", models.IntegerField()),
                ("size", models.IntegerField()),
                (
                    "ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                ),
                ("is_done", models.BooleanField(default=False)),
                ("brought", models.JSONField(default=dict)),
                (
                    "issued",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                (
                    "drafts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="invoicing.billrun",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "run", "stage", "place"), name="runpart_place"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stage__in", ("rating", "invoicing"))),
                        name="runpart_stage_known",
                    ),
                ],
            },
        ),
    ]
