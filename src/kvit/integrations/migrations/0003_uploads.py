"""Usage files that people upload, and their faulty rows."""

import django.db.models.deletion
from django.db import migrations, models

import kvit.platform.ids
import kvit.platform.tenancy


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0002_webhooks"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageUpload",
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
                ("source", models.CharField(max_length=200)),
                ("file_name", models.CharField(max_length=200)),
                ("uploaded_at", models.DateTimeField()),
                ("author", models.CharField(max_length=120)),
                ("offered", models.BigIntegerField()),
                ("accepted", models.BigIntegerField()),
                ("repeated", models.BigIntegerField()),
                ("conflicting", models.BigIntegerField()),
                ("rejected", models.BigIntegerField()),
                ("waiting", models.BigIntegerField()),
                ("unlisted", models.BigIntegerField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "uploaded_at", "id"], name="upload_when")
                ],
            },
        ),
        migrations.CreateModel(
            name="UploadRow",
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
                ("row", models.IntegerField()),
                ("cells", models.JSONField()),
                ("field", models.CharField(blank=True, max_length=200)),
                ("code", models.CharField(max_length=80)),
                ("params", models.JSONField()),
                ("state", models.CharField(default="open", max_length=8)),
                ("outcome", models.CharField(blank=True, max_length=12)),
                ("reason", models.TextField(blank=True)),
                ("decided_by", models.CharField(blank=True, max_length=120)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "upload",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="integrations.usageupload",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "upload", "row"], name="uploadrow_in_order")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ("open", "taken", "left"))),
                        name="uploadrow_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "left"), _negated=True),
                            models.Q(("reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="uploadrow_left_for_a_reason",
                    ),
                ],
            },
        ),
    ]
