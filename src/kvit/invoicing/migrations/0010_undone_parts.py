"""The next part of a run is found without walking over those that are done."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0009_fewer_indexes")]
    operations = [
        migrations.AddIndex(
            model_name="runpart",
            index=models.Index(
                condition=models.Q(("is_done", False)),
                fields=["tenant_id", "run", "stage", "place"],
                name="runpart_undone",
            ),
        ),
    ]
