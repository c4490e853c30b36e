"""Which invoices were corrected or taken back, and by how much, is kept: a page asks for each row.

An issued document never changes, so it stands beside them. A statement-level trigger keeps it when
a correction is issued. Its name comes after that of `corrections_fit`, which has locked the
originals by then: whoever corrects one of them beside us is counted in. `queries.problems` compares
it with the documents.
"""

import django.db.models.deletion
from django.db import migrations, models

import kvit.platform.tenancy

_KEEP = """
  INSERT INTO invoicing_corrected (tenant_id, invoice_id, tab, taken_minor, day, billed_in,
                                   customer_id, total_minor)
  SELECT o.tenant_id, o.id, CASE WHEN c.is_void THEN 'void' ELSE 'corrected' END, c.minor,
         o.issued_on, o.billed_in, o.customer_id, o.total_minor
  FROM (SELECT corrects_id, bool_or(kind = 'void') AS is_void, sum(total_minor) AS minor
        FROM invoicing_invoice WHERE {which} AND status = 'issued' GROUP BY 1) c
  JOIN invoicing_invoice o ON o.id = c.corrects_id
  ON CONFLICT (invoice_id) DO UPDATE SET tab = excluded.tab, taken_minor = excluded.taken_minor;
"""
FORWARD = f"""
CREATE FUNCTION kvit_keep_corrected() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  tenant uuid;
  originals uuid[] := ARRAY(SELECT DISTINCT corrects_id FROM came
                            WHERE status = 'issued' AND kind <> 'invoice');
BEGIN
  IF cardinality(originals) > 0 THEN
    tenant := (SELECT tenant_id FROM came LIMIT 1);
    {_KEEP.format(which="tenant_id = tenant AND corrects_id = ANY (originals)")}
  END IF;
  RETURN NULL;
END $$;
{_KEEP.format(which="corrects_id IS NOT NULL")}
CREATE TRIGGER keep_corrected_insert AFTER INSERT ON invoicing_invoice
  REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION kvit_keep_corrected();
CREATE TRIGGER keep_corrected_update AFTER UPDATE ON invoicing_invoice
  REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION kvit_keep_corrected();
"""
BACKWARD = """
DROP TRIGGER keep_corrected_insert ON invoicing_invoice;
DROP TRIGGER keep_corrected_update ON invoicing_invoice;
DROP FUNCTION kvit_keep_corrected();
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0012_day_spelt_out")]

    operations = [
        migrations.CreateModel(
            name="Corrected",
            fields=[
                (
                    "tenant_id",
                    models.UUIDField(
                        default=kvit.platform.tenancy.current_tenant_id, editable=False
                    ),
                ),
                (
                    "invoice",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="corrected",
                        serialize=False,
                        to="invoicing.invoice",
                    ),
                ),
                ("tab", models.CharField(max_length=12)),
                ("taken_minor", models.BigIntegerField()),
                ("day", models.DateField()),
                ("billed_in", models.DateField()),
                ("customer_id", models.UUIDField()),
                ("total_minor", models.BigIntegerField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["tenant_id", "tab", "day", "invoice"], name="corrected_by_day"
                    ),
                    models.Index(
                        fields=["tenant_id", "tab", "total_minor", "invoice"],
                        name="corrected_by_total",
                    ),
                    models.Index(
                        fields=["tenant_id", "tab", "billed_in", "customer_id", "invoice"],
                        name="corrected_by_period",
                    ),
                ]
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
