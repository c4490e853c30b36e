"""A seller may want another person's approval of every document."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("parties", "0006_rights")]
    operations = [
        migrations.AddField(
            model_name="seller",
            name="four_eyes",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
