"""Standing triggers, and what made them fire."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

import kvit.platform.ids
import kvit.platform.tenancy


def _keys() -> list[tuple[str, models.Field]]:
    return [
        (
            "id",
            models.UUIDField(
                default=kvit.platform.ids.uuid7, editable=False, primary_key=True, serialize=False
            ),
        ),
        (
            "tenant_id",
            models.UUIDField(default=kvit.platform.tenancy.current_tenant_id, editable=False),
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0004_list_and_orders")]
    operations = [
        migrations.AddField(
            model_name="billrun",
            name="is_narrow",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name="Trigger",
            fields=[
                *_keys(),
                ("code", models.CharField(max_length=80)),
                ("kind", models.CharField(max_length=10)),
                ("said", models.JSONField(default=dict)),
                ("is_on", models.BooleanField(default=True)),
                ("since", models.DateTimeField()),
                ("author", models.CharField(max_length=120)),
                ("looked_at", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "code"), name="trigger_code_unique"
                    ),
                    models.CheckConstraint(
                        condition=Q(kind__in=("schedule", "threshold", "event")),
                        name="trigger_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Firing",
            fields=[
                *_keys(),
                ("key", models.CharField(max_length=120)),
                ("due_at", models.DateTimeField()),
                ("subscription_id", models.UUIDField(null=True)),
                ("status", models.CharField(default="waiting", max_length=8)),
                ("done_at", models.DateTimeField(null=True)),
                ("run_id", models.UUIDField(null=True)),
                ("documents", models.IntegerField(default=0)),
                (
                    "trigger",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="invoicing.trigger",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=Q(status="waiting"),
                        fields=["tenant_id", "due_at"],
                        name="firing_waiting",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "trigger", "key"), name="firing_once_a_key"
                    ),
                    models.CheckConstraint(
                        condition=Q(status__in=("waiting", "done")), name="firing_status_known"
                    ),
                ],
            },
        ),
    ]
