"""A version of a price may say that it is no more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_simulations")]
    operations = [
        migrations.AddField(
            model_name="priceversion",
            name="ends",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
