"""Statistics that keep up with rows in bulk.

Autovacuum looks once a minute. Until then a table that it saw empty, or that a dry run filled and
rolled back, has no rows for the planner: every index that begins with the tenant costs it the
same, and the check of a foreign key reads the whole tenant for every line. So whoever writes in
bulk has the table analysed when it has outgrown what is known of it.

Only the owner may analyse (before PostgreSQL 17 nobody else can be allowed to), hence the owner's
rights: the function reads no rows out and takes no text but a table's name. It never waits: where
somebody else is at it already, one look is enough.
"""

from django.db import migrations

from kvit.platform.db.roles import APP_ROLE

FORWARD = f"""
CREATE FUNCTION kvit_refresh_statistics(target regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known pg_class;
  pages bigint;
BEGIN
  SELECT * INTO known FROM pg_class WHERE oid = target
    AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace;
  IF NOT FOUND THEN RETURN; END IF;
  pages := pg_relation_size(target) / current_setting('block_size')::bigint;
  IF pages > 0 AND (known.reltuples <= 0 OR pages > 2 * known.relpages + 8) THEN
    EXECUTE format('ANALYZE (SKIP_LOCKED) %s', target);
  END IF;
END $$;
REVOKE ALL ON FUNCTION kvit_refresh_statistics(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kvit_refresh_statistics(regclass) TO {APP_ROLE};
"""
BACKWARD = "DROP FUNCTION kvit_refresh_statistics(regclass)"


class Migration(migrations.Migration):
    dependencies = [("platform", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
