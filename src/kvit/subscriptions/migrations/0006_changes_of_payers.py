"""Who paid before is found among the few subscriptions that were moved, and not by reading all."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0005_changes_of_plans")]

    operations = [
        migrations.AddIndex(
            model_name="amendment",
            index=models.Index(
                fields=["tenant_id", "change"],
                name="amendment_of_payer",
                condition=models.Q(("change__in", ("transfer", "restate"))),
            ),
        )
    ]
