"""Where limits and used codes are counted, for all processes together."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("platform", "0002_statistics")]
    operations = [
        migrations.CreateModel(
            name="CacheEntry",
            fields=[
                ("key", models.CharField(max_length=250, primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="TokenBucket",
            fields=[
                ("name", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("full_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
