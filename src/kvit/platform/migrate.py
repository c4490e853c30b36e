"""Bring the schema up to date as the owner, then look at what stands.

`kvit.web.cli` calls `migrate_as_owner()` at each start; when nothing is to be done, the application
role sees that for itself and the owner's login is not used at all.
"""

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from kvit.platform import settings
from kvit.platform.catalogue_check import problems, session_problems
from kvit.platform.db.roles import APP_ROLE, access, as_owner
from kvit.platform.db.stamp import made_otherwise, stamp
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
    "schema_of_another_day": (
        "Базу в {place} создала невыпущенная версия Квита: таблицы в ней другие ({migration})."
        " Данные не тронуты. Уберите её и начните заново или восстановите копию, сделанную этой"
        " версией: kvit db restore.",
        "The database in {place} was made by an unreleased version of Kvit: its tables are others"
        " ({migration}). Nothing was touched. Remove it and begin anew, or restore a backup that"
        " this version made: kvit db restore.",
    ),
}


class SchemaOfAnotherDay(Failure):
    """The tables were made by migrations that say something else by now."""

    words = WORDS


class UnsafeSchema(Failure):
    """The database does not keep tenants apart; the text names each place."""

    words = WORDS


def migrate_as_owner() -> bool:
    """Apply what is missing. Returns whether anything was.

    Raises:
        SchemaOfAnotherDay: an unreleased version made the database; nothing was changed.
        UnsafeSchema: a table stands without its protection; nothing may be served.
    """
    executor = MigrationExecutor(connection)
    if changed := made_otherwise(executor.loader):
        raise SchemaOfAnotherDay("schema_of_another_day", place=_place(), migration=changed)
    is_behind = _is_behind(executor)
    if is_behind:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            cursor.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            stamp(executor.loader)
            call_command("migrate", interactive=False, verbosity=0)
            cursor.execute(_GRANT_JOBS)
    faults = problems() + session_problems()
    if faults:
        raise UnsafeSchema("unsafe_schema", faults="\n".join(faults))
    return is_behind


def _is_behind(executor: MigrationExecutor) -> bool:
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _place() -> str:
    """Where a person finds the database: its data folder, or its name on a server."""
    known = settings.load()
    return str(known.data) if known.database_url is None else str(access().database)
