"""How a seller's documents look: a colour, a logo; the logos that were handed in."""

import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models

import kvit.platform.ids
import kvit.platform.tenancy


class Migration(migrations.Migration):
    dependencies = [
        ("parties", "0008_runs_read"),
    ]

    operations = [
        migrations.CreateModel(
            name="Logo",
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
                ("digest", models.CharField(max_length=64)),
                ("kind", models.CharField(max_length=3)),
                ("width", models.IntegerField()),
                ("height", models.IntegerField()),
                ("content", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "digest"), name="logo_once"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ("png", "svg"))), name="logo_kind"
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            django.db.models.functions.text.Length("content"), 1048576
                        ),
                        name="logo_size",
                    ),
                ],
            },
            bases=(kvit.platform.tenancy.AppendOnly, models.Model),
        ),
        migrations.CreateModel(
            name="Brand",
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
                ("colour", models.CharField(blank=True, max_length=7)),
                ("logo", models.CharField(blank=True, max_length=64)),
                (
                    "seller",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="parties.seller",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "seller"), name="brand_once_a_seller"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("colour__regex", "^(#[0-9a-f]{6})?$")),
                        name="brand_colour",
                    ),
                ],
            },
        ),
    ]
