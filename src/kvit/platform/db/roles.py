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


class NoDatabase(Exception):
    """This process was not told where its database is."""


_access: Access | None = None


def use(access: Access) -> None:
    """Remember the database of this process; called once, before `django.setup()`."""
    global _access
    _access = access


def access() -> Access:
    """Return what `use` was given.

    Raises:
        NoDatabase: nothing was given.
    """
    if _access is None:
        raise NoDatabase("kvit.platform.db.roles.use() was not called")
    return _access


def django_database() -> dict[str, Any]:
    """Return the `default` entry of Django's DATABASES: the application's login.

    Without an address models can still be loaded and migrations written; to connect fails.
    """
    settings: dict[str, Any] = {"ENGINE": "kvit.platform.db"}
    if _access is None:
        settings |= {"HOST": "/no-database-was-named", "NAME": "kvit", "USER": APP_ROLE}
    else:
        settings |= {
            "HOST": _access.host,
            "PORT": str(_access.port),
            "NAME": _access.database,
            "USER": APP_ROLE,
            "PASSWORD": _access.app_password,
            "OPTIONS": dict(_access.options),
        }
    return settings


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
