"""With a kept day goes what customers owed on every day since the one kept before it.

What stands tells of its own day alone, as ever, until the night makes it anew.
"""

from datetime import date

from django.db import migrations, models

KEY = ("tenant_id", "day", "customer_id", "currency")


class Migration(migrations.Migration):
    dependencies = [("ledger", "0007_past_by_debt")]

    operations = [
        migrations.AddField("pastday", "since", models.DateField(null=True)),
        migrations.AddField("pastday", "made_of", models.BigIntegerField(null=True)),
        migrations.AddField("pastclaim", "since", models.DateField(db_default=date.min)),
        migrations.AddField("pastclaim", "until", models.DateField(db_default=date.max)),
        migrations.RemoveConstraint("pastclaim", "pastclaim_of_customer"),
        migrations.AddConstraint(
            "pastclaim",
            models.UniqueConstraint(
                fields=[*KEY, "since"], include=["until"], name="pastclaim_of_customer"
            ),
        ),
        migrations.RemoveIndex("pastclaim", "past_by_debt"),
        migrations.AddIndex(
            "pastclaim",
            models.Index(
                "tenant_id", "day", models.F("balance_minor").desc(), "customer_id", "currency",
                "since", "until", name="past_by_debt",
            ),
        ),
    ]  # fmt: skip
