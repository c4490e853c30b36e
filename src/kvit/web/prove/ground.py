"""A PostgreSQL for proofs: a migrated template with a company in it, copied for every try.

    with opened() as ground:
        with ground.copy() as access:        a database of its own, as the template stands
            ...

`KVIT_TEST_DATABASE_URL` names a superuser of any PostgreSQL from 15 on; without it an embedded
server works in a folder that is removed afterwards. The user's own data is never touched.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from kvit.platform.db import roles
from kvit.platform.db.roles import Access
from kvit.platform.provision import prepare
from kvit.web.prove.disk import Tree

PREFIX = "kvit_proof_"


@dataclass(slots=True)
class Ground:
    """A server, and the templates that were made on it."""

    admin: str  # connection string of a superuser
    access: Access
    folder: Path | None = None  # of the embedded server
    made: dict[str, str] = field(default_factory=dict)
    base: str = ""  # a migrated database of somebody else's to begin with
    stores: dict[str, Tree] = field(default_factory=dict)  # files that belong to a template

    def template(self, name: str, fill: Callable[[], None]) -> str:
        """Return a database with all migrations and what `fill` writes; made once a name."""
        if name not in self.made:
            base = self.migrated() if name else ""
            if base:
                made = f"{PREFIX}{name}_{secrets.token_hex(4)}"
                self._create(made, base)
            else:
                made = self.empty("migrated")
            with self.using(made):
                fill()
            self.made[name] = made
        return self.made[name]

    @contextmanager
    def copy(self, template: str) -> Iterator[Access]:
        """A copy of a template, reached by this process inside the block and gone after it."""
        name = f"{PREFIX}copy_{os.getpid()}_{secrets.token_hex(4)}"
        self._create(name, template)
        try:
            with self.using(name) as access:
                yield access
        finally:
            self.drop(name)

    @contextmanager
    def using(self, name: str) -> Iterator[Access]:
        """Point Django at a database inside the block."""
        before = roles.access() if _is_pointed() else None
        access = replace(self.access, database=name)
        point(access)
        try:
            yield access
        finally:
            close()
            if before is not None:
                point(before)

    def look_at(self, name: str) -> None:
        """Gather what the planner knows of a database, as autovacuum does, which is off here."""
        with self.superuser(name) as mighty:
            mighty.execute("ANALYZE")

    def superuser(self, name: str) -> psycopg.Connection[Any]:
        """Return a superuser's connection to a database: it passes by every guard."""
        return psycopg.connect(self.admin, dbname=name, autocommit=True)

    def drop(self, *names: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as admin:
            for name in names:
                gone = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                admin.execute(gone.format(sql.Identifier(name)))

    def migrated(self) -> str:
        """Return the database that templates begin with."""
        if self.base:
            return self.base
        from kvit.platform.migrate import migrate_as_owner

        return self.template("", lambda: (migrate_as_owner(), None)[1])

    def empty(self, name: str) -> str:
        """Make a database without tables; the caller drops it."""
        made = f"{PREFIX}{name}_{secrets.token_hex(4)}"
        self._prepare(made)
        return made

    def _prepare(self, name: str) -> None:
        prepare(
            self.admin,
            database=name,
            owner_password=self.access.owner_password,
            app_password=self.access.app_password,
            for_tests=True,
        )

    def _create(self, name: str, template: str) -> None:
        # By file: the checkpoint is cheap where fsync is off, and the log of a copy is not.
        words = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY")
        with psycopg.connect(self.admin, autocommit=True) as admin:
            admin.execute(words.format(*map(sql.Identifier, (name, template, roles.OWNER_ROLE))))
            for line in (
                "REVOKE ALL ON DATABASE {} FROM PUBLIC",
                "GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}",
            ):
                ids = (name, roles.APP_ROLE)[: line.count("{}")]
                admin.execute(sql.SQL(line).format(*map(sql.Identifier, ids)))


@contextmanager
def opened() -> Iterator[Ground]:
    """Start what is needed; everything that was made is gone afterwards."""
    url = os.environ.get("KVIT_TEST_DATABASE_URL")
    with _scratch() as folder:
        ground = _external(url) if url else _embedded(folder / "data")
        try:
            _set_django_up(ground.access, folder)
            yield ground
        finally:
            close()
            ground.drop(*ground.made.values())
            if not url:
                from kvit.platform.embedded import server
                from kvit.platform.embedded.folder import DataFolder

                server.stop(DataFolder(folder / "data"))


@contextmanager
def without_server() -> Iterator[None]:
    """Set Django up for a proof that starts servers of its own, and points there."""
    with _scratch() as folder:
        nowhere = Access(str(folder), 0, "", app_password="", owner_password="")
        _set_django_up(nowhere, folder)
        try:
            yield
        finally:
            close()


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder in the place of the user's data, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="kvit-proof-"))
    os.environ["KVIT_DATA"] = str(folder / "data")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def point(access: Access) -> None:
    """Let this process reach that database from now on."""
    from django.db import connection

    roles.use(access)
    connection.close()
    connection.settings_dict.update(roles.django_database())


def close() -> None:
    """Close every connection: a process forks without any."""
    from django.apps import apps

    if apps.ready:
        from django.db import connections

        connections.close_all()


def reconnect() -> object:
    """Give a forked process a connection of its own in the place of the one it shares.

    What is returned must be kept for as long as the process lives: its end would be the parent's.
    """
    from django.db import connection

    shared = connection.connection
    own = connection.get_new_connection(connection.get_connection_params())
    own.autocommit = shared.autocommit
    connection.connection = own
    connection.init_connection_state()
    return shared


def _is_pointed() -> bool:
    try:
        roles.access()
    except roles.NoDatabase:
        return False
    return True


def _embedded(root: Path) -> Ground:
    from kvit.platform.embedded import server
    from kvit.platform.embedded.folder import DataFolder

    folder = DataFolder(root)
    access = server.ensure(folder, for_tests=True)
    return Ground(server.superuser_conninfo(folder), access, root)


def _external(url: str) -> Ground:
    parts: dict[str, Any] = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    access = Access(
        host=parts.get("host", "localhost"),
        port=int(parts.get("port", "5432")),
        database="",
        app_password="tests",
        owner_password="tests",
        options={key: value for key, value in parts.items() if key.startswith("ssl")},
    )
    return Ground(url, access)


def _set_django_up(access: Access, folder: Path) -> None:
    import django

    from kvit.platform import files

    roles.use(access)
    files.use(folder / "files")
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvit.web.settings"
    django.setup()
    point(access)
