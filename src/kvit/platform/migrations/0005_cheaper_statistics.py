"""Statistics of a growing table: of what is indexed, and when it has grown fourfold.

A table of forty columns was analysed whole each time it had doubled, a tenth of a bill run's work.
What plans of bulk writers hang on is how many rows there are and how they lie by index; the planner
takes the present size for itself, and autovacuum still looks at the whole.
"""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION kvit_refresh_statistics(target regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known pg_class;
  pages bigint;
  indexed text;
BEGIN
  SELECT * INTO known FROM pg_class WHERE oid = target
    AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace;
  IF NOT FOUND THEN RETURN; END IF;
  pages := pg_relation_size(target) / current_setting('block_size')::bigint;
  IF pages > 0 AND (known.reltuples <= 0 OR pages > 4 * known.relpages + 8) THEN
    SELECT string_agg(quote_ident(a.attname), ', ') INTO indexed FROM pg_attribute a
    WHERE a.attrelid = target AND a.attnum > 0 AND EXISTS (
      SELECT FROM pg_index i WHERE i.indrelid = target AND a.attnum = ANY (i.indkey));
    EXECUTE format('ANALYZE (SKIP_LOCKED) %s (%s)', target, indexed);
  END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("platform", "0004_fewer_indexes")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
