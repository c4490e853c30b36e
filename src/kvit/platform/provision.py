"""Roles, database, extensions: made once, the same on embedded and external PostgreSQL.

kvit_owner  owns the database and its tables, runs migrations. BYPASSRLS, because under forced
            row-level security it would validate foreign keys and dump tables half blind.
kvit_app    does everything else; owns nothing, sees only the tenant it is told.
"""

import secrets
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from kvit.platform.db.roles import APP_ROLE, OWNER_ROLE, Access
from kvit.platform.failures import Failure

OLDEST = 150000  # server_version_num of PostgreSQL 15
CHEAP_PASSWORDS = 160000  # from PostgreSQL 16 on a password need not be hashed 4096 times
EXTENSIONS = ("pg_trgm", "btree_gist")
_LOCK = 77_112_905  # one prepares at a time: roles and grants are the whole server's

WORDS = {
    "unreachable": (
        "PostgreSQL не отвечает: {reason}",
        "PostgreSQL does not answer: {reason}",
    ),
    "too_old": (
        "Нужна PostgreSQL 15 или новее, а это {version}.",
        "PostgreSQL 15 or newer is needed; this is {version}.",
    ),
    "may_not_create_roles": (
        "Пользователь {user} не может создать роль с BYPASSRLS: нужен суперпользователь.",
        "The user {user} may not create a role with BYPASSRLS: a superuser is needed.",
    ),
    "extension_missing": (
        "На сервере нет расширения {name}. В Debian: apt-get install postgresql-contrib.",
        "The server lacks the extension {name}. On Debian: apt-get install postgresql-contrib.",
    ),
}


class CannotPrepare(Failure):
    """The server cannot be made ready for Kvit."""

    words = WORDS


def prepare(
    admin: str, *, database: str, owner_password: str, app_password: str, for_tests: bool = False
) -> None:
    """Make roles, database, grants and extensions; what stands already is brought to this state.

    Args:
        admin: connection string of a superuser; its own database is left alone.
        for_tests: the owner may make databases, as test runners do; and passwords are hashed once,
            since a test connects often: its server holds nothing worth guessing them.

    Raises:
        CannotPrepare: see the words above.
    """
    try:
        with psycopg.connect(admin, autocommit=True) as server:
            _check_admin(server)
            server.execute("SELECT pg_advisory_lock(%s)", [_LOCK])  # until it is left
            if for_tests and server.info.server_version >= CHEAP_PASSWORDS:
                server.execute("SET scram_iterations = 1")
            _make_role(server, OWNER_ROLE, owner_password, "BYPASSRLS", for_tests)
            _make_role(server, APP_ROLE, app_password, "NOBYPASSRLS", False)
            _make_database(server, database)
            # Kept with the database, outside its tables: see `backup.epoch`.
            server.execute(
                sql.SQL("GRANT SET ON PARAMETER kvit.epoch TO {}").format(
                    sql.Identifier(OWNER_ROLE)
                )
            )
        with psycopg.connect(admin, dbname=database, autocommit=True) as inside:
            _make_extensions(inside)
    except psycopg.OperationalError as error:
        raise CannotPrepare("unreachable", reason=str(error).strip()) from error


def prepare_external(admin: str, *, database: str = "kvit", for_tests: bool = False) -> Access:
    """Prepare somebody else's server under fresh passwords; return how to reach it."""
    owner_password, app_password = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    prepare(
        admin,
        database=database,
        owner_password=owner_password,
        app_password=app_password,
        for_tests=for_tests,
    )
    with psycopg.connect(admin) as server:
        given = conninfo_to_dict(admin)
        options = {
            name: str(value)
            for name, value in given.items()
            if name not in ("host", "port", "user", "password", "dbname")
        }
        return Access(
            host=server.info.host,
            port=server.info.port,
            database=database,
            app_password=app_password,
            owner_password=owner_password,
            options=options,
        )


def url(access: Access, role: str) -> str:
    """Write an access as a connection URL of one role; a socket folder goes into the query."""
    password = access.owner_password if role == OWNER_ROLE else access.app_password
    options = dict(access.options)
    place = f"{access.host}:{access.port}"
    if access.host.startswith("/"):
        options |= {"host": access.host, "port": str(access.port)}
        place = ""
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{role}:{quote(password, safe='')}@{place}/{access.database}{query}"


Server = psycopg.Connection[tuple[object, ...]]


def _check_admin(server: Server) -> None:
    if server.info.server_version < OLDEST:
        raise CannotPrepare("too_old", version=server.info.parameter_status("server_version"))
    row = server.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is None or not row[0]:
        raise CannotPrepare("may_not_create_roles", user=server.info.user)


def _make_role(server: Server, name: str, password: str, bypass: str, makes: bool) -> None:
    exists = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    wish = f"LOGIN NOSUPERUSER NOCREATEROLE NOREPLICATION {bypass}"
    wish += " CREATEDB" if makes else " NOCREATEDB"
    server.execute(
        sql.SQL("{verb} ROLE {name} WITH {wish} PASSWORD {password}").format(
            verb=sql.SQL("ALTER" if exists else "CREATE"),
            name=sql.Identifier(name),
            wish=sql.SQL(wish),
            password=sql.Literal(password),
        )
    )


def _make_database(server: Server, database: str) -> None:
    names = {"database": sql.Identifier(database), "owner": sql.Identifier(OWNER_ROLE)}
    stands = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
    if not stands:
        server.execute(sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names))
    for statement in (
        "ALTER DATABASE {database} OWNER TO {owner}",
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {app}",
    ):
        text = sql.SQL(statement).format(app=sql.Identifier(APP_ROLE), **names)
        server.execute(text)


def _make_extensions(inside: Server) -> None:
    # As the owner: a restore by the owner then finds extensions of its own.
    inside.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER_ROLE)))
    for name in EXTENSIONS:
        try:
            inside.execute(
                sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name))
            )
        except (psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported) as error:
            raise CannotPrepare("extension_missing", name=name) from error
