"""The payers of whom something was put right are found without a look at what was billed first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rating", "0004_fewer_indexes")]
    operations = [
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("reason", "period"), _negated=True),
                fields=["tenant_id", "customer_id"],
                name="charge_put_right",
            ),
        ),
    ]
