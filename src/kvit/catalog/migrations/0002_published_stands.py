"""A published version may only become obsolete; what it says never changes."""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION kvit_published_stands() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  lifecycle text[] := ARRAY['status', 'obsoleted_revision'];
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.status <> 'draft' THEN
      RAISE EXCEPTION 'a published version of % is never deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
  END IF;
  IF OLD.status = 'draft' THEN
    RETURN NEW;
  END IF;
  IF to_jsonb(NEW) - lifecycle <> to_jsonb(OLD) - lifecycle
     OR NOT (OLD.status = 'published' AND NEW.status IN ('published', 'obsolete')) THEN
    RAISE EXCEPTION 'a published version of % only becomes obsolete; publish another one',
      TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
"""
TABLES = ("catalog_planversion", "catalog_priceversion")
FORWARD = FUNCTION + "".join(
    f"CREATE TRIGGER published_stands BEFORE UPDATE OR DELETE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION kvit_published_stands();"
    for table in TABLES
)
BACKWARD = (
    "".join(f"DROP TRIGGER published_stands ON {table};" for table in TABLES)
    + "DROP FUNCTION kvit_published_stands();"
)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
