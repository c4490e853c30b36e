"""Totals of documents that are kept: how many there are and their sums, by day, period and tab.

Statement-level triggers add rows and change none (ADR 14): plus for what came, minus for what is
gone. When a correction is issued, its original moves to another tab: minus there, plus here.
`queries.problems` compares them with the documents.
"""

from django.db import migrations, models

import kvit.platform.tenancy

_KEEP = """
  INSERT INTO invoicing_tally (tenant_id, seller_id, currency, kind, tab, waits_for, billed_in,
                               day, documents, net_minor, total_minor)
  SELECT tenant_id, seller_id, currency, kind,
         CASE WHEN status = 'draft' THEN 'drafts' WHEN corrects_id IS NOT NULL THEN 'corrections'
              ELSE 'issued' END,
         waits_for, billed_in, coalesce(issued_on, '9999-12-31'), sum(n), sum(n * net_minor),
         sum(n * total_minor)
  FROM ({changed}) c GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
  HAVING sum(n) <> 0 OR sum(n * net_minor) <> 0 OR sum(n * total_minor) <> 0;
"""
_CAME = "SELECT 1 AS n, came.* FROM came"
_GONE = "SELECT -1 AS n, gone.* FROM gone"
# What is corrected moves from one tab to another, by what corrected it before and what does now.
_MOVE = """
  INSERT INTO invoicing_tally (tenant_id, seller_id, currency, kind, tab, waits_for, billed_in,
                               day, documents, net_minor, total_minor)
  SELECT o.tenant_id, o.seller_id, o.currency, o.kind, t.tab, o.waits_for, o.billed_in,
         o.issued_on, t.n, t.n * o.net_minor, t.n * o.total_minor
  FROM (SELECT corrects_id, bool_or(is_old AND kind = 'void') AS was_void,
               bool_or(is_old) AS was_corrected, bool_or(kind = 'void') AS is_void
        FROM ({corrections}) c GROUP BY 1) m
  JOIN invoicing_invoice o ON o.id = m.corrects_id
  CROSS JOIN LATERAL (VALUES
    (-1, CASE WHEN was_void THEN 'void' WHEN was_corrected THEN 'corrected' ELSE 'issued' END),
    (1, CASE WHEN is_void THEN 'void' ELSE 'corrected' END)) AS t (n, tab);
"""
# An issued correction stands for ever: each that came as issued is new.
_CORRECTIONS = """
  SELECT c.corrects_id, c.kind, NOT EXISTS (SELECT FROM came WHERE came.id = c.id) AS is_old
  FROM invoicing_invoice c
  WHERE c.tenant_id = tenant AND c.corrects_id = ANY (originals) AND c.status = 'issued'"""
_STANDING = """
  SELECT corrects_id, kind, false AS is_old FROM invoicing_invoice
  WHERE corrects_id IS NOT NULL AND status = 'issued'"""
_ORIGINALS = "SELECT DISTINCT corrects_id FROM came WHERE status = 'issued' AND kind <> 'invoice'"
FORWARD = f"""
CREATE FUNCTION kvit_tally_documents() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  tenant uuid;
  originals uuid[];
BEGIN
  CASE TG_OP
  WHEN 'INSERT' THEN {_KEEP.format(changed=_CAME)}
  WHEN 'UPDATE' THEN {_KEEP.format(changed=f"{_CAME} UNION ALL {_GONE}")}
  WHEN 'DELETE' THEN {_KEEP.format(changed=_GONE)}
  END CASE;
  IF TG_OP <> 'DELETE' THEN
    originals := ARRAY({_ORIGINALS});
    IF cardinality(originals) > 0 THEN
      tenant := (SELECT tenant_id FROM came LIMIT 1);
      {_MOVE.format(corrections=_CORRECTIONS)}
    END IF;
  END IF;
  RETURN NULL;
END $$;
{_KEEP.format(changed="SELECT 1 AS n, i.* FROM invoicing_invoice i")}
{_MOVE.format(corrections=_STANDING)}
CREATE TRIGGER tally_insert AFTER INSERT ON invoicing_invoice
  REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION kvit_tally_documents();
CREATE TRIGGER tally_update AFTER UPDATE ON invoicing_invoice
  REFERENCING OLD TABLE AS gone NEW TABLE AS came
  FOR EACH STATEMENT EXECUTE FUNCTION kvit_tally_documents();
CREATE TRIGGER tally_delete AFTER DELETE ON invoicing_invoice
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION kvit_tally_documents();
"""
BACKWARD = """
DROP TRIGGER tally_insert ON invoicing_invoice;
DROP TRIGGER tally_update ON invoicing_invoice;
DROP TRIGGER tally_delete ON invoicing_invoice;
DROP FUNCTION kvit_tally_documents();
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0007_shared_runs")]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "tenant_id",
                    models.UUIDField(
                        default=kvit.platform.tenancy.current_tenant_id, editable=False
                    ),
                ),
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("seller_id", models.UUIDField()),
                ("currency", models.CharField(max_length=3)),
                ("kind", models.CharField(max_length=12)),
                ("tab", models.CharField(max_length=12)),
                ("waits_for", models.CharField(blank=True, max_length=20)),
                ("billed_in", models.DateField()),
                ("day", models.DateField()),
                ("documents", models.BigIntegerField()),
                ("net_minor", models.BigIntegerField()),
                ("total_minor", models.BigIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "billed_in"], name="tally_period")]
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
