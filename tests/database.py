"""The database of the tests: a server, a migrated template, a copy for each worker.

`KVIT_TEST_DATABASE_URL` names a superuser of any PostgreSQL from 15 on; without it the embedded
server works in `.kvit/tests`, shared by all workers, and goes away by itself a minute later. Tests
run as the application role, as Kvit does.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from kvit.platform.db import roles
from kvit.platform.provision import prepare

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "kvit"
_LOCK = 77_112_904
_TEMPLATE = "kvit_template_"
# Rows that migrations wrote: a test starts with them.
_KEPT = ("django_migrations", "django_content_type", "auth_permission", "parties_role%")
# Tables with a page of rows, and those that refer to them: they are truncated together.
_WRITTEN = """
    WITH RECURSIVE written AS (
        SELECT oid FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND NOT relname LIKE ANY (%s) AND pg_relation_size(oid) > 0
        UNION
        SELECT conrelid FROM pg_constraint JOIN written ON confrelid = written.oid
        WHERE contype = 'f'
    )
    SELECT oid::regclass::text FROM written
"""
_FORBID = "CREATE OR REPLACE FUNCTION kvit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS"


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the tests; databases on it are reached like `access`, under other names."""

    admin: str  # connection string of a superuser
    access: roles.Access


def server() -> Server:
    """Return the server that the environment names, or start the embedded one."""
    if url := os.environ.get("KVIT_TEST_DATABASE_URL"):
        parts = {key: str(value) for key, value in conninfo_to_dict(url).items()}
        access = roles.Access(
            host=parts.get("host", "localhost"),
            port=int(parts.get("port", "5432")),
            database="",
            app_password="tests",
            owner_password="tests",
            options={key: value for key, value in parts.items() if key.startswith("ssl")},
        )
        return Server(url, access)
    from kvit.platform.embedded import server as embedded
    from kvit.platform.embedded.folder import DataFolder

    folder = DataFolder(ROOT / ".kvit" / "tests")
    access = embedded.ensure(folder, for_tests=True)
    return Server(embedded.superuser_conninfo(folder), access)


@contextmanager
def worker_database(where: Server) -> Iterator[roles.Access]:
    """Make a migrated database for this process alone; gone afterwards."""
    name = f"kvit_test_{os.getpid()}_{secrets.token_hex(3)}"
    with psycopg.connect(where.admin, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])  # roles are the whole server's
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(_template(admin, where))
            )
        )
        access = _prepared(where, name)
    _point_django_at(access)
    try:
        yield access
    finally:
        from django.db import connections

        connections.close_all()
        with psycopg.connect(where.admin, autocommit=True) as admin:
            _drop(admin, name)


def migrated(where: Server) -> str:
    """Return a database that copies are made of: migrated, empty, nobody is connected to it."""
    with psycopg.connect(where.admin, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        return _template(admin, where)


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
    A table that takes no room has had no row: to truncate those too would be nine tenths of it.
    """
    with owner.transaction():
        guard = owner.execute(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'kvit_refuse_change'"
        ).fetchone()
        owner.execute(f"{_FORBID} $$ BEGIN RETURN NULL; END $$")
        tables = owner.execute(_WRITTEN, [list(_KEPT)]).fetchall()
        if tables:
            names = ", ".join(name for (name,) in tables)
            owner.execute(f"TRUNCATE {names} RESTART IDENTITY")
        assert guard is not None
        owner.execute(guard[0])


def _template(admin: psycopg.Connection[Any], where: Server) -> str:
    """Return a database with all migrations applied, made once for each state of the sources."""
    name = f"{_TEMPLATE}{_fingerprint()}"
    if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        return name
    making = f"kvit_making_{secrets.token_hex(4)}"
    try:
        _migrate(_prepared(where, making))
    except BaseException:
        _drop(admin, making)
        raise
    # The name comes last: a half-made template is never found under it.
    admin.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
            sql.Identifier(making), sql.Identifier(name)
        )
    )
    for (old,) in admin.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND datname <> %s",
        [_TEMPLATE, name],
    ).fetchall():
        _drop(admin, old)
    return name


def _prepared(where: Server, name: str) -> roles.Access:
    access = replace(where.access, database=name)
    prepare(
        where.admin,
        database=name,
        owner_password=access.owner_password,
        app_password=access.app_password,
    )
    return access


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


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


def _fingerprint() -> str:
    digest = hashlib.sha256()
    files = [*SOURCE.glob("*/migrations/*.py"), *SOURCE.glob("platform/db/*.py")]
    for file in sorted(files):
        digest.update(str(file.relative_to(SOURCE)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]
