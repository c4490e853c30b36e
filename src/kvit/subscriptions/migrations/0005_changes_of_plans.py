"""Changes of plans are counted off an index: sums by plan stand while there are no more of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0004_spells_by_payer")]

    operations = [
        migrations.AddIndex(
            model_name="amendment",
            index=models.Index(
                fields=["tenant_id", "change", "at"],
                name="amendment_of_plan",
                condition=models.Q(("change__in", ("plan", "restate", "withdraw"))),
            ),
        )
    ]
