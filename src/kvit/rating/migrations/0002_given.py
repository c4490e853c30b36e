"""What of a customer or of a pool a charge was computed from."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rating", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="charge",
            name="given",
            field=models.JSONField(db_default={}, default=dict),
        ),
    ]
