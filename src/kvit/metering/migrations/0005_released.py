"""Events leave the table for their segments, and come back.

No row of an event is deleted without the row that knows it again, and the seal that says it; no
such row is deleted unless the event stands in the table again. The database asks that of whoever
deletes.

`metering_drop_released` runs with its owner's rights, since the application may delete no event. It
deletes of the tenant in scope alone, and what it deletes passes the same trigger.
"""

from django.db import migrations, models

import kvit.platform.ids
import kvit.platform.tenancy
from kvit.platform.db.roles import APP_ROLE

FORWARD = """
CREATE FUNCTION metering_event_key(source text, event_id text) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT encode(substring(sha256(convert_to(length(source) || ':' || source || event_id, 'UTF8'))
                          for 16), 'hex')::uuid
$$;

CREATE FUNCTION metering_ask_released() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE unproven bigint;
BEGIN
  SELECT count(*) INTO unproven FROM old_rows o WHERE NOT EXISTS (
    SELECT FROM metering_releasedevent e
    JOIN metering_releasedseal r ON r.tenant_id = e.tenant_id AND r.until_version = e.until_version
    JOIN metering_segment s ON s.tenant_id = e.tenant_id AND s.until_version = e.until_version
      AND s.from_version = r.from_version AND s.part = e.part AND s.is_whole
    JOIN metering_batch b ON b.tenant_id = o.tenant_id AND b.id = o.batch_id
    WHERE e.tenant_id = o.tenant_id AND e.id = o.id AND e.revision = o.revision
      AND e.payload_hash = o.payload_hash AND e.place < s.rows AND NOT r.is_returning
      AND b.version > r.from_version AND b.version <= r.until_version);
  IF unproven > 0 THEN
    RAISE EXCEPTION 'DELETE on % is refused: % of its rows are not proven to be sealed',
      TG_TABLE_NAME, unproven USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION metering_ask_returned() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE missing bigint;
BEGIN
  SELECT count(*) INTO missing FROM old_rows o WHERE NOT EXISTS (
    SELECT FROM metering_usageevent e
    WHERE e.tenant_id = o.tenant_id AND e.id = o.id AND e.payload_hash = o.payload_hash);
  IF missing > 0 THEN
    RAISE EXCEPTION 'DELETE on % is refused: % of the events are not back',
      TG_TABLE_NAME, missing USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION metering_drop_released(numbers bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE dropped bigint;
BEGIN
  DELETE FROM metering_usageevent e USING unnest(numbers) n
  WHERE e.id = n AND e.tenant_id = nullif(current_setting('app.tenant', true), '')::uuid;
  GET DIAGNOSTICS dropped = ROW_COUNT;
  RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION metering_drop_released(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION metering_drop_released(bigint[]) TO {app};

DROP TRIGGER append_only ON metering_usageevent;
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON metering_usageevent
  FOR EACH STATEMENT EXECUTE FUNCTION kvit_refuse_change();
CREATE TRIGGER released AFTER DELETE ON metering_usageevent
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION metering_ask_released();
CREATE TRIGGER unchanged BEFORE UPDATE OR TRUNCATE ON metering_releasedevent
  FOR EACH STATEMENT EXECUTE FUNCTION kvit_refuse_change();
CREATE TRIGGER returned AFTER DELETE ON metering_releasedevent
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION metering_ask_returned();
REVOKE UPDATE ON metering_releasedevent FROM {app};
""".replace("{app}", APP_ROLE)


class Migration(migrations.Migration):
    dependencies = [("metering", "0004_bulk_verdict")]

    operations = [
        migrations.AddField(
            model_name="segment",
            name="is_whole",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name="ReleasedEvent",
            fields=[
                (
                    "tenant_id",
                    models.UUIDField(
                        default=kvit.platform.tenancy.current_tenant_id, editable=False
                    ),
                ),
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("key", models.UUIDField()),
                ("revision", models.SmallIntegerField()),
                ("payload_hash", models.BinaryField()),
                ("until_version", models.BigIntegerField()),
                ("part", models.IntegerField()),
                ("place", models.IntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "key", "revision"), name="released_event_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReleasedSeal",
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
                ("from_version", models.BigIntegerField()),
                ("until_version", models.BigIntegerField()),
                ("rows", models.BigIntegerField()),
                ("gone", models.BigIntegerField(default=0)),
                ("is_returning", models.BooleanField(default=False)),
                ("released_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=200)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "until_version"), name="released_seal_once"
                    ),
                    models.UniqueConstraint(
                        fields=("tenant_id", "from_version"), name="released_seal_follows_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("until_version__gt", models.F("from_version"))),
                        name="released_versions_rise",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("gone__gte", 0), ("gone__lte", models.F("rows"))),
                        name="released_gone_of_rows",
                    ),
                ],
            },
        ),
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
    ]
