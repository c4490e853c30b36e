"""Indexes for the list of documents, and the orders of bill runs."""

import datetime

import django.db.models.functions.comparison
from django.db import migrations, models

import kvit.platform.ids
import kvit.platform.tenancy

UNDER_WAY = ("queued", "running")


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0003_corrections_fit")]

    operations = [
        migrations.CreateModel(
            name="RunOrder",
            fields=[
                ("id", models.UUIDField(default=kvit.platform.ids.uuid7, editable=False,
                                        primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=kvit.platform.tenancy.current_tenant_id,
                                               editable=False)),
                ("action", models.CharField(max_length=8)),
                ("status", models.CharField(default="queued", max_length=8)),
                ("period_start", models.DateField()),
                ("period_end", models.DateField()),
                ("issue_on", models.DateField(null=True)),
                ("author", models.CharField(max_length=120)),
                ("left_out", models.JSONField(default=list)),
                ("ordered_at", models.DateTimeField()),
                ("stage", models.CharField(blank=True, max_length=12)),
                ("done", models.BigIntegerField(default=0)),
                ("whole", models.BigIntegerField(default=0)),
                ("started_at", models.DateTimeField(null=True)),
                ("heard_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("stop_asked_by", models.CharField(blank=True, max_length=120)),
                ("fault", models.CharField(blank=True, max_length=40)),
                ("report", models.JSONField(default=dict)),
            ],
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                models.F("tenant_id"),
                django.db.models.functions.comparison.Coalesce(
                    "issued_on", models.Value(datetime.date(9999, 12, 31))
                ),
                models.F("id"),
                name="invoice_day",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(fields=["tenant_id", "total_minor", "id"], name="invoice_total"),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("status", "draft")),
                fields=["tenant_id", "created_at", "id"],
                name="invoice_drafts",
            ),
        ),
        migrations.AddIndex(
            model_name="runorder",
            index=models.Index(fields=["tenant_id", "ordered_at", "id"], name="runorder_when"),
        ),
        migrations.AddConstraint(
            model_name="runorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("action__in", ("bill", "dry", "approve"))),
                name="runorder_action_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="runorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ("queued", "running", "done", "failed", "stopped"))
                ),
                name="runorder_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="runorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("period_end__gt", models.F("period_start"))),
                name="runorder_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="runorder",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", UNDER_WAY)),
                fields=("tenant_id", "period_start"),
                name="runorder_one_at_a_time",
            ),
        ),
    ]  # fmt: skip
