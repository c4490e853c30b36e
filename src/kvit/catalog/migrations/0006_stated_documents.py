"""Coupons have a first day; publications keep what was stated of objects without versions."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_prices_end")]
    operations = [
        migrations.AddField(
            model_name="coupon",
            name="starts_on",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="publication",
            name="documents",
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name="publication",
            name="effective_from",
            field=models.DateField(null=True),
        ),
    ]
