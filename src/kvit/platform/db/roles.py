"""How this process reaches the database, and as whom.

Start-up calls `use(Access(...))` before `django.setup()`; the settings ask `django_database()` for
the application's login. Everything runs as `kvit_app`, which owns nothing; only migrations
run as `kvit_owner`, inside `as_owner()`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

OWNER_ROLE = "kvit_owner"
APP_ROLE = "kvit_app"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the database is, and the passwords of its two roles."""

    host: str  # a name, or the folder of a unix socket
    port: int
    database: str
    app_password: str = field(repr=False)
    owner_password: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict)  # libpq's, such as sslmode


# A server that accepts and says nothing, or whose machine is gone, is an error within half a minute
# and not a thread that waits for ever (libpq; what DATABASE_URL says of them wins).
_WITHOUT_WAITING = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}


class NoDatabase(Exception):
    """This process was not told where its database is."""


_told: list[Access] = []


def use(access: Access) -> None:
    """Remember the database of this process; called once, before `django.setup()`."""
    _told[:] = [access]


def access() -> Access:
    """Return what `use` was given.

    Raises:
        NoDatabase: nothing was given.
    """
    if not _told:
        raise NoDatabase("kvit.platform.db.roles.use() was not called")
    return _told[0]


def django_database() -> dict[str, Any]:
    """Return the `default` entry of Django's DATABASES: the application's login.

    Without an address models can still be loaded and migrations written; to connect fails.
    """
    settings: dict[str, Any] = {
        "ENGINE": "kvit.platform.db",
        # A web thread keeps its connection between requests, and looks whether it still stands.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
    if not _told:
        return settings | {"HOST": "/no-database-was-named", "NAME": "kvit", "USER": APP_ROLE}
    here = access()
    return settings | {
        "HOST": here.host,
        "PORT": str(here.port),
        "NAME": here.database,
        "USER": APP_ROLE,
        "PASSWORD": here.app_password,
        "OPTIONS": _WITHOUT_WAITING | dict(here.options),
    }


@contextmanager
def as_owner() -> Iterator[None]:
    """Run a block as `kvit_owner`, over a connection of its own; for migrations alone."""
    from django.db import connection

    before = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD")}

    def switch(login: Mapping[str, Any]) -> None:
        connection.close()
        connection.close_pool()  # a pool is kept by alias and remembers its user
        connection.settings_dict.update(login)

    switch({"USER": OWNER_ROLE, "PASSWORD": access().owner_password})
    try:
        yield
    finally:
        switch(before)
