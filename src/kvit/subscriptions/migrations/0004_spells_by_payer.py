"""What somebody pays for, read off an index: a list of customers asks it of fifty at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0003_spells_of_before")]

    operations = [
        migrations.AddIndex(
            model_name="spell",
            index=models.Index(fields=["tenant_id", "payer_id"], name="spell_payer"),
        )
    ]
