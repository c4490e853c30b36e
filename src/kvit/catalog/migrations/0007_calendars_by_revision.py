"""A calendar that is stated anew leaves the old one standing for what was billed by it."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("catalog", "0006_stated_documents")]

    operations = [
        migrations.AddField(
            model_name="holidaycalendar",
            name="published_revision",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="holidaycalendar",
            name="obsoleted_revision",
            field=models.BigIntegerField(null=True),
        ),
        migrations.RemoveConstraint(model_name="holidaycalendar", name="calendar_code_unique"),
        migrations.AddConstraint(
            model_name="holidaycalendar",
            constraint=models.UniqueConstraint(
                fields=["tenant_id", "code"],
                condition=Q(obsoleted_revision__isnull=True),
                name="calendar_once_standing",
            ),
        ),
    ]
