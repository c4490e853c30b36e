"""The few segments and currencies of many customers, read off an index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("parties", "0010_role_limits")]

    operations = [
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(
                fields=["tenant_id", name],
                name=f"customer_by_{name}",
                condition=~models.Q(**{name: ""}),
            ),
        )
        for name in ("segment", "currency")
    ]
