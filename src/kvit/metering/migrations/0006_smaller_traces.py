"""What is left of an event that has left the table takes two thirds of the room: one key of
sixteen bytes for its company, source, id and revision, and sixteen of the hash of what it says.

The rows are made anew: nobody has let any event leave by the former ones.
"""

from django.db import migrations, models

import kvit.platform.tenancy
from kvit.platform.db.roles import APP_ROLE

BEFORE = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM metering_releasedevent) THEN
    RAISE EXCEPTION 'events have left by the former traces: first kvit usage seal --bring-back';
  END IF;
END $$;
DROP FUNCTION metering_event_key(text, text);
"""
AFTER = """
-- One index is enough: the key has the tenant in it.
ALTER TABLE metering_releasedevent DROP CONSTRAINT metering_releasedevent_tenant_id_id_key;

CREATE FUNCTION metering_event_key(
  tenant uuid, source text, event_id text, revision integer) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT encode(substring(sha256(convert_to(
    tenant || ':' || revision || ':' || length(source) || ':' || source || event_id, 'UTF8'
  )) for 16), 'hex')::uuid
$$;

CREATE FUNCTION metering_said_key(payload_hash bytea) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT encode(substring(payload_hash for 16), 'hex')::uuid
$$;

CREATE OR REPLACE FUNCTION metering_ask_released() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE unproven bigint;
BEGIN
  SELECT count(*) INTO unproven FROM old_rows o WHERE NOT EXISTS (
    SELECT FROM metering_releasedevent e
    JOIN metering_releasedseal r ON r.tenant_id = e.tenant_id AND r.until_version = e.until_version
    JOIN metering_segment s ON s.tenant_id = e.tenant_id AND s.until_version = e.until_version
      AND s.from_version = r.from_version AND s.part = e.part AND s.is_whole
    JOIN metering_batch b ON b.tenant_id = o.tenant_id AND b.id = o.batch_id
    WHERE e.id = metering_event_key(o.tenant_id, o.source, o.event_id, o.revision)
      AND e.tenant_id = o.tenant_id AND e.number = o.id
      AND e.said = metering_said_key(o.payload_hash) AND e.place < s.rows AND NOT r.is_returning
      AND b.version > r.from_version AND b.version <= r.until_version);
  IF unproven > 0 THEN
    RAISE EXCEPTION 'DELETE on % is refused: % of its rows are not proven to be sealed',
      TG_TABLE_NAME, unproven USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION metering_ask_returned() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE missing bigint;
BEGIN
  SELECT count(*) INTO missing FROM old_rows o WHERE NOT EXISTS (
    SELECT FROM metering_usageevent e
    WHERE e.tenant_id = o.tenant_id AND e.id = o.number
      AND metering_said_key(e.payload_hash) = o.said);
  IF missing > 0 THEN
    RAISE EXCEPTION 'DELETE on % is refused: % of the events are not back',
      TG_TABLE_NAME, missing USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER unchanged BEFORE UPDATE OR TRUNCATE ON metering_releasedevent
  FOR EACH STATEMENT EXECUTE FUNCTION kvit_refuse_change();
CREATE TRIGGER returned AFTER DELETE ON metering_releasedevent
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION metering_ask_returned();
REVOKE UPDATE ON metering_releasedevent FROM {app};
""".replace("{app}", APP_ROLE)


class Migration(migrations.Migration):
    dependencies = [("metering", "0005_released")]

    operations = [
        migrations.RunSQL(BEFORE, migrations.RunSQL.noop),
        migrations.DeleteModel(name="ReleasedEvent"),
        migrations.CreateModel(
            name="ReleasedEvent",
            fields=[
                (
                    "tenant_id",
                    models.UUIDField(
                        default=kvit.platform.tenancy.current_tenant_id, editable=False
                    ),
                ),
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("said", models.UUIDField()),
                ("number", models.BigIntegerField()),
                ("until_version", models.BigIntegerField()),
                ("part", models.IntegerField()),
                ("place", models.IntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["number"], name="released_by_number")],
            },
        ),
        migrations.RunSQL(AFTER, migrations.RunSQL.noop),
    ]
