"""Bring the schema up to date as the owner, then look at what stands.

`kvit.web.cli` calls `migrate_as_owner()` at each start; when nothing is to be done, the application
role sees that for itself and the owner's login is not used at all.
"""

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from kvit.platform.catalogue_check import problems, session_problems
from kvit.platform.db.roles import APP_ROLE, as_owner
from kvit.platform.failures import Failure

_LOCK = 2_303_168_512  # two commands that migrate at once take turns
_LOCK_TIMEOUT = "15s"  # a migration gives up rather than queue all work behind itself

# Tables and sequences of procrastinate's own migrations, which our schema editor never sees.
_GRANT_JOBS = f"""
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables
              WHERE schemaname = 'public' AND tablename LIKE 'procrastinate\\_%' LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO {APP_ROLE}', name);
  END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {APP_ROLE};
"""


WORDS = {
    "unsafe_schema": (
        "База не разделяет арендаторов как должна, работать с ней нельзя:\n{faults}",
        "The database does not keep tenants apart as it must; it cannot be used:\n{faults}",
    ),
}


class UnsafeSchema(Failure):
    """The database does not keep tenants apart; the text names each place."""

    words = WORDS


def migrate_as_owner() -> bool:
    """Apply what is missing. Returns whether anything was.

    Raises:
        UnsafeSchema: a table stands without its protection; nothing may be served.
    """
    is_behind = _is_behind()
    if is_behind:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            cursor.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            call_command("migrate", interactive=False, verbosity=0)
            cursor.execute(_GRANT_JOBS)
    faults = problems() + session_problems()
    if faults:
        raise UnsafeSchema("unsafe_schema", faults="\n".join(faults))
    return is_behind


def _is_behind() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
