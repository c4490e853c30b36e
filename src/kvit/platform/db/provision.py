"""Roles, database and rights that must stand before the first migration; needs an administrator.

The same on the embedded server and on any other. Nothing here knows a table.
"""

from typing import Any

import psycopg
from psycopg import sql

from kvit.platform.db.roles import APP_ROLE, OWNER_ROLE, Access

# BYPASSRLS for the owner: under FORCE it would mark a foreign key valid over rows that it cannot
# see, and a data migration would change nothing, both in silence.
_ATTRIBUTES = {
    OWNER_ROLE: "LOGIN BYPASSRLS NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION",
    APP_ROLE: "LOGIN NOBYPASSRLS NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION",
}
_LOCK = 4_815_162_342  # two commands that provision at once take turns


def provision(admin: psycopg.Connection[Any], access: Access, *, locale: str = "C.UTF-8") -> None:
    """Make both roles, with the passwords of `access`, and its database; may be run again.

    Args:
        admin: an autocommit connection of a superuser, to any database of the server.
        access: what the application will use; its host and port are those of `admin`.
        locale: of a new database; letters must be known to it, or trigram search is blind.
    """
    admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        _make_role(admin, OWNER_ROLE, access.owner_password)
        _make_role(admin, APP_ROLE, access.app_password)
        _make_database(admin, access.database, locale)
    finally:
        admin.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    with psycopg.connect(
        host=access.host,
        port=access.port,
        dbname=access.database,
        user=admin.info.user,
        password=admin.info.password,
        autocommit=True,
    ) as inside:
        inside.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        inside.execute(f"ALTER SCHEMA public OWNER TO {OWNER_ROLE}")
        inside.execute(f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}")


def _make_role(admin: psycopg.Connection[Any], role: str, password: str) -> None:
    # Hashed here, so that the password itself is in no statement and in no log of the server.
    verifier = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    exists = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    verb = "ALTER" if exists else "CREATE"
    admin.execute(
        sql.SQL("{} ROLE {} {} PASSWORD {}").format(
            sql.SQL(verb),
            sql.Identifier(role),
            sql.SQL(_ATTRIBUTES[role]),
            sql.Literal(verifier.decode()),
        )
    )


def _make_database(admin: psycopg.Connection[Any], database: str, locale: str) -> None:
    name = sql.Identifier(database)
    if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
                name, sql.Identifier(OWNER_ROLE)
            )
            + sql.SQL(" LOCALE {}").format(sql.Literal(locale))
        )
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    # TEMP: bulk rows reach a table under row-level security through a temporary one.
    admin.execute(
        sql.SQL("GRANT CONNECT, TEMP ON DATABASE {} TO {}").format(name, sql.Identifier(APP_ROLE))
    )
