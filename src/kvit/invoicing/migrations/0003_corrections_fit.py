"""Corrections never exceed what they correct, whoever writes them; refused charges are kept.

A running total beside every invoice, with a CHECK, would hold against races by its own row lock,
but what is written past it is not counted. A deferred constraint trigger sums what is there, but
at commit, row by row, when it is too late for a kind word. So: a statement trigger at the moment
of issue locks the originals, sums their families (each query of the function has a snapshot of
its own, so the sum sees what was committed while the lock was waited for) and refuses there and
then. A statement that issues no correction pays one look.

Left of a family, per line and in total, is between nothing and the original; after a void it is
nothing. A correction is of an issued invoice, of the same customer, seller and currency.
"""

from django.db import migrations, models

import kvit.platform.ids
import kvit.platform.tenancy

FORWARD = """
CREATE FUNCTION kvit_corrections_fit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  touched uuid[];
  bad text;
BEGIN
  SELECT array_agg(DISTINCT corrects_id) INTO touched
  FROM fresh WHERE status = 'issued' AND corrects_id IS NOT NULL;
  IF touched IS NULL THEN RETURN NULL; END IF;

  -- Whoever corrects one of these beside us waits here, and then sums what we leave.
  PERFORM FROM invoicing_invoice o
  WHERE o.tenant_id = (SELECT tenant_id FROM fresh LIMIT 1) AND o.id = ANY (touched)
  ORDER BY o.id FOR NO KEY UPDATE;

  SELECT format('%s is no issued invoice of the same customer, seller and currency', o.id)
  INTO bad
  FROM fresh c JOIN invoicing_invoice o ON o.tenant_id = c.tenant_id AND o.id = c.corrects_id
  WHERE c.status = 'issued' AND (o.kind <> 'invoice' OR o.status <> 'issued'
    OR o.customer_id <> c.customer_id OR o.seller_id <> c.seller_id OR o.currency <> c.currency)
  LIMIT 1;

  IF bad IS NULL THEN
    SELECT format('%s of %s is left of invoice %s', f.rest, f.total, f.id) INTO bad
    FROM (SELECT o.id, o.total_minor AS total, o.total_minor + sum(c.total_minor) AS rest,
                 bool_or(c.kind = 'void') AS void
          FROM invoicing_invoice o
          JOIN invoicing_invoice c ON c.tenant_id = o.tenant_id AND c.corrects_id = o.id
          WHERE o.tenant_id = (SELECT tenant_id FROM fresh LIMIT 1) AND o.id = ANY (touched)
            AND c.status = 'issued'
          GROUP BY o.id) f
    WHERE (f.total >= 0 AND f.rest < 0) OR (f.total < 0 AND f.rest > 0)
      OR (f.void AND f.rest <> 0) LIMIT 1;
  END IF;

  IF bad IS NULL THEN
    SELECT format('%s of %s is left of line %s', f.rest, f.total, f.id) INTO bad
    FROM (SELECT l.id, l.total_minor AS total, l.total_minor + sum(k.total_minor) AS rest,
                 bool_or(c.kind = 'void') AS void, bool_or(l.invoice_id <> c.corrects_id) AS alien
          FROM invoicing_invoice c
          JOIN invoicing_invoiceline k ON k.tenant_id = c.tenant_id AND k.invoice_id = c.id
          JOIN invoicing_invoiceline l ON l.tenant_id = k.tenant_id AND l.id = k.corrects_line_id
          WHERE c.tenant_id = (SELECT tenant_id FROM fresh LIMIT 1)
            AND c.corrects_id = ANY (touched) AND c.status = 'issued'
          GROUP BY l.id) f
    WHERE (f.total >= 0 AND f.rest < 0) OR (f.total < 0 AND f.rest > 0)
      OR (f.void AND f.rest <> 0) OR f.alien LIMIT 1;
  END IF;

  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'corrections exceed their invoice: %', bad
      USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_corrections_fit';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER corrections_fit_insert AFTER INSERT ON invoicing_invoice
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION kvit_corrections_fit();
CREATE TRIGGER corrections_fit_update AFTER UPDATE ON invoicing_invoice
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION kvit_corrections_fit();
"""
BACKWARD = """
DROP TRIGGER corrections_fit_insert ON invoicing_invoice;
DROP TRIGGER corrections_fit_update ON invoicing_invoice;
DROP FUNCTION kvit_corrections_fit();
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0002_issued_stands")]
    operations = [
        migrations.CreateModel(
            name="FreedCharge",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kvit.platform.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "tenant_id",
                    models.UUIDField(
                        default=kvit.platform.tenancy.current_tenant_id, editable=False
                    ),
                ),
                ("charge_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("subscription_id", models.UUIDField()),
                ("period_start", models.DateField()),
                ("billed_in", models.DateField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "customer_id"], name="freedcharge_payer")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "charge_id"), name="freedcharge_once"
                    )
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
