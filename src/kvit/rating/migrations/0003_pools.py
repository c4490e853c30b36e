"""A rated period remembers the members of its pool."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rating", "0002_given")]
    operations = [
        migrations.AddField(
            model_name="ratedperiod",
            name="pool",
            field=models.CharField(db_default="", default="", max_length=32),
        ),
    ]
