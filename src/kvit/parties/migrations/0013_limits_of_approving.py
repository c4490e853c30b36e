"""Limits of approving invoices stand beside those of corrections."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("parties", "0012_list_views")]

    operations = [
        migrations.AddField(
            model_name="rolelimit",
            name="act",
            field=models.CharField(db_default="correct", default="correct", max_length=8),
        ),
        migrations.RemoveConstraint(model_name="rolelimit", name="role_limit_once"),
        migrations.AddConstraint(
            model_name="rolelimit",
            constraint=models.UniqueConstraint(
                fields=["tenant_id", "role", "act", "currency"], name="role_limit_once_an_act"
            ),
        ),
        migrations.AddConstraint(
            model_name="rolelimit",
            constraint=models.CheckConstraint(
                condition=Q(act__in=("correct", "approve")), name="role_limit_act"
            ),
        ),
    ]
