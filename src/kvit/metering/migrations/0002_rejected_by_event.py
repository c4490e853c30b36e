"""Find a rejected row by the id that it bears: «where is my event» is asked of any id."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="rejectedrow",
            index=models.Index(fields=["tenant_id", "event_id"], name="rejected_by_event"),
        ),
    ]
