"""A discount has a first day; what stands holds from the beginning, as it did."""

from datetime import date

from django.db import migrations, models
from django.db.models import Q

ALWAYS = date(1900, 1, 1)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0007_calendars_by_revision")]

    operations = [
        migrations.AddField(
            model_name="discount",
            name="effective_from",
            field=models.DateField(db_default=ALWAYS, default=ALWAYS),
        ),
        migrations.RemoveConstraint(model_name="discount", name="discount_code_unique"),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.UniqueConstraint(
                fields=["tenant_id", "code", "effective_from"],
                condition=Q(obsoleted_revision__isnull=True),
                name="discount_one_a_day",
            ),
        ),
    ]
