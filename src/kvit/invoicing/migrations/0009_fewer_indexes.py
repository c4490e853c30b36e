"""Half the indexes of a line served nobody: they began like another one, or held nothing but nulls.

Lines are found by (tenant, document, place), corrections by what they correct where they do.
"""

import django.db.models.deletion
from django.db import migrations, models

DROP = "ALTER TABLE invoicing_invoiceline DROP CONSTRAINT IF EXISTS {}"
MAKE = "ALTER TABLE invoicing_invoiceline ADD UNIQUE (tenant_id, id)"


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0008_tallies")]
    operations = [
        migrations.RunSQL(DROP.format("invoicing_invoiceline_tenant_id_id_key"), MAKE),
        migrations.AlterField(
            model_name="invoiceline",
            name="invoice",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="invoicing.invoice",
            ),
        ),
        migrations.AlterField(
            model_name="invoice",
            name="corrects",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="invoicing.invoice",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("corrects__isnull", False)),
                fields=["tenant_id", "corrects"],
                name="invoice_corrects",
            ),
        ),
        migrations.RemoveIndex(model_name="invoiceline", name="line_corrects"),
        migrations.AddIndex(
            model_name="invoiceline",
            index=models.Index(
                condition=models.Q(("corrects_line_id__isnull", False)),
                fields=["tenant_id", "corrects_line_id"],
                name="line_corrected",
            ),
        ),
    ]
