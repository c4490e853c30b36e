"""An issued document is never changed: the database refuses, whoever asks.

A correction is a document of its own. Statement-level triggers with transition tables cost one
query a statement, however many rows it touches. The one about lines is planned anew each time
(for which it needs variables): a plan made for the first invoices of a session is slow for its
last.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION kvit_issued_invoice_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM gone WHERE status = 'issued') THEN
    RAISE EXCEPTION '% of an issued document is refused: correct it by another document', TG_OP
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION kvit_issued_line_stands() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  tenant uuid := (SELECT tenant_id FROM touched LIMIT 1);
  ids uuid[] := ARRAY(SELECT DISTINCT invoice_id FROM touched);
BEGIN
  IF EXISTS (SELECT FROM invoicing_invoice i
             WHERE i.tenant_id = tenant AND i.id = ANY (ids) AND i.status = 'issued') THEN
    RAISE EXCEPTION '% of a line of an issued document is refused', TG_OP
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER issued_stands_update AFTER UPDATE ON invoicing_invoice
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION kvit_issued_invoice_stands();
CREATE TRIGGER issued_stands_delete AFTER DELETE ON invoicing_invoice
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION kvit_issued_invoice_stands();
CREATE TRIGGER issued_line_insert AFTER INSERT ON invoicing_invoiceline
  REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION kvit_issued_line_stands();
CREATE TRIGGER issued_line_update AFTER UPDATE ON invoicing_invoiceline
  REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION kvit_issued_line_stands();
CREATE TRIGGER issued_line_delete AFTER DELETE ON invoicing_invoiceline
  REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION kvit_issued_line_stands();
REVOKE TRUNCATE ON invoicing_invoice, invoicing_invoiceline FROM PUBLIC;
"""
BACKWARD = """
DROP TRIGGER issued_stands_update ON invoicing_invoice;
DROP TRIGGER issued_stands_delete ON invoicing_invoice;
DROP TRIGGER issued_line_insert ON invoicing_invoiceline;
DROP TRIGGER issued_line_update ON invoicing_invoiceline;
DROP TRIGGER issued_line_delete ON invoicing_invoiceline;
DROP FUNCTION kvit_issued_invoice_stands();
DROP FUNCTION kvit_issued_line_stands();
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
