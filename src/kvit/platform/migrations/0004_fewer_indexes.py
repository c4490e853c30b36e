"""Nothing refers to a fact: its own key is enough."""

from django.db import migrations

DROP = "ALTER TABLE {0} DROP CONSTRAINT IF EXISTS {0}_tenant_id_id_key"
MAKE = "ALTER TABLE {0} ADD UNIQUE (tenant_id, id)"


class Migration(migrations.Migration):
    dependencies = [("platform", "0003_limits")]
    operations = [
        migrations.RunSQL(DROP.format("platform_eventlog"), MAKE.format("platform_eventlog"))
    ]
