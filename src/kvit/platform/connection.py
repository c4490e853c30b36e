"""Where this process finds its database: the embedded one, or the one in DATABASE_URL."""

import psycopg
from psycopg.conninfo import conninfo_to_dict

from kvit.platform import durability
from kvit.platform.db.roles import APP_ROLE, OWNER_ROLE, Access
from kvit.platform.embedded import server
from kvit.platform.embedded.folder import DataFolder
from kvit.platform.failures import Failure
from kvit.platform.provision import EXTENSIONS, OLDEST
from kvit.platform.settings import Settings

INIT = "kvit db init --admin-url postgresql://postgres@…"

WORDS = {
    "wrong_role": (
        "{name}: вход под ролью {user}, а нужна {wanted}. Роли и базу создаёт {init}.",
        "{name} logs in as {user}; it has to be {wanted}. Roles and database are made by {init}.",
    ),
    "bad_url": ("{name}: это не адрес PostgreSQL.", "{name} is no address of PostgreSQL."),
    "owner_url_missing": (
        "Кроме DATABASE_URL нужна KVIT_OWNER_DATABASE_URL: та же база под ролью {wanted}.",
        "Beside DATABASE_URL, KVIT_OWNER_DATABASE_URL is needed: the same database as {wanted}.",
    ),
    "two_databases": (
        "DATABASE_URL и KVIT_OWNER_DATABASE_URL указывают на разные базы.",
        "DATABASE_URL and KVIT_OWNER_DATABASE_URL name different databases.",
    ),
    "unreachable": (
        "База из {name} недоступна: {reason}",
        "The database of {name} cannot be reached: {reason}",
    ),
    "too_old": (
        "Нужна PostgreSQL 15 или новее, а это {version}.",
        "PostgreSQL 15 or newer is needed; this is {version}.",
    ),
    "too_mighty": (
        "Роль {user} обходит защиту арендаторов ({why}). Создайте роли командой {init}.",
        "The role {user} passes by the protection of tenants ({why}). Make roles by {init}.",
    ),
    "extension_missing": (
        "В базе нет расширения {name}. Его добавит {init}.",
        "The database lacks the extension {name}. It is added by {init}.",
    ),
}


class DatabaseUnusable(Failure):
    """DATABASE_URL names something that Kvit cannot work with."""

    words = WORDS


def ensure(settings: Settings, *, report: server.Report = server.silent) -> Access:
    """Return how to reach a running, checked database; starts the embedded one where it is used.

    Raises:
        DatabaseUnusable: see the words above.
        Failure: from the embedded server.
        UnsafeDurability: what was committed would not be safe.
    """
    if settings.database_url is None:
        return server.ensure(
            DataFolder(settings.data),
            linger_s=settings.linger_s,
            for_tests=settings.durability == "test",
            report=report,
        )
    access = external(settings)
    _check(access, for_tests=settings.durability == "test")
    return access


def external(settings: Settings) -> Access:
    """Read the access from DATABASE_URL and its owner's sister; looks at nothing outside.

    Raises:
        DatabaseUnusable: an address is missing, unreadable or of another role.
    """
    app = _parts("DATABASE_URL", settings, APP_ROLE)
    if settings.owner_database_url is None:
        raise DatabaseUnusable("owner_url_missing", wanted=OWNER_ROLE)
    owner = _parts("KVIT_OWNER_DATABASE_URL", settings, OWNER_ROLE)
    if any(app.get(key) != owner.get(key) for key in ("host", "port", "dbname")):
        raise DatabaseUnusable("two_databases")
    known = ("host", "port", "dbname", "user", "password")
    return Access(
        host=app.get("host", "localhost"),
        port=int(app.get("port", "5432")),
        database=app.get("dbname", APP_ROLE),
        app_password=app.get("password", ""),
        owner_password=owner.get("password", ""),
        options={key: value for key, value in app.items() if key not in known},
    )


def conninfo(access: Access, role: str) -> str:
    """Write an access as a connection string for psycopg and the client programs."""
    password = access.owner_password if role == OWNER_ROLE else access.app_password
    return psycopg.conninfo.make_conninfo(
        host=access.host,
        port=access.port,
        dbname=access.database,
        user=role,
        password=password or None,  # none: libpq looks into ~/.pgpass
        **dict(access.options),
    )


def _parts(name: str, settings: Settings, role: str) -> dict[str, str]:
    secret = settings.database_url if role == APP_ROLE else settings.owner_database_url
    try:
        parts = conninfo_to_dict(secret.get_secret_value() if secret else "")
    except psycopg.ProgrammingError:
        raise DatabaseUnusable("bad_url", name=name) from None
    if parts.get("user") != role:
        raise DatabaseUnusable(
            "wrong_role", name=name, user=parts.get("user", "?"), wanted=role, init=INIT
        )
    return {key: str(value) for key, value in parts.items()}


def _check(access: Access, *, for_tests: bool) -> None:
    try:
        psycopg.connect(conninfo(access, OWNER_ROLE), connect_timeout=10).close()
        with psycopg.connect(conninfo(access, APP_ROLE), connect_timeout=10) as connection:
            _check_server(connection)
            if not for_tests:
                durability.check(durability.read(connection))
    except psycopg.OperationalError as error:
        raise DatabaseUnusable(
            "unreachable", name="DATABASE_URL", reason=str(error).strip()
        ) from error


def _check_server(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    version = connection.info.parameter_status("server_version")
    if connection.info.server_version < OLDEST:
        raise DatabaseUnusable("too_old", version=version)
    rights = connection.execute(
        "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    for has, why in zip(rights or (), ("SUPERUSER", "BYPASSRLS"), strict=False):
        if has:
            raise DatabaseUnusable("too_mighty", user=APP_ROLE, why=why, init=INIT)
    found = connection.execute("SELECT extname FROM pg_extension").fetchall()
    for name in EXTENSIONS:
        if (name,) not in found:
            raise DatabaseUnusable("extension_missing", name=name, init=INIT)
