"""What nothing refers to needs no key of (tenant, id): it costs a fourth of a charge."""

from django.db import migrations

DROP = "ALTER TABLE {0} DROP CONSTRAINT IF EXISTS {0}_tenant_id_id_key"
MAKE = "ALTER TABLE {0} ADD UNIQUE (tenant_id, id)"
TABLES = ("rating_charge", "rating_ratedperiod")


class Migration(migrations.Migration):
    dependencies = [("rating", "0003_pools")]
    operations = [migrations.RunSQL(DROP.format(one), MAKE.format(one)) for one in TABLES]
