"""The database of the tests: a server, a migrated template, a copy for each worker.

`KVIT_TEST_DATABASE_URL` names an administrator of any PostgreSQL from 15 on; without it the
embedded server is started in a temporary folder. Tests run as the application role, as Kvit does.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kvit.platform.db import roles
from kvit.platform.db.provision import provision

SOURCE = Path(__file__).resolve().parent.parent / "src" / "kvit"
_LOCK = 77_112_904
_PASSWORD = "tests"  # noqa: S105 - of roles that live as long as a test server
# Rows that migrations wrote: a test starts with them.
_KEPT = ("django_migrations", "django_content_type", "auth_permission", "parties_role%")
_FORBID = "CREATE OR REPLACE FUNCTION kvit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS"


@contextmanager
def worker_database(admin_url: str) -> Iterator[roles.Access]:
    """Make a migrated database for this process alone; gone afterwards."""
    name = f"kvit_test_{os.getpid()}_{secrets.token_hex(3)}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        template = _template(admin, admin_url)
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(roles.OWNER_ROLE), sql.Identifier(template)
            )
        )
        provision(admin, access := _access(admin_url, name))
    _point_django_at(access)
    try:
        yield access
    finally:
        from django.db import connections

        connections.close_all()
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def owner_connection(access: roles.Access) -> psycopg.Connection[Any]:
    """Return a connection of the tables' owner, for what only migrations may do."""
    return psycopg.connect(
        host=access.host,
        port=access.port,
        dbname=access.database,
        user=roles.OWNER_ROLE,
        password=access.owner_password,
        autocommit=True,
    )


def empty_all_tables(owner: psycopg.Connection[Any]) -> None:
    """Truncate what a test committed; the guard of append-only tables is lifted for a moment.

    Only the owner can, and both changes of the guard are in one transaction with the truncation.
    """
    with owner.transaction():
        guard = owner.execute(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'kvit_refuse_change'"
        ).fetchone()
        owner.execute(f"{_FORBID} $$ BEGIN RETURN NULL; END $$")
        tables = owner.execute(
            "SELECT format('%%I', tablename) FROM pg_tables WHERE schemaname = 'public' "
            "AND NOT tablename LIKE ANY (%s)",
            [list(_KEPT)],
        ).fetchall()
        owner.execute("TRUNCATE " + ", ".join(name for (name,) in tables) + " RESTART IDENTITY")
        if guard:
            owner.execute(guard[0])


def _template(admin: psycopg.Connection[Any], admin_url: str) -> str:
    """Return a database with all migrations applied, made once for each state of the sources."""
    name = f"kvit_template_{_fingerprint()}"
    admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return name
        making = f"kvit_making_{secrets.token_hex(4)}"
        provision(admin, access := _access(admin_url, making))
        try:
            _migrate(access)
        except BaseException:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(making)))
            raise
        # The name comes last: a half-made template is never found under it.
        admin.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                sql.Identifier(making), sql.Identifier(name)
            )
        )
        return name
    finally:
        admin.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _migrate(access: roles.Access) -> None:
    from django.db import connections

    from kvit.platform.migrate import migrate_as_owner

    _point_django_at(access)
    try:
        migrate_as_owner()
    finally:
        connections.close_all()


def _point_django_at(access: roles.Access) -> None:
    from django.db import connection

    roles.use(access)
    connection.close()
    connection.settings_dict.update(roles.django_database())


def _access(admin_url: str, database: str) -> roles.Access:
    parts = conninfo_to_dict(admin_url)
    access = roles.Access(
        host=str(parts.get("host", "127.0.0.1")),
        port=int(parts.get("port") or 5432),
        database=database,
        app_password=_PASSWORD,
        owner_password=_PASSWORD,
    )
    extra = {k: str(v) for k, v in parts.items() if k.startswith("ssl")}
    return replace(access, options=extra)


def _fingerprint() -> str:
    digest = hashlib.sha256(b"1")
    files = [*SOURCE.glob("*/migrations/*.py"), *SOURCE.glob("platform/db/*.py")]
    for file in sorted(files):
        digest.update(str(file.relative_to(SOURCE)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def with_database(admin_url: str, database: str) -> str:
    """Return the administrator's address of another database on the same server."""
    return make_conninfo(admin_url, dbname=database)
