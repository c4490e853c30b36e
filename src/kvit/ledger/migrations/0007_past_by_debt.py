"""The largest debts of a day long past are read off an index. The night alone writes there."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_past_claims")]

    operations = [
        migrations.AddIndex(
            "pastclaim",
            models.Index(
                "tenant_id", "day", models.F("balance_minor").desc(), "customer_id", "currency",
                name="past_by_debt",
            ),
        )
    ]  # fmt: skip
